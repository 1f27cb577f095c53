"""A bank that is asked over HTTP, by the contract in `wire.py`."""

import asyncio
from typing import Final, TypeVar
from uuid import UUID

import aiohttp
import msgspec
import structlog

from danbao_core.bank import wire
from danbao_core.bank.port import (
    Answer,
    BankNotAnswering,
    CardRefused,
    DeclineReason,
    LineKind,
    Outcome,
    StatementLine,
    Transfer,
)
from danbao_core.clock import shanghai_day

_log = structlog.get_logger("danbao.bank")

CONNECT_SECONDS: Final = 3.0
CALL_SECONDS: Final = 10.0
"""For a call with all its parts; a claim on a transfer lasts longer (see `asking.LEASE`)."""

STATEMENT_SECONDS: Final = 60.0
MOST_CONNECTIONS: Final = 32
MOST_ANSWER_BYTES: Final = 64 * 1024
MOST_STATEMENT_BYTES: Final = 256 * 1024 * 1024

_NO_ANSWER: Final = Outcome(Answer.NO_ANSWER)

A = TypeVar("A", bound=msgspec.Struct)


class _Failed(Exception):
    """A call that came to nothing that can be used; `sent` tells whether the bank may have got it."""

    def __init__(self, why: str, *, sent: bool = True) -> None:
        super().__init__(why)
        self.sent = sent


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Sends a call once. aiohttp would send an idempotent one again when its connection ends, and if that is refused, it would
    be forgotten that the first one went out. Raises _Failed.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError as error:
        raise _Failed(type(error).__name__, sent=False) from None
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Failed(type(error).__name__) from None


class HttpBank:
    """The bank at a URL. It opens its connections when it is first asked; `close` ends them."""

    def __init__(self, url: str, key: str, *, call_seconds: float = CALL_SECONDS) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._call_seconds = call_seconds
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Ends the connections; the bank may be asked again all the same."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def tokenize(self, card_number: str) -> str:
        """As the port says."""
        try:
            status, body = await self._call("POST", "/v1/tokens", wire.TokenRequest(card_number))
            if status == 422:
                raise CardRefused
            return _decoded(status, body, wire.TokenAnswer).token
        except _Failed as failed:
            raise BankNotAnswering(str(failed)) from None

    async def debit(self, transfer: Transfer) -> Outcome:
        """As the port says."""
        return await self._move(transfer, "DEBIT")

    async def credit(self, transfer: Transfer) -> Outcome:
        """As the port says."""
        return await self._move(transfer, "CREDIT")

    async def query(self, transfer_id: UUID) -> Outcome:
        """As the port says."""
        try:
            status, body = await self._call("GET", f"/v1/transfers/{transfer_id}")
            if status == 404 and _decoded(200, body, wire.ErrorAnswer).error == wire.TRANSFER_UNKNOWN:
                return Outcome(Answer.NOT_KNOWN)
            return _outcome(_decoded(status, body, wire.TransferAnswer), transfer_id)
        except _Failed as failed:
            return _unknown(transfer_id, failed)

    async def statement(self, day: int) -> list[StatementLine]:
        """As the port says."""
        name = wire.day_name(day)
        try:
            status, body = await self._call(
                "GET", f"/v1/statements/{name}", seconds=STATEMENT_SECONDS, most_bytes=MOST_STATEMENT_BYTES
            )
            answer = _decoded(status, body, wire.StatementAnswer)
            lines = [_line(each) for each in answer.lines]
            if answer.day != name or any(shanghai_day(line.booked_at) != day for line in lines):
                raise _Failed("it is a statement of another day")
            return lines
        except OverflowError:
            raise BankNotAnswering("it has a time that is none in Shanghai") from None
        except _Failed as failed:
            raise BankNotAnswering(str(failed)) from None

    async def set_behaviour(self, behaviour: msgspec.Struct) -> None:
        """Tells the bank of a sandbox how to behave; no other has this. Raises BankNotAnswering."""
        try:
            status, _ = await self._call("PUT", "/control/behaviour", behaviour)
        except _Failed as failed:
            raise BankNotAnswering(str(failed)) from None
        if status != 204:
            raise BankNotAnswering(f"it answered {status}")

    async def _move(self, transfer: Transfer, direction: wire.Direction) -> Outcome:
        request = wire.TransferRequest(
            direction=direction,
            token=transfer.token,
            amount_minor=transfer.amount_minor,
            currency=transfer.currency,
            asked_at=transfer.asked_at,
        )
        try:
            status, body = await self._call("PUT", f"/v1/transfers/{transfer.id}", request)
            answer = _decoded(status, body, wire.TransferAnswer)
            if (answer.direction, answer.amount_minor, answer.currency) != (
                direction,
                transfer.amount_minor,
                transfer.currency,
            ):
                raise _Failed("it is an answer to another transfer")
            return _outcome(answer, transfer.id)
        except _Failed as failed:
            return _unknown(transfer.id, failed)

    async def _call(
        self,
        method: str,
        path: str,
        body: msgspec.Struct | None = None,
        *,
        seconds: float | None = None,
        most_bytes: int = MOST_ANSWER_BYTES,
    ) -> tuple[int, bytes]:
        """Status and body of an answer. Raises _Failed."""
        try:
            async with (
                asyncio.timeout(seconds or self._call_seconds),
                self._opened().request(
                    method,
                    self._url + path,
                    data=None if body is None else msgspec.json.encode(body),
                    allow_redirects=False,
                ) as response,
            ):
                answer = bytearray()
                async for chunk in response.content.iter_any():
                    answer += chunk
                    if len(answer) > most_bytes:
                        raise _Failed(f"its answer is longer than {most_bytes} bytes")
                return response.status, bytes(answer)
        except aiohttp.ConnectionTimeoutError as error:
            raise _Failed(type(error).__name__, sent=False) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _Failed(type(error).__name__) from None

    def _opened(self) -> aiohttp.ClientSession:
        """One session, made at the first call. It asks the environment for no proxy and no .netrc, and keeps no cookie."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS, force_close=True),
                middlewares=(_once,),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session


def _decoded(status: int, body: bytes, kind: type[A]) -> A:
    """What an answer of status 200 says. Raises _Failed."""
    if status != 200:
        raise _Failed(f"it answered {status}")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _Failed("its answer is not of the contract") from None


def _outcome(answer: wire.TransferAnswer, transfer_id: UUID) -> Outcome:
    if answer.id != transfer_id:
        raise _Failed("it is an answer to another transfer")
    if answer.state != "DECLINED":
        return Outcome(Answer[answer.state])
    named = DeclineReason.__members__.get(answer.reason, DeclineReason.OTHER)
    return Outcome(Answer.DECLINED, named or DeclineReason.OTHER)


def _unknown(transfer_id: UUID, failed: _Failed) -> Outcome:
    _log.warning("bank gave no answer", transfer=str(transfer_id), why=str(failed), sent=failed.sent)
    return _NO_ANSWER if failed.sent else Outcome(Answer.NOT_SENT)


def _line(line: wire.LineAnswer) -> StatementLine:
    return StatementLine(line.transfer_id, LineKind[line.kind], line.amount_minor, line.currency, line.booked_at)
