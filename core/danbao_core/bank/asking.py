"""Asking the bank for what is due, whatever it is for: claimed by one worker, asked under its own id, again until it is known.

The SQL of a claim knows the table. What the bank says is brought back by a command, of `fundings_at_bank.py` or
`refunds_at_bank.py`.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from danbao_core import sql
from danbao_core.bank.port import Answer, Bank, Outcome, Transfer

if TYPE_CHECKING:
    import asyncpg

LEASE: Final = timedelta(seconds=30)
"""How long nobody else asks after a worker has set out to: longer than it may take."""

_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(minutes=10)


class Claim(msgspec.Struct, frozen=True):
    """A transfer that this worker asks for, and nobody else for as long as LEASE."""

    comes_in: bool
    """Whether the card is debited; else it is credited."""
    attempt: int
    """Which one it is; 1 for the first."""
    transfer: Transfer


async def claim(pool: "asyncpg.Pool[Any]", kind: str, transfer_id: UUID) -> Claim | None:
    """Claims a "funding" or a "refund" whose bank is to be asked now; None where it is not due, or somebody else asks."""
    record = await pool.fetchrow(sql.load("danbao_core", f"claim_{kind}"), transfer_id, LEASE)
    if record is None:
        return None
    transfer = Transfer(transfer_id, record["token"], record["amount_minor"], record["currency"], record["time"])
    return Claim(record["comes_in"], record["attempts"], transfer)


async def ask(bank: Bank, claimed: Claim) -> Outcome:
    """What the bank says to what was claimed.

    What may have been sent before is asked after first, and sent again, under its id, where the bank has not got it.
    """
    transfer = claimed.transfer
    if claimed.attempt > 1:
        outcome = await bank.query(transfer.id)
        if outcome.answer is not Answer.NOT_KNOWN:
            return outcome
    return await (bank.debit if claimed.comes_in else bank.credit)(transfer)


def pause_after(attempt: int) -> timedelta:
    """How long to wait after an attempt that left it open."""
    return min(_FIRST_PAUSE * (1 << min(attempt - 1, 20)), _LONGEST_PAUSE)
