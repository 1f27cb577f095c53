"""What an account's person may still spend."""

from typing import TYPE_CHECKING, Any

from danbao.v1 import identity_pb2
from danbao_core import sql
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_row
from danbao_core.money import exponent
from danbao_core.people.person import IdentityLevel, Person
from danbao_core.people.spending import Spending, identity_caps, nothing_spent, proof_caps
from danbao_core.rpc import call as calls
from danbao_core.rpc.convert.verification import limit
from danbao_core.rpc.services.visible import visible_account

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]


class LimitsReader:
    """GetLimits, for the service that has accounts."""

    _pool: "asyncpg.Pool[Any]"
    _engine: Engine

    async def GetLimits(self, request: identity_pb2.GetLimitsRequest, context: "_Context") -> identity_pb2.GetLimitsResponse:
        account = await visible_account(self._pool, calls.current().origin, request.account)
        currency = request.currency_code
        exponent(currency)
        (clock,) = await self._pool.fetch(sql.load("danbao_core", "read_clock"))
        limits = self._engine.policies.at(clock["time"]).limits.get(currency)
        if limits is None or not account.personal:
            return identity_pb2.GetLimitsResponse()
        person = await fetch_row(self._pool, Person, account.id)
        spending = await fetch_row(self._pool, Spending, account.id, currency) or nothing_spent(account.id, currency)
        level = IdentityLevel.NONE if person is None else person.level
        caps = identity_caps(limits, level)
        for _, each in proof_caps(limits, level):
            caps += each
        return identity_pb2.GetLimitsResponse(
            limits=[limit(cap, spending.used(cap.period, clock["time"]), currency) for cap in caps]
        )
