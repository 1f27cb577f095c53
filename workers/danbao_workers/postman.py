"""Sending messages to people: each is claimed, worded in its reader's language and handed to its channel.

A claim is a lease: where the worker dies in the middle, another sends the message when the lease has ended, with the same id.
So each is sent at least once, and by a gateway that knows ids once.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from danbao_core import sql
from danbao_core.engine.reads import from_record
from danbao_core.keyring import Keyring, SealBroken
from danbao_core.notifications.outlets import Outlets
from danbao_core.notifications.port import NotTaken, RefusedForGood
from danbao_core.people.messages import Channel, Message, MessageState, opened
from danbao_workers.work import each

if TYPE_CHECKING:
    import asyncpg

_log = structlog.get_logger("danbao.messages")

SEND_SECONDS: Final = 60.0
"""How long a channel may take over a message, whatever it waits for."""

LEASE_SECONDS: Final = 120
"""How long a worker has a message: longer than a channel may take, or another would send it, too."""

PAUSES_SECONDS: Final = (2, 5, 15, 60, 300, 1_800, 7_200, 21_600, 43_200, 86_400)
"""After each failed attempt until the next one, give or take a fifth; after the last of them a message has failed."""

_DAY_SECONDS: Final = 86_400.0

_load = from_record(Message)


class Claimed(NamedTuple):
    """A message that this worker has."""

    message: Message
    account_language: str


class Outcome(NamedTuple):
    """What an attempt has come to."""

    state: MessageState
    failure: str = ""
    pause_seconds: float = 0.0


class Postman(Collector):
    """Sends messages; one for each worker process. Counts what became of them."""

    def __init__(
        self, pool: "asyncpg.Pool[Any]", keyring: Keyring, outlets: Outlets, send_seconds: float = SEND_SECONDS
    ) -> None:
        self._send_seconds = send_seconds
        self._pool = pool
        self._keyring = keyring
        self._outlets = outlets
        self.news_behind = 0
        """How many events people have not been told of yet, as this process last saw it."""
        self._counted: Counter[tuple[Channel, str]] = Counter()

    @property
    def channels(self) -> Collection[Channel]:
        """By which messages can go."""
        return self._outlets.keys()

    async def send(self, ids: Sequence[UUID]) -> None:
        """Sends those of these messages that are due and that nobody else has. A failure is written down, not raised."""
        records = await self._pool.fetch(sql.load("danbao_workers", "claim_messages"), ids, LEASE_SECONDS)
        claimed = {record["id"]: Claimed(_load(record), record["account_language"]) for record in records}
        await each(lambda message_id: self._send(claimed[message_id]), list(claimed))

    async def _send(self, claimed: Claimed) -> None:
        message = claimed.message
        if message.state is MessageState.EXPIRED:
            self._count(message, Outcome(MessageState.EXPIRED))
            return
        outcome = await self._attempt(claimed)
        await self._pool.execute(
            sql.load("danbao_workers", "settle_message"),
            message.id,
            int(outcome.state),
            outcome.failure,
            outcome.pause_seconds,
            message.attempts,
        )
        self._count(message, outcome)

    async def _attempt(self, claimed: Claimed) -> Outcome:
        message = claimed.message
        outlet = self._outlets.get(message.channel)
        if outlet is None:
            return Outcome(MessageState.FAILED, "no channel")
        try:
            address, _, text = opened(self._keyring, message, claimed.account_language)
        except SealBroken:  # a new key, perhaps, that this worker was not told of yet
            return self._failed(message, "SealBroken", 0.0)
        except (KeyError, ValueError):  # of another release
            return Outcome(MessageState.FAILED, "no words")
        try:
            async with asyncio.timeout(self._send_seconds):
                await outlet.send(message.id, address, text)
        except TimeoutError:
            return self._failed(message, "TimeoutError", 0.0)
        except NotTaken as error:
            return self._failed(message, str(error), error.after_seconds)
        except RefusedForGood as error:
            return Outcome(MessageState.FAILED, str(error))
        except Exception as error:  # of the outlet itself; it must end as an attempt, or it would be tried for ever
            _log.exception("a channel failed", message=str(message.id), channel=message.channel.name)
            return self._failed(message, type(error).__name__, 0.0)
        return Outcome(MessageState.SENT)

    def _failed(self, message: Message, why: str, after_seconds: float) -> Outcome:
        if message.attempts > len(PAUSES_SECONDS):
            return Outcome(MessageState.FAILED, why)
        pause_seconds = PAUSES_SECONDS[message.attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311  # spreads load
        return Outcome(MessageState.PENDING, why, max(pause_seconds, min(after_seconds, _DAY_SECONDS)))

    def count_failed(self, message: Message) -> None:
        """Counts and logs a message that had failed when it was written."""
        self._count(message, Outcome(MessageState.FAILED, message.failure))

    def _count(self, message: Message, outcome: Outcome) -> None:
        name = "retried" if outcome.state is MessageState.PENDING else outcome.state.name.lower()
        self._counted[message.channel, name] += 1
        if outcome.failure:
            _log.warning(
                "a message was not sent",
                message=str(message.id),
                channel=message.channel.name,
                template=message.template,
                attempt=message.attempts,
                outcome=name,
                why=outcome.failure,
            )

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        metric = CounterMetricFamily(
            "danbao_messages", "Messages to people, by what an attempt to send them has come to", labels=["channel", "outcome"]
        )
        for channel in Channel:
            for outcome in ("sent", "retried", "failed", "expired"):
                metric.add_metric([channel.name, outcome], self._counted[channel, outcome])
        yield metric
        behind = "Events of which people have not been told yet, as the leader last saw it"
        yield GaugeMetricFamily("danbao_news_behind", behind, self.news_behind)
