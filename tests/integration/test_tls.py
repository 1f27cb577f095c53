"""TLS on the wire: who is let in, what is said of wrong files, and certificates that change while the server runs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from cryptography.hazmat.primitives import serialization

from danbao.v1 import operations_pb2, payments_pb2
from danbao_client import Danbao, DanbaoError, Tls
from danbao_core.opening import StartFailed
from danbao_core.rpc.tls import Certificates
from danbao_core.server import Server
from danbao_core.settings import SettingsError, load
from tests import rpc_client
from tests.certificates import Authority, Files, Signed
from tests.rpc_client import HASH_KEY, Core, a_merchant, an_account, settings_for
from tests.rpc_requests import a_transfer

core = rpc_client.core

AUTHORITY = Authority()
OTHER_AUTHORITY = Authority("Somebody Else")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A server's certificate of the authority, in files."""
    return Files.in_folder(tmp_path, AUTHORITY.signs())


def tls_settings(core: Core, files: Files, **given: Any) -> Any:
    facts = {"listen": "127.0.0.1:0", "tls_cert": files.cert, "tls_key": files.key}
    return settings_for(core.settings.database_url, **(facts | given))


@asynccontextmanager
async def a_tls_server(core: Core, files: Files, **given: Any) -> AsyncIterator[str]:
    """The address of a server with TLS, on the core's database."""
    async with Server(tls_settings(core, files, **given)) as server:
        yield server.address


def a_client(core: Core, address: str, tls: Tls | bool) -> Danbao:
    """A client that does not wait for better times."""
    return Danbao.connect(address, key=str(core.operator.token), tls=tls, patience_seconds=0.2)


async def is_served(core: Core, address: str, tls: Tls | bool) -> bool:
    """Whether a new connection comes to a call that is answered."""
    async with a_client(core, address, tls) as danbao:
        try:
            await danbao.operations.ListServiceKeys(operations_pb2.ListServiceKeysRequest())
        except DanbaoError as error:
            if (error.code, error.reason) != (grpc.StatusCode.UNAVAILABLE, ""):
                raise
            return False
    return True


async def presented(address: str) -> bytes:
    """The certificate that a new connection is shown, as PEM."""
    host, port = address.split(":")
    shown = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)), timeout=10)
    return shown.encode()


# --- Who is let in ----------------------------------------------------------------------------------------------------------


async def test_a_client_that_trusts_the_authority_is_served(core: Core, files: Files, tmp_path: Path) -> None:
    roots = tmp_path / "ca.crt"
    roots.write_bytes(AUTHORITY.pem)
    async with a_tls_server(core, files) as address:
        for trusted in (AUTHORITY.pem, roots, str(roots)):
            assert await is_served(core, address, Tls(trusted))


async def test_a_client_that_trusts_another_authority_goes_away(core: Core, files: Files) -> None:
    async with a_tls_server(core, files) as address:
        for tls in (Tls(OTHER_AUTHORITY.pem), True):
            assert not await is_served(core, address, tls)
        assert not await is_served(core, address, False), "without TLS"


async def test_a_server_that_asks_for_certificates_serves_only_those_of_its_authority(core: Core, files: Files) -> None:
    files.client_ca.write_bytes(AUTHORITY.pem)
    mine, strange = AUTHORITY.signs("shop"), OTHER_AUTHORITY.signs("shop")
    async with a_tls_server(core, files, tls_client_ca=files.client_ca) as address:
        assert await is_served(core, address, Tls(AUTHORITY.pem, mine))
        assert not await is_served(core, address, Tls(AUTHORITY.pem))
        assert not await is_served(core, address, Tls(AUTHORITY.pem, strange))


async def test_processes_that_share_a_port_serve_with_tls_each(core: Core, files: Files) -> None:
    async with (
        a_tls_server(core, files, reuse_port=True) as address,
        a_tls_server(core, files, reuse_port=True, listen=address) as same,
    ):
        assert same == address
        assert all([await is_served(core, address, Tls(AUTHORITY.pem)) for _ in range(8)])


# --- Files that change ------------------------------------------------------------------------------------------------------


async def test_new_certificates_serve_new_connections_and_open_streams_go_on(core: Core, files: Files) -> None:
    buyer, shop = await an_account(core, funds_minor=10), await a_merchant(core)
    old, new = files.cert.read_bytes(), AUTHORITY.signs()

    async def pays(call: Any) -> bool:
        await call.write(payments_pb2.StreamPaymentsRequest(requests=[a_transfer(buyer, shop, 1)]))
        return bool((await call.read()).results[0].HasField("payment"))

    async with (
        a_tls_server(core, files) as address,
        a_client(core, address, Tls(AUTHORITY.pem)) as danbao,
    ):
        call: Any = danbao.payments.StreamPayments(deadline_seconds=30)
        assert await pays(call)
        assert await presented(address) == old
        files.hold(new)
        assert await presented(address) == new.cert
        assert await pays(call)
        assert await is_served(core, address, Tls(AUTHORITY.pem))
        await call.done_writing()


async def test_new_authorities_of_clients_count_from_the_next_connection_on(core: Core, files: Files) -> None:
    files.client_ca.write_bytes(AUTHORITY.pem)
    one, other = (Tls(AUTHORITY.pem, by.signs("shop")) for by in (AUTHORITY, OTHER_AUTHORITY))
    async with a_tls_server(core, files, tls_client_ca=files.client_ca) as address:
        files.client_ca.write_bytes(OTHER_AUTHORITY.pem)
        assert await is_served(core, address, other)
        assert not await is_served(core, address, one)


@pytest.mark.parametrize("broken", ["server.crt", "server.key", "clients.crt"])
@pytest.mark.parametrize("content", [b"", b"no PEM", None, "another"])
async def test_broken_files_leave_the_last_good_ones(
    core: Core, files: Files, broken: str, content: bytes | str | None
) -> None:
    files.client_ca.write_bytes(AUTHORITY.pem)
    old, file = files.cert.read_bytes(), files.cert.with_name(broken)
    signed = AUTHORITY.signs()
    if content == "another" and broken == "clients.crt":
        content = signed.key  # PEM, and no certificate
    tls = Tls(AUTHORITY.pem, AUTHORITY.signs("shop"))
    async with a_tls_server(core, files, tls_client_ca=files.client_ca) as address:
        with structlog.testing.capture_logs() as logged:
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content if isinstance(content, bytes) else {"server.crt": signed.cert}.get(broken, signed.key))
            for _ in range(3):
                assert await is_served(core, address, tls)
                assert await presented(address) == old
        complaints = [each for each in logged if each["log_level"] == "error"]
        assert len(complaints) == 1, "said once, not for every connection"
        assert "DANBAO_TLS_" in complaints[0]["why"]
        assert str(file) in complaints[0]["why"]
        files.client_ca.write_bytes(AUTHORITY.pem)
        files.hold(signed)
        assert await presented(address) == signed.cert
        assert await is_served(core, address, tls)


def test_certificates_that_stay_are_not_made_anew(files: Files) -> None:
    certificates = Certificates(files.cert, files.key)
    assert certificates.renewed() is None
    files.hold(AUTHORITY.signs())
    assert certificates.renewed() is not None
    assert certificates.renewed() is None


# --- What is wrong at the start ---------------------------------------------------------------------------------------------


def hold_nothing(file: Path) -> None:
    file.unlink(missing_ok=True)


def hold_text(file: Path) -> None:
    file.write_text("no PEM")


@pytest.mark.parametrize("spoil", [hold_nothing, hold_text])
@pytest.mark.parametrize(
    ("name", "variable"), [("server.crt", "TLS_CERT"), ("server.key", "TLS_KEY"), ("clients.crt", "TLS_CLIENT_CA")]
)
async def test_files_that_cannot_be_used_are_refused_by_name(
    core: Core, files: Files, name: str, variable: str, spoil: Any
) -> None:
    files.client_ca.write_bytes(AUTHORITY.pem)
    spoil(files.cert.with_name(name))
    with pytest.raises(StartFailed, match=f"^DANBAO_{variable}: .*{name}"):
        async with a_tls_server(core, files, tls_client_ca=files.client_ca):
            pass


async def test_a_key_of_another_certificate_is_refused(core: Core, files: Files) -> None:
    files.hold(Signed(AUTHORITY.signs().cert, AUTHORITY.signs().key))
    with pytest.raises(StartFailed, match=r"^DANBAO_TLS_KEY: .*is not the private key of"):
        async with a_tls_server(core, files):
            pass


async def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(core: Core, files: Files) -> None:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    kept = serialization.BestAvailableEncryption(b"topsecret")
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kept))
    with pytest.raises(StartFailed, match=r"^DANBAO_TLS_KEY: .*or has a password"):
        async with a_tls_server(core, files):
            pass


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"tls_cert": "server.crt"}, "DANBAO_TLS_KEY"),
        ({"tls_key": "server.key"}, "DANBAO_TLS_CERT"),
        ({"tls_client_ca": "clients.crt"}, "DANBAO_TLS_CLIENT_CA"),
    ],
)
def test_half_a_configuration_is_refused_by_name(given: dict[str, str], variable: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        load(database_url="postgresql:///danbao", hash_key=HASH_KEY, **given)


def test_tls_may_be_reached_from_other_machines() -> None:
    facts = {"database_url": "postgresql:///danbao", "hash_key": HASH_KEY, "listen": "0.0.0.0:50051"}
    assert load(**facts, tls_cert="server.crt", tls_key="server.key").has_tls
    with pytest.raises(SettingsError, match=r"^DANBAO_LISTEN: .*set DANBAO_TLS_CERT and DANBAO_TLS_KEY"):
        load(**facts)


# --- A careful client -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["core.example:50051", "192.0.2.1:50051", "[2001:db8::1]:50051", "dns:///core:50051", "core:1"]
)
async def test_a_key_goes_over_no_network_without_tls(address: str) -> None:
    with pytest.raises(ValueError, match=r"without TLS.*pass tls"):
        Danbao.connect(address, key="dbk_1_2")
    await Danbao.connect(address, key="dbk_1_2", insecure=True).close()
    await Danbao.connect(address, key="dbk_1_2", tls=True).close()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1", "unix:/run/danbao.sock"])
async def test_this_machine_needs_no_tls(address: str) -> None:
    await Danbao.connect(address, key="dbk_1_2").close()


async def test_what_a_client_cannot_use_is_refused_before_a_call(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no PEM")
    for tls in (Tls(b"no PEM"), Tls(text), Tls(AUTHORITY.pem, (AUTHORITY.pem, text))):
        with pytest.raises(ValueError, match="must be PEM"):
            Danbao.connect("127.0.0.1:1", key="dbk_1_2", tls=tls)
    with pytest.raises(FileNotFoundError):
        Danbao.connect("127.0.0.1:1", key="dbk_1_2", tls=Tls(tmp_path / "missing"))
    with pytest.raises(ValueError, match="exclude each other"):
        Danbao.connect("127.0.0.1:1", key="dbk_1_2", tls=True, insecure=True)
