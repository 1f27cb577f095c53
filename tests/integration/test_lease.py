"""What the processes of a test run ask of its host, and that it ends with the last of them, however each ends."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import psutil
import pytest

from danbao_core.testing import lease
from danbao_core.testing.temporary import a_temporary_folder
from tests.integration.sandboxes import eventually


@pytest.fixture
def meeting_point() -> Iterator[Path]:
    """Of a run of its own, which does not exist yet."""
    parent = a_temporary_folder("danbao-test-")
    yield parent / "run"
    assert not (parent / "run").exists()
    shutil.rmtree(parent)


def host_of(folder: Path) -> psutil.Process:
    return next(each for each in psutil.process_iter(["cmdline"]) if str(folder) in (each.info["cmdline"] or ()))


async def test_all_share_one_postgres_until_the_last_has_left(meeting_point: Path) -> None:
    with ExitStack() as first, ExitStack() as second:
        url = first.enter_context(lease.lease(meeting_point, "postgres"))["url"]
        data = (meeting_point / lease.DATA).readlink()
        assert second.enter_context(lease.lease(meeting_point, "postgres"))["url"] == url
        killed = a_process_that_leases(meeting_point)
        first.close()
        await (await asyncpg.connect(url)).close()
        second.close()
        await (await asyncpg.connect(url)).close()
        killed.kill()
        killed.communicate()
        await eventually(lambda: not data.exists() and not meeting_point.exists())


def a_process_that_leases(folder: Path) -> "subprocess.Popen[str]":
    """One that keeps what it was given for as long as it lives."""
    imports = "from pathlib import Path\nfrom signal import pause\nfrom danbao_core.testing.lease import lease\n"
    keep = f"with lease(Path({str(folder)!r}), 'postgres'):\n    print(flush=True)\n    pause()"
    process = subprocess.Popen(
        [sys.executable, "-c", imports + keep],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "\n"
    return process


async def test_what_a_host_leaves_that_was_killed_is_cleared_away_by_who_leaves(meeting_point: Path) -> None:
    with lease.lease(meeting_point, "postgres") as answer:
        data = (meeting_point / lease.DATA).readlink()
        host_of(meeting_point).send_signal(signal.SIGKILL)
        assert answer["url"]
    assert not data.exists()


def test_why_there_is_no_host_is_said(meeting_point: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(lease.HostFailed, match="No module named"), lease.lease(meeting_point, "core"):
        pass
    lease.remove(meeting_point)
