"""`danbao status` on a core that runs."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import sys
import termios
from pathlib import Path

import pytest

from danbao_core.cli.status.figures import status_of
from danbao_core.cli.status.look import Place, find_place, look_at
from tests.acceptance.sandbox import Sandbox, environment_of


async def test_what_is_found_of_a_sandbox_and_of_a_core_elsewhere(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = sandbox.endpoint
    monkeypatch.delenv("DANBAO_ADDRESS", raising=False)
    first, second = [await look_at(find_place(sandbox.folder, [])) for _ in range(2)]
    status = json.loads(json.dumps(status_of(first, second).as_dict()))
    assert (status["health"], status["address"]) == ("SERVING", endpoint.address)
    assert [each["kind"] for each in status["processes"]] == ["server", "worker"]
    assert status["leader"] == endpoint.metrics[1]
    assert [store["answers"] for store in status["stores"].values()] == [True, True]

    monkeypatch.setenv("DANBAO_ADDRESS", endpoint.address)
    nobody = "http://127.0.0.1:1/metrics"
    elsewhere = await look_at(find_place(None, [*(url.removesuffix("/metrics") for url in endpoint.metrics), nobody]))
    assert (elsewhere.health, list(elsewhere.pages), elsewhere.silent) == ("SERVING", endpoint.metrics, (nobody,))
    assert elsewhere.stores == {}


async def test_stores_that_do_not_answer_are_said_not_to(tmp_path: Path) -> None:
    place = Place((), "127.0.0.1:1", {}, f"postgresql://ada@/danbao?host={tmp_path}", f"unix://{tmp_path}/valkey.sock")
    found = await look_at(place)
    assert found.health == "UNAVAILABLE"
    assert [store.answers for store in found.stores.values()] == [False, False]


@pytest.mark.parametrize("ending", [b"q", b"\x03"])
async def test_a_live_page_ends_when_it_is_told(sandbox: Sandbox, ending: bytes) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "danbao_core", "status", "--every", "0.1", "--data", str(sandbox.folder)),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment_of({"TERM": "xterm", "COLUMNS": "80", "LINES": "40"}),
        preexec_fn=_takes_the_terminal,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    seen = b""
    try:
        async with asyncio.timeout(60):
            while b"worker, leads" not in seen:
                seen += await _read(ours)
            os.write(ours, ending)
            while chunk := await _read(ours):
                seen += chunk
            assert await process.wait() == 0, seen.decode()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        os.close(ours)
    assert b"SERVING" in seen
    assert seen.rstrip().endswith(b"\x1b[?1049l")  # the terminal shows again what it showed before


def _takes_the_terminal() -> None:
    """In the child: Ctrl-C in this terminal is meant for it."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def _read(descriptor: int) -> bytes:
    """What the terminal shows next; nothing where the command has let go of it."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
        return os.read(descriptor, 65_536)
    except OSError:  # as Linux tells that nobody is at the other end
        return b""
    finally:
        loop.remove_reader(descriptor)
