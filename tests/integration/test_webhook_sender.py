"""How webhooks are sent: signed as published, to addresses that were checked, and never anywhere else."""

import asyncio
import ipaddress
import json
import shutil
import socket
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from danbao_core.notifications import webhooks
from danbao_core.notifications.webhooks import CheckedResolver, WebhookSender, signed_headers
from tests.receiver import a_receiver, answer, hang, ten_megabytes
from tests.rpc_client import until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
AT = datetime.fromtimestamp(1614265330, UTC)
HEADERS = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", AT, BODY, [SECRET])


def test_the_published_vector() -> None:
    """Of the reference implementations (standard-webhooks/standard-webhooks)."""
    assert HEADERS == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_secrets_sign_beside_each_other() -> None:
    other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    signatures = signed_headers("id", AT, BODY, [SECRET, other])["webhook-signature"].split(" ")
    assert signatures == [signed_headers("id", AT, BODY, [each])["webhook-signature"] for each in (SECRET, other)]


def leading_to(*addresses: str) -> Any:
    """A look-up that finds these addresses, one after the other at each call, and counts its calls."""
    calls: list[str] = []

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        address = addresses[min(len(calls), len(addresses) - 1)]
        calls.append(host)
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    look_up.calls = calls  # type: ignore[attr-defined]
    return look_up


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
async def test_a_name_that_leads_to_a_private_address_is_not_called(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "look_up", leading_to(address))
    async with a_receiver() as receiver, WebhookSender(sandbox=False) as sender:
        port = receiver.url.rpartition(":")[2]
        sent = await sender.send(f"https://shop.example:{port}/hook", HEADERS, BODY)
    assert (sent.status, sent.failure) == (0, "address")
    assert receiver.got == []


async def test_a_name_is_looked_up_once_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when it is checked, and private when it is asked again, leads nowhere else."""
    look_up = leading_to("203.0.113.9", "127.0.0.1")
    monkeypatch.setattr(webhooks, "look_up", look_up)
    monkeypatch.setattr(webhooks, "is_public", lambda address: str(address) == "203.0.113.9")
    connected_to: list[Any] = []

    async def no_connection(*_: Any, addr_infos: Any, **__: Any) -> Any:
        connected_to.extend(info[4][0] for info in addr_infos)
        raise OSError("no network in tests")

    monkeypatch.setattr("aiohappyeyeballs.start_connection", no_connection)
    async with WebhookSender(sandbox=False) as sender:
        sent = await sender.send("https://shop.example/hook", HEADERS, BODY)
    assert (sent.failure, connected_to, look_up.calls) == ("connection", ["203.0.113.9"], ["shop.example"])


async def test_a_name_with_one_private_address_among_others_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [*leading_to("8.8.8.8")("x", 1), *leading_to("10.0.0.1")("x", 1)]
    monkeypatch.setattr(webhooks, "look_up", lambda *_, **__: found)
    resolver = CheckedResolver(public_only=True)
    with pytest.raises(webhooks.AddressRefused):
        await resolver.resolve("shop.example", 443)
    await resolver.close()


async def test_a_name_that_leads_elsewhere_at_the_next_connection_is_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = leading_to("203.0.113.9", "127.0.0.1")
    monkeypatch.setattr(webhooks, "look_up", look_up)
    monkeypatch.setattr(webhooks, "is_public", lambda address: str(address) == "203.0.113.9")
    monkeypatch.setattr(webhooks, "_NAMES_SECONDS", 0)

    async def no_connection(*_: Any, **__: Any) -> Any:
        raise OSError("no network in tests")

    monkeypatch.setattr("aiohappyeyeballs.start_connection", no_connection)
    async with a_receiver() as receiver, WebhookSender(sandbox=False) as sender:
        url = f"https://shop.example:{receiver.url.rpartition(':')[2]}/hook"
        sent = [await sender.send(url, HEADERS, BODY) for _ in range(2)]
    assert [each.failure for each in sent] == ["connection", "address"]
    assert receiver.got == []


async def test_names_that_hang_hold_up_none_that_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    good = leading_to("203.0.113.9")

    def look_up(host: str, port: int, **given: Any) -> Any:
        if host.startswith("hangs"):
            answered.wait()
        return good(host, port, **given)

    monkeypatch.setattr(webhooks, "look_up", look_up)
    resolver = CheckedResolver(public_only=False)
    await resolver.resolve("shop.example", 443)
    hanging = [asyncio.create_task(resolver.resolve(f"hangs{number}.example", 443)) for number in range(40)]
    try:
        await until(lambda: all_threads_hang(resolver))
        async with asyncio.timeout(20):
            await resolver.resolve("shop.example", 443)
    finally:
        answered.set()
        await asyncio.gather(*hanging)
        await resolver.close()


async def all_threads_hang(resolver: CheckedResolver) -> bool:
    return len(resolver._for_new._threads) == webhooks._NEW_NAMES


async def test_a_name_that_took_long_or_was_not_found_is_a_new_one_again(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = CheckedResolver(public_only=False)
    monkeypatch.setattr(webhooks, "look_up", leading_to("203.0.113.9"))
    await resolver.resolve("shop.example", 443)
    assert list(resolver._known) == ["shop.example"]
    monkeypatch.setattr(webhooks, "_QUICKLY_SECONDS", 0.0)
    await resolver.resolve("shop.example", 443)
    assert list(resolver._known) == []
    monkeypatch.undo()
    monkeypatch.setattr(webhooks, "look_up", leading_to("203.0.113.9"))
    await resolver.resolve("shop.example", 443)

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(webhooks, "look_up", unknown)
    with pytest.raises(socket.gaierror):
        await resolver.resolve("shop.example", 443)
    assert list(resolver._known) == []
    await resolver.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/hook",
        "https://127.0.0.1:{port}/hook",
        "https://[::1]:{port}/hook",
        "https://[::ffff:127.0.0.1]:{port}/hook",
        "https://2130706433:{port}/hook",
        "https://0x7f000001:{port}/hook",
        "https://127.1:{port}/hook",
        "https://localhost:{port}/hook",
    ],
)
async def test_an_address_in_the_url_is_checked_however_it_is_written(url: str) -> None:
    async with a_receiver() as receiver, WebhookSender(sandbox=False) as sender:
        sent = await sender.send(url.format(port=receiver.url.rpartition(":")[2]), HEADERS, BODY)
    assert sent.status == 0
    assert sent.failure in ("address", "name")
    assert receiver.got == []


async def test_a_name_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(webhooks, "look_up", unknown)
    async with WebhookSender(sandbox=True) as sender:
        assert (await sender.send("http://shop.example/hook", HEADERS, BODY)).failure == "name"


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_receiver() as proxy, a_receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with WebhookSender(sandbox=True) as sender:
            assert (await sender.send(f"{receiver.url}/hook", HEADERS, BODY)).status == 200
        assert (len(proxy.got), len(receiver.got)) == (0, 1)


async def test_what_receivers_do_is_told_in_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT_SECONDS", 0.2)
    async with a_receiver() as receiver, WebhookSender(sandbox=True) as sender:
        found = {}
        for name, give in {
            "ok": answer(204),
            "redirect": answer(302, location="/elsewhere"),
            "busy": answer(503, retry_after="17"),
            "hang": hang,
            "long": ten_megabytes,
        }.items():
            receiver.by_path["/hook"] = give
            sent = await sender.send(f"{receiver.url}/hook", HEADERS, BODY)
            found[name] = (sent.status, sent.failure, sent.retry_after_seconds, len(sent.body))
        nobody = await sender.send("http://127.0.0.1:1/hook", HEADERS, BODY)
    assert found == {
        "ok": (204, "", 0.0, 0),
        "redirect": (302, "status", 0.0, 0),
        "busy": (503, "status", 17.0, 0),
        "hang": (0, "timeout", 0.0, 0),
        "long": (200, "", 0.0, webhooks.KEPT_BYTES),
    }
    assert nobody.failure == "connection"


async def test_without_tls_a_receiver_is_not_talked_to() -> None:
    async with a_receiver() as receiver, WebhookSender(sandbox=True) as sender:
        sent = await sender.send(f"{receiver.url.replace('http:', 'https:')}/hook", HEADERS, BODY)
    assert sent.failure in ("tls", "connection")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("5", 5), ("0", 0), ("-5", 0), ("x", 0), ("", 0), ("999999999", 86_400), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)
def test_retry_after(header: str, seconds: float) -> None:
    assert webhooks._retry_after(header) == seconds


NODE = shutil.which("node")
VERIFY = """
const { Webhook } = require("standardwebhooks");
const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(new Webhook(given.secret).verify(given.body, given.headers)));
"""


@pytest.mark.skipif(NODE is None, reason="there is no Node here")
async def test_the_package_of_npm_verifies_a_delivery(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    installed = npm and subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "standardwebhooks"],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=False,
    )
    if not installed or installed.returncode:
        pytest.skip("the package cannot be installed here")
    async with a_receiver() as receiver, WebhookSender(sandbox=True) as sender:
        await sender.send(f"{receiver.url}/hook", signed_headers("an-id", datetime.now(UTC), BODY, [SECRET]), BODY)
    (got,) = receiver.got
    given = {"secret": SECRET, "body": got.body.decode(), "headers": got.headers}
    ran = await asyncio.to_thread(
        subprocess.run,
        [str(NODE), "-e", VERIFY],
        cwd=tmp_path,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(ran.stdout) == json.loads(BODY)
