"""Messages wait in the database until a worker has sent them: once where nothing goes wrong, under one id where something does,
and never after their time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest

from danbao_core.engine import Engine
from danbao_core.keyring import Keyring
from danbao_core.notifications.port import Channel, NotTaken, Outlet, RefusedForGood
from danbao_core.notifications.templates import Worded
from danbao_core.people.messages import Letter, Message, MessageState, letter, letter_by
from danbao_workers.messages import MESSAGES
from danbao_workers.postman import PAUSES_SECONDS, Postman
from tests.builders import an_account, later, put, stored
from tests.leaks import must_not_be_logged
from tests.log_lines import log_lines
from tests.people import a_phone
from tests.rpc_client import until
from tests.workers import a_valkey, a_worker, worker_settings

CODE_TEXT = "【担保】验证码 280463，5 分钟内有效。请勿告知任何人，包括我们的工作人员。"  # noqa: RUF001  # Chinese


class Taken(NamedTuple):
    message_id: UUID
    address: str
    text: str


class Recorder:
    """An outlet that raises each of `problems` in turn, then takes everything; it answers nothing while `goes_on` is clear."""

    def __init__(self, *problems: Exception) -> None:
        self.problems = list(problems)
        self.offered: list[Taken] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def send(self, message_id: UUID, address: str, worded: Worded) -> None:
        self.offered.append(Taken(message_id, address, worded.text))
        await self.goes_on.wait()
        if self.problems:
            raise self.problems.pop(0)


class Post(NamedTuple):
    """A database with messages, and what sends them."""

    engine: Engine
    pool: Any
    keyring: Keyring

    def postman(self, outlet: Outlet) -> Postman:
        return Postman(self.pool, self.keyring, dict.fromkeys(Channel, outlet))

    def a_code(self, phone: str = "", **of: Any) -> Letter:
        written = letter(self.keyring, phone or a_phone(), "code", code="280463")
        return written.of(of.get("account_id"), of.get("language", ""), of.get("good_for"))

    async def posted(self, *letters: Letter) -> list[UUID]:
        """Puts messages into the database as commands do; answers their ids."""
        now = (await later(self.engine, 1)).time
        await put(self.engine, *(each.sent(now) for each in letters))
        return [each.id for each in letters]

    async def row(self, message_id: UUID) -> Message:
        return await stored(self.engine, Message, message_id)

    async def due(self) -> list[UUID]:
        """What the leader would give out."""
        [(time, _)] = await self.pool.fetch("SELECT now() + interval '2 seconds', 0")
        return [record["id"] for record in await self.pool.fetch(MESSAGES.due, time, 100)]

    async def wait_over(self) -> None:
        """Lets the time until the next attempt, or the end of a lease, pass."""
        await self.pool.execute(
            "UPDATE message SET next_attempt_at = now() - interval '1 second' WHERE next_attempt_at > now()"
        )


@pytest.fixture
async def post(engine: Engine, database_url: str) -> AsyncIterator[Post]:
    settings = worker_settings(database_url, "redis://127.0.0.1:1")
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool:
        yield Post(engine, pool, Keyring.load(None, settings.hash_key_bytes))


@asynccontextmanager
async def _held(recorder: Recorder, sending: Any) -> AsyncIterator["asyncio.Task[None]"]:
    """A message under way, which the gateway has and does not answer."""
    recorder.goes_on.clear()
    task = asyncio.create_task(sending)
    offered = len(recorder.offered)
    await until(lambda: _grew(recorder, offered))
    try:
        yield task
    finally:
        recorder.goes_on.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _grew(recorder: Recorder, count: int) -> bool:
    return len(recorder.offered) > count


# --- Sent -------------------------------------------------------------------------------------------------------------------


async def test_a_message_is_sent_once(post: Post) -> None:
    recorder, phone = Recorder(), a_phone()
    [message_id] = await post.posted(post.a_code(phone))
    assert await post.due() == [message_id]
    postman = post.postman(recorder)
    await postman.send([message_id])
    await postman.send([message_id])
    assert recorder.offered == [Taken(message_id, phone, CODE_TEXT)]
    row = await post.row(message_id)
    assert (row.state, row.attempts, row.failure) == (MessageState.SENT, 1, "")
    assert await post.due() == []


async def test_two_workers_send_it_once(post: Post) -> None:
    recorder = Recorder()
    ids = await post.posted(*(post.a_code() for _ in range(20)))
    await asyncio.gather(*(post.postman(recorder).send(ids) for _ in range(4)))
    assert sorted(each.message_id for each in recorder.offered) == sorted(ids)


async def test_one_that_fails_keeps_no_other(post: Post) -> None:
    recorder = Recorder(NotTaken("HTTP 500"))
    ids = await post.posted(post.a_code(), post.a_code(), post.a_code())
    await post.postman(recorder).send(ids)
    states = [(await post.row(each)).state for each in ids]
    assert sorted(states) == [MessageState.PENDING, MessageState.SENT, MessageState.SENT]


async def test_mail_goes_by_its_own_channel(post: Post) -> None:
    recorder = Recorder()
    written = letter_by(post.keyring, Channel.EMAIL, "ada@example.com", "code", code="280463").of(None, "en")
    await post.posted(written)
    await post.postman(recorder).send([written.id])
    assert recorder.offered[0].address == "ada@example.com"


async def test_a_channel_that_is_not_set_up_is_a_failure(post: Post) -> None:
    [message_id] = await post.posted(post.a_code())
    await Postman(post.pool, post.keyring, {}).send([message_id])
    row = await post.row(message_id)
    assert (row.state, row.failure) == (MessageState.FAILED, "no channel")


# --- In whose language ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phone", "of_account", "stated", "begins"),
    [
        ("+8613800138000", "", "", "【担保】验证码"),
        ("+33612345678", "", "", "[Danbao] 280463 is your code"),
        ("+8613800138000", "fr", "", "[Danbao] 280463 est votre code"),
        ("+8613800138000", "fr", "es", "[Danbao] 280463 es su código"),
    ],
)
async def test_a_message_is_in_the_language_of_its_reader(
    post: Post, phone: str, of_account: str, stated: str, begins: str
) -> None:
    recorder, account = Recorder(), await an_account(post.engine)
    await put(post.engine, account.replace(language=of_account, version=account.version + 1))
    ids = await post.posted(post.a_code(phone, account_id=account.id, language=stated))
    await post.postman(recorder).send(ids)
    assert recorder.offered[0].text.startswith(begins)


# --- Failures ---------------------------------------------------------------------------------------------------------------


async def test_a_message_that_is_not_taken_is_offered_again_later(post: Post) -> None:
    recorder = Recorder(NotTaken("HTTP 500"))
    [message_id] = await post.posted(post.a_code())
    postman = post.postman(recorder)
    await postman.send([message_id])
    row = await post.row(message_id)
    assert (row.state, row.attempts, row.failure) == (MessageState.PENDING, 1, "HTTP 500")
    assert await post.due() == []
    await postman.send([message_id])  # a job that comes too early
    assert len(recorder.offered) == 1
    await post.wait_over()
    assert await post.due() == [message_id]
    await postman.send([message_id])
    assert (await post.row(message_id)).state is MessageState.SENT
    assert [each.message_id for each in recorder.offered] == [message_id, message_id]


async def test_a_gateway_that_asks_for_time_is_given_it(post: Post) -> None:
    [message_id] = await post.posted(post.a_code())
    await post.postman(Recorder(NotTaken("HTTP 429", 3600.0))).send([message_id])
    waits = await post.pool.fetchval("SELECT next_attempt_at - now() FROM message WHERE id = $1", message_id)
    assert timedelta(minutes=59) < waits <= timedelta(hours=1)


async def test_a_message_that_is_refused_for_good_has_failed(post: Post) -> None:
    [message_id] = await post.posted(post.a_code())
    await post.postman(Recorder(RefusedForGood("HTTP 422"))).send([message_id])
    row = await post.row(message_id)
    assert (row.state, row.failure) == (MessageState.FAILED, "HTTP 422")
    assert await post.due() == []


async def test_after_the_last_attempt_a_message_has_failed(post: Post) -> None:
    [message_id] = await post.posted(post.a_code())
    recorder = Recorder(*(NotTaken("HTTP 500") for _ in range(100)))
    for _ in range(len(PAUSES_SECONDS) + 5):
        await post.postman(recorder).send([message_id])
        await post.wait_over()
    row = await post.row(message_id)
    assert (row.state, row.attempts) == (MessageState.FAILED, len(PAUSES_SECONDS) + 1)


async def test_a_message_of_a_worker_that_died_is_sent_by_another_under_the_same_id(post: Post) -> None:
    recorder = Recorder()
    [message_id] = await post.posted(post.a_code())
    async with _held(recorder, post.postman(recorder).send([message_id])) as dying:
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        assert await post.due() == []  # until its lease ends
        await post.wait_over()
        assert await post.due() == [message_id]
        recorder.goes_on.set()
        await post.postman(recorder).send([message_id])
    assert [each.message_id for each in recorder.offered] == [message_id, message_id]
    assert (await post.row(message_id)).state is MessageState.SENT


@pytest.mark.parametrize(("problem", "state"), [(None, MessageState.SENT), (RefusedForGood("HTTP 422"), MessageState.PENDING)])
async def test_a_worker_that_was_too_slow_tells_what_was_sent_and_no_failure(
    post: Post, problem: Exception | None, state: MessageState
) -> None:
    slow, quick = Recorder(*([problem] if problem else [])), Recorder(NotTaken("HTTP 500"))
    [message_id] = await post.posted(post.a_code())
    async with _held(slow, post.postman(slow).send([message_id])) as sending:
        await post.wait_over()
        await post.postman(quick).send([message_id])
        slow.goes_on.set()
        await sending
    assert (await post.row(message_id)).state is state


async def test_a_channel_that_hangs_is_left(post: Post) -> None:
    hanging = Recorder()
    hanging.goes_on.clear()
    [message_id] = await post.posted(post.a_code())
    await Postman(post.pool, post.keyring, dict.fromkeys(Channel, hanging), send_seconds=0.05).send([message_id])
    row = await post.row(message_id)
    assert (row.state, row.failure) == (MessageState.PENDING, "TimeoutError")


async def test_what_a_channel_cannot_make_of_a_message_is_an_attempt_that_failed(post: Post) -> None:
    [message_id] = await post.posted(post.a_code())
    await post.postman(Recorder(ValueError("address parts cannot contain CR or LF"))).send([message_id])
    row = await post.row(message_id)
    assert (row.state, row.failure) == (MessageState.PENDING, "ValueError")


async def test_what_cannot_be_opened_waits_for_the_key(post: Post) -> None:
    [message_id] = await post.posted(post.a_code())
    stranger = Postman(post.pool, Keyring({"other": b"x" * 32}), dict.fromkeys(Channel, Recorder()))
    await stranger.send([message_id])
    row = await post.row(message_id)
    assert (row.state, row.failure) == (MessageState.PENDING, "SealBroken")


async def test_what_has_no_words_has_failed(post: Post) -> None:
    [message_id] = await post.posted(letter(post.keyring, a_phone(), "of_a_later_release"))
    await post.postman(Recorder()).send([message_id])
    assert (await post.row(message_id)).failure == "no words"


# --- Too late ---------------------------------------------------------------------------------------------------------------


async def test_a_code_past_its_time_is_not_sent(post: Post) -> None:
    recorder = Recorder()
    [message_id, good] = await post.posted(
        post.a_code(good_for=timedelta(minutes=5)), post.a_code(good_for=timedelta(minutes=10))
    )
    await later(post.engine, 301)
    await post.postman(recorder).send([message_id, good])
    assert [each.message_id for each in recorder.offered] == [good]
    assert (await post.row(message_id)).state is MessageState.EXPIRED


async def test_what_was_erased_is_not_sent(post: Post) -> None:
    recorder = Recorder()
    [message_id] = await post.posted(post.a_code())
    await put(post.engine, (await post.row(message_id)).erased())
    assert await post.due() == []
    await post.postman(recorder).send([message_id])
    assert recorder.offered == []
    assert (await post.row(message_id)).state is MessageState.EXPIRED


# --- What is told of it -----------------------------------------------------------------------------------------------------


async def test_a_failure_is_logged_without_what_the_message_says(post: Post) -> None:
    phone = a_phone()
    ids = await post.posted(post.a_code(phone))
    with log_lines() as lines:
        await post.postman(Recorder(NotTaken("HTTP 500"))).send(ids)
    [line] = lines.of("a message was not sent")
    assert (line["message"], line["why"], line["template"]) == (str(ids[0]), "HTTP 500", "code")
    must_not_be_logged(lines, phone)
    assert not any(b"280463" in each for each in lines)


async def test_what_became_of_messages_is_counted(post: Post) -> None:
    recorder = Recorder(NotTaken("HTTP 500"), RefusedForGood("HTTP 422"))
    ids = await post.posted(*(post.a_code() for _ in range(3)), post.a_code(good_for=timedelta(seconds=1)))
    await later(post.engine, 5)
    postman = post.postman(recorder)
    await postman.send(ids)
    metric, _ = postman.collect()
    counted = {sample.labels["outcome"]: sample.value for sample in metric.samples if sample.labels["channel"] == "SMS"}
    assert counted == {"sent": 1, "retried": 1, "failed": 1, "expired": 1}


async def test_a_worker_sends_what_waits(post: Post, database_url: str) -> None:
    [message_id] = await post.posted(post.a_code())
    async with a_valkey() as valkey, a_worker(database_url, valkey.valkey_url):
        await until(lambda: _is_sent(post, message_id))


async def _is_sent(post: Post, message_id: UUID) -> bool:
    return (await post.row(message_id)).state is MessageState.SENT
