"""The HTTP bank against the sandbox's own, and against banks that answer nonsense."""

import csv
import json
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from danbao_core.bank.http_bank import HttpBank
from danbao_core.bank.port import Answer, BankNotAnswering, CardRefused, DeclineReason, LineKind, Outcome, StatementLine
from danbao_core.bank.sandbox.behaviour import Behaviour
from danbao_core.bank.sandbox.server import SandboxBank
from danbao_core.clock import shanghai_day
from danbao_core.ids import uuid7
from tests.banks import GOOD_CARD, KEY, NOON, a_bank, a_free_port, a_transfer, answering, serving
from tests.certificates import Authority, Files

DAY = shanghai_day(NOON)
ACCEPTED, NO_ANSWER = Outcome(Answer.ACCEPTED), Outcome(Answer.NO_ANSWER)


async def test_a_transfer_happens_once_however_often_it_is_sent() -> None:
    async with a_bank() as bank:
        token = await bank.tokenize(GOOD_CARD)
        assert GOOD_CARD not in token
        debit, credit = a_transfer(token), a_transfer(token, 300)
        assert await bank.query(debit.id) == Outcome(Answer.NOT_KNOWN)
        for _ in range(3):
            later = msgspec.structs.replace(debit, asked_at=NOON + timedelta(days=3))
            assert (await bank.debit(debit), await bank.debit(later), await bank.credit(credit)) == (ACCEPTED,) * 3
        assert await bank.query(debit.id) == ACCEPTED
        assert await bank.statement(DAY) == [
            StatementLine(debit.id, LineKind.DEBIT, 1_000, "CNY", NOON),
            StatementLine(credit.id, LineKind.CREDIT, 300, "CNY", NOON),
        ]
        assert [line.received_minor for line in await bank.statement(DAY)] == [1_000, -300]
        assert await bank.statement(DAY + 1) == []


async def test_an_id_that_was_used_for_another_transfer_is_no_answer_to_this_one() -> None:
    async with a_bank() as bank:
        transfer = a_transfer(await bank.tokenize(GOOD_CARD))
        await bank.debit(transfer)
        assert await bank.credit(transfer) == NO_ANSWER
        assert await bank.debit(msgspec.structs.replace(transfer, amount_minor=1)) == NO_ANSWER
        assert [line.amount_minor for line in await bank.statement(DAY)] == [1_000]


@pytest.mark.parametrize(
    ("last_four", "reason"),
    [
        ("0002", DeclineReason.OTHER),
        ("9995", DeclineReason.INSUFFICIENT_FUNDS),
        ("9979", DeclineReason.CARD_BLOCKED),
        ("0069", DeclineReason.CARD_EXPIRED),
        ("6975", DeclineReason.LIMIT_EXCEEDED),
    ],
)
async def test_cards_that_are_declined(last_four: str, reason: DeclineReason) -> None:
    async with a_bank() as bank:
        transfer = a_transfer(await bank.tokenize(f"400000000000{last_four}"))
        for _ in range(2):
            assert await bank.debit(transfer) == Outcome(Answer.DECLINED, reason)
            assert await bank.query(transfer.id) == Outcome(Answer.DECLINED, reason)
        assert await bank.statement(DAY) == []


async def test_a_card_whose_answer_is_lost_and_one_that_takes_its_time() -> None:
    async with a_bank() as bank:
        lost, slow = [a_transfer(await bank.tokenize(f"400000000000{four}")) for four in ("0119", "7726")]
        assert (await bank.debit(lost), await bank.query(lost.id)) == (NO_ANSWER, ACCEPTED)
        assert await bank.debit(slow) == await bank.query(slow.id) == Outcome(Answer.PENDING)
        assert [line.transfer_id for line in await bank.statement(DAY)] == [lost.id], "what is pending is on no statement"


async def test_what_takes_its_time_is_decided_in_the_end(tmp_path: Path) -> None:
    now = NOON
    async with serving(SandboxBank(tmp_path, KEY, clock=lambda: now)) as url:
        bank = HttpBank(url, KEY)
        yes, no = [a_transfer(await bank.tokenize(f"400000000000{four}")) for four in ("7726", "5126")]
        assert await bank.credit(yes) == await bank.credit(no) == Outcome(Answer.PENDING)
        now += timedelta(seconds=3)
        assert await bank.query(yes.id) == await bank.credit(yes) == ACCEPTED
        assert await bank.query(no.id) == Outcome(Answer.DECLINED, DeclineReason.OTHER)
        assert [(line.transfer_id, line.booked_at) for line in await bank.statement(DAY)] == [
            (yes.id, NOON + timedelta(seconds=3))
        ]
        await bank.close()


async def test_a_debit_that_is_taken_back_two_days_later() -> None:
    async with a_bank() as bank:
        debit = a_transfer(await bank.tokenize("4000000000000259"))
        assert await bank.debit(debit) == ACCEPTED
        assert [line.kind for line in await bank.statement(DAY)] == [LineKind.DEBIT]
        taken_back = StatementLine(debit.id, LineKind.REVERSAL, 1_000, "CNY", NOON + timedelta(days=2))
        assert await bank.statement(DAY + 2) == [taken_back]
        assert taken_back.received_minor == -1_000


async def test_a_card_that_the_bank_does_not_take() -> None:
    async with a_bank() as bank:
        with pytest.raises(CardRefused):
            await bank.tokenize("4100000000000019")
        assert (await bank.debit(a_transfer("none-of-its-own"))).answer is Answer.DECLINED


async def test_shares_of_what_goes_wrong() -> None:
    async with a_bank(call_seconds=0.2) as bank:
        transfer = a_transfer(await bank.tokenize(GOOD_CARD))
        await bank.set_behaviour(Behaviour(hanging_bps=10_000))
        assert await bank.debit(transfer) == NO_ANSWER
        await bank.set_behaviour(Behaviour())
        assert await bank.query(transfer.id) == Outcome(Answer.NOT_KNOWN), "what hangs is not carried out"
        await bank.set_behaviour(Behaviour(lost_bps=10_000))
        assert await bank.debit(transfer) == await bank.query(transfer.id) == NO_ANSWER
        await bank.set_behaviour(Behaviour(refused_bps=10_000, answer_delay_ms=1))
        assert await bank.query(transfer.id) == ACCEPTED
        assert (await bank.debit(a_transfer(transfer.token))).answer is Answer.DECLINED
        await bank.set_behaviour(Behaviour(reversed_bps=10_000, reversed_after_days=5, settlement_delay_ms=60_000))
        assert (await bank.debit(a_transfer(transfer.token))).answer is Answer.PENDING


async def test_a_bank_keeps_what_it_did_and_how_it_behaves(tmp_path: Path) -> None:
    async with a_bank(tmp_path) as bank:
        done = a_transfer(await bank.tokenize(GOOD_CARD))
        await bank.debit(done)
        await bank.set_behaviour(Behaviour(refused_bps=10_000))
    async with a_bank(tmp_path) as bank:
        assert await bank.debit(done) == ACCEPTED
        assert (await bank.debit(a_transfer(done.token))).answer is Answer.DECLINED


async def test_a_statement_is_a_file_too(tmp_path: Path) -> None:
    async with a_bank(tmp_path) as bank:
        debit = a_transfer(await bank.tokenize(GOOD_CARD))
        await bank.debit(debit)
        await bank.statement(DAY)
    line = {"transfer_id": str(debit.id), "kind": "DEBIT", "currency": "CNY", "booked_at": NOON.isoformat()}
    written = json.loads((tmp_path / "statements" / "2026-03-01.json").read_text())
    assert written == {"day": "2026-03-01", "lines": [line | {"amount_minor": 1_000}]}
    with (tmp_path / "statements" / "2026-03-01.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [line | {"amount_minor": "1000"}]


async def test_a_bank_that_is_not_there_was_asked_nothing() -> None:
    bank = HttpBank(f"http://127.0.0.1:{a_free_port()}", KEY)
    for outcome in (await bank.debit(a_transfer("x")), await bank.credit(a_transfer("x")), await bank.query(uuid7())):
        assert outcome == Outcome(Answer.NOT_SENT)
    with pytest.raises(BankNotAnswering):
        await bank.tokenize(GOOD_CARD)
    with pytest.raises(BankNotAnswering):
        await bank.statement(DAY)
    await bank.close()


async def test_a_wrong_key_opens_nothing(tmp_path: Path) -> None:
    async with serving(SandboxBank(tmp_path, KEY)) as url:
        bank = HttpBank(url, "another")
        assert (await bank.debit(a_transfer("x")), await bank.query(uuid7())) == (NO_ANSWER, NO_ANSWER)
        with pytest.raises(BankNotAnswering, match="401"):
            await bank.set_behaviour(Behaviour())
        await bank.close()


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{a_free_port()}")
    async with a_bank() as bank:
        assert await bank.query(uuid7()) == Outcome(Answer.NOT_KNOWN)


def an_answer(**changes: Any) -> bytes:
    facts = {"direction": "DEBIT", "amount_minor": 1_000, "currency": "CNY", "state": "ACCEPTED"}
    return json.dumps(facts | changes).encode()


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (404, b"not here"),
        (302, b""),
        (201, b"{}"),
        (200, b""),
        (200, b"\xff\xfe"),
        (200, b'{"state": "ACCEPTED"}'),
        (200, b'{"x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
        (200, {"state": "PERHAPS"}),
        (200, {"id": "00000000-0000-7000-8000-000000000001"}),
        (200, {"amount_minor": 999}),
        (200, {"amount_minor": "1000"}),
        (200, {"currency": "USD"}),
        (200, {"direction": "CREDIT"}),
        (200, None),
    ],
    ids=lambda answer: f"{answer[0]} {str(answer[1])[:40]}",
)
async def test_whatever_else_comes_back_leaves_it_open(answer: tuple[int, Any]) -> None:
    transfer = a_transfer("token")
    status, body = answer
    if body is None:
        body = b" " * (64 * 1024 + 1)
    if isinstance(body, dict):
        body = an_answer(**({"id": str(transfer.id)} | body))

    async def nonsense(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Location": "/v1/elsewhere"})

    async with answering(nonsense) as bank:
        assert await bank.debit(transfer) == NO_ANSWER
        with pytest.raises(BankNotAnswering):
            await bank.statement(DAY)
        with pytest.raises(BankNotAnswering):
            await bank.tokenize(GOOD_CARD)


async def test_a_statement_of_a_time_before_all_times() -> None:
    line = {"transfer_id": str(uuid7()), "kind": "DEBIT", "amount_minor": 1, "currency": "CNY"}
    body = json.dumps({"day": "2026-03-01", "lines": [line | {"booked_at": "0001-01-01T00:00:00+14:00"}]}).encode()

    async def nonsense(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async with answering(nonsense) as bank:
        with pytest.raises(BankNotAnswering):
            await bank.statement(DAY)


async def test_a_reason_that_is_not_known_and_fields_that_are_new() -> None:
    transfer = a_transfer("token")

    async def declines(request: web.Request) -> web.Response:
        body = an_answer(id=str(transfer.id), state="DECLINED", reason="MOON_PHASE", new="field")
        return web.Response(body=body)

    async with answering(declines) as bank:
        assert await bank.debit(transfer) == Outcome(Answer.DECLINED, DeclineReason.OTHER)


async def test_a_connection_that_ends_within_the_answer_and_one_that_never_does() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"id"')
        if request.method == "PUT":
            assert request.transport is not None
            request.transport.abort()
        return response

    async with answering(cut) as bank:
        transfer = a_transfer("token")
        assert (await bank.debit(transfer), await bank.query(transfer.id)) == (NO_ANSWER, NO_ANSWER)


async def test_a_call_whose_answer_is_lost_is_sent_once() -> None:
    """Whoever asks again has to know that the first call may have arrived."""
    arrived: list[str] = []

    async def aborts(request: web.Request) -> web.Response:
        arrived.append(request.method)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with answering(aborts) as bank:
        transfer = a_transfer("token")
        assert (await bank.debit(transfer), await bank.query(transfer.id)) == (NO_ANSWER, NO_ANSWER)
    assert arrived == ["PUT", "GET"]


async def test_a_bank_whose_certificate_nobody_signed_is_sent_nothing(tmp_path: Path) -> None:
    signed = Authority().signs("127.0.0.1")
    files = Files.in_folder(tmp_path, signed)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)

    async def never(request: web.Request) -> web.Response:
        raise AssertionError

    async with answering(never, context) as bank:
        assert await bank.debit(a_transfer("token")) == Outcome(Answer.NOT_SENT)


async def test_a_statement_of_another_day_is_none() -> None:
    async with a_bank() as real:
        await real.debit(a_transfer(await real.tokenize(GOOD_CARD)))
        lines = msgspec.json.decode(msgspec.json.encode(await real.statement(DAY)))

    async def other_day(request: web.Request) -> web.Response:
        named = [line | {"kind": "DEBIT"} for line in lines]
        return web.Response(body=json.dumps({"day": request.path.rpartition("/")[2], "lines": named}).encode())

    async with answering(other_day) as bank:
        assert len(await bank.statement(DAY)) == 1
        with pytest.raises(BankNotAnswering, match="another day"):
            await bank.statement(DAY + 1)
