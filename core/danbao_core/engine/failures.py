"""What a database error means for the batch that met it."""

from enum import Enum
from typing import Any, Final

import asyncpg
import structlog

from danbao_core.errors import InternalFault
from danbao_core.ids import uuid7

_log = structlog.get_logger("danbao.engine")


class Remedy(Enum):
    """What to do with the batch."""

    RETRY = "another transaction was in the way: decide again"
    WAIT = "the database is not there: tell the callers to send it again"
    SPLIT = "a command of the batch cannot be written: find it"


class Restart(Exception):
    """The rows changed in a way that makes the batch start over: a reference, or a version under a lock."""


class CommitInDoubt(Exception):
    """The connection was lost while the server had the COMMIT: it may or may not have taken it."""

    def __init__(self, batch_no: int, outcomes: list[Any]) -> None:
        super().__init__(batch_no)
        self.batch_no = batch_no
        self.outcomes = outcomes


class NoStripeLeft(Exception):
    """All stripes are leased: too many engines share the database."""


_REMEDIES = {
    "40": Remedy.RETRY,  # transaction rollback: deadlock, serialization failure
    "08": Remedy.WAIT,  # connection exception
    "53": Remedy.WAIT,  # insufficient resources
    "57": Remedy.WAIT,  # operator intervention: shutdown, cancel
    "58": Remedy.WAIT,  # system error: disk
    "28": Remedy.WAIT,  # who we are is not accepted (any more)
    "3D": Remedy.WAIT,  # no such database (yet)
    "25": Remedy.WAIT,  # transaction state: the server ended an idle transaction
}


def remedy(error: BaseException) -> Remedy:
    """The remedy for an error that a batch met before its COMMIT.

    Classes 22, 23 and 42, and whatever asyncpg cannot encode, are the fault of one command; a unique violation (23505) first
    means that another engine made the same row, so it is tried again before it is anybody's fault.
    """
    if isinstance(error, Restart):
        return Remedy.RETRY
    if isinstance(error, NoStripeLeft):
        return Remedy.WAIT
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state in ("55P03", "23505"):
            return Remedy.RETRY
        return _REMEDIES.get(state[:2], Remedy.SPLIT)
    if is_connection_loss(error):
        return Remedy.WAIT
    return Remedy.SPLIT


_CAUSES: Final = {"40P01": "deadlock", "40001": "serialization", "55P03": "lock_timeout", "23505": "unique_violation"}

RETRY_CAUSES: Final = (*_CAUSES.values(), "restart", "other")
"""Why a batch is tried again, as it is counted."""


def retry_cause(error: BaseException) -> str:
    """Which of them an error is whose remedy is RETRY."""
    if isinstance(error, Restart):
        return "restart"
    return _CAUSES.get(getattr(error, "sqlstate", None) or "", "other")


def internal_fault(what: str, error: BaseException, command: object = None) -> InternalFault:
    """What a caller is told of a fault of ours; the log has the rest, under the same id."""
    fault_id = uuid7()
    _log.error(what, fault_id=str(fault_id), command=type(command).__name__, exc_info=error)
    return InternalFault(fault_id=fault_id)


def is_connection_loss(error: BaseException) -> bool:
    """Whether the connection cannot be used any more (or never could)."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in ("08", "57", "58", "25")
    if isinstance(error, asyncpg.DataError):  # an InterfaceError, but about one argument
        return False
    # An InternalClientError is asyncpg out of step with the server, as after a shutdown notice that came unasked.
    return isinstance(error, (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError))
