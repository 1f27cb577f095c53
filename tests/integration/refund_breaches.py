"""Breaches of what is true of refunds; part of those in `breaches.py`."""

from tests.integration.audited_books import Plant

OF_REFUND = ("refund_matches_journals",)

REFUND_PLANTS = [
    Plant(
        "fees_equal_payments",
        "UPDATE refund SET fee_share_minor = 5 WHERE id = '{back}';"
        "UPDATE payment SET fee_returned_minor = fee_returned_minor + 1 WHERE id = '{given}'",
        "fees in GBP are ",
        ("payment_returns_its_fee", *OF_REFUND),
    ),
    Plant(
        "held_equals_reservations",
        "UPDATE refund SET fee_share_minor = 6 WHERE id = '{held}';"
        "UPDATE payment SET fee_returned_minor = 10 WHERE id = '{given}'",
        "account {giver} has 328 minor units of GBP held, but 327 are under way",
        ("payment_returns_its_fee", *OF_REFUND),
    ),
    Plant(
        "payment_counts_refunds",
        "UPDATE payment SET refund_count = 3 WHERE id = '{half}'",
        "payment {half} counts 3 refunds, but has 2",
    ),
    Plant(
        "payment_counts_refunds",
        "UPDATE payment SET refund_count = 1 WHERE id = '{paid}'",
        "payment {paid} counts 1 refunds, but has 0",
    ),
    Plant(
        "payment_counts_refunds",
        "UPDATE payment SET refund_count = 0, refund_reserved_minor = 0, open_refunds = '' WHERE id = '{lacking}'",
        "payment {lacking} has 2 refunds, but counts none",
    ),
    Plant(
        "payment_counts_refunds",
        "UPDATE payment SET refund_reserved_minor = 201 WHERE id = '{half}'",
        "payment {half} reserves 201 for refunds, but the open ones are 200",
    ),
    Plant(
        "payment_counts_refunds",
        "UPDATE payment SET refunded_minor = 334 WHERE id = '{given}'",
        "payment {given} refunded 334, but its refunds gave back 333",
    ),
    Plant(
        "payment_counts_refunds",
        "UPDATE payment SET refund_taken_minor = 667 WHERE id = '{given}'",
        "payment {given} took 667 back from its payee and 9 from the fee, but its refunds 666 and 9",
        ("payment_returns_its_fee",),
    ),
    Plant(
        "payment_counts_refunds",
        "UPDATE payment SET open_refunds = '{done}' WHERE id = '{half}'",
        "payment {half} names the open refunds '{done}'",
    ),
    Plant(
        "payment_counts_refunds",
        "UPDATE payment SET held_minor = 399, returned_minor = 1, refunded_minor = 1 WHERE id = '{kept}'",
        "payment {kept} refunded 1, but its refunds gave back 0",
        ("escrow_equals_payments", "payment_matches_journals"),
    ),
    Plant(
        "payment_returns_its_fee",
        "UPDATE payment SET fee_returned_minor = 14 WHERE id = '{all_back}'",
        "payment {all_back} gave back 14 of a fee of 15 minor units of GBP, with 1000 of 1000 released; it should be 15",
        ("payment_counts_refunds",),
    ),
    Plant(
        "payment_returns_its_fee",
        "UPDATE payment SET fee_returned_minor = 1 WHERE id = '{paid}'",
        "payment {paid} gave back 1 of a fee of 15 minor units of CNY, with 0 of 0 released; it should be 0",
        ("payment_counts_refunds",),
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET state = 6, close_reason = 3, closed_at = now(), due_event = NULL, due_at = NULL, "
        "succeeded_at = NULL, shipped_at = NULL WHERE id = '{kept}'",
        "payment {kept} of mode 1 is CLOSED, but of 1000 minor units of GBP it holds 400, released 600 and returned 0",
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET close_reason = 3 WHERE id = '{all_back}'",
        "payment {all_back} of mode 1 is CLOSED, but of 1000 minor units of GBP it holds 0, released 1000 and returned 0",
        ("payment_matches_times",),
    ),
    Plant(
        "payment_matches_times",
        "UPDATE payment SET succeeded_at = NULL WHERE id = '{all_back}'",
        "payment {all_back} of mode 1 is CLOSED",
        ("refund_matches_payment",),
    ),
    Plant(
        "payment_matches_journals",
        "UPDATE payment SET held_minor = held_minor + 1, returned_minor = 299, refunded_minor = 299 WHERE id = '{half}'",
        "payment {half} holds 701 minor units of GBP, but its journals left 700 held",
        ("escrow_equals_payments", "payment_counts_refunds"),
    ),
    Plant(
        "refund_matches_payment",
        "UPDATE refund SET payment_id = '{nobody}' WHERE id = '{superseded}'",
        "refund {superseded} is of payment {nobody}, which is missing",
        ("payment_counts_refunds",),
    ),
    Plant(
        "refund_matches_payment",
        "UPDATE refund SET payee_id = '{poor}' WHERE id = '{superseded}'",
        "refund {superseded} is between other accounts or in another currency than payment ",
    ),
    Plant(
        "refund_matches_payment",
        "UPDATE refund SET source = 2 WHERE id = '{superseded}'",
        "refund {superseded} is of what the payee has got, but payment ",
    ),
    Plant(
        "refund_matches_payment",
        "UPDATE refund SET source = 1 WHERE id = '{unpaid}';"
        "UPDATE payment SET mode = 2, shipped_at = NULL WHERE id = '{lacking}'",
        "refund {unpaid} is of escrow, but payment {lacking} is of mode 2",
        ("payment_matches_journals",),
    ),
    Plant(
        "refund_matches_payment",
        "UPDATE refund SET destination = 2, instrument_id = '{card}' WHERE id = '{superseded}'",
        "refund {superseded} goes to card {card}, which is none of the payer's",
    ),
    Plant(
        "refund_matches_payment",
        "UPDATE refund SET destination = 2, instrument_id = '{nobody}' WHERE id = '{superseded}'",
        "refund {superseded} goes to card {nobody}, which is none of the payer's",
    ),
    Plant(
        "refund_matches_state",
        "UPDATE refund SET failure = 0 WHERE id = '{superseded}'",
        "refund {superseded} of source 1 is in state 4, but is due never, ended ",
    ),
    Plant(
        "refund_matches_state",
        "UPDATE refund SET due_at = NULL WHERE id = '{awaiting}'",
        "refund {awaiting} of source 2 is in state 2, but is due never, ended never and failed for reason 0",
    ),
    Plant(
        "refund_matches_state",
        "UPDATE refund SET destination = 2 WHERE id = '{superseded}'",
        "refund {superseded} of source 1 is in state 4",
    ),
    Plant(
        "refund_matches_state",
        "UPDATE refund SET fee_kept_minor = 1 WHERE id = '{done}'",
        "refund {done} of source 1 is in state 3",
    ),
    Plant(
        "refund_matches_journals",
        "UPDATE refund SET fee_kept_minor = 1 WHERE id = '{superseded}'",
        "refund {superseded} of 200 minor units of GBP from source 1 is FAILED, but its journals moved 0 from escrow",
    ),
    Plant(
        "refund_matches_journals",
        "UPDATE journal SET subject_id = '{back}' WHERE subject_id = '{held}'",
        "refund {back} of 333 minor units of GBP from source 2 is SUCCEEDED, but its journals moved 0 from escrow, "
        "-657 to the payee, 328 to what it holds, -4 to the fees and 333 to the payer, 0 entries went astray, and a step was "
        "taken twice",
    ),
    Plant(
        "refund_matches_journals",
        "UPDATE refund SET state = 1, due_at = now(), ended_at = NULL WHERE id = '{done}';"
        "UPDATE payment SET refund_reserved_minor = 500, refunded_minor = 0, returned_minor = 0, held_minor = 1000, "
        "open_refunds = '{done} {pending_refund}' WHERE id = '{half}'",
        "refund {done} of 300 minor units of GBP from source 1 is PENDING, but its journals moved 300 from escrow",
        ("escrow_equals_payments", "payment_matches_journals"),
    ),
    Plant(
        "refund_matches_journals",
        "UPDATE entry SET balance_id = (SELECT id FROM balance WHERE account_id = '{giver}' AND purpose = 1), version = 1000 "
        "WHERE amount_minor > 0 AND journal_id = (SELECT id FROM journal WHERE subject_id = '{done}')",
        "refund {done} of 300 minor units of GBP from source 1 is SUCCEEDED, but its journals moved 300 from escrow, 300 to ",
        (
            "entry_continues_balance",
            "balance_equals_entries",
            "balance_counts_entries",
            "payment_matches_journals",
        ),
    ),
    Plant(
        "journal_has_subject",
        "UPDATE journal SET subject_id = '{nobody}' WHERE subject_id = '{done}'",
        " of kind refund.succeed has the subject {nobody}, which is no refund",
        ("payment_matches_journals", *OF_REFUND),
    ),
    Plant(
        "account_matches_state",
        "UPDATE account SET waiting_refunds = 'EUR:1' WHERE id = '{poor}'",
        "account {poor} counts refunds that wait for its money as 'EUR:1', but they are 'GBP:1'",
    ),
    Plant(
        "account_matches_state",
        "UPDATE account SET state = 2 WHERE id = '{poor}'",
        "account {poor} is closed, but a refund by it is open",
    ),
]
