"""`danbao backup` and `danbao restore` where there is nothing to do it with."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from danbao_core.cli.app import app
from danbao_core.embedded.recovery import CopyFailed
from danbao_core.supervisor.backup import back_up


def refused(*arguments: str | Path) -> dict[str, Any]:
    """What a command says that cannot do it."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == 1, result.output
    error: dict[str, Any] = json.loads(result.stdout)["error"]
    return error


def test_only_a_sandbox_that_runs_is_backed_up(tmp_path: Path) -> None:
    assert refused("backup", tmp_path / "backup", "--data", tmp_path / "none")["reason"] == "NOT_RUNNING"
    assert not (tmp_path / "backup").exists()


async def test_a_folder_that_holds_something_else_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "wal").mkdir()
    with pytest.raises(CopyFailed, match="holds something else"):
        await back_up(tmp_path / "sandbox", "postgresql://nowhere", tmp_path, lambda _: None)
    assert [each.name for each in tmp_path.iterdir()] == ["wal"]


def test_what_is_no_backup_is_not_restored(tmp_path: Path) -> None:
    error = refused("restore", tmp_path, "--data", tmp_path / "new")
    assert (error["reason"], "holds no backup" in error["message"]) == ("RESTORE_FAILED", True)
    assert not (tmp_path / "new").exists()


def test_a_sandbox_is_never_restored_over_another(tmp_path: Path) -> None:
    for folder in (tmp_path / "backup" / "base", tmp_path / "sandbox" / "postgres"):
        folder.mkdir(parents=True)
    error = refused("restore", tmp_path / "backup", "--data", tmp_path / "sandbox")
    assert (error["reason"], "is not empty" in error["message"]) == ("RESTORE_FAILED", True)
    assert (tmp_path / "sandbox" / "postgres").exists()


def test_what_to_start_a_restored_sandbox_with_can_be_pasted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def restored(*_: object) -> None:
        """As if it were done, up to the backup's beginning."""

    monkeypatch.setattr("danbao_core.supervisor.backup.restore", restored)
    result = CliRunner().invoke(app, ["restore", str(tmp_path), "--data", "my sandbox"])
    assert result.stdout.endswith("Start it: danbao up --data 'my sandbox'\n")


@pytest.mark.parametrize("time", ["yesterday", "2026-03-01T12:30:00"])
def test_a_moment_has_a_zone(tmp_path: Path, time: str) -> None:
    assert refused("restore", tmp_path, "--data", tmp_path / "new", "--to", time)["reason"] == "TIME_INVALID"
