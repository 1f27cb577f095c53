"""`danbao health`, and commands that reach a core over TLS."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from danbao_core.server import Server
from tests import rpc_client
from tests.acceptance.sandbox import Sandbox, danbao
from tests.certificates import Authority, Files
from tests.rpc_client import Core, settings_for

core = rpc_client.core

AUTHORITY = Authority()


@pytest.fixture
async def tls_address(core: Core, tmp_path: Path) -> AsyncIterator[str]:
    """A server that asks clients for a certificate; the authority is in ca.crt, a client's in client.crt and client.key."""
    files = Files.in_folder(tmp_path, AUTHORITY.signs())
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.pem)
    for name, pem in zip(("client.crt", "client.key"), AUTHORITY.signs("shop"), strict=True):
        (tmp_path / name).write_bytes(pem)
    settings = {"tls_cert": files.cert, "tls_key": files.key, "tls_client_ca": tmp_path / "ca.crt"}
    async with Server(settings_for(core.settings.database_url, **settings)) as server:
        yield server.address


def tls_environment(folder: Path, address: str) -> dict[str, str]:
    return {
        "DANBAO_ADDRESS": address,
        "DANBAO_TLS_CA": str(folder / "ca.crt"),
        "DANBAO_TLS_CLIENT_CERT": str(folder / "client.crt"),
        "DANBAO_TLS_CLIENT_KEY": str(folder / "client.key"),
    }


async def test_a_core_that_serves_is_healthy(sandbox: Sandbox) -> None:
    healthy = await sandbox.danbao("health")
    assert (healthy.code, healthy.answer) == (0, {"status": "SERVING"})
    shown = await danbao("health", env={"DANBAO_ADDRESS": sandbox.endpoint.address})
    assert (shown.code, shown.out) == (0, "SERVING\n")


async def test_a_core_that_does_not_answer_is_not() -> None:
    nobody = await danbao("health", "--json", env={"DANBAO_ADDRESS": "127.0.0.1:1"})
    assert (nobody.code, nobody.answer["error"]["reason"]) == (1, "UNAVAILABLE")


async def test_a_core_that_cannot_work_says_so(core: Core) -> None:
    async with Server(core.settings) as server:
        await server._say_health(serving=False)
        ill = await danbao("health", "--json", env={"DANBAO_ADDRESS": server.address})
    assert (ill.code, ill.answer) == (1, {"status": "NOT_SERVING"})


async def test_commands_reach_a_core_over_tls(core: Core, tls_address: str, tmp_path: Path) -> None:
    environment = tls_environment(tmp_path, tls_address)
    healthy = await danbao("health", "--json", env=environment)
    assert (healthy.code, healthy.answer) == (0, {"status": "SERVING"})
    listed = await danbao("keys", "list", "--json", env=environment | {"DANBAO_KEY": str(core.operator.token)})
    assert listed.code == 0, listed.err
    assert listed.answer["service_keys"]
    without = await danbao("health", "--json", env={"DANBAO_ADDRESS": tls_address, "DANBAO_TLS_CA": str(tmp_path / "ca.crt")})
    assert (without.code, without.answer["error"]["reason"]) == (1, "UNAVAILABLE")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"DANBAO_TLS_CA": "missing.crt"}, "missing.crt cannot be read"),
        ({"DANBAO_TLS_CLIENT_KEY": ""}, "go together"),
        ({"DANBAO_TLS_CA": ""}, "go together"),
        ({"DANBAO_TLS_CA": __file__}, "must be PEM"),
    ],
)
async def test_wrong_files_of_a_command_are_named(changed: dict[str, str], message: str, tmp_path: Path) -> None:
    for name in ("ca.crt", "client.crt", "client.key"):
        (tmp_path / name).write_bytes(AUTHORITY.pem)
    refused = await danbao("health", "--json", env=tls_environment(tmp_path, "127.0.0.1:1") | changed, cwd=tmp_path)
    assert (refused.code, refused.answer["error"]["reason"]) == (1, "NOT_CONFIGURED")
    assert message in refused.answer["error"]["message"]


async def test_a_command_sends_no_key_over_a_network_without_tls() -> None:
    environment = {"DANBAO_ADDRESS": "192.0.2.1:1", "DANBAO_KEY": "dbk_1_2"}
    refused = await danbao("keys", "list", "--json", env=environment)
    assert (refused.code, refused.answer["error"]["reason"]) == (1, "NOT_CONFIGURED")
    assert "set DANBAO_TLS_CA" in refused.answer["error"]["message"]
