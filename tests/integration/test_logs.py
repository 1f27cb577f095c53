"""One line in the log for each call: what operators need to know of it, and nothing that belongs to people."""

import asyncio
import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from danbao.v1 import accounts_pb2, payments_pb2
from danbao_core import logs
from danbao_core.accounts import Purpose, balance_id
from danbao_core.service_keys import Token
from tests import rpc_client
from tests.log_lines import Lines, log_lines
from tests.rpc_client import Core, a_core, a_locked_row, a_merchant, an_account, refused
from tests.rpc_requests import a_batch, a_message, a_payment, a_transfer, changed, create_account, path_of

core = rpc_client.core


@pytest.fixture
def lines() -> Iterator[Lines]:
    with log_lines() as written:
        yield written


async def calls(lines: Lines, count: int, code: str = "") -> list[dict[str, Any]]:
    """The lines of so many calls (with that code): one is written when the call is over, perhaps just after it is answered."""

    def found() -> list[dict[str, Any]]:
        return [line for line in lines.of("rpc") if code in ("", line["code"])]

    async def written() -> bool:
        return len(found()) >= count

    await rpc_client.until(written)
    return found()


async def test_a_call_that_is_answered(core: Core, lines: Lines) -> None:
    payer, payee = await an_account(core, funds_minor=100), await a_merchant(core)
    shop = await core.caller("payments.write", "payments.pay_any", "payments.read", service="checkout")
    request = a_transfer(payer, payee)
    lines.clear()
    await shop.ask(request)
    await shop.ask(request)
    first, again = await calls(lines, 2)
    assert 0 < first.pop("milliseconds") < 10_000
    assert first.pop("timestamp").endswith("Z")
    assert first.pop("peer").startswith("ipv4:127.0.0.1:")
    assert first == {
        "event": "rpc",
        "level": "info",
        "method": "PaymentService/CreatePayment",
        "code": "OK",
        "reason": "",
        "caller": "checkout",
        "request_id": request.request_id,
        "replayed": False,
    }
    assert again["replayed"]


async def test_calls_that_are_refused(core: Core, lines: Lines) -> None:
    payer, payee = await an_account(core), await a_merchant(core)
    poor = a_transfer(payer, payee)
    lines.clear()
    await core.operator.refused(poor)
    await core.operator.refused(changed(poor, request_id="a request\nid"))
    await core.operator.with_token(None).refused(poor)
    written = await calls(lines, 3)
    told = [(line["level"], line["code"], line["reason"], line["caller"], line["request_id"]) for line in written]
    assert told == [
        ("info", "FAILED_PRECONDITION", "INSUFFICIENT_FUNDS", "operator", poor.request_id),
        ("info", "INVALID_ARGUMENT", "FIELD_INVALID", "operator", ""),  # what broke a rule is not repeated
        ("info", "UNAUTHENTICATED", "TOKEN_MISSING", "", ""),
    ]


async def test_a_stream_has_one_line_with_its_items(core: Core, lines: Lines) -> None:
    payer, payee = await an_account(core, funds_minor=200), await a_merchant(core)
    paid, poor = a_transfer(payer, payee), a_transfer(payer, payee, 1_000)
    lines.clear()
    call = core.operator.stream()
    for message in (a_message(paid, poor), a_message(paid)):
        await call.write(message)
    await call.done_writing()
    assert len([answer async for answer in call]) == 2
    (line,) = await calls(lines, 1)
    assert (line["method"], line["code"], line["items"], line["errors"]) == ("PaymentService/StreamPayments", "OK", 3, 1)


async def test_a_caller_that_leaves(core: Core, lines: Lines) -> None:
    payer, payee = await an_account(core), await a_merchant(core)
    wallet = balance_id(rpc_client.id_of(payer), "CNY", Purpose.AVAILABLE)
    call = core.operator.stream()
    lines.clear()
    async with a_locked_row(core, "balance", id=wallet):  # it leaves while its answer is under way
        await call.write(a_message(a_transfer(payer, payee)))
        await rpc_client.until(lambda: rpc_client.engines_waiting(core))
        call.cancel()

    async def told() -> bool:
        return bool(lines.of("rpc"))

    await rpc_client.until(told)
    assert [line["code"] for line in lines.of("rpc")] == ["CANCELLED"]


# --- What is never logged ---------------------------------------------------------------------------------------------------

SECRET = "Zaphod"
"""In every text that people or merchants choose."""


def secretive(payer: str, payee: str, **fields: Any) -> payments_pb2.CreatePaymentRequest:
    texts = {"order_no": f"{SECRET}-1", "subject": f"{SECRET}'s towel", "metadata": {"gift": f"for {SECRET}"}}
    return a_payment(payer, payee, **(texts | fields))


async def test_nothing_that_people_chose_is_in_any_line(database_url: str, lines: Lines) -> None:
    async with a_core(database_url) as core:
        named = changed(create_account("CNY", external_id=f"{SECRET}-42"), display_name=f"{SECRET} Beeblebrox")
        payer = (await core.operator.ask(named)).name
        await core.operator.refused(changed(named, request_id="another"))  # the external id is taken
        payee = await a_merchant(core)
        good = secretive(payer, payee, pay=False)
        await core.operator.ask(good)
        await core.operator.ask(payments_pb2.GetPaymentByOrderNoRequest(payee=payee, order_no=f"{SECRET}-1"))
        await core.operator.ask(accounts_pb2.GetAccountByExternalIdRequest(external_id=f"{SECRET}-42"))

        for wrong in (
            changed(good, subject="changed"),  # another content under the same id
            secretive(payer, payee, pay=False),  # the order number is taken
            secretive(payer, payee, order_no=SECRET * 20),
            secretive(payer, payee, subject=f"{SECRET}\0"),
            secretive(payer, payee, metadata={SECRET * 30: "x"}),
            secretive(SECRET, payee),
            secretive(payer, payee, request_id=f"{SECRET}\n"),
            a_batch(secretive(payer, payee), secretive(payer, payee, subject=f"{SECRET}\0")),
        ):
            await core.operator.refused(wrong)
        await core.operator.refused_bytes(path_of(good), b"\xff" + SECRET.encode())
        for token in (SECRET, f"dbk_{SECRET}", f"dbk_{'0' * 32}_{SECRET}"):
            await core.operator.with_token(token).refused(good)

        call = core.operator.stream()
        await call.write(a_message(secretive(payer, payee), secretive(payer, payee, subject=f"{SECRET}\0")))
        await call.done_writing()
        assert [answer async for answer in call]

        fault = await a_fault(core, secretive(payer, payee, order_no=f"{SECRET}-3", pay=False))
        # The database quoted the whole row, and the log says where it was.
        (cannot,) = lines.of("a command cannot be written")
        assert cannot["exception"][0]["type"] == "asyncpg.exceptions.CheckViolationError"
        assert cannot["exception"][0]["constraint_name"] == "towels_only"
        assert any("persist" in place for place in cannot["exception"][0]["at"])
        (line,) = await calls(lines, 1, "INTERNAL")
        assert line["level"] == "error"
        assert line["fault_id"] == cannot["fault_id"] == fault

        assert core.operator.token
        secret = Token.parse(core.operator.token).secret
    assert len(lines.of("rpc")) > 15
    for written in lines:
        assert SECRET.encode() not in written
        assert secret.encode() not in written


async def a_fault(core: Core, request: Any) -> str:
    """Has a request fail in the database; answers the id that the caller is told."""
    await core.connection.execute(f"ALTER TABLE payment ADD CONSTRAINT towels_only CHECK (order_no <> '{SECRET}-3')")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await core.operator.ask(request)
    told = refused(caught.value)
    assert (told.code, told.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL_FAULT")
    return told.metadata["fault_id"]


async def test_a_fault_of_a_handler(core: Core, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ValueError(f"{SECRET} is no id") from KeyError(SECRET)

    monkeypatch.setattr("danbao_core.rpc.convert.id_of", broken)
    with pytest.raises(grpc.aio.AioRpcError):
        await core.operator.ask(payments_pb2.GetPaymentRequest(name="payments/00000000-0000-7000-8000-0000000000ff"))
    (failed,) = lines.of("a call failed")
    assert [each["type"] for each in failed["exception"]] == ["builtins.ValueError", "builtins.KeyError"]
    assert failed["exception"][0]["at"][0].endswith(" broken")
    assert SECRET not in json.dumps(failed)


# --- A log that cannot be written -------------------------------------------------------------------------------------------


class FullDisk(io.BytesIO):
    def write(self, _: Any) -> int:
        raise OSError(28, "No space left on device")


def test_a_line_that_cannot_be_written_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(FullDisk()))
    logs._Lines().info(b"a line\n")


class Writes(io.RawIOBase):
    """Counts how often it is written to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written.append(bytes(data))
        return len(data)


async def test_lines_of_one_turn_of_the_loop_go_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Writes()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(file)))
    lines = logs._Lines()
    for _ in range(2):
        lines.info(b"one\n")
        lines.info(b"two\n")
        assert not file.written
        await asyncio.sleep(0)
        assert file.written == [b"one\ntwo\n"]
        file.written.clear()
    lines.info(b"one\n")
    lines.error(b"wrong\n")
    assert file.written == [b"one\nwrong\n"], "what is wrong waits for nothing"


def test_a_line_outside_of_a_loop_goes_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Writes()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(file)))
    logs._Lines().info(b"one\n")
    assert file.written == [b"one\n"]
