"""Breaches of what is true of payouts; part of those in `breaches.py`."""

from tests.integration.audited_books import Plant

PAYOUT_PLANTS = [
    Plant(
        "payout_matches_funding",
        "UPDATE payout SET funding_id = '{nobody}' WHERE id = '{payout}'",
        "payout {payout} is no withdrawal of ",
        ("payout_matches_entries",),
    ),
    Plant(
        "payout_matches_funding",
        "UPDATE payout SET state = 2 WHERE id = '{refused_payout}'",
        "payout {refused_payout} is no withdrawal of ",
    ),
    Plant(
        "payout_matches_funding",
        "UPDATE payout SET state = 3 WHERE id = '{payout}'",
        "payout {payout} is no withdrawal of 900 EUR that ended as it did",
    ),
    Plant(
        "payout_matches_entries",
        "UPDATE payout SET carried_minor = 1 WHERE id = '{payout}'",
        "payout {payout} is not what entries 2 to 1 came to",
    ),
    Plant(
        "payout_matches_entries",
        "UPDATE payout SET amount_minor = 899 WHERE id = '{payout}'",
        "payout {payout} is not what entries 2 to 1 came to",
        ("payout_matches_funding",),
    ),
    Plant(
        "payout_schedule_matches_payouts",
        "UPDATE payout SET until_version = until_version + 1 WHERE id = '{payout}'",
        "payout {refused_payout} does not begin where the one before it ended",
        ("payout_matches_entries",),
    ),
    Plant(
        "payout_schedule_matches_payouts",
        "UPDATE payout_schedule SET covered_version = covered_version + 1 WHERE id = '{schedule}'",
        "payout {pending_payout} has no schedule that goes on behind it",
    ),
    Plant(
        "payout_schedule_matches_payouts",
        "UPDATE payout_schedule SET open_payout_id = NULL WHERE id = '{schedule}'",
        "payout {pending_payout} is pending, and its schedule does not know",
    ),
    Plant(
        "payout_schedule_matches_payouts",
        "UPDATE payout_schedule SET open_payout_id = '{payout}' WHERE id = '{idle_schedule}'",
        "payout schedule {idle_schedule} waits for a payout that is not pending",
    ),
]
