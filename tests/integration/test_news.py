"""People are told of what happens to their accounts, once and by the ways that they like, and read it in the app."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

import grpc
import pytest

from danbao.v1 import notifications_pb2
from danbao_core.clock import system_wall_clock
from danbao_core.engine import Engine
from danbao_core.ids import IdSequence, first_at, uuid7
from danbao_core.news.commands import Reader, TellPeople
from danbao_core.news.rows import CURSOR, NewsCursor
from danbao_core.notifications.port import Channel, KeptOutlet
from danbao_core.opening import keyring_of as keyring_of_settings
from danbao_core.opening import read_pool, running_engine
from danbao_core.people.messages import MessageState, letter
from danbao_core.people.person import IdentityLevel
from danbao_core.trail import Outbox, account_event
from danbao_workers.event_numbers import EventNumbers
from danbao_workers.forgetting import forget_some
from danbao_workers.news import tell_once
from danbao_workers.postman import Postman
from danbao_workers.relay import relay_once
from danbao_workers.work import Background
from tests import rpc_client
from tests.builders import origin, put, stored
from tests.leaks import must_not_be_stored
from tests.people import PersonCaller, a_mail_address, a_person, keyring_of, messages_to
from tests.rpc_client import Caller, Core, a_merchant, audit_holds, id_of, nothing_changes, walked
from tests.rpc_requests import (
    a_payment,
    a_top_up,
    changed,
    close,
    confirm,
    erase,
    mark_read,
    open_dispute,
    prefer,
    reject_dispute,
    ship,
    update_account,
)

core = rpc_client.core

P = notifications_pb2.Preferences
PAYMENTS, FUNDINGS, SECURITY = P.CATEGORY_PAYMENTS, P.CATEGORY_FUNDINGS, P.CATEGORY_SECURITY
SMS, EMAIL, INBOX = P.CHANNEL_SMS, P.CHANNEL_EMAIL, P.CHANNEL_INBOX


@asynccontextmanager
async def a_background(core: Core, *channels: Channel) -> AsyncIterator[Background]:
    """What a worker works with, without a queue; it has these channels, or all."""
    settings = core.settings
    async with running_engine(settings) as engine, read_pool(settings, 4) as pool:
        keyring = keyring_of_settings(settings)
        postman = Postman(pool, keyring, dict.fromkeys(channels or Channel, KeptOutlet()))
        none = cast("Any", None)
        yield Background(settings, engine, pool, none, keyring, system_wall_clock, none, EventNumbers(), postman=postman)


async def tell(background: Background) -> None:
    """Relays all that happened, and tells people of it."""
    while (await relay_once(background))[0]:
        pass
    while await tell_once(background):
        pass


async def told(core: Core, *channels: Channel) -> None:
    async with a_background(core, *channels) as background:
        await tell(background)


def listing(account: str, **fields: Any) -> notifications_pb2.ListInboxMessagesRequest:
    return notifications_pb2.ListInboxMessagesRequest(account=account, **fields)


async def inbox(person: PersonCaller, **fields: Any) -> list[notifications_pb2.InboxMessage]:
    return list((await person.ask(listing(person.account, **fields))).inbox_messages)


async def templates(person: PersonCaller) -> list[str]:
    """What they were told in the app, newest first."""
    return [each.template for each in await inbox(person)]


async def unread(person: PersonCaller) -> int:
    return int((await person.ask(notifications_pb2.GetUnreadCountRequest(account=person.account))).unread_count)


async def give_address(core: Core, person: PersonCaller, address: str) -> None:
    """Confirms an e-mail address of theirs."""
    sealed = keyring_of(core).seal(address, "person", "email", id_of(person.account))
    await core.connection.execute("UPDATE person SET email = $2 WHERE account_id = $1", id_of(person.account), sealed)


async def happens(core: Core, person: PersonCaller, topic: str) -> None:
    """An event about an account's safety."""
    async with running_engine(core.settings) as engine:
        now = await core.connection.fetchval("SELECT now()")
        await put(engine, account_event(IdSequence(uuid7()), topic, id_of(person.account), now))


class Purchase(NamedTuple):
    ada: PersonCaller
    payment: str


async def a_purchase(core: Core, ada: PersonCaller | None = None) -> Purchase:
    """Something that Ada buys for 12.50 CNY, by the hand of the operator, and has paid."""
    ada = ada or await a_person(core, funds_minor=10_000, level=IdentityLevel.II)
    payment = await core.operator.ask(a_payment(ada.account, await a_merchant(core), 1_250, order_no=f"A-{uuid7().hex[-9:]}"))
    return Purchase(ada, payment.name)


# --- The inbox --------------------------------------------------------------------------------------------------------------


async def test_a_person_reads_what_became_of_a_purchase(core: Core) -> None:
    ada, payment = await a_purchase(core)
    await core.operator.ask(ship(payment))
    await core.operator.ask(confirm(payment))
    await told(core)
    assert await templates(ada) == ["payment_succeeded_payer", "payment_shipped", "payment_sent", "top_up_succeeded"]
    newest = (await inbox(ada))[0]
    assert newest.name.startswith(f"{ada.account}/inboxMessages/")
    assert (newest.category, newest.subject) == (PAYMENTS, payment)
    assert "¥12.50" in newest.text
    assert newest.title.endswith("已完成")
    assert newest.HasField("create_time")
    assert not newest.HasField("read_time")


async def test_both_sides_are_told_of_a_dispute_by_short_message_too(core: Core) -> None:
    ada, bob = await a_person(core, funds_minor=1_250, level=IdentityLevel.II), await a_person(core)
    payment = await core.operator.ask(a_payment(ada.account, bob.account, 1_250))
    dispute = await core.operator.ask(open_dispute(payment.name))
    await core.operator.ask(reject_dispute(dispute.name))
    await told(core)
    assert (await templates(ada))[:2] == ["dispute_rejected_buyer", "dispute_opened_buyer"]
    assert (await templates(bob))[:2] == ["dispute_rejected_seller", "dispute_opened_seller"]
    opened = (await inbox(bob))[1]
    assert (opened.category, opened.subject) == (P.CATEGORY_DISPUTES, dispute.name)
    sent = [each for each in await messages_to(core, bob.phone) if each.template == "dispute_opened_seller"]
    assert [each.text for each in sent] == [opened.text]
    assert "¥12.50" in opened.text


async def test_the_inbox_is_in_the_language_of_the_account(core: Core) -> None:
    ada, _ = await a_purchase(core)
    await told(core)
    await ada.ask(update_account(ada.account, "fr"))
    assert (await inbox(ada))[0].title.startswith("Vous avez payé 12,50")
    await ada.ask(update_account(ada.account, "en"))
    assert (await inbox(ada))[0].title == "You paid CN¥12.50"


async def test_people_are_told_once(core: Core) -> None:
    ada, _ = await a_purchase(core)
    async with a_background(core) as one, a_background(core) as other:
        while (await relay_once(one))[0]:
            pass
        await asyncio.gather(*(tell_once(each) for each in (one, other, one, other)))
        await tell(other)
    assert await templates(ada) == ["payment_sent", "top_up_succeeded"]


async def test_who_stopped_in_the_middle_goes_on_where_they_were(core: Core) -> None:
    ada, _ = await a_purchase(core)
    async with a_background(core) as background:
        while (await relay_once(background))[0]:
            pass
        telling = asyncio.create_task(tell_once(background))
        await asyncio.sleep(0)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    await told(core)
    assert await templates(ada) == ["payment_sent", "top_up_succeeded"]


async def test_accounts_of_services_are_told_nothing(core: Core) -> None:
    merchant = await a_merchant(core)
    await core.operator.ask(a_top_up(merchant, 100))
    await told(core)
    assert not (await core.operator.ask(listing(merchant))).inbox_messages


async def test_pages_show_every_message_once(core: Core) -> None:
    ada = await a_person(core, funds_minor=1)
    for _ in range(4):
        await core.operator.ask(a_top_up(ada.account, 1))
    await told(core)
    names = [each.name for each in await inbox(ada)]
    assert len(names) == 5
    for size in (1, 2, 5):
        assert [each.name for each in await walked(ada, listing(ada.account), size)] == names


async def test_a_message_of_a_newer_release_is_shown_without_words(core: Core) -> None:
    ada, payment = await a_purchase(core)
    await told(core)
    await core.connection.execute("UPDATE inbox_message SET template = 'newer' WHERE subject = $1", payment)
    newest, oldest = await inbox(ada)
    assert (newest.template, newest.title, newest.subject) == ("newer", "", payment)
    assert oldest.title


async def test_messages_are_marked_as_read(core: Core) -> None:
    ada, _ = await a_purchase(core)
    await told(core)
    newest, oldest = await inbox(ada)
    assert await unread(ada) == 2
    request = mark_read(ada.account, oldest.name)
    assert (await ada.ask(request)).marked_count == 1
    assert (await ada.answer(request)).replayed
    assert await unread(ada) == 1
    assert [each.name for each in await inbox(ada, unread_only=True)] == [newest.name]
    assert (await ada.ask(mark_read(ada.account, oldest.name, newest.name))).marked_count == 1
    assert await unread(ada) == 0
    assert all(each.HasField("read_time") for each in await inbox(ada))
    assert (await ada.ask(changed(request, request_id="again"))).marked_count == 0


async def test_messages_of_others_are_not_there(core: Core) -> None:
    (ada, _), bob = await a_purchase(core), await a_person(core)
    await told(core)
    [mine, _] = await inbox(ada)
    theirs = mine.name.replace(ada.account, bob.account)
    unknown = f"{ada.account}/inboxMessages/{uuid7()}"
    async with nothing_changes(core):
        for caller, request in (
            (bob, mark_read(ada.account, mine.name)),
            (bob, listing(ada.account)),
            (bob, notifications_pb2.GetUnreadCountRequest(account=ada.account)),
            (bob, notifications_pb2.GetPreferencesRequest(account=ada.account)),
            (bob, prefer(ada.account, PAYMENTS)),
        ):
            refused = await caller.refused(request)
            assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND")
        for request in (mark_read(bob.account, theirs), mark_read(bob.account, mine.name)):
            assert (await bob.refused(request)).reason == "INBOX_MESSAGE_NOT_FOUND"
        assert (await ada.refused(mark_read(ada.account, mine.name, unknown))).reason == "INBOX_MESSAGE_NOT_FOUND"
    assert await unread(ada) == 2


async def test_services_read_inboxes_by_their_scopes(core: Core) -> None:
    ada, _ = await a_purchase(core)
    await told(core)
    reader = await core.caller("accounts.read")
    own = await core.caller("accounts.read", account=ada.account)
    for caller in (reader, own):
        assert len((await caller.ask(listing(ada.account))).inbox_messages) == 2
    assert (await reader.refused(prefer(ada.account, PAYMENTS))).reason == "SCOPE_MISSING"


# --- Preferences ------------------------------------------------------------------------------------------------------------


async def ways(caller: Caller, account: str) -> dict[int, list[int]]:
    found = await caller.ask(notifications_pb2.GetPreferencesRequest(account=account))
    assert found.name == f"{account}/preferences"
    return {each.category: list(each.channels) for each in found.preferences}


async def test_nothing_set_tells_in_the_app_and_by_mail(core: Core) -> None:
    ada = await a_person(core)
    quiet = [EMAIL, INBOX]
    loud = [SMS, EMAIL, INBOX]
    assert await ways(ada, ada.account) == {1: quiet, 2: quiet, 3: quiet, 4: loud, 5: loud}


async def test_preferences_are_set_by_category(core: Core) -> None:
    ada = await a_person(core)
    await ada.ask(prefer(ada.account, PAYMENTS, SMS))
    await ada.ask(prefer(ada.account, FUNDINGS))
    await ada.ask(prefer(ada.account, SECURITY, INBOX, SMS))
    assert await ways(ada, ada.account) == {1: [SMS], 2: [EMAIL, INBOX], 3: [], 4: [SMS, INBOX], 5: [SMS, EMAIL, INBOX]}


@pytest.mark.parametrize("channels", [[], [SMS], [INBOX], [SMS, EMAIL], [EMAIL, INBOX]])
async def test_what_protects_the_account_is_always_told(core: Core, channels: list[int]) -> None:
    ada = await a_person(core)
    async with nothing_changes(core):
        refused = await ada.refused(prefer(ada.account, SECURITY, *channels))
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CHANNEL_REQUIRED")


async def test_a_category_is_set_once(core: Core) -> None:
    ada = await a_person(core)
    request = prefer(ada.account, PAYMENTS, SMS)
    request.preferences.append(request.preferences[0])
    async with nothing_changes(core):
        assert set((await ada.refused(request)).violations) == {"preferences"}


async def test_accounts_of_services_have_no_preferences(core: Core) -> None:
    merchant = await a_merchant(core)
    async with nothing_changes(core):
        for request in (notifications_pb2.GetPreferencesRequest(account=merchant), prefer(merchant, PAYMENTS)):
            assert (await core.operator.refused(request)).reason == "PERSON_NOT_FOUND"


async def test_people_are_told_by_the_ways_that_they_like(core: Core) -> None:
    ada, address = await a_person(core, funds_minor=10_000, level=IdentityLevel.II), a_mail_address()
    await give_address(core, ada, address)
    await told(core)
    await ada.ask(prefer(ada.account, PAYMENTS, SMS))
    await a_purchase(core, ada)
    await told(core)
    assert await templates(ada) == ["top_up_succeeded"]
    assert [each.template for each in await messages_to(core, ada.phone)] == ["payment_sent"]
    assert [each.template for each in await messages_to(core, address)] == ["top_up_succeeded"]
    await ada.ask(prefer(ada.account, PAYMENTS))
    await a_purchase(core, ada)
    await told(core)
    assert (len(await templates(ada)), len(await messages_to(core, ada.phone)), len(await messages_to(core, address))) == (
        1,
        1,
        1,
    )


async def test_there_is_no_mail_without_an_address_or_a_channel(core: Core) -> None:
    (ada, _), (bob, _) = await a_purchase(core), await a_purchase(core)
    await give_address(core, bob, a_mail_address())
    before = await core.connection.fetchval("SELECT count(*) FROM message")
    await told(core, Channel.SMS)
    assert await core.connection.fetchval("SELECT count(*) FROM message") == before
    assert await templates(ada) == await templates(bob) == ["payment_sent", "top_up_succeeded"]


async def test_what_protects_the_account_goes_to_the_phone_once(core: Core) -> None:
    ada = await a_person(core)
    await happens(core, ada, "account.frozen")
    await happens(core, ada, "account.password_changed")  # of which its command tells the phone
    await told(core)
    assert await templates(ada) == ["password_changed", "account_frozen"]
    assert [each.template for each in await messages_to(core, ada.phone)] == ["account_frozen"]


# --- Who they are -----------------------------------------------------------------------------------------------------------


async def test_nothing_in_the_inbox_says_who_somebody_is(core: Core) -> None:
    ada, address = await a_person(core, funds_minor=10_000, level=IdentityLevel.II), a_mail_address()
    await give_address(core, ada, address)
    await ada.ask(prefer(ada.account, PAYMENTS, SMS, EMAIL, INBOX))
    await a_purchase(core, ada)
    await told(core)
    assert await messages_to(core, address)
    await must_not_be_stored(core.connection, ada.phone, address)


async def test_what_somebody_was_told_is_erased_with_them(core: Core) -> None:
    ada, address = await a_person(core), a_mail_address()
    await give_address(core, ada, address)
    await ada.ask(prefer(ada.account, SECURITY, SMS, EMAIL, INBOX))
    await happens(core, ada, "account.frozen")
    await told(core)
    assert await messages_to(core, ada.phone)
    await core.operator.ask(close(ada.account))
    await happens(core, ada, "account.unfrozen")
    await core.operator.ask(erase(ada.account))
    await told(core)
    account_id = id_of(ada.account)
    for table in ("inbox_message", "preference"):
        assert await core.connection.fetchval(f"SELECT count(*) FROM {table} WHERE account_id = $1", account_id) == 0
    left = await core.connection.fetch("SELECT state, address, parameters FROM message WHERE account_id = $1", account_id)
    assert {tuple(each) for each in left} == {(4, b"", b"")}
    assert not await messages_to(core, ada.phone)
    assert not await messages_to(core, address)
    assert (await core.operator.refused(prefer(ada.account, PAYMENTS))).reason == "PERSON_NOT_FOUND"


async def test_who_changes_while_something_is_written_is_written_to_anew(core: Core) -> None:
    ada = await a_person(core)
    async with running_engine(core.settings) as engine:
        cursor = await stored(engine, NewsCursor, CURSOR)
        result = await _told(engine, cursor.position, Reader(id_of(ada.account), b"another number", None))
        assert not result
        assert await stored(engine, NewsCursor, CURSOR) == cursor
        stale = await _told(engine, cursor.position + 1)
        assert not stale


async def _told(engine: Engine, after: int, *readers: Reader) -> bool:
    command = TellPeople(origin=origin(), after_position=after, position=after + 1, readers=readers, inbox=(), letters=())
    return bool((await engine.submit(command)).result.done)


async def test_an_event_that_is_not_understood_holds_up_no_other(core: Core) -> None:
    ada = await a_person(core)
    async with running_engine(core.settings) as engine:
        now = await core.connection.fetchval("SELECT now()")
        event = account_event(IdSequence(uuid7()), "account.frozen", id_of(ada.account), now)
        await put(engine, Outbox(uuid7(), "account.frozen", UUID(int=1), 1, event.payload[:-1], now, UUID(int=1)), event)
    async with a_background(core) as background:
        while (await relay_once(background))[0]:
            pass
        spoilt = "UPDATE event SET account_id = $1 WHERE subject_id = $2"
        await core.connection.execute(spoilt, id_of(ada.account), UUID(int=1))
        await tell(background)
    assert await templates(ada) == ["account_frozen"]


async def test_messages_are_forgotten_after_ninety_days(core: Core) -> None:
    ada, keyring = await a_person(core), keyring_of(core)
    now = system_wall_clock()
    ages = (("sent", 91, MessageState.SENT), ("waiting", 91, MessageState.PENDING), ("young", 89, MessageState.SENT))
    async with a_background(core) as background:
        for name, days, state in ages:
            message = letter(keyring, ada.phone, name).of(id_of(ada.account)).sent(now)
            old = UUID(int=first_at(now - timedelta(days=days)).int + message.id.int % 2**62)
            await put(background.engine, message.replace(id=old, state=state))
        while await forget_some(background):
            pass
    left = await core.connection.fetch("SELECT template FROM message WHERE account_id = $1", id_of(ada.account))
    assert sorted(each["template"] for each in left) == ["waiting", "young"]


async def test_the_books_hold(core: Core) -> None:
    assert await audit_holds(core)
