"""What all commands have in common: `--json`, words for what goes wrong, and what a shell offers at Tab."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import grpc
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from danbao.v1 import operations_pb2
from danbao_client import DanbaoError
from danbao_core.cli import disputes, proposals
from danbao_core.cli.app import app
from danbao_core.cli.output import in_words

NOWHERE: Final = ("--data", "nowhere")
NO_DATABASE: Final = ("--database-url", "postgresql://ada@127.0.0.1:1/danbao")

ENDINGS: Final[dict[str, tuple[str, ...]]] = {
    "up": ("--data", "a-file"),
    "serve": (),
    "migrate": NO_DATABASE,
    "audit": NO_DATABASE,
    "reconcile": NOWHERE,
    "replay": ("missing.csv", "--merchant", "CDNOW", "--currency", "USD", *NOWHERE),
    "demo": NOWHERE,
    "health": NOWHERE,
    "status": NOWHERE,
    "bench": ("--output", "nowhere/bench.json"),
    "jwks": NOWHERE,
    "statement": ("accounts/a", "CNY", "2026-10", *NOWHERE),
    "backup": ("a-folder", *NOWHERE),
    "restore": ("a-folder", *NOWHERE),
    "explain": ("payments/a", *NOWHERE),
    "sandbox-bank": (),
    "keys create": ("shop", "--scope", "accounts.read", *NO_DATABASE),
    "keys list": NOWHERE,
    "keys rotate": ("serviceKeys/00000000-0000-7000-8000-000000000000", *NO_DATABASE),
    "keys revoke": ("serviceKeys/a", *NOWHERE),
    "keyring new": NOWHERE,
    "keyring use": NOWHERE,
    "keyring reseal": ("--file", "keyring.toml", *NO_DATABASE),
    "proposals list": NOWHERE,
    "proposals grant": ("serviceKeys/a", "payments.pay_any", "--reason", "why", *NOWHERE),
    "proposals pay-out-fees": ("1.00", "CNY", "accounts/a", "--reason", "why", *NOWHERE),
    "proposals approve": ("proposals/a", *NOWHERE),
    "proposals reject": ("proposals/a", *NOWHERE),
    "disputes list": NOWHERE,
    "disputes show": ("disputes/a", *NOWHERE),
    "disputes decide": ("disputes/a", "--award", "1.00", "--text", "why", *NOWHERE),
}
"""Each command, asked for what cannot be, so that it ends at once."""


def leaves(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command under its whole name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


COMMANDS: Final = dict(leaves(typer.main.get_command(app)))


@pytest.fixture(autouse=True)
def _somewhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No core, no settings, and a file where a folder is meant."""
    monkeypatch.chdir(tmp_path)
    for name in ("ADDRESS", "KEY", "DATABASE_URL", "HASH_KEY", "KEYRING_FILE", "BANK_URL", "BANK_KEY", "TLS_CA", "INSECURE"):
        monkeypatch.delenv(f"DANBAO_{name}", raising=False)
    (tmp_path / "a-file").touch()
    (tmp_path / "keyring.toml").write_text(f'[[key]]\nid = "0"\nsecret = "{"5a" * 32}"\n')


def ran(*arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(app, arguments)


# --- `--json` ---------------------------------------------------------------------------------------------------------------


def test_every_command_is_asked_for_its_ending() -> None:
    assert set(ENDINGS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_exactly_one_object_where_it_is_asked_to(name: str) -> None:
    options = {option: each for each in COMMANDS[name].params for option in each.opts}
    assert options["--json"].is_flag
    ended = ran(*name.split(), *ENDINGS[name], "--json")
    assert ended.exit_code in (1, 2), ended.output
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    error = json.loads(ended.stdout)["error"]
    assert set(error) == {"reason", "message"}
    assert ended.stderr.endswith(f"error: {error['message']}\n")


# --- What goes wrong --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "environment", "what_to_do"),
    [
        (("keys", "list"), {}, "Start one (danbao up)"),
        (("health",), {"DANBAO_ADDRESS": "http://127.0.0.1:50051"}, "is not HOST:PORT, as in 127.0.0.1:50051"),
        (("health",), {"DANBAO_ADDRESS": "localhost"}, "is not HOST:PORT"),
        (("health",), {"DANBAO_ADDRESS": "127.0.0.1:1"}, "Does it run at that address"),
        (("keys", "list"), {"DANBAO_ADDRESS": "127.0.0.1:1"}, "set both DANBAO_ADDRESS and DANBAO_KEY"),
        (("keys", "list"), {"DANBAO_ADDRESS": "127.0.0.1:1", "DANBAO_KEY": "dbk_1\n"}, "is there the end of a line behind it?"),
        (("migrate", *NO_DATABASE), {}, "Does it run, and is its URL right?"),
        (("migrate", "--database-url", "mysql://x/y"), {}, "is its URL right?"),
        (("audit", "--database-url", "x"), {}, "Is its URL right?"),
        (("bench", "--output", "nowhere/bench.json"), {}, "choose another"),
        (("status", "--once", "--metrics", "127.0.0.1:9100"), {}, "as http://127.0.0.1:9100/metrics is one"),
        (("status", "--once", "--metrics", "http://[::1"), {}, "as http://127.0.0.1:9100/metrics is one"),
        (("status", "--once", "--metrics", "http://127.0.0.1:1"), {}, "is its DANBAO_METRICS_LISTEN set"),
        (("status", "--once"), {"DANBAO_ADDRESS": "127.0.0.1:1"}, "with --metrics URL"),
        (("status",), {}, "print one page with --once"),
        (("health", "--data", "my sandbox"), {}, "Start one: danbao up --data 'my sandbox'"),
    ],
)
def test_what_goes_wrong_is_said_with_what_to_do(
    arguments: tuple[str, ...], environment: dict[str, str], what_to_do: str
) -> None:
    ended = ran(*arguments, **environment)
    assert ended.exit_code in (1, 2)
    assert what_to_do in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_a_status_that_is_stopped_before_its_first_page_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: object) -> None:
        """A look that lasts, at which the user presses Ctrl-C."""
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    monkeypatch.setattr("danbao_core.cli.status.command._first_look", interrupted)
    monkeypatch.setattr("danbao_core.cli.status.command.sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))
    ended = ran("status")
    assert (ended.exit_code, ended.output) == (0, "")


@pytest.mark.parametrize("figure", ["12,50", "1,2,3", "1,250,00", ",5", "1250,"])
def test_a_comma_that_may_be_that_of_decimals_is_no_amount(figure: str) -> None:
    ended = ran("disputes", "list", "--min", f"{figure} CNY", DANBAO_ADDRESS="127.0.0.1:1", DANBAO_KEY="dbk_1")
    assert ended.stderr == f"error: --min: '{figure}' is not a decimal figure such as 12.50.\n"
    assert disputes._parsed("--min", "1,250.00", "CNY").amount_minor == 125_000


def test_reasons_of_people_are_shown_as_they_are_written() -> None:
    table = proposals._table([operations_pb2.Proposal(reason="see [/urgent] and [note]")])
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    assert "see [/urgent] and [note]" in console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO


@pytest.mark.parametrize(
    ("code", "reason", "what_to_do"),
    [
        (grpc.StatusCode.UNAVAILABLE, "", "Does it run at that address"),
        (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID", "Set DANBAO_KEY to a key of this core"),
        (grpc.StatusCode.UNAUTHENTICATED, "KEY_REVOKED", "Set DANBAO_KEY"),
        (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING", "a key that has it"),
        (grpc.StatusCode.UNIMPLEMENTED, "", "no sandbox"),
    ],
)
def test_a_failed_call_is_said_with_what_to_do(code: grpc.StatusCode, reason: str, what_to_do: str) -> None:
    assert what_to_do in in_words(DanbaoError(code, reason, "It failed."))


def test_without_the_packages_of_the_core_it_says_what_to_install() -> None:
    without_typer = "import sys; sys.modules['typer'] = None; from danbao_core.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", without_typer], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "error: typer is not installed. Install what the core needs: pip install 'danbao[server,embedded]'\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_under_the_output_is_said_in_a_line() -> None:
    command = [sys.executable, "-m", "danbao_core", "jwks", "--json"]
    with Path("/dev/full").open("w") as full:
        buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=buffered)
    assert ended.returncode == 1
    assert ended.stderr == "error: the output cannot be written: No space left on device\n"


# --- Tab --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("danbao sta", ["statement", "status"]),
        ("danbao statement accounts/a CN", ["CNY"]),
        ("danbao keys create shop --scope disputes.", ["disputes.decide", "disputes.supervise"]),
        ("danbao statement accounts/a CNY 2026-10 --language zh", ["zh-CN"]),
    ],
)
def test_a_shell_offers_what_can_come_next(typed: str, offered: list[str]) -> None:
    words = {"_DANBAO_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    shown = CliRunner(env=words).invoke(app, [], prog_name="danbao")
    assert set(offered) <= set(shown.stdout.split()), shown.output
    assert len(shown.stdout.split()) < 10
