"""`danbao audit` as people and programs run it."""

import asyncio
import json
import os
import sys
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from rich.console import Console

from danbao.v1 import operations_pb2
from danbao_core.audit import INVARIANTS
from danbao_core.cli import audit as command_line
from danbao_core.cli.output import Output
from danbao_core.supervisor.endpoint import Endpoint, write_endpoint
from tests.integration import audited_books
from tests.integration.audited_books import Books
from tests.integration.sandboxes import eventually
from tests.rpc_client import a_core
from tests.shared_postgres import SharedServer

healthy, books, broken = audited_books.healthy, audited_books.books, audited_books.broken


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


async def danbao_audit(*arguments: str, **environment: str) -> Ended:
    """Runs `danbao audit` as a process of its own, in an environment that names no core."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DANBAO_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "danbao_core", "audit", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=inherited | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} | environment,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def test_the_command_shows_that_all_holds(books: str) -> None:
    ended = await danbao_audit("--database-url", books)
    assert (ended.code, ended.err) == (0, "")
    assert all(f"{invariant} " in ended.out for invariant in INVARIANTS)
    assert f"All {len(INVARIANTS)} invariants hold" in ended.out


async def test_the_command_names_the_first_breach(broken: str, healthy: Books) -> None:
    ended = await danbao_audit(DANBAO_DATABASE_URL=broken)
    assert ended.code == 1
    assert f"1 of {len(INVARIANTS)} invariants do not hold" in ended.out
    assert f"first breach: payment_matches_times: payment {healthy.ids['paid']} of mode 1 is PAID" in ended.err


async def test_that_no_worker_was_there_is_a_warning(books: str, healthy: Books) -> None:
    connection = await asyncpg.connect(books)
    await connection.execute("UPDATE installation SET clock_moved_at = now() - interval '2 hours'")
    await connection.execute("UPDATE refund SET due_at = '2001-01-01' WHERE id = $1", healthy.ids["awaiting"])
    await connection.close()
    ended = await danbao_audit("--database-url", books)
    assert (ended.code, "The books are right, and workers are behind" in ended.out) == (0, True)
    assert f"warning: nothing_is_late: refund {healthy.ids['awaiting']} was due at 2001-01-01" in ended.err
    async with a_core(books) as core:
        answer = await core.operator.ask(operations_pb2.AuditLedgerRequest())
    assert answer.holds, "the books are right"
    assert [check.invariant for check in answer.checks if not check.holds and check.warning] == ["nothing_is_late"]


async def test_the_command_answers_in_json(broken: str, healthy: Books) -> None:
    ended = await danbao_audit("--database-url", broken, "--json")
    answer = json.loads(ended.out)
    named = [check for check in answer["checks"] if not check["holds"]]
    assert (ended.code, answer["holds"], len(answer["checks"])) == (1, False, len(INVARIANTS))
    assert [check["invariant"] for check in named] == ["payment_matches_times"]
    assert str(healthy.ids["paid"]) in named[0]["breach"]
    assert {check["breach"] for check in answer["checks"] if check["holds"]} == {None}
    assert answer["seconds"] > 0


async def test_the_command_finds_the_database_of_a_sandbox(books: str, tmp_path: Path) -> None:
    pids = {role: [os.getpid()] for role in ("supervisor", "postgres", "valkey", "server", "worker")}
    write_endpoint(
        tmp_path, Endpoint("127.0.0.1:1", operator_key="", second_operator_key="", database_url=books, valkey_url="", pids=pids)
    )
    ended = await danbao_audit("--data", str(tmp_path), DANBAO_DATABASE_URL="postgresql://not/this/one")
    assert (ended.code, ended.err) == (0, "")


async def test_the_command_asks_the_core_where_it_knows_no_database(broken: str, healthy: Books) -> None:
    async with a_core(broken) as core:
        ended = await danbao_audit(DANBAO_ADDRESS=core.server.address, DANBAO_KEY=str(core.operator.token))
    assert ended.code == 1
    assert f"first breach: payment_matches_times: payment {healthy.ids['paid']} of mode 1 is PAID" in ended.err


@pytest.mark.parametrize(
    ("database", "reason", "words"),
    [
        ("postgres", "NOT_AUDITABLE", "it is no database of Danbao"),
        ("nowhere", "DATABASE_UNAVAILABLE", 'database "nowhere" does not exist'),
    ],
)
async def test_the_command_says_what_it_cannot_read(postgres: SharedServer, database: str, reason: str, words: str) -> None:
    ended = await danbao_audit("--database-url", postgres.url_of(database), "--json")
    error = json.loads(ended.out)["error"]
    assert (ended.code, error["reason"]) == (2, reason)
    assert words in error["message"]
    assert words in ended.err


async def test_the_command_says_that_no_database_answers() -> None:
    ended = await danbao_audit("--database-url", "postgresql://danbao@/danbao?host=/nowhere")
    assert ended.code == 2
    assert "error: The database does not answer" in ended.err


async def test_progress_shows_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    output, shown = Output(as_json=False), StringIO()
    output.progress = Console(file=shown, force_terminal=True)
    with command_line._progress(output) as progress:
        progress("journal_sums_to_zero")
    assert shown.getvalue() == ""
    monkeypatch.setattr(command_line, "_QUIET_SECONDS", 0.0)
    with command_line._progress(output) as progress:
        progress("journal_sums_to_zero")
        await eventually(lambda: "checking journal_sums_to_zero" in shown.getvalue())
