"""What the steps of a unary call take, each alone: the server's own functions, on one request, one after another."""

import os
import time
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg
import structlog

from danbao.v1 import payments_pb2
from danbao_core import logs, server_role
from danbao_core.clock import system_wall_clock
from danbao_core.engine import reads
from danbao_core.engine.requests import content_hash
from danbao_core.keyring import Keyring
from danbao_core.payments import Payment
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.authentication import Authenticator
from danbao_core.rpc.seen import Watch
from danbao_core.rpc.validation import parse, validate

_METHOD: Final = "PaymentService/CreatePayment"
_SCOPE: Final = "payments.write"
_PEER: Final = "ipv4:127.0.0.1:1"
_HASH_KEY: Final = bytes(32)
_TURNS: Final = 9


async def time_steps(database_url: str, key: str, request: payments_pb2.CreatePaymentRequest, times: int) -> dict[str, float]:
    """Microseconds by step: the median of nine turns of so many calls. The database must hold a payment."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1, connect=server_role.connect) as pool:
        authenticator = Authenticator(pool, system_wall_clock, Keyring.load(None, _HASH_KEY))
        authorization = f"Bearer {key}"
        caller = await authenticator.caller(authorization, _SCOPE)
        latest = await pool.fetchval("SELECT id FROM payment ORDER BY id DESC LIMIT 1")
        row = await reads.fetch_row(pool, Payment, latest)
        assert row is not None, "a payment was made before"
        data = request.SerializeToString()
        context: Any = None  # a command takes nothing of it
        watch = Watch()
        seen = watch.begin(_METHOD, None)
        call = calls.Call(caller, _METHOD, _PEER, system_wall_clock(), request.request_id, bytes(32), context, seen)
        command_of = convert.create_payment
        return {
            "authentication": await _timed_awaiting(lambda: authenticator.caller(authorization, _SCOPE), times),
            "parse": _timed(lambda: parse(payments_pb2.CreatePaymentRequest, data), times),
            "validate": _timed(lambda: validate(request), times),
            "hash": _timed(lambda: content_hash(_HASH_KEY, _METHOD, request.SerializeToString(deterministic=True)), times),
            "convert": _timed(lambda: command_of(request, call.origin), times),
            "answer": _timed(lambda: convert.payment(row).SerializeToString(), times),
            "log_and_count": _timed_seeing(request.request_id, caller.label, times),
        }


def _timed(step: Callable[[], object], times: int) -> float:
    turns = []
    for _ in range(_TURNS):
        began_at = time.perf_counter()
        for _ in range(times):
            step()
        turns.append((time.perf_counter() - began_at) / times * 1e6)
    return median(turns)


async def _timed_awaiting(step: Callable[[], Awaitable[object]], times: int) -> float:
    turns = []
    for _ in range(_TURNS):
        began_at = time.perf_counter()
        for _ in range(times):
            await step()
        turns.append((time.perf_counter() - began_at) / times * 1e6)
    return median(turns)


def _timed_seeing(request_id: str, caller: str, times: int) -> float:
    """What is seen of a call, from its begin to its end: its numbers, and its line in a log that goes into nothing."""
    with Path(os.devnull).open("w") as nothing, redirect_stderr(nothing):
        logs.configure("info")
        watch = Watch()
        end = watch.ender(_METHOD)

        def see() -> None:
            seen = watch.begin(_METHOD, None)
            seen.caller, seen.request_id, seen.peer = caller, request_id, _PEER
            end(seen)

        taken = _timed(see, times)
        structlog.reset_defaults()
    return taken
