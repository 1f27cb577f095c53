"""What can be wrong with people, and with what shows that it is them."""

from tests.integration.audited_books import Plant

_PERSON = (
    "UPDATE account SET personal = true WHERE id = '{ada}';"
    "INSERT INTO phone_ref VALUES (sha256('phone'), '{ada}', 1);"
    "INSERT INTO identity_ref VALUES (sha256('number'), '{ada}', 1);"
    "INSERT INTO person (account_id, phone, login_password, payment_key_id, session_epoch, level, channels, document, "
    "real_name, number, number_hash, created_at, updated_at, version) "
    "VALUES ('{ada}', 'x', '', '', 0, 1, '1', 1, 'x', 'x', sha256('number'), now(), now(), 1);"
)
_APPROVAL = (
    "INSERT INTO challenge (id, purpose, factor, account_id, device_id, subject, currency, amount_minor, binding, code_key_id, "
    "tries, answered_at, created_at, expires_at, version) "
    "VALUES ('{nobody}', 5, 1, '{ada}', '', '', '', 0, sha256('x'), '', 0, now(), now(), now(), 1);"
    "INSERT INTO approval (id, purpose, factor, account_id, device_id, binding, created_at, expires_at, version) "
    "VALUES ('{nobody}', 5, 1, '{ada}', '', sha256('x'), now(), now(), 1);"
)
_CARD = (
    "INSERT INTO instrument VALUES ('{nobody}', '{ada}', 'x', '622202', '4567', '0', now(), NULL, 1);"
    "INSERT INTO instrument_ref VALUES (sha256('card'), '{nobody}', 1);"
)

PEOPLE_PLANTS = [
    Plant(
        "account_has_person",
        "UPDATE account SET personal = true WHERE id = '{ada}'",
        "account {ada} is personal and has no person",
    ),
    Plant(
        "account_has_person",
        _PERSON + "UPDATE account SET personal = false WHERE id = '{ada}'",
        "account {ada} has a person and is not personal",
    ),
    Plant(
        "person_has_phone_ref",
        _PERSON + "UPDATE phone_ref SET account_id = NULL",
        "person {ada} has a phone number, which leads to nobody",
    ),
    Plant(
        "phone_ref_has_person",
        "INSERT INTO phone_ref VALUES (sha256('phone'), '{nobody}', 1)",
        "a phone number leads to person {nobody}, who is missing or erased",
    ),
    Plant(
        "phone_ref_has_person",
        _PERSON + "UPDATE person SET phone = NULL",
        "a phone number leads to person {ada}, who is missing or erased",
    ),
    Plant(
        "person_has_identity_ref",
        _PERSON + "UPDATE identity_ref SET account_ids = '{bob}'",
        "person {ada} was verified by a document that does not lead to them",
    ),
    Plant(
        "person_has_identity_ref",
        _PERSON + "UPDATE identity_ref SET account_ids = account_ids || repeat(' {bob}', 6)",
        "person {ada} was verified by a document that verifies 7 accounts",
    ),
    Plant(
        "approval_has_challenge",
        _APPROVAL + "UPDATE challenge SET answered_at = NULL",
        "approval {nobody} is not what a challenge was answered with",
    ),
    Plant(
        "approval_has_challenge",
        _APPROVAL + "UPDATE approval SET account_id = '{bob}'",
        "approval {nobody} is not what a challenge was answered with",
    ),
    Plant(
        "approval_has_challenge",
        _APPROVAL + "UPDATE approval SET binding = sha256('y')",
        "approval {nobody} is not what a challenge was answered with",
    ),
    Plant(
        "instrument_has_ref",
        _CARD + "DELETE FROM instrument_ref",
        "instrument {nobody} is bound, and no number leads to it",
    ),
    Plant(
        "instrument_ref_has_instrument",
        _CARD + "DELETE FROM instrument WHERE id = '{nobody}'",
        "a card number leads to instrument {nobody}, which is missing",
    ),
]
