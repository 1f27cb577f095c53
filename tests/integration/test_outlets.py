"""Short messages by HTTP and by SMPP, and mail by SMTP, handed to real servers on loopback: what they take, and what they
refuse for good or for now."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from smpp34._smpp34 import (
    ESME_RINVDSTADR,
    ESME_RINVMSGLEN,
    ESME_RINVSRCADR,
    ESME_RMSGQFUL,
    ESME_ROK,
    ESME_RSYSERR,
    ESME_RTHROTTLED,
)

from danbao_core.ids import uuid7
from danbao_core.notifications.mail import MailOutlet
from danbao_core.notifications.outlets import outlets_of
from danbao_core.notifications.port import KeptOutlet, NotTaken, Outlet, RefusedForGood
from danbao_core.notifications.smpp import SmppOutlet
from danbao_core.notifications.sms_gateway import SmsGateway
from danbao_core.notifications.templates import Worded
from danbao_core.people.messages import Channel
from danbao_core.settings import Settings, SettingsError, load
from tests.gateways import (
    HANGS,
    HttpGateway,
    MessageCentre,
    a_free_port,
    a_mail_server,
    a_message_centre,
    an_http_gateway,
)

PHONE = "+8613800138000"
HELLO = Worded("Hello", "Hello you")
PATIENT, IMPATIENT = 10.0, 0.2


async def _send(outlet: Outlet, text: str = HELLO.text, address: str = PHONE) -> None:
    await outlet.send(uuid7(), address, Worded(HELLO.title, text))


# --- HTTP -------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _by_http(url: str, timeout_seconds: float = PATIENT) -> AsyncIterator[SmsGateway]:
    async with aiohttp.ClientSession() as session:
        yield SmsGateway(session, url, "a-key", timeout_seconds)


@pytest.fixture
async def gateway() -> AsyncIterator[HttpGateway]:
    async with an_http_gateway() as gateway:
        yield gateway


async def test_a_gateway_is_posted_the_text_under_the_messages_id(gateway: HttpGateway) -> None:
    message_id = uuid7()
    async with _by_http(gateway.url) as outlet:
        await outlet.send(message_id, PHONE, HELLO)
    assert gateway.taken == [{"id": str(message_id), "to": PHONE, "text": "Hello you"}]
    [headers] = gateway.headers
    assert headers["Authorization"] == "Bearer a-key"
    assert headers["Idempotency-Key"] == str(message_id)


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_gateway_refuses_for_good(gateway: HttpGateway, status: int) -> None:
    gateway.answers = [status]
    async with _by_http(gateway.url) as outlet:
        with pytest.raises(RefusedForGood, match=f"^HTTP {status}$"):
            await _send(outlet)


@pytest.mark.parametrize("status", [302, 401, 404, 408, 429, 500, 503])
async def test_a_gateway_does_not_take_it_now(gateway: HttpGateway, status: int) -> None:
    gateway.answers = [status]
    async with _by_http(gateway.url) as outlet:
        with pytest.raises(NotTaken, match=f"^HTTP {status}$"):
            await _send(outlet)
    assert len(gateway.taken) == 1  # a redirect is not followed


@pytest.mark.parametrize(("asked", "seconds"), [("120", 120.0), ("", 0.0), ("soon", 0.0), ("-1", 0.0)])
async def test_a_gateway_may_ask_for_time(gateway: HttpGateway, asked: str, seconds: float) -> None:
    gateway.answers, gateway.retry_after = [429], asked
    async with _by_http(gateway.url) as outlet:
        with pytest.raises(NotTaken) as caught:
            await _send(outlet)
    assert caught.value.after_seconds == seconds


async def test_a_gateway_that_hangs_or_is_not_there_does_not_take_it(gateway: HttpGateway) -> None:
    gateway.answers = [HANGS]
    async with _by_http(gateway.url, IMPATIENT) as outlet:
        with pytest.raises(NotTaken):
            await _send(outlet)
    async with _by_http(f"http://127.0.0.1:{a_free_port()}/?key=secret") as outlet:
        with pytest.raises(NotTaken) as caught:
            await _send(outlet)
    assert "secret" not in str(caught.value)


# --- SMPP -------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _by_smpp(url: str, sender: str = "Danbao", timeout_seconds: float = PATIENT) -> AsyncIterator[SmppOutlet]:
    outlet = SmppOutlet(url, sender, timeout_seconds)
    try:
        yield outlet
    finally:
        await outlet.close()


@pytest.fixture
async def centre() -> AsyncIterator[MessageCentre]:
    async with a_message_centre() as centre:
        yield centre


async def test_a_message_centre_takes_a_message(centre: MessageCentre) -> None:
    async with _by_smpp(centre.url) as outlet:
        await _send(outlet)
        await _send(outlet)
    first, _ = centre.parts
    assert (first.destination_addr, first.dest_addr_ton, first.dest_addr_npi) == ("8613800138000", 1, 1)
    assert (first.source_addr, first.source_addr_ton, first.data_coding, first.esm_class) == ("Danbao", 5, 0, 0)
    assert bytes(first.short_message) == b"Hello you"
    assert centre.binds == 1


async def test_a_number_as_the_sender_is_sent_as_one(centre: MessageCentre) -> None:
    async with _by_smpp(centre.url, "10690000") as outlet:
        await _send(outlet)
    assert (centre.parts[0].source_addr, centre.parts[0].source_addr_ton, centre.parts[0].source_addr_npi) == ("10690000", 1, 1)


@pytest.mark.parametrize("text", ["a" * 400, "担保" * 100, "😀" * 100, "€" * 200])
async def test_a_long_text_is_sent_in_parts(centre: MessageCentre, text: str) -> None:
    async with _by_smpp(centre.url) as outlet:
        await _send(outlet, text)
    assert len(centre.parts) > 1
    assert centre.text == text


@pytest.mark.parametrize("status", [ESME_RINVDSTADR, ESME_RINVMSGLEN])
async def test_a_message_centre_refuses_for_good(centre: MessageCentre, status: int) -> None:
    centre.answers = [status]
    async with _by_smpp(centre.url) as outlet:
        with pytest.raises(RefusedForGood, match="SMPP ESME_RINV"):
            await _send(outlet)


@pytest.mark.parametrize("status", [ESME_RMSGQFUL, ESME_RTHROTTLED, ESME_RSYSERR, ESME_RINVSRCADR])
async def test_a_message_centre_does_not_take_it_now(centre: MessageCentre, status: int) -> None:
    centre.answers = [status]
    async with _by_smpp(centre.url) as outlet:
        with pytest.raises(NotTaken, match=f"^SMPP {status:#x}$"):
            await _send(outlet)
        await _send(outlet)
    assert centre.binds == 1  # an answer is no reason to bind anew


async def test_after_a_part_that_was_not_taken_all_are_sent_again(centre: MessageCentre) -> None:
    centre.answers = [ESME_ROK, ESME_RTHROTTLED]
    message_id = uuid7()
    async with _by_smpp(centre.url) as outlet:
        with pytest.raises(NotTaken):
            await outlet.send(message_id, PHONE, Worded("", "a" * 200))
        await outlet.send(message_id, PHONE, Worded("", "a" * 200))
    first, _, again, _ = centre.parts
    assert bytes(first.short_message) == bytes(again.short_message)


async def test_a_message_centre_that_hangs_is_bound_anew(centre: MessageCentre) -> None:
    centre.answers = [MessageCentre.HANGS]
    async with _by_smpp(centre.url, timeout_seconds=IMPATIENT) as outlet:
        with pytest.raises(NotTaken, match="TimeoutError"):
            await _send(outlet)
    async with _by_smpp(centre.url) as outlet:
        await _send(outlet)
    assert centre.binds == 2


async def test_a_session_that_did_not_answer_is_not_used_again(centre: MessageCentre) -> None:
    async with _by_smpp(centre.url, timeout_seconds=1.0) as outlet:
        centre.answers = [MessageCentre.HANGS]
        with pytest.raises(NotTaken, match="TimeoutError"):
            await _send(outlet)
        await _send(outlet)
    assert centre.binds == 2


async def test_a_message_centre_that_is_not_there_does_not_take_it() -> None:
    async with _by_smpp(f"smpp://danbao:sesame@127.0.0.1:{a_free_port()}") as outlet:
        with pytest.raises(NotTaken, match="bind: SmppError"):
            await _send(outlet)


# --- Mail -------------------------------------------------------------------------------------------------------------------


async def test_a_mail_server_takes_a_message() -> None:
    message_id = uuid7()
    async with a_mail_server() as mail:
        await MailOutlet(mail.url, "no-reply@pay.example.com").send(
            message_id, "ada@example.com", Worded("已付款", "【担保】你好")
        )
    [taken] = mail.taken
    assert (taken["From"], taken["To"], taken["Subject"]) == ("no-reply@pay.example.com", "ada@example.com", "已付款")
    assert taken["Message-ID"] == f"<{message_id}@pay.example.com>"
    assert taken["Auto-Submitted"] == "auto-generated"
    assert taken["Date"]
    assert taken.get_content().rstrip("\r\n") == "【担保】你好"


@pytest.mark.parametrize(("answer", "kind"), [("550 no such user", RefusedForGood), ("451 later", NotTaken)])
async def test_a_mail_server_does_not_take_a_message(answer: str, kind: type[Exception]) -> None:
    async with a_mail_server() as mail:
        mail.answers = [answer]
        with pytest.raises(kind, match=f"^SMTP {answer[:3]}$"):
            await _send(MailOutlet(mail.url, "no-reply@pay.example.com"), address="ada@example.com")
    assert not mail.taken


async def test_a_mail_server_that_is_not_there_does_not_take_a_message() -> None:
    with pytest.raises(NotTaken, match="SMTPConnectError"):
        await _send(MailOutlet(f"smtp://127.0.0.1:{a_free_port()}", "a@example.com"), address="ada@example.com")


@pytest.mark.parametrize(
    ("url", "starts_tls"),
    [("smtp://mail.example.com", True), ("smtps://mail.example.com", False), ("smtp://127.0.0.1:25", None)],
)
def test_mail_crosses_no_network_without_tls(url: str, starts_tls: bool | None) -> None:
    client = MailOutlet(url, "a@example.com")._client
    assert (client["use_tls"], client["start_tls"]) == (url.startswith("smtps"), starts_tls)


async def test_a_title_cannot_make_headers() -> None:
    async with a_mail_server() as mail:
        await MailOutlet(mail.url, "a@example.com").send(uuid7(), "ada@example.com", Worded("Hi\r\nBcc: eve@example.com", "x"))
    assert "Bcc" not in mail.taken[0]


ENCODED_WORDS = [
    "Order =?utf-8?q?x=0D=0ABcc:=20eve=40example.com?= is paid",
    "Order =?us-ascii?b?DQoNCkhlbGxv?= is paid",
    "Order =\t=?=?utf-8?q?x=0D=0ABcc:=20eve=40example.com?= is paid",
    "\u8ba2\u5355 =?utf-8?q?x=0D=0ABcc:=20eve=40example.com?= \u5df2\u4ed8\u6b3e",
]
"""Titles in which somebody put line breaks that no printable character shows, by an order number, say."""


@pytest.mark.parametrize("title", ENCODED_WORDS)
async def test_encoded_words_in_a_title_make_no_headers(title: str) -> None:
    async with a_mail_server() as mail:
        await MailOutlet(mail.url, "a@example.com").send(uuid7(), "ada@example.com", Worded(title, "x"))
    (message,) = mail.taken
    assert message["Bcc"] is None
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().strip() == "x"
    assert message["Subject"] == " ".join(title.split()).replace("=?", "= ?")


async def test_an_address_that_holds_an_encoded_word_is_refused_for_good() -> None:
    async with a_mail_server() as mail:
        with pytest.raises(RefusedForGood):
            await _send(MailOutlet(mail.url, "a@example.com"), address="=?utf-8?q?a=0D=0Ab?=@example.com")
    assert not mail.taken


# --- Settings ---------------------------------------------------------------------------------------------------------------


def _live(**given: object) -> Settings:
    return load(mode="live", database_url="postgresql:///x", hash_key="0" * 64, **given)


async def _channels(settings: Settings) -> dict[Channel, type]:
    async with outlets_of(settings) as outlets:
        return {channel: type(outlet) for channel, outlet in outlets.items()}


async def test_settings_name_the_channels() -> None:
    assert await _channels(_live()) == {}
    assert await _channels(_live(sms_url="https://sms.example.com/send", sms_key="k")) == {Channel.SMS: SmsGateway}
    assert await _channels(_live(smpp_url="smpp://a:b@smsc.example.com")) == {Channel.SMS: SmppOutlet}
    mail = {"smtp_url": "smtps://a:b@mail.example.com", "mail_from": "a@example.com"}
    assert await _channels(_live(**mail)) == {Channel.EMAIL: MailOutlet}


async def test_a_sandbox_keeps_everything_whatever_its_settings_say() -> None:
    sandbox = load(mode="sandbox", database_url="postgresql:///x", hash_key="0" * 64, sms_url="https://sms.example.com")
    assert await _channels(sandbox) == dict.fromkeys(Channel, KeptOutlet)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sms_url": "ftp://user:sesame@example.com"}, "DANBAO_SMS_URL: must be a URL that begins with https:// or http://"),
        ({"sms_url": "http://user:sesame@example.com"}, "DANBAO_SMS_URL: must be https://"),
        ({"smpp_url": "smpp://danbao:sesame@:2775"}, "DANBAO_SMPP_URL: must be a URL"),
        ({"smpp_url": "smpp://danbao:sesame@a:port"}, "DANBAO_SMPP_URL: is no URL"),
        ({"smtp_url": "smtp://danbao:sesame@a"}, "DANBAO_MAIL_FROM: is not set"),
        ({"mail_from": "sesame"}, "DANBAO_MAIL_FROM: "),
        ({"sms_sender": "sesame with a long name"}, "DANBAO_SMS_SENDER: "),
        (
            {"sms_url": "https://user:sesame@example.com", "smpp_url": "smpp://danbao:sesame@a"},
            "DANBAO_SMPP_URL: there is DANBAO_SMS_URL, too",
        ),
    ],
)
def test_a_wrong_setting_is_named_and_not_quoted(given: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        _live(**given)
    assert "sesame" not in str(caught.value)


def test_passwords_of_channels_are_not_shown() -> None:
    settings = _live(sms_url="https://user:sesame@example.com", sms_key="sesame")
    assert "sesame" not in repr(settings)
