"""What can be wrong with events and with what is on its way to webhook endpoints."""

from tests.integration.audited_books import Plant

_EVENT = (
    "INSERT INTO event VALUES (1, '{nobody}', 'payment.paid', '{paid}', 2, '{paid}', '{shop}', '{ada}', '', now(), now(), '');"
    "UPDATE event_log SET last_position = 1;"
)
_ENDPOINT = (
    "INSERT INTO webhook_endpoint "
    "VALUES ('{nobody}', '{shop}', 'http://x', '*', '', false, 1, 0, 'x', NULL, NULL, now(), now(), now(), 1);"
)
_DELIVERY = (
    "INSERT INTO delivery "
    "VALUES ('{nobody}', '{nobody}', '{nobody}', 1, 'payment.paid', '{paid}', 1, 0, 0, now(), now(), NULL, 1);"
)
_WRONG = "delivery {nobody} is of no event that its endpoint may know of"

EVENT_PLANTS = [
    Plant(
        "event_has_no_gap",
        "UPDATE event_log SET last_position = 2",
        "events are kept from position 1 to 2, and 0 of them are there",
    ),
    Plant(
        "event_has_no_gap",
        _EVENT + "UPDATE event SET position = 2; UPDATE event_log SET last_position = 1",
        "events are kept from position 1 to 1, and 1 of them are there",
    ),
    Plant(
        "event_is_told_once",
        "INSERT INTO event "
        "SELECT 1, id, topic, subject_id, subject_version, ordering_id, NULL, NULL, payload, now(), now(), '' "
        "FROM outbox WHERE id = '{event}'; UPDATE event_log SET last_position = 1",
        "event {event} is told 2 times",
    ),
    Plant("delivery_matches_event", _EVENT + _DELIVERY, _WRONG),
    Plant("delivery_matches_event", _ENDPOINT + _DELIVERY, _WRONG),
    Plant("delivery_matches_event", _EVENT + _ENDPOINT + _DELIVERY + "UPDATE delivery SET topic = 'payment.created'", _WRONG),
    Plant(
        "delivery_matches_event",
        _EVENT + _ENDPOINT + _DELIVERY + "UPDATE webhook_endpoint SET account_id = '{cleo}'",
        _WRONG,
    ),
    Plant(
        "webhook_endpoint_has_account",
        _ENDPOINT + "UPDATE webhook_endpoint SET account_id = '{nobody}'",
        "webhook endpoint {nobody} belongs to account {nobody}, which is missing",
    ),
]
