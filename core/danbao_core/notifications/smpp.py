"""Short messages by SMPP 3.4, the protocol of carriers' message centres.

One session, bound as a transmitter when the first message is sent and again after it was lost. A message of several parts is
taken when its last part was; after a failure all parts are submitted again, with the same reference.
"""

import asyncio
import contextlib
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

import smpp34

from danbao_core.notifications.port import NotTaken, RefusedForGood
from danbao_core.notifications.sms_text import Part, parts_of
from danbao_core.notifications.templates import Worded

TIMEOUT_SECONDS: Final = 15.0
"""For binding, and for the answer to each part."""

_LAST_WORDS_SECONDS: Final = 1.0
"""For ending a session."""

_DEFAULT_PORT: Final = 2775

_REFUSED_FOR_GOOD: Final = {
    0x01: "ESME_RINVMSGLEN",
    0x0B: "ESME_RINVDSTADR",
    0x50: "ESME_RINVDSTTON",
    0x51: "ESME_RINVDSTNPI",
}
"""Answers that say that this message will never be taken. All others may pass: a full queue, too many at once, a fault, or how
we are set up there."""

_INTERNATIONAL, _ALPHANUMERIC, _ISDN = 1, 5, 1


class SmppOutlet:
    """Submits messages to a message centre. `close` it."""

    def __init__(self, url: str, sender: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """`url` is smpp://system_id:password@host:port, or smpps:// for TLS; `sender` what phones show as the sender."""
        self._url = urlsplit(url)
        self._sender = sender
        self._timeout_seconds = timeout_seconds
        self._client: smpp34.Client | None = None
        self._session: smpp34.Smsc | None = None
        self._binding = asyncio.Lock()

    async def send(self, message_id: UUID, address: str, worded: Worded) -> None:
        """See `Outlet.send`."""
        session = await self._bound()
        for part in parts_of(worded.text, reference=message_id.bytes[-1]):
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    answer = await self._submit(session, address, part)
            except (smpp34.SmppError, OSError, TimeoutError) as error:
                await self._lose(session)
                raise NotTaken(type(error).__name__) from None
            if not answer.is_success:
                raise _refusal(answer.command_status)

    async def _submit(self, session: smpp34.Smsc, address: str, part: Part) -> smpp34.SubmitSmResp:
        is_number = self._sender.isdigit()
        return await session.submit_sm(
            address.removeprefix("+"),
            part.octets,
            source_addr=self._sender,
            source_addr_ton=(_INTERNATIONAL if is_number else _ALPHANUMERIC) if self._sender else 0,
            source_addr_npi=_ISDN if is_number else 0,
            dest_addr_ton=_INTERNATIONAL,
            dest_addr_npi=_ISDN,
            esm_class=part.esm_class,
            data_coding=part.data_coding,
        )

    async def _bound(self) -> smpp34.Smsc:
        async with self._binding:
            if self._session is not None and self._client is not None and await self._client.is_alive():
                return self._session
            await self._end()
            self._client = self._new_client()
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    self._session = await self._client.connect()
            except (smpp34.SmppError, OSError, TimeoutError) as error:
                raise NotTaken(f"bind: {type(error).__name__}") from None
            return self._session

    def _new_client(self) -> smpp34.Client:
        url = self._url
        return smpp34.Client(
            host=url.hostname or "",
            port=url.port or _DEFAULT_PORT,
            system_id=unquote(url.username or ""),
            password=unquote(url.password or ""),
            bind_type="TX",
            tls=url.scheme == "smpps",
            connect_timeout_ms=int(self._timeout_seconds * 1000),
        )

    async def _lose(self, session: smpp34.Smsc) -> None:
        """Gives a session up that did not answer; messages that are sent later bind a new one."""
        async with self._binding:
            if self._session is session:
                await self._end()

    async def _end(self) -> None:
        client, self._client, self._session = self._client, None, None
        with contextlib.suppress(smpp34.SmppError, OSError, TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                if client is not None:
                    await client.stop()

    async def close(self) -> None:
        """Unbinds."""
        with contextlib.suppress(smpp34.SmppError, OSError, TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                if self._session is not None:
                    await self._session.unbind()
        await self._end()


def _refusal(status: int) -> Exception:
    name = _REFUSED_FOR_GOOD.get(status)
    return NotTaken(f"SMPP {status:#x}") if name is None else RefusedForGood(f"SMPP {name}")
