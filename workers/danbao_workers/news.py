"""Telling people of what happened: reads events behind a cursor and writes, in one command that moves it, what each person is
told in the inbox, by short message and by e-mail."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import structlog

from danbao_core import sql
from danbao_core.engine.reads import fetch_rows
from danbao_core.keyring import Keyring, SealBroken
from danbao_core.news.commands import Reader, TellPeople
from danbao_core.news.rows import Category, InboxMessage, Preference, by_default
from danbao_core.news.stories import Story, stories_of
from danbao_core.people.messages import Channel, Letter, letter_by, unaddressed
from danbao_workers.work import Background, Singleton

_log = structlog.get_logger("danbao.news")

MOST_AT_ONCE: Final = 200
"""Events in one commit."""

_EVERY_SECONDS: Final = 0.1

_POSITIONS: Final = """
    SELECT news_cursor.position, event_log.last_position
    FROM news_cursor, event_log
    WHERE news_cursor.id = 1 AND event_log.id = 1
"""
_PREFERENCES: Final = "SELECT * FROM preference WHERE account_id = ANY ($1::uuid[])"


class News(NamedTuple):
    """What somebody is to be told of an event."""

    event: Any
    """Its record: position, id and the time at which it happened."""
    story: Story


class Written(NamedTuple):
    """What is told, ready to be put into the database."""

    inbox: list[InboxMessage]
    letters: list[Letter]


async def tell(background: Background) -> None:
    """Goes on until it is cancelled. Raises what the database raises."""
    try:
        while True:
            if not await tell_once(background):
                await asyncio.sleep(_EVERY_SECONDS)
    except asyncio.CancelledError:
        background.postman.news_behind = 0  # another leads, and knows
        raise


async def tell_once(background: Background) -> bool:
    """Tells people of the next events, MOST_AT_ONCE at most; answers whether there are more."""
    pool, postman = background.pool, background.postman
    assert postman is not None  # or nobody leads
    [(after, last)] = await pool.fetch(_POSITIONS)
    position = min(last, after + MOST_AT_ONCE)
    postman.news_behind = last - after
    if position == after:
        return False
    events = await pool.fetch(sql.load("danbao_workers", "read_news"), after, position)
    news = [News(event, story) for event in events for story in _stories(event)]
    accounts = list({each.story.account_id for each in news})
    readers = {
        record["account_id"]: Reader(*record)
        for record in await pool.fetch(sql.load("danbao_workers", "read_readers"), accounts)
    }
    preferences = {
        (row.account_id, row.category): row for row in await fetch_rows(pool, Preference, _PREFERENCES, list(readers))
    }
    written = write(background.keyring, postman.channels, news, readers, preferences)
    command = TellPeople(
        origin=background.origin("news"),
        after_position=after,
        position=position,
        readers=tuple(readers.values()),
        inbox=tuple(written.inbox),
        letters=tuple(written.letters),
    )
    if (await background.engine.submit(command)).result.done:
        for letter in written.letters:
            if letter.failure:
                postman.count_failed(letter.sent(command.origin.received_at))
    return bool(position < last)


def write(
    keyring: Keyring,
    channels: Collection[Channel],
    news: Iterable[News],
    readers: dict[UUID, Reader],
    preferences: dict[tuple[UUID, Category], Preference],
) -> Written:
    """What each reader is told, by the ways that they like and this installation has."""
    written, addresses = Written([], []), _Addresses(keyring)
    for event, story in news:
        reader = readers.get(story.account_id)
        if reader is None:
            continue
        key = (story.account_id, story.category)
        wanted = preferences.get(key) or by_default(*key)
        if wanted.inbox:
            written.inbox.append(_inbox_message(event, story))
        if wanted.sms and story.is_told_by_sms and Channel.SMS in channels:
            written.letters.append(addresses.letter(reader, Channel.SMS, story))
        if wanted.email and reader.email is not None and Channel.EMAIL in channels:
            written.letters.append(addresses.letter(reader, Channel.EMAIL, story))
    return written


class _Addresses:
    """Where readers are reached, each opened once."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._opened: defaultdict[Channel, dict[UUID, str]] = defaultdict(dict)

    def letter(self, reader: Reader, channel: Channel, story: Story) -> Letter:
        """The message; one that has failed, for all to see, where no key of the ring opens the address."""
        try:
            address = self._address(reader, channel)
        except SealBroken:
            return unaddressed(channel, story.template, reader.account_id, "SealBroken")
        return letter_by(self._keyring, channel, address, story.template, **story.parameters).of(reader.account_id)

    def _address(self, reader: Reader, channel: Channel) -> str:
        opened = self._opened[channel]
        if reader.account_id not in opened:
            column, sealed = ("phone", reader.phone) if channel is Channel.SMS else ("email", reader.email or b"")
            opened[reader.account_id] = self._keyring.open(sealed, "person", column, reader.account_id)
        return opened[reader.account_id]


def _stories(event: Any) -> list[Story]:
    """What people are told of an event; nothing where this release does not understand it, so that it holds up no other."""
    try:
        return stories_of(event["topic"], event["payload"])
    except msgspec.DecodeError:
        _log.exception("an event is not understood", topic=event["topic"], event_id=str(event["id"]))
        return []


def _inbox_message(event: Any, story: Story) -> InboxMessage:
    return InboxMessage(
        account_id=story.account_id,
        id=event["id"],
        position=event["position"],
        category=story.category,
        template=story.template,
        subject=story.subject,
        parameters=msgspec.json.encode(story.parameters).decode(),
        created_at=event["created_at"],
        read_at=None,
        version=1,
    )


NEWS: Final = Singleton("news", tell)
