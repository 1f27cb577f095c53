"""Breaches of what is true of fundings and of accounts in their states; part of those in `breaches.py`."""

from tests.integration.audited_books import Plant

FUNDING_PLANTS = [
    # Fundings.
    Plant(
        "funding_has_account",
        "UPDATE funding SET account_id = '{nobody}' WHERE id = '{funding}'",
        "funding {funding} is for account {nobody}, which is missing",
        ("funding_matches_journals",),
    ),
    Plant(
        "funding_has_account",
        "UPDATE funding SET currency = 'EUR' WHERE id = '{funding}'",
        "funding {funding} is for account {bob}, which has no wallet in EUR",
        ("funding_matches_journals",),
    ),
    Plant(
        "funding_matches_journals",
        "UPDATE funding SET amount_minor = 10001 WHERE id = '{funding}'",
        "funding {funding} of kind 1 is SUCCEEDED, so that its journal funding.top_up should have moved -10001 minor units of "
        'CNY to "outside", but it has 1 of them, which moved -10000',
    ),
    Plant(
        "funding_matches_journals",
        "INSERT INTO funding VALUES ('{nobody}', 1, 1, '{bob}', 'CNY', 5, now(), now(), 1)",
        "funding {nobody} of kind 1 is SUCCEEDED, so that its journal funding.top_up should have moved -5 minor units of CNY "
        'to "outside", but it has 0 of them, which moved 0',
    ),
    Plant(
        "funding_matches_journals",
        "UPDATE funding SET state = 2 WHERE id = '{funding}'",
        'should have moved 0 minor units of CNY to "outside", but it has 1 of them, which moved -10000',
    ),
    Plant(
        "funding_matches_journals",
        "UPDATE funding SET state = 1 WHERE id = '{topping_up}'",
        "funding {topping_up} of kind 1 is SUCCEEDED, so that its journal funding.top_up should have moved -500 ",
    ),
    Plant(
        "funding_matches_journals",
        "UPDATE funding SET state = 3, failure_reason = 1 WHERE id = '{withdrawn}'",
        "funding {withdrawn} of kind 2 is FAILED, so that its journal funding.fail should have moved -100 minor units of CNY "
        'to "held", but it has 0 of them, which moved 0',
    ),
    Plant(
        "funding_matches_journals",
        "UPDATE funding SET state = 1, failure_reason = 0 WHERE id = '{declined}'",
        "funding {declined} of kind 2 is SUCCEEDED, so that its journal funding.fail should have moved 0 minor units of CNY "
        'to "held", but it has 1 of them, which moved -300',
    ),
    Plant(
        "funding_matches_journals",
        "UPDATE journal SET subject_id = '{withdrawing}' WHERE subject_id = '{withdrawn}' AND kind = 'funding.withdraw'",
        "funding {withdrawn} of kind 2 is SUCCEEDED, so that its journal funding.withdraw should have moved 100 minor units ",
    ),
    Plant(
        "funding_matches_journals",
        "UPDATE account SET state = 1 WHERE id = '{left}'",
        'minor units of CNY to "astray", but it has 1 of them, which moved ',
    ),
    Plant(
        "held_equals_reservations",
        "UPDATE funding SET state = 1 WHERE id = '{withdrawing}'",
        "account {dora} has 600 minor units of CNY held, but 0 are under way",
        ("funding_matches_journals",),
    ),
    Plant(
        "held_equals_reservations",
        "UPDATE funding SET amount_minor = 601 WHERE id = '{withdrawing}'",
        "account {dora} has 600 minor units of CNY held, but 601 are under way",
        ("funding_matches_journals",),
    ),
    # Accounts and their states.
    Plant(
        "account_matches_state",
        "UPDATE account SET state = 4 WHERE id = '{dora}'",
        "account {dora} is in state 4, which there is not",
    ),
    Plant(
        "account_matches_state",
        "UPDATE account SET state = 2 WHERE id = '{ada}'",
        "account {ada} is closed, but its balances are not zero",
    ),
    Plant(
        "account_matches_state",
        "INSERT INTO funding VALUES ('{nobody}', 1, 2, '{left}', 'CNY', 5, now(), now(), 1)",
        "account {left} is closed, but a funding of it is pending",
    ),
]
