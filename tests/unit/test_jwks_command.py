"""`danbao jwks`: what it prints verifies our tokens, and holds nothing secret."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from typer.testing import CliRunner

from danbao_core.cli.app import app
from danbao_core.keyring import Keyring, written
from danbao_core.people.sessions import Session, access_token
from danbao_core.supervisor.files import KEYRING_FILE

OLD, NEW = b"o" * 32, b"n" * 32
NOW = datetime.now(UTC)
SESSION = Session(
    id=UUID(int=1),
    account_id=UUID(int=2),
    device_id="an-app-on-a-phone",
    epoch=3,
    generation=0,
    refresh_request_id="",
    created_at=NOW,
    refreshed_at=NOW,
    expires_at=NOW,
    ended_at=None,
    version=1,
)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DANBAO_KEYRING_FILE", "DANBAO_HASH_KEY"):
        monkeypatch.delenv(name, raising=False)


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["jwks", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_is_printed_verifies_tokens_under_every_key_of_the_ring(tmp_path: Path) -> None:
    file = tmp_path / KEYRING_FILE
    file.write_text(written("old", OLD) + written("new", NEW))
    file.chmod(0o600)
    shown = printed("--data", str(tmp_path))
    assert shown == printed("--file", str(file))
    keys = json.loads(shown)["keys"]
    assert [(key["kid"], key["kty"], key["crv"], key["use"]) for key in keys] == [
        ("new", "OKP", "Ed25519", "sig"),
        ("old", "OKP", "Ed25519", "sig"),
    ]
    assert not [key for key in keys if "d" in key]  # the private half
    for ring in (Keyring({"old": OLD}), Keyring({"old": OLD, "new": NEW})):
        token, _ = access_token(ring, SESSION, NOW)
        decoded = jwt.decode(token, KeySet.import_key_set(json.loads(shown)), algorithms=["Ed25519"])
        assert decoded.claims["sub"] == f"accounts/{SESSION.account_id}"


def test_without_a_file_the_hash_key_is_the_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANBAO_HASH_KEY", OLD.hex())
    assert [key["kid"] for key in json.loads(printed())["keys"]] == ["0"]


@pytest.mark.parametrize(("hash_key", "said"), [(None, "--file"), ("xyz", "64 hexadecimal"), ("00", "32 bytes")])
def test_it_says_what_is_missing_or_wrong(monkeypatch: pytest.MonkeyPatch, hash_key: str | None, said: str) -> None:
    if hash_key is not None:
        monkeypatch.setenv("DANBAO_HASH_KEY", hash_key)
    result = CliRunner().invoke(app, ["jwks"])
    assert result.exit_code == 1
    assert said in result.output
