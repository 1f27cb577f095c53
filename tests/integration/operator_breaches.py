"""Breaches of what takes two operators; see `breaches.py`."""

from tests.integration.audited_books import Plant

OPERATOR_PLANTS = [
    Plant(
        "suspense_equals_open_items",
        "UPDATE open_item SET state = 2, settled_by = journal_id, settled_at = now() WHERE id = '{item}'",
        "suspense in CNY is ",
        ("open_item_matches_journals",),
    ),
    Plant(
        "suspense_equals_open_items",
        "DELETE FROM open_item WHERE id = '{item}'",
        "suspense in CNY is 1879 minor units, but the open items are 894",
    ),
    Plant(
        "open_item_matches_journals",
        "UPDATE open_item SET amount_minor = amount_minor + 1 WHERE id = '{settled_item}'",
        "open item {settled_item} is of ",
        ("proposal_matches_journal",),
    ),
    Plant(
        "open_item_matches_journals",
        "UPDATE open_item SET journal_id = '{pay}' WHERE id = '{item}'",
        ", but 0 came by its journal and 0 went",
    ),
    Plant(
        "open_item_matches_journals",
        "UPDATE open_item SET account_id = '{nobody}' WHERE id = '{item}'",
        "open item {item} is for account {nobody}, which is missing",
    ),
    Plant(
        "proposal_matches_journal",
        "UPDATE proposal SET state = 2, decider_key_id = '{operator}', due_at = NULL, decided_at = now() "
        "WHERE id = '{pending}'",
        "proposal {pending} was approved, but has no journal",
    ),
    Plant(
        "proposal_matches_journal",
        "UPDATE proposal SET state = 3 WHERE id = '{debt}'",
        "proposal {debt} moved money by a journal of kind proposal.adjust",
    ),
    Plant(
        "proposal_matches_journal",
        "UPDATE proposal SET terms = jsonb_set(terms, '{{amount,amount_minor}}', '1999') WHERE id = '{debt}'",
        "proposal {debt} is about 1999 minor units, but its journal of kind proposal.adjust moved 2000",
    ),
    Plant(
        "proposal_matches_journal",
        "UPDATE proposal SET proposer_root_id = decider_key_id WHERE id = '{fund}'",
        "proposal {fund} was approved by its own proposer, or by a key that is missing",
    ),
    Plant(
        "proposal_matches_journal",
        "UPDATE journal SET subject_id = '{debt}' WHERE subject_id = '{fund}'",
        "proposal {debt} has 2 journals",
    ),
    Plant(
        "account_owes_knowingly",
        "UPDATE account SET ever_owed = FALSE WHERE id = '{debtor}'",
        "account {debtor} owes ",
    ),
    Plant(
        "service_key_has_root",
        "UPDATE service_key SET root_id = '{nobody}' WHERE id = '{operator}'",
        "service key {operator} descends from {nobody}, which is no first key",
    ),
]
