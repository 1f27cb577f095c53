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
        ("payment_matches_journals",),
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
        ("payment_matches_journals",),
    ),
    Plant(
        "open_item_matches_journals",
        "UPDATE open_item SET account_id = '{nobody}' WHERE id = '{item}'",
        "open item {item} is for account {nobody}, which is missing",
        ("payment_matches_journals",),
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
        "proposal {debt} is about 1999 minor units of CNY, but its journal of kind proposal.adjust took 2000 from where ",
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
    Plant(
        "proposal_matches_journal",
        "UPDATE proposal SET terms = jsonb_set(terms, '{{debit,account_id}}', to_jsonb('{ada}'::text)) WHERE id = '{debt}'",
        "proposal {debt} is about 2000 minor units of CNY, but its journal of kind proposal.adjust took 0 from where it says",
    ),
    Plant(
        "proposal_matches_journal",
        "UPDATE proposal SET terms = jsonb_set(terms, '{{credit,purpose}}', '13') WHERE id = '{debt}'",
        "took 2000 from where it says and gave 0",
    ),
    Plant(
        "proposal_matches_journal",
        "UPDATE open_item SET settled_by = '{pay}' WHERE id = '{settled_item}'",
        "settled another open item than it says",
        ("open_item_matches_journals",),
    ),
    Plant(
        "open_item_matches_journals",
        "UPDATE open_item SET account_id = '{debtor}' WHERE id = '{item}'",
        "open item {item} is for account {debtor}, which its journal has nothing to do with",
        ("payment_matches_journals",),
    ),
    Plant(
        "account_owes_knowingly",
        "UPDATE balance SET amount_minor = 7 WHERE account_id = '{debtor}' AND purpose = 1",
        " minor units of CNY, but has 7 to spend",
        ("balance_equals_entries", "currency_sums_to_zero"),
    ),
    Plant(
        "service_key_was_granted",
        "UPDATE service_key SET root_id = root.id FROM (SELECT id FROM service_key WHERE id = root_id AND id <> '{operator}' "
        "LIMIT 1) AS root WHERE service_key.id = '{operator}';UPDATE proposal SET state = 3 WHERE terms ->> 'type' = 'grant'",
        "service key {operator} has the scope payments.pay_any, which nobody granted",
    ),
    Plant(
        "account_matches_state",
        "UPDATE account SET state = 2 WHERE id = '{shop}';UPDATE balance SET amount_minor = 0 WHERE account_id = '{shop}'",
        "account {shop} is closed, but a payment of it is under way",
        ("balance_equals_entries", "currency_sums_to_zero"),
    ),
    Plant(
        "proposal_matches_journal",
        "UPDATE proposal SET terms = jsonb_set(terms, '{{amount,amount_minor}}', '151') WHERE id = '{fees}'",
        "proposal {fees} is about 151 minor units of CNY, but its journal of kind proposal.pay_out_fees took 150 from where ",
        ("fee_payout_has_withdrawal",),
    ),
    Plant(
        "fee_payout_has_withdrawal",
        "UPDATE journal SET request_id = 'another' WHERE kind = 'funding.withdraw' "
        "AND subject_id = (SELECT id FROM funding WHERE account_id = '{company}')",
        "proposal {fees} paid out 150 minor units of CNY of fees, of which there is no withdrawal",
    ),
]
