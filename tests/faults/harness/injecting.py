"""Carries a schedule out, one fault after another."""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final

from redis.exceptions import RedisError

from danbao_client import DanbaoError
from danbao_core.database_errors import DATABASE_ERRORS
from tests.faults.harness.link import Link
from tests.faults.harness.schedule import Fault, Injection
from tests.faults.harness.stack import Connection, Stack
from tests.faults.harness.workload import Record
from tests.receiver import answer

_PROGRESS_SECONDS: Final = 120.0
"""After a fault it may take so long until calls end again."""

_SESSIONS: Final = "SELECT {0}(pid) FROM pg_stat_activity WHERE application_name LIKE 'danbao-%' AND state <> 'idle'"
_ROWS: Final = "SELECT id FROM balance WHERE purpose = 1 ORDER BY version DESC, id LIMIT 2 OFFSET $1"
_LOCK: Final = "SELECT FROM balance WHERE id = $1 FOR UPDATE"
_SOMEBODY_WAITS: Final = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')"
_WORKING_AGAIN: Final = """
    DROP TRIGGER IF EXISTS fault ON request;
    DROP FUNCTION IF EXISTS fault;
    DROP SEQUENCE IF EXISTS fault_countdown;
"""
_FAILING: Final = f"""
    {_WORKING_AGAIN}
    CREATE SEQUENCE fault_countdown;
    CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF nextval('fault_countdown') % 3 = 0 THEN
            RAISE EXCEPTION 'injected' USING ERRCODE = 'serialization_failure';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER fault BEFORE INSERT ON request FOR EACH ROW EXECUTE FUNCTION fault();
"""

_NOT_THERE: Final = (*DATABASE_ERRORS, RedisError, DanbaoError)
"""What an injection meets where there is nothing to break."""


async def inject(stack: Stack, schedule: list[Injection], record: Record) -> list[str]:
    """Injects all of it while the work goes on. Answers what could not be injected, and why."""
    left_out = []
    for injection in schedule:
        await record.calls(injection.after_calls, _PROGRESS_SECONDS)
        try:
            await _inject(stack, injection, record)
        except _NOT_THERE:  # what an earlier fault ended, and is not back yet
            await stack.whole_again()
            try:
                await _inject(stack, injection, record)
            except _NOT_THERE as error:
                left_out.append(f"{injection.target}: {injection.fault}: {error!r}")
    return left_out


async def _inject(stack: Stack, injection: Injection, record: Record) -> None:
    """One fault, from its beginning to its end."""
    async with _struck(stack, injection):
        with contextlib.suppress(AssertionError):  # it is over by the clock
            await record.calls(injection.after_calls + injection.lasts_calls, injection.most_seconds)


@contextlib.asynccontextmanager
async def _struck(stack: Stack, injection: Injection) -> AsyncIterator[None]:
    """The fault, as long as it lasts."""
    target = injection.target
    async with contextlib.AsyncExitStack() as healing:
        match injection.fault:
            case Fault.KILL:
                stack.signal(target, signal.SIGKILL)
            case Fault.PAUSE:
                healing.callback(stack.signal, target, signal.SIGCONT)
                stack.signal(target, signal.SIGSTOP)
            case Fault.DROP | Fault.STALL | Fault.BLACK_HOLE:
                healing.callback(_break(stack.links[target], injection.fault))
            case Fault.CRASH_BEFORE_COMMIT | Fault.CRASH_IN_COMMIT:
                await _crash_at_commit(stack, injection)
            case Fault.WIPE | Fault.LOSE:
                await (stack.wipe_valkey() if injection.fault is Fault.WIPE else _lose_valkey(stack))
            case Fault.CLOCK:
                async with stack.client(20.0) as client:
                    await client.sandbox.advance_clock(by=timedelta(seconds=injection.amount))
            case Fault.RECEIVER:
                healing.callback(stack.receiver.answers.append, answer(200))  # the last one goes on
                stack.receiver.answers[:] = [answer(500)]
            case Fault.DISK_FULL:
                if not stack.disk.can_be_full:
                    raise OSError("Postgres' data have no file system of their own: mounting one takes root")
                healing.push_async_callback(stack.disk.make_room)
                await stack.disk.fill()
            case _:
                await healing.enter_async_context(_struck_by_a_rival(stack, injection))
        yield


def _break(link: Link, fault: Fault) -> Callable[[], None]:
    """Cuts or holds up what goes over a link; answers what ends that."""
    if fault is Fault.DROP:
        link.cut()
        return link.let_go
    link.hold_up()

    def let_go() -> None:
        if fault is Fault.BLACK_HOLE:
            link.cut()
        link.let_go()

    return let_go


@contextlib.asynccontextmanager
async def _struck_by_a_rival(stack: Stack, injection: Injection) -> AsyncIterator[None]:
    """Faults that another session of the database brings about."""
    async with stack.connected() as rival:
        match injection.fault:
            case Fault.DEADLOCK:
                await _deadlock(rival, injection.amount % 8)
            case Fault.TIME_OUT:
                await rival.execute(_SESSIONS.format("pg_cancel_backend"))
            case Fault.TERMINATE:
                await rival.execute(_SESSIONS.format("pg_terminate_backend"))
            case Fault.SERIALIZATION:
                await rival.execute(_FAILING)
                try:
                    yield
                finally:
                    await rival.execute(_WORKING_AGAIN)
                return
        yield


async def _deadlock(rival: Connection, place: int) -> None:
    """Locks two busy rows against the order in which engines do, and gives them back."""
    first, second = sorted(row["id"] for row in await rival.fetch(_ROWS, place))
    await rival.execute("SET deadlock_timeout = '10s'")  # it is not the rival that is sent away
    async with rival.transaction():
        await rival.execute(_LOCK, second)
        for _ in range(30):
            if await rival.fetchval(_SOMEBODY_WAITS):
                break
            await rival.execute("SELECT pg_sleep(0.02), pg_stat_clear_snapshot()")
        await rival.execute(_LOCK, first)


async def _crash_at_commit(stack: Stack, injection: Injection) -> None:
    """Stops Postgres as if its machine had failed, at the next COMMIT that comes over a link."""
    link, struck = stack.links[injection.target], asyncio.Event()

    def strike() -> None:
        stack.signal("postgres", signal.SIGQUIT)
        struck.set()

    link.after_passing_on = injection.fault is Fault.CRASH_IN_COMMIT
    link.on_commit = strike
    try:
        async with asyncio.timeout(10):
            await struck.wait()
    finally:
        link.on_commit = None


async def _lose_valkey(stack: Stack) -> None:
    """Kills Valkey when all that it kept is gone."""
    stack.signal("valkey", signal.SIGSTOP)
    await asyncio.to_thread(shutil.rmtree, stack.folder / "valkey" / "appendonlydir", ignore_errors=True)
    stack.signal("valkey", signal.SIGKILL)


async def heal(stack: Stack) -> None:
    """Leaves nothing behind of what was injected, and returns when everything runs."""
    await stack.whole_again()
    async with stack.connected() as connection:
        await connection.execute(_WORKING_AGAIN)
