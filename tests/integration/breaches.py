"""Each kind of breach, as a change to the healthy books of `audited_books.py`, and the words that have to name it."""

from danbao_core.accounts import PLATFORM_ID
from tests.integration.audited_books import Plant
from tests.integration.bank_breaches import BANK_PLANTS
from tests.integration.dispute_breaches import DISPUTE_PLANTS
from tests.integration.event_breaches import EVENT_PLANTS
from tests.integration.funding_breaches import FUNDING_PLANTS
from tests.integration.operator_breaches import OPERATOR_PLANTS
from tests.integration.payout_breaches import PAYOUT_PLANTS
from tests.integration.people_breaches import PEOPLE_PLANTS
from tests.integration.refund_breaches import REFUND_PLANTS

PLANTS = [
    # Journals and entries.
    Plant(
        "journal_sums_to_zero",
        "UPDATE entry SET amount_minor = amount_minor - 5 WHERE journal_id = '{pay}' AND amount_minor < 0",
        "journal {pay} sums to -5 minor units of CNY",
        ("entry_continues_balance", "balance_equals_entries", "payment_gives_what_it_got"),
    ),
    Plant(
        "journal_sums_to_zero",
        "UPDATE balance SET currency = 'USD' WHERE id = (SELECT balance_id FROM entry WHERE journal_id = '{pay}' "
        "AND amount_minor > 0)",
        " sums to -1000 minor units of CNY",
        (
            "balance_is_unique",
            "currency_sums_to_zero",
            "escrow_equals_payments",
            "payment_matches_journals",
        ),
    ),
    Plant(
        "journal_has_entries",
        "INSERT INTO journal SELECT '{nobody}', kind, subject_id, memo, caller, method, key_id, peer, request_id, created_at "
        "FROM journal WHERE id = '{pay}'",
        "journal {nobody} has 0 of at least 2 entries",
    ),
    Plant(
        "journal_has_entries",
        "INSERT INTO journal SELECT '{nobody}', kind, subject_id, memo, caller, method, key_id, peer, request_id, created_at "
        "FROM journal WHERE id = '{pay}';"
        "UPDATE balance SET version = version + 1 WHERE id = '{wallet}';"
        "INSERT INTO entry SELECT id, version, '{nobody}', 0, amount_minor FROM balance WHERE id = '{wallet}'",
        "journal {nobody} has 1 of at least 2 entries",
    ),
    Plant(
        "journal_has_subject",
        "UPDATE journal SET subject_id = '{nobody}' WHERE id = '{pay}'",
        "journal {pay} of kind payment.pay has the subject {nobody}, which is no payment",
        ("payment_matches_journals",),
    ),
    Plant(
        "journal_has_subject",
        "UPDATE journal SET kind = 'funding.top_up' WHERE id = '{pay}'",
        "journal {pay} of kind funding.top_up has the subject {paid}, which is no funding",
    ),
    Plant(
        "entry_has_journal",
        "DELETE FROM journal WHERE id = '{pay}'",
        "belongs to journal {pay}, which is missing",
        ("payment_matches_journals",),
    ),
    Plant(
        "entry_has_balance",
        "INSERT INTO entry VALUES ('{nobody}', 1, '{pay}', 5, 5), ('{nobody}', 2, '{pay}', -5, 0)",
        "entry 1 of journal {pay} belongs to balance {nobody}, which is missing",
    ),
    Plant(
        "entry_continues_balance",
        "UPDATE entry SET balance_after_minor = balance_after_minor + 1 WHERE balance_id = '{wallet}' AND version = 1",
        "entry 1 of balance {wallet} leaves 1000001 minor units, although 0 were there and it moves 1000000",
    ),
    # Balances.
    Plant(
        "balance_equals_entries",
        "UPDATE balance SET amount_minor = amount_minor + 7 WHERE id = '{wallet}'",
        "balance {wallet} is ",
        ("currency_sums_to_zero",),
    ),
    Plant(
        "balance_equals_entries",
        "UPDATE balance SET amount_minor = -7 WHERE account_id = '{ada}' AND currency = 'CNY' AND purpose = 3",
        " is -7 minor units of CNY, but its entries sum to 0",
        ("account_owes_knowingly", "currency_sums_to_zero"),
    ),
    Plant(
        "balance_counts_entries",
        "UPDATE balance SET version = version + 1 WHERE id = '{wallet}'",
        "balance {wallet} is at version ",
    ),
    Plant(
        "balance_counts_entries",
        "UPDATE balance SET version = 1 WHERE id = '{pocket}'",
        "balance {pocket} is at version 1 and has 0 entries",
    ),
    Plant(
        "balance_counts_entries",
        "UPDATE entry SET version = version + 1 WHERE balance_id = '{wallet}' "
        "AND version = (SELECT version FROM balance WHERE id = '{wallet}')",
        "balance {wallet} is at version ",
    ),
    Plant(
        "balance_counts_entries",
        "UPDATE entry SET version = 0 WHERE balance_id = '{wallet}' AND version = 1",
        "with versions from 0 to ",
    ),
    Plant(
        "balance_keeps_floor",
        "UPDATE balance SET floor_minor = amount_minor + 1 WHERE id = '{wallet}'",
        "balance {wallet} is ",
    ),
    Plant(
        "balance_keeps_floor",
        "UPDATE balance SET floor_minor = -1 WHERE id = '{wallet}'",
        "balance {wallet} has the floor -1, which its purpose 1 does not allow",
    ),
    Plant(
        "balance_keeps_floor",
        "UPDATE balance SET amount_minor = 7 WHERE account_id = '{ada}' AND currency = 'CNY' AND purpose = 3",
        " owes 7 minor units of CNY, which should not be above 0",
        ("balance_equals_entries", "currency_sums_to_zero"),
    ),
    Plant(
        "balance_fits_owner",
        "UPDATE balance SET account_id = '{nobody}' WHERE id = '{pocket}'",
        "balance {pocket} belongs to account {nobody}, which is missing",
        ("account_has_wallets",),
    ),
    Plant(
        "balance_fits_owner",
        "UPDATE balance SET purpose = 14 WHERE id = '{pocket}'",
        "balance {pocket} of purpose 14 belongs to account {ada} of kind 1",
        ("account_has_wallets",),
    ),
    Plant(
        "balance_fits_owner",
        f"UPDATE balance SET account_id = '{PLATFORM_ID}' WHERE id = '{{pocket}}'",
        f"balance {{pocket}} of purpose 2 belongs to account {PLATFORM_ID} of kind 99",
        ("account_has_wallets",),
    ),
    Plant(
        "balance_fits_owner",
        "UPDATE account SET kind = 99 WHERE id = '{ada}'",
        "belongs to account {ada}, which should not be of kind 99",
        ("account_has_wallets",),
    ),
    Plant(
        "balance_fits_owner",
        f"UPDATE account SET kind = 1 WHERE id = '{PLATFORM_ID}'",
        f"belongs to account {PLATFORM_ID}, which should not be of kind 1",
    ),
    Plant(
        "balance_fits_owner",
        "UPDATE balance SET stripe = 3 WHERE id = '{pocket}'",
        "balance {pocket} of account {ada} is stripe 3 of a wallet, which has none",
    ),
    Plant(
        "balance_is_unique",
        "INSERT INTO balance SELECT '{nobody}', account_id, currency, purpose, stripe, 0, 0, 0 FROM balance "
        "WHERE id = '{pocket}'",
        "account {ada} has 2 balances in CNY of purpose 2, stripe 0",
    ),
    Plant(
        "account_has_wallets",
        "DELETE FROM balance WHERE id = '{pocket}'",
        "account {ada} has 2 of the 3 balances of its wallet in CNY",
    ),
    Plant(
        "account_has_wallets",
        "UPDATE account SET currencies = 'CNY USD EUR' WHERE id = '{ada}'",
        "account {ada} has 0 of the 3 balances of its wallet in EUR",
    ),
    Plant(
        "account_has_wallets",
        "UPDATE account SET currencies = 'CNY' WHERE id = '{ada}'",
        "account {ada} has balances in USD, which is not among its currencies",
    ),
    Plant(
        "currency_sums_to_zero",
        "UPDATE balance SET amount_minor = amount_minor + 7 WHERE purpose = 13 AND currency = 'USD'",
        "all balances in USD sum to 7 minor units",
        ("balance_equals_entries",),
    ),
    # The ledger against what it is kept for.
    Plant(
        "escrow_equals_payments",
        "UPDATE payment SET held_minor = held_minor - 1 WHERE id = '{paid}'",
        "escrow in CNY is 3999 minor units, but the payments hold 3998",
        ("payment_matches_state", "payment_matches_journals"),
    ),
    Plant(
        "escrow_equals_payments",
        "UPDATE payment SET currency = 'EUR' WHERE id = '{paid}'",
        "escrow in CNY is 3999 minor units, but the payments hold 2999",
        ("payment_matches_journals", "payment_has_parties"),
    ),
    Plant(
        "held_equals_reservations",
        "UPDATE balance SET amount_minor = 7 WHERE id = '{pocket}'",
        "account {ada} has 7 minor units of CNY held, but 0 are under way",
        ("balance_equals_entries", "currency_sums_to_zero"),
    ),
    Plant(
        "held_equals_reservations",
        "UPDATE payment SET held_minor = held_minor - 1 WHERE id = '{authorized}'",
        "account {cleo} has 700 minor units of CNY held, but 699 are under way",
        ("payment_matches_state", "payment_matches_journals"),
    ),
    Plant(
        "held_equals_reservations",
        "UPDATE payment SET payer_id = '{bob}' WHERE id = '{authorized}'",
        " minor units of CNY held, but ",
        ("payment_matches_journals",),
    ),
    Plant(
        "fees_equal_payments",
        "UPDATE payment SET fee_minor = fee_minor - 1 WHERE id = '{succeeded}'",
        "fees in USD are 30 minor units, but those of the payments that succeeded, with adjustments, are 29",
        ("payment_has_its_fee", "payment_matches_journals"),
    ),
    Plant(
        "fees_equal_payments",
        "UPDATE payment SET fee_minor = 15 WHERE id = '{captured}'",
        "but those of the payments that succeeded, with adjustments, are ",
        ("payment_has_its_fee", "payment_matches_journals"),
    ),
    # Payments in themselves.
    Plant(
        "payment_within_amount",
        "UPDATE payment SET fee_minor = amount_minor + 1 WHERE id = '{waiting}'",
        "payment {waiting} of 1000 minor units of CNY holds 0, released 0, returned 0, with a fee of 1001",
        ("payment_has_its_fee",),
    ),
    Plant(
        "payment_within_amount",
        "UPDATE payment SET returned_minor = 1 WHERE id = '{shipped}'",
        "payment {shipped} of 1999 minor units of CNY holds 1999, released 0, returned 1, with a fee of 30",
        ("payment_matches_state", "payment_matches_journals"),
    ),
    Plant(
        "payment_within_amount",
        "UPDATE payment SET held_minor = 2000, released_minor = -1 WHERE id = '{shipped}'",
        "payment {shipped} of 1999 minor units of CNY holds 2000, released -1, returned 0, with a fee of 30",
        ("escrow_equals_payments", "payment_matches_state", "payment_matches_journals"),
    ),
    *(
        Plant("payment_has_its_fee", f"UPDATE payment SET {change} WHERE id = '{{{name}}}'", f"payment {{{name}}} has {words}")
        for name, change, words in (
            ("waiting", "fee_minor = 14", "a fee of 14 minor units of CNY at 150 bps of 1000"),
            ("shipped", "fee_bps = 151, fee_minor = 31", "a fee of 31 minor units of CNY at 151 bps of 1999"),
            ("waiting", "fee_bps = -150, fee_minor = 0", "a fee of 0 minor units of CNY at -150 bps of 1000"),
            ("waiting", "fee_bps = 0", "a fee of 15 minor units of CNY at 0 bps of 1000"),
            ("captured", "fee_bps = 250", "a fee of 9 minor units of CNY at 250 bps of 601"),
            ("authorized", "fee_minor = 10", "a fee of 10 minor units of CNY at 150 bps of 700"),
        )
    ),
    Plant(
        "payment_has_its_fee",
        "UPDATE payment SET fee_bps = 10001, fee_minor = amount_minor + 1 WHERE id = '{unauthorized}'",
        "payment {unauthorized} has a fee of 1001 minor units of CNY at 10001 bps of 1000",
        ("payment_within_amount",),
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET mode = 2 WHERE id = '{paid}'",
        "payment {paid} of mode 2 is PAID",
        ("escrow_equals_payments", "payment_matches_journals"),
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET state = 7, due_event = 5 WHERE id = '{paid}'",
        "payment {paid} of mode 1 is AUTHORIZED, but of 1000 minor units of CNY it holds 1000, released 0 and returned 0",
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET returned_minor = 398 WHERE id = '{captured}'",
        "payment {captured} of mode 3 is SUCCEEDED, but of 1000 minor units of CNY it holds 0, released 601 and returned 398",
        ("payment_matches_journals",),
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET released_minor = 0, returned_minor = 1000 WHERE id = '{captured_whole}'",
        "payment {captured_whole} of mode 3 is SUCCEEDED, but of 1000 minor units of CNY it holds 0, released 0 and ",
        ("fees_equal_payments", "payment_matches_journals"),
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET released_minor = 999, returned_minor = 1 WHERE id = '{succeeded}'",
        "payment {succeeded} of mode 1 is SUCCEEDED, but of 1000 minor units of USD it holds 0, released 999 and returned 1",
        ("payment_matches_journals",),
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET returned_minor = 0 WHERE id = '{voided}'",
        "payment {voided} of mode 3 is CLOSED, but of 1000 minor units of CNY it holds 0, released 0 and returned 0",
        ("payment_matches_journals",),
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET returned_minor = 0 WHERE id = '{cancelled}'",
        "payment {cancelled} of mode 1 is CLOSED, but of 1000 minor units of CNY it holds 0, released 0 and returned 0",
        ("payment_matches_journals",),
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET held_minor = 0, released_minor = 1000 WHERE id = '{paid}'",
        "payment {paid} of mode 1 is PAID, but of 1000 minor units of CNY it holds 0, released 1000 and returned 0",
        ("escrow_equals_payments", "fees_equal_payments", "payment_matches_journals"),
    ),
    *(
        Plant(
            "payment_matches_times", f"UPDATE payment SET {change} WHERE id = '{{{name}}}'", f"payment {{{name}}} of mode 1 is "
        )
        for name, change in (
            ("waiting", "paid_at = now()"),
            ("paid", "paid_at = NULL"),
            ("paid", "shipped_at = now()"),
            ("shipped", "shipped_at = NULL"),
            ("succeeded", "succeeded_at = NULL"),
            ("finished", "closed_at = now()"),
            ("called_off", "closed_at = NULL"),
            ("called_off", "close_reason = 0"),
            ("paid", "shipment_corrected_at = now()"),
            ("waiting", "confirmation_extended_at = now()"),
            ("cancelled", "close_reason = 6"),
        )
    ),
    *(
        Plant(
            "payment_matches_times", f"UPDATE payment SET {change} WHERE id = '{{{name}}}'", f"payment {{{name}}} of mode 3 is "
        )
        for name, change in (
            ("authorized", "paid_at = NULL"),
            ("authorized", "shipped_at = now()"),
            ("captured", "shipped_at = now()"),
            ("captured", "succeeded_at = NULL"),
            ("voided", "close_reason = 3"),
            ("hold_expired", "close_reason = 4"),
        )
    ),
    Plant(
        "payment_has_timer",
        "UPDATE payment SET due_event = NULL, due_at = NULL WHERE id = '{shipped}'",
        "payment {shipped} is SHIPPED and has the timer none at no time",
    ),
    Plant(
        "payment_has_timer",
        "UPDATE payment SET due_event = 1 WHERE id = '{paid}'",
        "payment {paid} is PAID and has the timer EXPIRE at ",
    ),
    Plant(
        "payment_has_timer",
        "UPDATE payment SET due_event = 4, due_at = now() WHERE id = '{called_off}'",
        "payment {called_off} is CLOSED and has the timer FINISH at ",
    ),
    Plant(
        "payment_has_timer",
        "UPDATE payment SET due_event = 2 WHERE id = '{authorized}'",
        "payment {authorized} is AUTHORIZED and has the timer SHIP_BY at ",
    ),
    Plant(
        "payment_has_timer",
        "UPDATE payment SET due_event = 5 WHERE id = '{also_paid}'",
        "payment {also_paid} is PAID and has the timer HOLD_EXPIRY at ",
    ),
    # Payments and the rows that they name.
    Plant(
        "payment_matches_journals",
        "UPDATE journal SET subject_id = '{also_paid}' WHERE id = '{pay}'",
        "payment {paid} holds 1000 minor units of CNY, but its journals left 0 held",
        ("payment_gives_what_it_got",),
    ),
    Plant(
        "payment_matches_journals",
        "UPDATE payment SET payer_id = '{bob}' WHERE id = '{paid}'",
        "payment {paid} 1 entries of its journals are on balances that it has nothing to do with",
    ),
    Plant(
        "payment_matches_journals",
        "UPDATE payment SET state = 5, due_event = NULL, due_at = NULL, shipped_at = now(), succeeded_at = now(), "
        "held_minor = 0, released_minor = amount_minor WHERE id = '{paid}'",
        "payment {paid} holds 0 minor units of CNY, but its journals left 1000 held",
        ("escrow_equals_payments", "fees_equal_payments"),
    ),
    Plant(
        "payment_matches_journals",
        "UPDATE payment SET fee_minor = 14 WHERE id = '{finished}';UPDATE payment SET fee_minor = 1 WHERE id = '{transfer}'",
        "payment {finished} paid a fee of 14 minor units of CNY, but its journals moved 15",
        ("payment_has_its_fee",),
    ),
    Plant(
        "payment_matches_journals",
        "UPDATE entry SET amount_minor = amount_minor - 1 "
        "WHERE journal_id = (SELECT id FROM journal WHERE subject_id = '{transfer}') AND amount_minor > 0",
        "payment {transfer} released 1000 minor units of CNY to the payee, but its journals moved 999",
        ("journal_sums_to_zero", "entry_continues_balance", "balance_equals_entries"),
    ),
    Plant(
        "payment_matches_journals",
        "UPDATE entry SET amount_minor = amount_minor - 1 WHERE amount_minor > 0 "
        "AND journal_id = (SELECT id FROM journal WHERE subject_id = '{cancelled}' AND kind = 'payment.cancel')",
        "payment {cancelled} returned 1000 minor units of CNY, but its journals moved 999",
        ("journal_sums_to_zero", "entry_continues_balance", "balance_equals_entries"),
    ),
    Plant(
        "payment_matches_journals",
        "UPDATE payment SET released_minor = 602, returned_minor = 398 WHERE id = '{captured}'",
        "payment {captured} released 593 minor units of CNY to the payee, but its journals moved 592",
    ),
    Plant(
        "payment_matches_journals",
        "UPDATE journal SET subject_id = '{captured}' WHERE subject_id = '{authorized}'",
        "payment {authorized} holds 700 minor units of CNY, but its journals left 0 held",
    ),
    Plant(
        "payment_matches_journals",
        "UPDATE payment SET mode = 1, state = 2, due_event = 2 WHERE id = '{authorized}'",
        "payment {authorized} 1 entries of its journals are on balances that it has nothing to do with",
        ("escrow_equals_payments", "held_equals_reservations"),
    ),
    Plant(
        "payment_has_parties",
        "UPDATE payment SET payee_id = '{nobody}' WHERE id = '{waiting}'",
        "payment {waiting} has the payee {nobody}, which is missing",
    ),
    Plant(
        "payment_has_parties",
        "UPDATE payment SET currency = 'EUR' WHERE id = '{waiting}'",
        "payment {waiting} has the payee {shop}, which has no wallet in EUR",
    ),
    Plant(
        "payment_has_parties",
        f"UPDATE payment SET payer_id = '{PLATFORM_ID}' WHERE id = '{{waiting}}'",
        "payment {waiting} has the platform as its payer",
    ),
    Plant(
        "payment_has_parties",
        "UPDATE payment SET payer_id = payee_id WHERE id = '{waiting}'",
        "payment {waiting} has account {shop} on both sides",
    ),
    Plant(
        "payment_has_order_ref",
        "DELETE FROM order_ref WHERE payment_id = '{paid}'",
        "of payee {shop}, which leads to no payment",
    ),
    Plant(
        "payment_has_order_ref",
        "UPDATE order_ref SET payment_id = '{shipped}' WHERE payment_id = '{paid}'",
        "of payee {shop}, which leads to payment {shipped}",
        ("order_ref_has_payment",),
    ),
    Plant(
        "order_ref_has_payment",
        "INSERT INTO order_ref VALUES ('{shop}', 'it''s a ghost', '{nobody}')",
        "order number 'it''s a ghost' of payee {shop} leads to payment {nobody}, which is missing",
    ),
    Plant(
        "order_ref_has_payment",
        "INSERT INTO order_ref VALUES ('{shop}', 'ghost', '{waiting}')",
        "order number 'ghost' of payee {shop} leads to payment {waiting}, which has another order number or payee",
    ),
    # External ids.
    Plant(
        "account_has_account_ref",
        "DELETE FROM account_ref WHERE external_id = 'ada'",
        "account {ada} has external id 'ada', which leads to no account",
    ),
    Plant(
        "account_has_account_ref",
        "UPDATE account_ref SET account_id = '{bob}' WHERE external_id = 'ada'",
        "account {ada} has external id 'ada', which leads to account {bob}",
        ("account_ref_has_account",),
    ),
    Plant(
        "account_ref_has_account",
        "INSERT INTO account_ref VALUES ('it''s a ghost', '{nobody}')",
        "external id 'it''s a ghost' leads to account {nobody}, which is missing",
    ),
    Plant(
        "account_ref_has_account",
        "INSERT INTO account_ref VALUES ('ghost', '{shop}')",
        "external id 'ghost' leads to account {shop}, which has another external id",
    ),
    # What takes two operators.
    *OPERATOR_PLANTS,
    # Fundings, and accounts in their states.
    *FUNDING_PLANTS,
    *PAYOUT_PLANTS,
    # The bank.
    *BANK_PLANTS,
    # Refunds.
    *REFUND_PLANTS,
    # Disputes.
    *DISPUTE_PLANTS,
    # People.
    *PEOPLE_PLANTS,
    *EVENT_PLANTS,
]
