"""Which rows a batch needs, and getting them: read without locks until they name nothing new, then locked in one order."""

import contextlib
from collections.abc import Sequence

from danbao_core.engine.book import Book
from danbao_core.engine.command import Guard
from danbao_core.engine.connection import Connection
from danbao_core.engine.failures import Restart, internal_fault
from danbao_core.engine.requests import Request
from danbao_core.engine.rows import Place
from danbao_core.engine.waiting import ANY_STRIPE, Waiting
from danbao_core.errors import Refusal


async def gather(connection: Connection, book: Book, batch: Sequence[Waiting], guard: Guard | None) -> None:
    """Loads what the commands need, so that every row that may change is locked, in one order for all engines.

    Commands whose keys do not depend on rows skip the first, unlocked reading. Rows that are only looked at are read when
    every lock is held, so they are as fresh as the locked ones. Raises Restart where the locked rows name more rows.
    """
    book.discovering = True
    stripe = book.stripe
    dependent = [
        waiting for waiting in batch if waiting.named_for not in (stripe, ANY_STRIPE) and name_keys(waiting, book, guard)
    ]
    if dependent:
        await book.learn_time(connection)
    while new := {key.place for waiting in dependent for key in waiting.keys if not book.knows(key)}:
        await book.load(connection, new)
        for waiting in dependent:
            name_keys(waiting, book, guard)
    writes: set[Place] = set()
    shares: set[Place] = set()
    reads: set[Place] = set()
    for waiting in batch:
        writes.update(waiting.changed, waiting.striped)
        shares.update(waiting.shared)
        reads.update(waiting.read)
    await book.lock(connection, writes, shares)
    await book.load(connection, reads - writes - shares)
    await book.learn_time(connection)
    for waiting in dependent:
        name_keys(waiting, book, guard)
        if not all(book.holds(key) for key in waiting.keys):
            raise Restart("a row names another one than before")
    book.discovering = False


def name_ahead(waiting: Waiting, book: Book, guard: Guard | None) -> None:
    """Asks a command for its keys before it is in a batch, with a book without rows. One whose keys depend on rows is asked
    again, as is one whose keys depend on the stripe where the batch has another one. Raises nothing: what waits must not harm
    the batch under way, nor the loop of a lane."""
    book.discovering = True
    if waiting.named_for is None or waiting.named_for not in (ANY_STRIPE, book.stripe):
        with contextlib.suppress(Exception):  # its batch meets it again, and finds whose fault it is
            name_keys(waiting, book, guard)


def name_keys(waiting: Waiting, book: Book, guard: Guard | None) -> bool:
    """Asks a command for its keys; answers whether they depend on rows."""
    command = waiting.command
    book.asked = book.asked_for_stripe = False
    waiting.fault = waiting.named_for = None
    try:
        waiting.keys = [*command.keys(book), *waiting.needed]
    except Refusal as refusal:
        waiting.keys, waiting.fault = [], refusal
    except Exception as error:
        waiting.keys, waiting.fault = [], internal_fault("a command failed to name its keys", error, command)
    if command.origin.request_id:
        waiting.keys.append(Request.read_key(command.origin.caller, command.origin.request_id))
    if guard is not None:
        waiting.keys.extend(guard.keys(command.origin))
    waiting.sort_keys()
    if book.asked:
        return True
    waiting.named_for = book.stripe if book.asked_for_stripe else ANY_STRIPE
    waiting.keys = []  # only those that may name more are looked at again, and some 2,000 payments wait
    return False
