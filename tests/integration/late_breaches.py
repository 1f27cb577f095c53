"""Breaches of what is true while workers work; part of those in `breaches.py`."""

from tests.integration.audited_books import Plant

LONG_AGO = "UPDATE installation SET clock_moved_at = now() - interval '61 minutes';"
"""So that what is due has been due for longer than since the clock was moved."""

LATE_PLANTS = [
    Plant(
        "nothing_is_late",
        LONG_AGO + "UPDATE payment SET due_at = '2001-01-01' WHERE id = '{paid}'",
        "payment {paid} was due at 2001-01-01 ",
    ),
    Plant(
        "nothing_is_late",
        LONG_AGO + "UPDATE refund SET due_at = '2001-01-01' WHERE id = '{awaiting}'",
        "refund {awaiting} was due at 2001-01-01 ",
    ),
    Plant(
        "nothing_is_late",
        LONG_AGO + "UPDATE refund SET due_at = '2001-01-01' WHERE id = '{pending_refund}'",
        "refund {pending_refund} was due at 2001-01-01 ",
    ),
    Plant(
        "nothing_is_late",
        LONG_AGO + "UPDATE payout_schedule SET due_at = '2001-01-01' WHERE id = '{schedule}'",
        "payout schedule {schedule} was due at 2001-01-01 ",
    ),
    Plant(
        "nothing_is_late",
        "UPDATE funding SET next_attempt_at = now() - interval '61 minutes' WHERE id = '{unknown}'",
        "bank transfer of funding {unknown} was due at ",
    ),
    Plant(
        "nothing_is_late",
        "UPDATE refund SET next_attempt_at = now() - interval '61 minutes' WHERE id = '{pending_refund}'",
        "bank transfer of refund {pending_refund} was due at ",
        ("refund_matches_state",),
    ),
]
