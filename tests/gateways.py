"""Who takes messages, in the process of the test: an HTTP gateway, a carrier's message centre, a mail server."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Final

import smpp34
from aiohttp import web
from aiosmtpd.smtp import SMTP
from smpp34._smpp34 import ESME_ROK

from tests.rpc_client import until
from tests.sms_reader import read_parts

HANGS: Final = 0
"""In the place of an answer: there is none."""


class HttpGateway:
    """Answers each message with the next of `answers`, and 200 when there are none left."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[int] = []
        self.retry_after = ""
        self.taken: list[dict[str, str]] = []
        """The bodies of all requests, whatever they were answered."""
        self.headers: list[dict[str, str]] = []
        self.closing = asyncio.Event()
        """What hangs, hangs until this."""

    async def answer(self, request: web.Request) -> web.Response:
        self.taken.append(await request.json())
        self.headers.append(dict(request.headers))
        status = self.answers.pop(0) if self.answers else 200
        if status == HANGS:
            await self.closing.wait()
            return web.Response(status=503)
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        if 300 <= status < 400:
            headers["Location"] = f"{self.url}/elsewhere"
        return web.Response(status=status, headers=headers)


@asynccontextmanager
async def an_http_gateway() -> AsyncIterator[HttpGateway]:
    """A gateway for short messages, on loopback."""
    gateway = HttpGateway()
    app = web.Application()
    app.router.add_post("/{path:.*}", gateway.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield gateway
    finally:
        gateway.closing.set()
        await runner.cleanup()


class MessageCentre:
    """Answers each part with the next of `answers`, a command status, and takes it when there are none left."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.url = f"smpp://danbao:sesame@127.0.0.1:{port}"
        self.answers: list[int] = []
        self.parts: list[Any] = []
        self.unanswered: list[Any] = []
        self.binds = 0
        self._server = smpp34.Server(host="127.0.0.1", port=port, system_id="centre")

    HANGS: Final = -1

    @property
    def text(self) -> str:
        """What all parts together say."""
        return read_parts((bytes(each.short_message), each.data_coding, each.esm_class) for each in self.parts)

    async def start(self) -> None:
        """Returns when it takes connections; the library does not say."""
        await self._server.start()
        await until(self._listens)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def run(self) -> None:
        """Answers until it is cancelled."""
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self.binds += 1
            elif isinstance(event, smpp34.SubmitSmEvent):
                self._answer(event)

    def _answer(self, event: smpp34.SubmitSmEvent) -> None:
        self.parts.append(event)
        status = self.answers.pop(0) if self.answers else ESME_ROK
        if status == self.HANGS:
            self.unanswered.append(event)  # or dropping it would answer it
        elif status == ESME_ROK:
            event.accept(message_id=str(len(self.parts)))
        else:
            event.reject(status)

    async def stop(self) -> None:
        await self._server.stop()


@asynccontextmanager
async def a_message_centre() -> AsyncIterator[MessageCentre]:
    """A carrier's, on loopback."""
    centre = MessageCentre(a_free_port())
    await centre.start()
    running = asyncio.create_task(centre.run())
    try:
        yield centre
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await centre.stop()


class MailServer:
    """Answers recipients with the next of `answers`, and takes all when there are none left."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[str] = []
        self.taken: list[EmailMessage] = []

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        return "250 OK"


@asynccontextmanager
async def a_mail_server(**smtp: Any) -> AsyncIterator[MailServer]:
    """A mail server, on loopback; `smtp` as aiosmtpd's SMTP takes it."""
    mail = MailServer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mail, enable_SMTPUTF8=True, loop=loop, **smtp), "127.0.0.1", 0)
    mail.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield mail
    finally:
        server.close()
        await server.wait_closed()


def a_free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
