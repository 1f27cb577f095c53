"""Breaches of what is true of fundings of cards and of reconciliations; part of those in `breaches.py`."""

from tests.integration.audited_books import Plant

BANK_PLANTS = [
    Plant(
        "funding_asks_its_bank",
        "UPDATE funding SET instrument_id = '{nobody}' WHERE id = '{unknown}'",
        "funding {unknown} is of a card that there is not",
    ),
    Plant(
        "funding_asks_its_bank",
        "UPDATE funding SET instrument_id = '{other_card}' WHERE id = '{unknown}'",
        "funding {unknown} is of a card of another account",
    ),
    Plant(
        "funding_asks_its_bank",
        "UPDATE funding SET instrument_id = NULL WHERE id = '{unknown}'",
        "funding {unknown} asks a bank, and is of no card",
    ),
    Plant(
        "funding_asks_its_bank",
        "UPDATE funding SET attempts = 0 WHERE id = '{unknown}'",
        "funding {unknown} has an answer, and no bank was asked",
    ),
    Plant(
        "funding_asks_its_bank",
        "UPDATE funding SET next_attempt_at = NULL WHERE id = '{unknown}'",
        "funding {unknown} is open, and nobody asks the bank again",
    ),
    Plant(
        "funding_asks_its_bank",
        "UPDATE funding SET next_attempt_at = now() WHERE id = '{taken_back}'",
        "funding {taken_back} is settled, and asks its bank still",
    ),
    Plant(
        "funding_matches_journals",
        "UPDATE funding SET state = 1 WHERE id = '{taken_back}'",
        "funding {taken_back} of kind 1 is SUCCEEDED, so that its journal funding.reverse should have moved 0 minor units of ",
    ),
    Plant(
        "held_equals_reservations",
        "UPDATE funding SET amount_minor = 51 WHERE id = '{unknown}'",
        "account {finn} has 50 minor units of CNY held, but 51 are under way",
        ("funding_matches_journals",),
    ),
    Plant(
        "account_matches_state",
        "UPDATE funding SET account_id = '{gone}', instrument_id = '{other_card}' WHERE id = '{unknown}'",
        "account {gone} is closed, but a funding of it is pending",
        ("held_equals_reservations", "funding_matches_journals"),
    ),
    Plant(
        "difference_is_explained",
        "DELETE FROM reconciliation WHERE state = 2",
        " is of a day that nobody reconciled",
    ),
    Plant(
        "difference_is_explained",
        "UPDATE difference SET here_minor = 71, there_minor = 71 WHERE id = '{late_difference}'",
        "difference {late_difference} says that 71 is booked, and 70 is",
    ),
    Plant(
        "difference_is_explained",
        "UPDATE difference SET here_minor = 5 WHERE id = '{open_difference}'",
        "difference {open_difference} says that 5 is booked, and 0 is",
    ),
    Plant(
        "difference_is_explained",
        "UPDATE difference SET state = 1 WHERE id = '{late_difference}'",
        "difference {late_difference} is open, and its sides are alike",
    ),
    Plant(
        "difference_is_explained",
        "UPDATE difference SET state = 2 WHERE id = '{open_difference}'",
        "difference {open_difference} is explained, and nobody said how",
    ),
]
