"""The load generator: `python -m danbao_core.cli.bench.load` does the jobs on its stdin, one at a time, and ends with it.

It is a process of its own, so that nothing else of the bench takes time from it, and says how much of the processor it took
itself: where that comes close to all of a core, it is the load generator that was measured.
"""

import asyncio
import gc
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import grpc
import msgspec
import uvloop

from danbao.v1 import accounts_pb2, common_pb2, payments_pb2, payments_pb2_grpc
from danbao_client import Danbao, DanbaoError
from danbao_client.request_ids import fresh_request_id
from danbao_core.bootstrap import SAMPLE_BUYER, SAMPLE_SHOP
from danbao_core.cli.bench import jobs
from danbao_core.cli.bench.steps import time_steps

_PREPARING: Final = 64
"""Calls at once while accounts are made."""

_TOP_UP_MINOR: Final = 10**13
"""More than is ever paid; and for half a million buyers no more than one balance holds."""
_AMOUNT_MINOR: Final = 1250
_DEADLINE_SECONDS: Final = 30.0

_OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))

_Call = Callable[..., Awaitable[payments_pb2.Payment]]


class LoadGenerator:
    """Makes accounts once, then payments between them. Connections are kept from one job to the next."""

    def __init__(self, closing: AsyncExitStack) -> None:
        self._closing = closing
        self._key = ""
        self._buyers: list[str] = []
        self._merchants: list[str] = []
        self._calls: dict[tuple[str, int], Sequence[_Call]] = {}
        self._clients: dict[str, Danbao] = {}
        self._random = random.Random(1)  # noqa: S311 - spreads payments over accounts, protects nothing

    async def do(self, job: jobs.Job) -> jobs.JobAnswer:
        """Raises DanbaoError or AioRpcError where a call failed."""
        if isinstance(job, jobs.Budget):
            return jobs.Timed(await time_steps(job.database_url, job.key, self._next_request(hot=False), job.times))
        began_at, cpu_began_at, p50_seconds = time.perf_counter(), time.process_time(), 0.0
        if isinstance(job, jobs.Prepare):
            count = await self._prepare(job)
        elif isinstance(job, jobs.Bulk):
            count = await self._bulk(job)
        elif isinstance(job, jobs.First):
            count = await self._first(job)
        else:
            seconds = await self._unary(job)
            count, p50_seconds = len(seconds), statistics.median(seconds)
        return jobs.Measured(count, time.perf_counter() - began_at, time.process_time() - cpu_began_at, p50_seconds)

    async def _prepare(self, job: jobs.Prepare) -> int:
        self._key = job.key
        half = max(job.accounts // 2, 1)
        async with Danbao.connect(job.address, key=job.key, channels=8) as danbao:
            self._buyers = await _in_turn(
                half, lambda number: self._account(danbao, accounts_pb2.Account.KIND_PERSONAL, number)
            )
            self._merchants = await _in_turn(
                half, lambda number: self._account(danbao, accounts_pb2.Account.KIND_MERCHANT, number)
            )
        return 2 * half

    async def _account(self, danbao: Danbao, kind: accounts_pb2.Account.Kind.ValueType, number: int) -> str:
        """An account, which has money if it is a buyer's."""
        account = await danbao.accounts.CreateAccount(
            accounts_pb2.CreateAccountRequest(kind=kind, display_name=f"Bench {number}", currency_codes=["USD"])
        )
        if kind == accounts_pb2.Account.KIND_PERSONAL:
            amount = common_pb2.Money(amount_minor=_TOP_UP_MINOR, currency_code="USD")
            await danbao.accounts.TopUp(accounts_pb2.TopUpRequest(account=account.name, amount=amount))
        return account.name

    def _next_request(self, *, hot: bool) -> payments_pb2.CreatePaymentRequest:
        """The next payment between the accounts that were made."""
        payee = self._merchants[0] if hot else self._random.choice(self._merchants)
        return _request(self._random.choice(self._buyers), payee)

    async def _unary(self, job: jobs.Unary) -> list[float]:
        """Every call's seconds. The generated stubs, without the client around them: the echo server gets the same."""
        calls = self._calls_to(job.address, job.channels)
        metadata = (("authorization", f"Bearer {self._key}"),)
        seconds: list[float] = []
        end_at = time.perf_counter() + job.seconds

        async def calling(call: _Call) -> None:
            while (began_at := time.perf_counter()) < end_at:
                await call(self._next_request(hot=False), timeout=_DEADLINE_SECONDS, metadata=metadata)
                seconds.append(time.perf_counter() - began_at)

        await asyncio.gather(*(calling(calls[number % len(calls)]) for number in range(job.in_flight)))
        return seconds

    def _calls_to(self, address: str, channels: int) -> Sequence[_Call]:
        """CreatePayment over each of so many connections."""
        if (address, channels) not in self._calls:
            opened = [grpc.aio.insecure_channel(address, options=_OPTIONS) for _ in range(channels)]
            for channel in opened:
                self._closing.push_async_callback(channel.close)
            self._calls[address, channels] = [payments_pb2_grpc.PaymentServiceStub(channel).CreatePayment for channel in opened]
        return self._calls[address, channels]

    async def _bulk(self, job: jobs.Bulk) -> int:
        """How many payments were made. The Python client, as anybody would use it."""
        end_at = time.perf_counter() + job.seconds
        numbers = iter(range(job.count))  # which the streams share

        async def requests() -> AsyncIterator[payments_pb2.CreatePaymentRequest]:
            while next(numbers, None) is not None if job.count else time.perf_counter() < end_at:
                yield self._next_request(hot=job.hot)

        async def streaming(danbao: Danbao) -> int:
            count = 0
            async for result in danbao.payments.stream(requests()):
                if not result.HasField("payment"):
                    raise DanbaoError.of_result(result)
                count += 1
            return count

        clients = [await self._client_of(address, number) for address in job.addresses for number in range(job.streams)]
        return sum(await asyncio.gather(*map(streaming, clients)))

    async def _first(self, job: jobs.First) -> int:
        request = _request(f"accounts/{SAMPLE_BUYER}", f"accounts/{SAMPLE_SHOP}")
        async with Danbao.connect(job.address, key=job.key) as danbao:
            await danbao.payments.CreatePayment(request)
        return 1

    async def _client_of(self, address: str, number: int) -> Danbao:
        """A client with one connection, the `number`th to this address."""
        name = f"{address}/{number}"
        if name not in self._clients:
            self._clients[name] = await self._closing.enter_async_context(Danbao.connect(address, key=self._key))
        return self._clients[name]


def _request(payer: str, payee: str) -> payments_pb2.CreatePaymentRequest:
    """A payment with a request id of its own."""
    return payments_pb2.CreatePaymentRequest(
        request_id=fresh_request_id(),  # as our clients make them
        payer=payer,
        payee=payee,
        amount=common_pb2.Money(amount_minor=_AMOUNT_MINOR, currency_code="USD"),
        mode=payments_pb2.Payment.MODE_INSTANT,
        subject="A payment of the bench",
        pay=True,
    )


async def _in_turn(count: int, make: Callable[[int], Awaitable[str]]) -> list[str]:
    """What `make` answers for each number, many at once."""
    numbers = iter(range(count))
    made: list[str] = []

    async def making() -> None:
        for number in numbers:
            made.append(await make(number))  # noqa: PERF401 - numbers are shared with the others

    await asyncio.gather(*(making() for _ in range(min(_PREPARING, count))))
    return made


async def _work() -> None:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(jobs.Job)
    async with AsyncExitStack() as closing:
        generator = LoadGenerator(closing)
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                answer = await generator.do(decoder.decode(line))
            except (DanbaoError, grpc.aio.AioRpcError) as error:
                answer = jobs.Failed(str(error))
            sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    uvloop.run(_work())
