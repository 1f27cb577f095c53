"""How fast webhooks are: how many a second one worker delivers to one receiver, and how long one takes after its commit."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from danbao.v1 import accounts_pb2, common_pb2, notifications_pb2, payments_pb2
from danbao_client import Danbao
from danbao_core.cli.bench import FULL_SECONDS
from danbao_core.cli.output import CommandFailed

if TYPE_CHECKING:
    import asyncpg

    from danbao_core.cli.bench.stack import Stack

IN_A_BATCH: Final = 256
_BATCHES: Final = 16
_SINGLES: Final = 200
_PAUSE_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 120.0

_DELIVERED: Final = "SELECT count(*) FROM delivery WHERE endpoint_id = $1 AND state = 2"
_ONE: Final = """
    SELECT extract(epoch FROM finished_at)::float8 FROM delivery WHERE endpoint_id = $1 AND ordering_id = $2 AND state = 2
"""


class WebhookFigures(NamedTuple):
    """What was found."""

    deliveries_per_second: float
    """Of one worker process to one receiver, while more is waiting."""
    p50_milliseconds: float
    p99_milliseconds: float
    """From the answer to a call until its webhook has been answered, while nothing else happens."""

    @property
    def in_words(self) -> str:
        """A line for the terminal."""
        return (
            f"Webhooks: {self.deliveries_per_second:,.0f} a second by one worker to one receiver; after a commit "
            f"{self.p50_milliseconds:.0f} ms (p50) and {self.p99_milliseconds:.0f} ms (p99) when idle."
        )


async def measure(stack: "Stack", seconds: float) -> WebhookFigures:
    """Makes an endpoint for new payments and lets the sandbox's worker deliver them. Raises CommandFailed.

    Of fewer payments where the turns of the bench are shorter than `FULL_SECONDS`.
    """
    import asyncpg

    async with stack.a_receiver() as url, Danbao.connect(stack.servers[0].address, key=stack.key) as danbao:
        made = await danbao.notifications.CreateWebhookEndpoint(
            notifications_pb2.CreateWebhookEndpointRequest(url=url, topics=["payment.created"])
        )
        endpoint_id = UUID(made.webhook_endpoint.name.partition("/")[2])
        sides = [await _an_account(danbao) for _ in range(2)]
        connection = await asyncpg.connect(stack.database_url)
        try:
            return await _measured(danbao, connection, endpoint_id, sides, min(seconds / FULL_SECONDS, 1.0))
        finally:
            await connection.close()


async def _measured(
    danbao: Danbao, connection: "asyncpg.Connection[Any]", endpoint_id: UUID, sides: list[str], share: float
) -> WebhookFigures:
    batches, singles = (math.ceil(share * full) for full in (_BATCHES, _SINGLES))
    batch = payments_pb2.BatchCreatePaymentsRequest(requests=[_a_payment(*sides) for _ in range(IN_A_BATCH)])
    await asyncio.gather(*(danbao.payments.BatchCreatePayments(batch) for _ in range(batches)))
    before, began_at = await connection.fetchval(_DELIVERED, endpoint_id), time.monotonic()

    async def all_delivered() -> bool:
        return bool(await connection.fetchval(_DELIVERED, endpoint_id) >= IN_A_BATCH * batches)

    await _until(all_delivered)
    per_second = (IN_A_BATCH * batches - before) / (time.monotonic() - began_at)
    took = sorted([await _one(danbao, connection, endpoint_id, sides) for _ in range(singles)])
    return WebhookFigures(per_second, took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3)


async def _one(danbao: Danbao, connection: "asyncpg.Connection[Any]", endpoint_id: UUID, sides: list[str]) -> float:
    """Seconds from the answer to a call until its webhook was answered; database and we have one clock."""
    payment = await danbao.payments.CreatePayment(_a_payment(*sides))
    answered_at = time.time()
    payment_id = UUID(payment.name.partition("/")[2])
    delivered_at: list[float] = []

    async def delivered() -> bool:
        at = await connection.fetchval(_ONE, endpoint_id, payment_id)
        delivered_at[:] = [] if at is None else [at]
        return at is not None

    await _until(delivered)
    return delivered_at[0] - answered_at


def _a_payment(payer: str, payee: str) -> payments_pb2.CreatePaymentRequest:
    amount = common_pb2.Money(amount_minor=1250, currency_code="USD")
    return payments_pb2.CreatePaymentRequest(payer=payer, payee=payee, amount=amount, subject="A payment of the bench")


async def _an_account(danbao: Danbao) -> str:
    request = accounts_pb2.CreateAccountRequest(
        kind=accounts_pb2.Account.KIND_MERCHANT, display_name="A receiver of webhooks", currency_codes=["USD"]
    )
    return (await danbao.accounts.CreateAccount(request)).name


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while not await condition():
        if time.monotonic() >= give_up_at:
            raise CommandFailed("WEBHOOKS_FAILED", "The worker does not deliver; see its log.")
        await asyncio.sleep(_PAUSE_SECONDS)
