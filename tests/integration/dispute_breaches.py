"""Breaches of what is true of disputes; part of those in `breaches.py`."""

from tests.integration.audited_books import Plant

DISPUTE_PLANTS = [
    Plant(
        "payment_gives_what_it_got",
        "UPDATE journal SET subject_id = '{accepted}' WHERE subject_id = '{silent}'",
        " of 1000 minor units of CHF moved in all 1000 to the payer, 0 to the payee, -1000 into escrow and 0 to the fees",
        ("payment_matches_journals", "dispute_matches_journals"),
    ),
    Plant(
        "payment_counts_disputes",
        "UPDATE payment SET dispute_id = NULL, disputes_had = 0 WHERE id = '{stopped}'",
        "payment {stopped} has 1 disputes, but counts none",
        ("payment_has_timer",),
    ),
    Plant(
        "payment_counts_disputes",
        "UPDATE payment SET dispute_id = '{nobody}' WHERE id = '{stopped}'",
        "payment {stopped} names the dispute {nobody}, but the open one is {awaiting_seller}",
    ),
    Plant(
        "payment_counts_disputes",
        "UPDATE payment SET disputes_had = 3 WHERE id = '{stopped}'",
        "payment {stopped} had disputes of the sorts 3, but there are those of 1",
    ),
    Plant(
        "payment_counts_disputes",
        "UPDATE payment SET awarded_minor = 301 WHERE id = '{split_payment}'",
        "payment {split_payment} counts 301 awarded, but its disputes gave back 300",
    ),
    Plant(
        "payment_counts_disputes",
        "UPDATE dispute SET payment_id = '{split_payment}' WHERE id = '{silent}'",
        " had disputes of the sorts 1, but there are those of 0",
        ("payment_matches_journals", "payment_gives_what_it_got"),
    ),
    Plant(
        "payment_has_timer",
        "UPDATE payment SET due_at = now() WHERE id = '{stopped}'",
        "payment {stopped} is SHIPPED and has the timer AUTO_CONFIRM at ",
    ),
    Plant(
        "payment_matches_state",
        "UPDATE payment SET awarded_minor = 999 WHERE id = (SELECT payment_id FROM dispute WHERE id = '{silent}')",
        " minor units of CHF it holds 0, released 0 and returned 1000, with 0 refunded and 999 awarded",
        ("payment_counts_disputes",),
    ),
    Plant(
        "payment_counts_refunds",
        "UPDATE dispute SET fee_returned_minor = fee_returned_minor - 1 WHERE id = '{appealed}'",
        "took 333 back from its payee and 4 from the fee, but its refunds 0 and 0, and its disputes 333 and 3",
        ("fees_equal_payments", "dispute_matches_journals"),
    ),
    Plant(
        "held_equals_reservations",
        "UPDATE dispute SET held_minor = held_minor - 1 WHERE id = '{awaiting_buyer}'",
        "account {disputed_shop} has 788 minor units of CHF held, but 787 are under way",
        ("dispute_matches_journals",),
    ),
    Plant(
        "journal_has_subject",
        "UPDATE journal SET subject_id = '{nobody}' WHERE subject_id = '{awaiting_buyer}'",
        " of kind dispute.hold has the subject {nobody}, which is no dispute",
        ("dispute_matches_journals",),
    ),
    Plant(
        "dispute_matches_payment",
        "UPDATE dispute SET payment_id = '{nobody}' WHERE id = '{withdrawn_dispute}'",
        "dispute {withdrawn_dispute} is of payment {nobody}, which is missing",
        ("payment_counts_disputes",),
    ),
    Plant(
        "dispute_matches_payment",
        "UPDATE dispute SET seller_id = '{owing_shop}' WHERE id = '{awaiting_seller}'",
        "dispute {awaiting_seller} is between other accounts or in another currency than payment {stopped}",
    ),
    Plant(
        "dispute_matches_payment",
        "UPDATE payment SET paid_at = NULL WHERE id = '{stopped}'",
        "dispute {awaiting_seller} is of payment {stopped}, which was not paid",
        ("payment_matches_times",),
    ),
    Plant(
        "dispute_matches_payment",
        "UPDATE dispute SET released = true WHERE id = '{awaiting_seller}'",
        "dispute {awaiting_seller} is of what the seller has got, but payment {stopped} was not released",
    ),
    Plant(
        "dispute_matches_payment",
        "UPDATE dispute SET amount_minor = 1001 WHERE id = '{awaiting_seller}'",
        "dispute {awaiting_seller} is of 1001 minor units of CHF, but payment {stopped} of 1000",
    ),
    Plant(
        "dispute_matches_payment",
        "UPDATE payment SET awarded_minor = 300 WHERE id = '{stopped}'",
        "dispute {awaiting_seller} is of 800 minor units of CHF, of which payment {stopped} has given some back",
        ("payment_counts_disputes", "payment_matches_state"),
    ),
    Plant(
        "dispute_matches_payment",
        "UPDATE dispute SET released = false, held_minor = 0 WHERE id = '{awaiting_buyer}'",
        "dispute {awaiting_buyer} was opened before the release, but payment {held_of} is in state 4",
        ("held_equals_reservations", "payment_matches_journals", "dispute_matches_journals"),
    ),
    Plant(
        "dispute_matches_state",
        "UPDATE dispute SET outcome = 0 WHERE id = '{silent}'",
        "dispute {silent} of 1000 minor units of CHF is SETTLED with outcome 0 and close reason 0, ended ",
    ),
    Plant(
        "dispute_matches_state",
        "UPDATE dispute SET ended_at = NULL WHERE id = '{withdrawn_dispute}'",
        "dispute {withdrawn_dispute} of 1000 minor units of CHF is CLOSED with outcome 0 and close reason 1, ended never",
    ),
    Plant(
        "dispute_matches_state",
        "UPDATE dispute SET redecided_by = decided_by WHERE id = '{appealed}'",
        "decided by 'service:anna', appealed by 2, decided again by 'service:anna'",
    ),
    Plant(
        "dispute_matches_state",
        "UPDATE dispute SET offer_minor = 200 WHERE id = '{split}'",
        "dispute {split} of 500 minor units of CHF is SETTLED with outcome 2 and close reason 0",
    ),
    Plant(
        "dispute_matches_state",
        "UPDATE dispute SET award_compensation_minor = 1 WHERE id = '{split}'",
        "offered 300, awarded 300 and 1 from the fund",
    ),
    Plant(
        "dispute_has_timer",
        "UPDATE dispute SET due_event = 23 WHERE id = '{awaiting_seller}'",
        "dispute {awaiting_seller} is AWAITING_SELLER and has the timer 23 at ",
    ),
    Plant(
        "dispute_has_timer",
        "UPDATE dispute SET due_at = respond_by + interval '1 second' WHERE id = '{reviewed}'",
        "dispute {reviewed} is UNDER_REVIEW and has the timer 21 at ",
    ),
    Plant(
        "dispute_has_timer",
        "UPDATE dispute SET due_event = 27, due_at = now(), respond_by = now() WHERE id = '{withdrawn_dispute}'",
        "dispute {withdrawn_dispute} is CLOSED and has the timer 27 at ",
    ),
    Plant(
        "dispute_has_steps",
        "DELETE FROM dispute_step WHERE dispute_id = '{reviewed}' AND version = 2",
        "dispute {reviewed} is version 5, but has 4 steps from 1 to 5",
    ),
    Plant(
        "dispute_has_steps",
        "UPDATE dispute_step SET event = 1 WHERE dispute_id = '{reviewed}' AND version = 2",
        "dispute {reviewed} was not opened once, by its first step",
    ),
    Plant(
        "dispute_has_steps",
        "UPDATE dispute_step SET state = 2 WHERE dispute_id = '{reviewed}' AND version = 5",
        "dispute {reviewed} is in state 3, but its last step led to 2",
    ),
    Plant(
        "dispute_has_steps",
        "INSERT INTO dispute_step SELECT '{nobody}', version, event, actor, state, text, amount_minor, compensation_minor, "
        "caller, at FROM dispute_step WHERE dispute_id = '{reviewed}' AND version = 1",
        "dispute {nobody} is missing, but has steps",
    ),
    Plant(
        "dispute_matches_journals",
        "UPDATE dispute SET owed_minor = owed_minor - 1 WHERE id = '{owing}'",
        "dispute {owing} paid back 600 minor units of CHF with 9 of the fee and 0 from the fund, holds 0 and left a debt of 30",
    ),
    Plant(
        "dispute_matches_journals",
        "UPDATE dispute SET compensated_minor = 0 WHERE id = '{covered}'",
        "dispute {covered} paid back 500 minor units of CHF with 7 of the fee and 0 from the fund",
    ),
    Plant(
        "dispute_matches_journals",
        "UPDATE journal SET kind = 'dispute.settle' WHERE subject_id = '{appealed}' AND kind = 'dispute.hold'",
        "0 entries went astray, and a step was taken twice",
    ),
    Plant(
        "dispute_counts_evidence",
        "UPDATE dispute SET seller_evidence = 3 WHERE id = '{reviewed}'",
        "dispute {reviewed} counts evidence 0 times by the buyer and 3 by the seller, but there are 0 and 2",
    ),
    Plant(
        "dispute_counts_evidence",
        "UPDATE dispute_step SET event = 6 WHERE dispute_id = '{reviewed}' AND version = 5",
        "dispute {reviewed} counts evidence 2 times, but has 1 steps of it",
    ),
    Plant(
        "dispute_counts_evidence",
        "UPDATE evidence SET dispute_id = '{nobody}' WHERE id = '{shown}'",
        "dispute {nobody} is missing, but evidence of it is not",
    ),
    Plant(
        "evidence_has_file",
        "UPDATE evidence_file SET content = set_byte(content, 0, 0) WHERE id = '{shown_file}'",
        "evidence {shown_file} has a file that is not the one that was shown",
    ),
    Plant(
        "evidence_has_file",
        "DELETE FROM evidence_file WHERE id = '{shown_file}'",
        "evidence {shown_file} lacks its file of 20 bytes",
    ),
    Plant(
        "evidence_has_file",
        "UPDATE evidence SET size_bytes = 5 WHERE id = '{shown_file}'",
        "evidence {shown_file} is of 5 bytes, but its file is of 20",
    ),
    Plant(
        "evidence_has_file",
        "UPDATE evidence SET size_bytes = 0 WHERE id = '{shown_file}'",
        "evidence {shown_file} has a file of which it does not know",
    ),
    Plant(
        "evidence_has_file",
        "DELETE FROM evidence WHERE id = '{shown_file}'",
        "evidence {shown_file} is missing, but its file is not",
        ("dispute_counts_evidence",),
    ),
]
