"""Deciding what the commands of a batch come to, each on the book that the ones before it left."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from danbao_core.engine.book import Book, NotLoaded, RowNeeded
from danbao_core.engine.command import Guard
from danbao_core.engine.failures import Restart, internal_fault
from danbao_core.engine.requests import Request, answer_again, remembered
from danbao_core.engine.waiting import Answer, Outcome, Postponed, Waiting
from danbao_core.errors import Refusal, RetriesExhausted

ATTEMPTS: Final = 5
"""How often a batch is tried while other transactions are in its way, and a command that needs more rows."""


class Decider:
    """How an engine decides."""

    def __init__(self, guard: Guard | None, request_retention: timedelta) -> None:
        self._guard = guard
        self._request_retention = request_retention

    def decide_all(self, book: Book, batch: Sequence[Waiting]) -> list[Outcome]:
        """The outcomes of all commands, each on the book that the ones before it left. Raises Restart."""
        return [self._decide(waiting, book) for waiting in batch]

    def _decide(self, waiting: Waiting, book: Book) -> Outcome:
        """The outcome of one command; its changes are in the book only where it succeeded."""
        command = waiting.command
        origin = command.origin
        try:
            if self._guard is not None:
                self._guard.check(origin, book)
            if origin.request_id and (request := book.get(Request, origin.caller, origin.request_id)):
                return Answer(answer_again(command, request), replayed=True)
            if waiting.fault is not None:
                return waiting.fault
            decision = command.decide(book)
            changes = list(decision.changes)
            if origin.traceparent:
                changes = [row.traced(origin.traceparent) for row in changes]
            if origin.request_id and decision.refusal is None:
                changes.append(remembered(command, decision.result, book.now, self._request_retention))
            book.merge(changes)
        except Refusal as refusal:
            return refusal
        except Restart:
            raise  # of the whole batch
        except (RowNeeded, NotLoaded) as error:
            return _with_more_rows(waiting, book, error)
        except Exception as error:
            return internal_fault("a command failed to decide", error, command)
        return decision.refusal or Answer(decision.result, replayed=False)


def _with_more_rows(waiting: Waiting, book: Book, error: RowNeeded | NotLoaded) -> Outcome:
    """Postpones a command that lacks a row: one that it asks for, or one that another command of the batch let it name."""
    if isinstance(error, RowNeeded) and not set(error.keys) <= set(waiting.needed):
        waiting.needed.extend(error.keys)
        waiting.named_for = None
        waiting.postponements += 1
        return Postponed() if waiting.postponements < ATTEMPTS else RetriesExhausted()
    if isinstance(error, NotLoaded) and book.changed:
        return Postponed()
    return internal_fault("a command did not name a row that it needs", error, waiting.command)
