"""`danbao keyring new`: a key is added in one step, to a file that nobody else can read, and is the one in force."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from danbao_core.cli.app import app
from danbao_core.keyring import Keyring, written

HASH_KEY = "5a" * 32


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DANBAO_KEYRING_FILE", "DANBAO_HASH_KEY", "DANBAO_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def ran(*arguments: str, exit_code: int = 0) -> Any:
    """The one JSON object that a command prints."""
    result = CliRunner().invoke(app, ["keyring", *arguments, "--json"])
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def test_a_key_is_added_as_the_one_in_force(tmp_path: Path) -> None:
    file = tmp_path / "keyring.toml"
    file.write_text("# ours\n" + written("0", bytes.fromhex(HASH_KEY)))
    file.chmod(0o644)
    first, second = ran("new", "--file", str(file)), ran("new", "--file", str(file))
    ring = Keyring.load(file, b"")
    assert [key.id for key in ring] == [second["key"], first["key"], "0"]
    assert file.read_text().startswith("# ours\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert "secret" not in first


def test_a_key_waits_until_it_is_used(tmp_path: Path) -> None:
    file = tmp_path / "keyring.toml"
    file.write_text(written("0", bytes.fromhex(HASH_KEY)))
    made = ran("new", "--file", str(file), "--waiting")["key"]
    waiting = Keyring.load(file, b"")
    assert [key.id for key in waiting] == ["0", made]
    ran("use", "--file", str(file))
    used = Keyring.load(file, b"")
    assert used.current.id == made
    assert waiting.open(used.seal("text", "a place"), "a place") == "text"  # as a server that was not started again yet
    assert waiting.lookups("phone", "+86")[1] == used.lookup("phone", "+86")
    before = file.read_text()
    ran("use", "--file", str(file))
    assert file.read_text() == before


def test_a_keyring_of_which_every_key_waits_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keyring.toml"
    text = written("0", bytes.fromhex(HASH_KEY), waiting=True)
    file.write_text(text)
    assert ran("new", "--file", str(file), "--waiting", exit_code=1)["error"]["reason"] == "KEYRING_INVALID"
    assert file.read_text() == text


def test_the_first_key_of_a_new_file_is_the_hash_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keyring.toml"
    failed = ran("new", "--file", str(file), exit_code=1)
    assert failed["error"]["reason"] == "HASH_KEY_MISSING"
    assert not file.exists()
    monkeypatch.setenv("DANBAO_HASH_KEY", HASH_KEY)
    ran("new", "--file", str(file), "--id", "next")
    sealed = Keyring.load(None, bytes.fromhex(HASH_KEY)).seal("text", "a place")
    ring = Keyring.load(file, b"")
    assert ring.open(sealed, "a place") == "text"
    assert ring.current.id == "next"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes other users' files")
def test_root_leaves_the_file_to_whom_it_belongs(tmp_path: Path) -> None:
    file = tmp_path / "keyring.toml"
    file.write_text(written("0", bytes.fromhex(HASH_KEY)))
    os.chown(file, 10001, 10001)
    ran("new", "--file", str(file))
    assert (file.stat().st_uid, stat.S_IMODE(file.stat().st_mode)) == (10001, 0o600)


def test_without_a_file_it_is_printed() -> None:
    made = ran("new")
    assert Keyring.parse(made["text"]).current.id == made["key"]


@pytest.mark.parametrize("wrong", ["0", "two words", "x" * 33, 'a"b'])
def test_a_keyring_that_would_be_wrong_stays(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "keyring.toml"
    file.write_text(before := written("0", bytes.fromhex(HASH_KEY)))
    assert ran("new", "--file", str(file), "--id", wrong, exit_code=1)["error"]["reason"] == "KEYRING_INVALID"
    assert file.read_text() == before


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    assert ran("new", "--file", str(tmp_path), exit_code=1)["error"]["reason"] == "FILE_UNUSABLE"


def test_reseal_names_what_is_missing(tmp_path: Path) -> None:
    assert ran("reseal", exit_code=1)["error"]["reason"] == "DATABASE_MISSING"
    url = ["--database-url", "postgresql:///nowhere"]
    assert ran("reseal", *url, exit_code=1)["error"]["reason"] == "KEYRING_MISSING"
    file = tmp_path / "keyring.toml"
    assert ran("reseal", *url, "--file", str(file), exit_code=1)["error"]["reason"] == "KEYRING_INVALID"
