"""What must be true when a stack has settled, whatever was injected. Each check answers breaches in words."""

import asyncio
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psutil

from danbao.v1 import accounts_pb2, disputes_pb2, payments_pb2
from danbao_core.audit import audit_within
from tests.faults.harness.settling import unsettled
from tests.faults.harness.stack import COUNTS, Connection, Stack
from tests.faults.harness.workload import Asked, Market, Record, asked, rpcs_of, topped_up_minor
from tests.receiver import Received

Breaches = list[str]

_AT_ONCE: Final = 64
_LEAK_SECONDS: Final = 30.0
_MOST_FILES_MORE: Final = 40
"""Connections of callers, and of pools that grew."""

_MOVES_MONEY: Final = (
    payments_pb2.PayPaymentRequest,
    payments_pb2.CapturePaymentRequest,
    payments_pb2.VoidPaymentRequest,
    payments_pb2.ConfirmPaymentRequest,
    disputes_pb2.AcceptOfferRequest,
)

_MONEY: Final = """
    WITH sold AS (SELECT * FROM payment WHERE payee_id = ANY($1)), wallet AS (
        SELECT sum(amount_minor) AS minor FROM balance WHERE account_id = ANY($1)
    ), kept AS (
        SELECT sum(minor) AS minor FROM (
            SELECT fee_minor FROM sold WHERE released_minor > 0
            UNION ALL SELECT -fee_share_minor FROM refund WHERE payee_id = ANY($1) AND state = 3
            UNION ALL SELECT -dispute.fee_returned_minor FROM dispute JOIN sold ON sold.id = payment_id
        ) AS fee (minor)
    ), came AS (
        SELECT sum(amount_minor) AS minor FROM funding WHERE account_id = ANY($1) AND state = 1 AND instrument_id IS NOT NULL
    )
    SELECT
        coalesce(wallet.minor, 0)::bigint,
        (SELECT coalesce(sum(held_minor) FILTER (WHERE mode = 1), 0)::bigint FROM sold),
        coalesce(kept.minor, 0)::bigint,
        coalesce(came.minor, 0)::bigint
    FROM wallet, kept, came
"""

_BY_TIME: Final = {
    *(f"payment.{event}" for event in ("expire", "ship_by", "auto_confirm", "finish", "hold_expiry")),
    *("dispute.return", "dispute.settle"),
}
"""Journals of what was due before a request came. They stay, even where the request is then refused."""


# --- Acknowledged = booked, once ---------------------------------------------------------------------------------------------


async def must_be_booked_once(connection: Connection, record: Record) -> Breaches:
    """Each request that was acknowledged is remembered and had its effect once; one that was refused had none."""
    breaches = [*record.faults, *(f"{key} was never answered" for key, each in record.asked.items() if each.is_open)]
    ids = list(record.asked)
    remembered = Counter(
        row[0] for row in await connection.fetch("SELECT request_id FROM request WHERE request_id = ANY($1)", ids)
    )
    moved = await connection.fetch(
        "SELECT request_id, kind, count(*) FROM journal WHERE request_id = ANY($1) GROUP BY 1, 2 ORDER BY 1, 2", ids
    )
    booked: defaultdict[str, set[str]] = defaultdict(set)
    for row in moved:
        booked[row["request_id"]].add(row["kind"])
    breaches += [f"{row['request_id']} booked {row['kind']} {row['count']} times" for row in moved if row["count"] > 1]
    for request_id, each in record.asked.items():
        kind = type(each.request).__name__
        if each.answer is not None and remembered[request_id] != 1:
            breaches.append(f"{kind} {request_id} was acknowledged, and is remembered {remembered[request_id]} times")
        if each.answer is not None and _moves_money(each) and not booked[request_id]:
            breaches.append(f"{kind} {request_id} was acknowledged, and no money moved")
        if each.refusal and (remembered[request_id] or booked[request_id] - _BY_TIME):
            breaches.append(f"{kind} {request_id} was refused ({each.refusal}), and had an effect")
    return breaches + await _payments_are_there_once(connection, record)


def _moves_money(each: Asked) -> bool:
    if isinstance(each.request, accounts_pb2.TopUpRequest):
        return not each.request.instrument
    if isinstance(each.request, payments_pb2.CreatePaymentRequest):
        return each.request.pay
    return isinstance(each.request, _MOVES_MONEY)


async def _payments_are_there_once(connection: Connection, record: Record) -> Breaches:
    """By their subjects, which are their request ids."""
    created = record.of(payments_pb2.CreatePaymentRequest)
    subjects = [each.request.request_id for each in created]
    found: defaultdict[str, list[UUID]] = defaultdict(list)
    for row in await connection.fetch("SELECT subject, id FROM payment WHERE subject = ANY($1)", subjects):
        found[row["subject"]].append(row["id"])
    expected = {
        each.request.request_id: [] if each.answer is None else [UUID(each.answer.name.partition("/")[2])] for each in created
    }
    return [
        f"CreatePayment {subject} made {[*map(str, found[subject])]}, and {[*map(str, ids)]} was acknowledged"
        for subject, ids in expected.items()
        if found[subject] != ids
    ]


async def must_be_answered_the_same(stack: Stack, record: Record) -> Breaches:
    """Who asks once more for what was acknowledged gets the same answer, and nothing else happens."""
    breaches: Breaches = []
    again = Record()
    acknowledged = [each for each in record.asked.values() if each.answer is not None]
    async with stack.client() as client:
        ask = partial(asked, rpcs_of(client), again)
        for first in range(0, len(acknowledged), _AT_ONCE):
            some = acknowledged[first : first + _AT_ONCE]
            answers = await asyncio.gather(*(ask(each.request) for each in some))
            breaches += [
                f"{type(each.request).__name__} {each.request.request_id} is answered otherwise when it is asked again"
                for each, answer in zip(some, answers, strict=True)
                if answer != each.answer
            ]
    return breaches


# --- Money -------------------------------------------------------------------------------------------------------------------


async def must_have_kept_the_money(connection: Connection, record: Record, market: Market) -> Breaches:
    """What was put in is there: in the wallets of these accounts, in escrow for their payments, or paid as fees."""
    accounts = [UUID(name.partition("/")[2]) for name in (market.shop, *market.payers)]
    [(wallets, escrow, fees, by_card)] = await connection.fetch(_MONEY, accounts)
    put_in = topped_up_minor(record) + by_card
    if wallets + escrow + fees == put_in:
        return []
    return [f"{put_in} was put in, and {wallets} is in wallets, {escrow} in escrow, {fees} fees"]


async def must_agree_with_the_bank(connection: Connection, bank: Path) -> Breaches:
    """The bank of cards says, by its own books, what ours say of it."""
    with closing(sqlite3.connect(f"file:{bank}?mode=ro", uri=True)) as books:
        (theirs,) = books.execute("SELECT coalesce(sum(amount_minor), 0) FROM transfer WHERE reason = ''").fetchone()
    ours = await connection.fetchval(
        "SELECT coalesce(sum(amount_minor), 0)::bigint FROM funding WHERE state = 1 AND instrument_id IS NOT NULL"
    )
    return [] if ours == theirs else [f"the bank gave {theirs} for top-ups, and {ours} came"]


async def must_pass_the_audit(connection: Connection) -> Breaches:
    """Every invariant of the books. In a transaction, which it leaves open."""
    return [f"{each.invariant}: {each.breach}" for each in await audit_within(connection) if each.breach is not None]


# --- Webhooks ----------------------------------------------------------------------------------------------------------------


async def must_have_been_told(connection: Connection, market: Market, received: Sequence[Received]) -> Breaches:
    """The shop's endpoint got each of its events, those of one subject in their order, and each under one id."""
    shop = UUID(market.shop.partition("/")[2])
    log = await connection.fetch(
        "SELECT id, topic, subject_id, subject_version, ordering_id FROM event "
        "WHERE (account_id = $1 OR other_account_id = $1) AND position > $2 ORDER BY position",
        shop,
        market.told_since,
    )
    told = Counter((row["topic"], row["subject_id"], row["subject_version"]) for row in log)
    breaches = [f"{topic} of {subject} is told under {count} ids" for (topic, subject, _), count in told.items() if count > 1]
    breaches += _in_their_order(log, list(dict.fromkeys(each.id for each in received)))
    if not all(each.secret_fits for each in received):
        breaches.append("a webhook was signed with another secret")
    return breaches


def _in_their_order(log: Iterable[Any], came: Sequence[str]) -> Breaches:
    known = {str(row["id"]): row for row in log}
    breaches = [f"the event {event_id} came, and is not in the log" for event_id in came if event_id not in known]
    breaches += [
        f"{row['topic']} of {row['subject_id']} never came" for event_id, row in known.items() if event_id not in set(came)
    ]
    expected: defaultdict[UUID, list[str]] = defaultdict(list)
    seen: defaultdict[UUID, list[str]] = defaultdict(list)
    for event_id, row in known.items():
        expected[row["ordering_id"]].append(event_id)
    for event_id in came:
        if event_id in known:
            seen[known[event_id]["ordering_id"]].append(event_id)
    return breaches + [
        f"the events of {ordering} came in another order"
        for ordering, ids in seen.items()
        if ids != [each for each in expected[ordering] if each in set(ids)]
    ]


# --- Timers ------------------------------------------------------------------------------------------------------------------


async def must_be_on_time(connection: Connection) -> Breaches:
    """Nothing that is due is left, and no step by time was taken twice."""
    twice = await connection.fetch(
        "SELECT kind, subject_id, count(*) FROM journal "
        "WHERE caller = 'worker' AND kind NOT LIKE 'dispute.%' GROUP BY 1, 2 HAVING count(*) > 1 LIMIT 5"
    )
    return [
        *await unsettled(connection),
        *(f"{row['kind']} of {row['subject_id']} was done {row['count']} times" for row in twice),
    ]


# --- Leaks -------------------------------------------------------------------------------------------------------------------


async def must_not_leak(stack: Stack, tasks_before: "set[asyncio.Task[Any]]") -> Breaches:
    """No process, session, lock, file or task is left that was not there when all was new."""
    breaches: Breaches = []

    async def look() -> None:
        nonlocal breaches
        async with stack.connected() as connection:
            breaches = await _leaks_in_database(connection)
        breaches += _leaked_processes_and_files(stack)
        breaches += [
            f"the task {task.get_name()} still runs: {task.get_coro()}"
            for task in asyncio.all_tasks() - tasks_before
            if "Proxy" not in str(task.get_coro()) and "Link" not in str(task.get_coro()) and task is not asyncio.current_task()
        ]

    deadline = asyncio.get_running_loop().time() + _LEAK_SECONDS
    await look()
    while breaches and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.2)
        await look()
    return breaches


async def _leaks_in_database(connection: Connection) -> Breaches:
    engines = COUNTS["server"] + COUNTS["worker"]
    locks = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    waiting = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
    idle = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE state LIKE 'idle in transaction%' AND now() - xact_start > interval '8 seconds'"
    )
    sessions = {
        row[0]: row[1]
        for row in await connection.fetch(
            "SELECT split_part(application_name, ' ', 1), count(*) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1"
        )
    }
    breaches = []
    lanes = sessions.get("danbao-engine", 0)
    if locks != lanes + 1:
        breaches.append(f"{locks} advisory locks are held: there are {lanes} lanes of engines and a leader")
    if waiting or idle:
        breaches.append(f"{waiting} locks are waited for, and {idle} transactions are idle")
    if not engines <= lanes <= 2 * engines:
        breaches.append(f"{lanes} sessions of {engines} engines, each of which has one or two lanes")
    if sessions.get("danbao-leader", 0) > COUNTS["worker"]:
        breaches.append(f"{sessions['danbao-leader']} sessions of {COUNTS['worker']} workers that would lead")
    if sum(sessions.values()) > 9 * engines:
        breaches.append(f"{sum(sessions.values())} sessions: {sessions}")
    return breaches


def _leaked_processes_and_files(stack: Stack) -> Breaches:
    breaches = []
    if (found := stack.processes()) != Counter(COUNTS):
        breaches.append(f"processes: {dict(found)}")
    try:
        files = stack.open_files()
    except (IndexError, psutil.NoSuchProcess):
        return [*breaches, "a process is not there"]
    return breaches + [
        f"{name} has {count} files open, and had {stack.baseline[name]}"
        for name, count in files.items()
        if count > stack.baseline[name] + _MOST_FILES_MORE
    ]
