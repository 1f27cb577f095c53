"""A server in this process and callers that speak plain gRPC to it, for the tests of the wire.

    core = rpc_client.core                                     # in a test module: its tests share one database and server

    async def test_something(core: Core) -> None:
        shop = await core.caller("payments.read", account=account.name)
        refused = await shop.refused(payments_pb2.GetPaymentRequest(name=...))
        assert refused.reason == "PAYMENT_NOT_FOUND"

Every refusal that passes through here is held to the rules that all of them keep; see `must_keep_the_rules`.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg
import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped]

from danbao.v1 import accounts_pb2, common_pb2, operations_pb2, payments_pb2
from danbao_core.clock import WallClock, system_wall_clock
from danbao_core.engine import Engine
from danbao_core.ids import uuid7
from danbao_core.policy import PolicySchedule
from danbao_core.server import Server
from danbao_core.service_keys import GRANTED_SCOPES, SCOPES, CreateServiceKey, Token
from danbao_core.settings import Mode, Settings, load
from tests.builders import origin
from tests.rpc_requests import METHODS, a_top_up, changed, create_account, create_key, path_of
from tests.shared_postgres import SharedServer, a_database

Connection: TypeAlias = "asyncpg.Connection[Any]"
Metadata = Iterable[tuple[str, str | bytes]]

HASH_KEY: Final = "5a" * 32
CALL_SECONDS: Final = 10.0
"""No call of a test may take longer."""

STREAMS: Final = {
    f"/{method.containing_service.full_name}/{method.name}" for method in METHODS.values() if method.client_streaming
}
STREAMS_OF_ANSWERS: Final = {
    f"/{method.containing_service.full_name}/{method.name}"
    for method in METHODS.values()
    if method.server_streaming and not method.client_streaming
}

RETRIABLE: Final = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED}


# --- Answers ----------------------------------------------------------------------------------------------------------------


class Refused(NamedTuple):
    """What a caller learns of a refusal. One that gRPC itself gave has no reason and no details."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: dict[str, str]
    violations: dict[str, str]
    """The reason of each field's violation."""
    resource: str
    retry_seconds: float | None
    details_bytes: int
    domain: str


def refused(error: grpc.aio.AioRpcError) -> Refused:
    """A failed call as its caller sees it."""
    message = error.details() or ""
    status = rpc_status.from_call(error)
    return Refused(error.code(), "", message, {}, {}, "", None, 0, "") if status is None else refused_status(status)


def refused_status(status: status_pb2.Status) -> Refused:
    """A `google.rpc.Status` as its caller sees it."""
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    resource, retry = error_details_pb2.ResourceInfo(), error_details_pb2.RetryInfo()
    retry_seconds = None
    for detail in status.details:
        for each in (info, bad_request, resource):
            detail.Unpack(each)
        if detail.Unpack(retry):
            retry_seconds = retry.retry_delay.ToTimedelta().total_seconds()
    return Refused(
        code=next(code for code in grpc.StatusCode if code.value[0] == status.code),
        reason=info.reason,
        message=status.message,
        metadata=dict(info.metadata),
        violations={violation.field: violation.reason for violation in bad_request.field_violations},
        resource=resource.resource_name,
        retry_seconds=retry_seconds,
        details_bytes=status.ByteSize(),
        domain=info.domain,
    )


def scope_of(method: MethodDescriptor) -> str:
    """The scope that an RPC declares."""
    return str(method.GetOptions().Extensions[common_pb2.authentication].scope)


def must_keep_the_rules(refusal: Refused) -> None:
    """What is true of every refusal: no fault of ours, a reason of ours, RetryInfo where a retry is safe, a bounded size."""
    assert refusal.code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), refusal
    if refusal.reason:
        assert refusal.domain == "danbao", refusal
        assert (refusal.retry_seconds is not None) == (refusal.code in RETRIABLE), refusal
        assert refusal.details_bytes < 4096, refusal
        assert len(refusal.violations) <= 16, refusal


class Answered(NamedTuple):
    """A message, and whether it is the answer to an earlier call."""

    message: Any
    replayed: bool


# --- Callers ----------------------------------------------------------------------------------------------------------------


class Caller:
    """Somebody with a token (or without one) on a channel."""

    def __init__(self, channel: grpc.aio.Channel, token: str | None) -> None:
        self.token = token
        self._channel = channel

    def with_token(self, token: str | None) -> "Caller":
        """The same channel with another token."""
        return Caller(self._channel, token)

    async def ask(self, request: Message, *, seconds: float = CALL_SECONDS, metadata: Metadata = ()) -> Any:
        """The answer to a request. Raises AioRpcError."""
        return (await self.answer(request, seconds=seconds, metadata=metadata)).message

    async def answer(self, request: Message, *, seconds: float = CALL_SECONDS, metadata: Metadata = ()) -> Answered:
        """The answer to a request and whether it is a repeat's. Raises AioRpcError."""
        method = METHODS[request.DESCRIPTOR.full_name]
        message, trailing = await self.send(path_of(request), request.SerializeToString(), seconds=seconds, metadata=metadata)
        return Answered(
            GetMessageClass(method.output_type).FromString(message), dict(trailing).get("danbao-replayed") == "true"
        )

    async def answers(self, request: Message, *, seconds: float = CALL_SECONDS) -> list[Any]:
        """All answers to a request that is answered with a stream. Raises AioRpcError."""
        method = METHODS[request.DESCRIPTOR.full_name]
        call: Any = self._channel.unary_stream(
            path_of(request), response_deserializer=GetMessageClass(method.output_type).FromString
        )
        metadata = [("authorization", f"Bearer {self.token}")]
        return [answer async for answer in call(request.SerializeToString(), timeout=seconds, metadata=metadata)]

    async def refused(self, request: Message, *, seconds: float = CALL_SECONDS, metadata: Metadata = ()) -> Refused:
        """The refusal of a request that must be refused."""
        return await _refusal(self.answer(request, seconds=seconds, metadata=metadata))

    async def refused_bytes(self, path: str, data: bytes, *, metadata: Metadata = ()) -> Refused:
        """The refusal of bytes, whatever they are, sent to a path, whatever it is."""
        return await _refusal(self.send(path, data, metadata=metadata))

    async def send(
        self, path: str, data: bytes, *, seconds: float = CALL_SECONDS, metadata: Metadata = ()
    ) -> tuple[bytes, Any]:
        token = () if self.token is None else (("authorization", f"Bearer {self.token}"),)
        if path in STREAMS:
            return await self._send_over_a_stream(path, data, seconds=seconds, metadata=[*token, *metadata])
        if path in STREAMS_OF_ANSWERS:
            asking: Any = self._channel.unary_stream(path)
            answers = asking(data, timeout=seconds, metadata=[*token, *metadata])
            return b"".join([answer async for answer in answers]), await answers.trailing_metadata()
        method: Any = self._channel.unary_unary(path)  # no serializers: what goes and comes are bytes
        call = method(data, timeout=seconds, metadata=[*token, *metadata])
        return await call, await call.trailing_metadata()

    async def _send_over_a_stream(self, path: str, data: bytes, **given: Any) -> tuple[bytes, Any]:
        """The answer to a stream of one message."""
        method: Any = self._channel.stream_stream(path)
        call = method(iter([data]), timeout=given["seconds"], metadata=given["metadata"])
        (answer,) = [answer async for answer in call]
        return answer, await call.trailing_metadata()

    def stream(self, *, seconds: float | None = CALL_SECONDS) -> Any:
        """An open StreamPayments, to read from and write to."""
        method: Any = self._channel.stream_stream(
            path_of(payments_pb2.StreamPaymentsRequest()),
            request_serializer=lambda message: message if isinstance(message, bytes) else message.SerializeToString(),
            response_deserializer=payments_pb2.StreamPaymentsResponse.FromString,
        )
        return method(timeout=seconds, metadata=[("authorization", f"Bearer {self.token}")])


async def _refusal(asking: Awaitable[object]) -> Refused:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asking
    refusal = refused(caught.value)
    must_keep_the_rules(refusal)
    return refusal


async def outcome(asking: Awaitable[Any]) -> Any:
    """The answer, or the Refused; for calls that race with each other."""
    try:
        return await asking
    except grpc.aio.AioRpcError as error:
        refusal = refused(error)
        must_keep_the_rules(refusal)
        return refusal


# --- The server -------------------------------------------------------------------------------------------------------------


class Core(NamedTuple):
    """A running server, its database, and a caller who may do everything."""

    server: Server
    settings: Settings
    channel: grpc.aio.Channel
    connection: Connection
    """To the same database, beside the server's own."""
    operator: Caller

    async def caller(self, *scopes: str, account: str = "", service: str = "shop") -> Caller:
        """Somebody with a new key of these scopes, bound to `account` where one is named.

        One that takes two operators is given on the machine itself.
        """
        if GRANTED_SCOPES & set(scopes):
            owner = id_of(account) if account else None
            token = await a_machine_token(self.settings.database_url, scopes, service=service, account_id=owner)
            return self.operator.with_token(token)
        request = create_key(*scopes, account=account, service=service)
        return self.operator.with_token((await self.operator.ask(request)).token)


def settings_for(database_url: str, **given: Any) -> Settings:
    """Settings of a sandbox server on a free loopback port."""
    facts: dict[str, Any] = {"mode": Mode.SANDBOX, "database_url": database_url, "listen": "127.0.0.1:0", "hash_key": HASH_KEY}
    return load(**(facts | given))


async def an_operator_token(database_url: str) -> str:
    """The token of a new key that may do everything and descends from no other."""
    return await a_machine_token(database_url, SCOPES, service="operator")


async def a_machine_token(database_url: str, scopes: Iterable[str], *, service: str, account_id: UUID | None = None) -> str:
    """The token of a new key that is made on the machine, as its first keys are."""
    token = Token.new(uuid7())
    command = CreateServiceKey(
        origin=origin(),
        id=token.key_id,
        service=service,
        scopes=frozenset(scopes),
        secret_hash=token.secret_hash,
        account_id=account_id,
    )
    engine = Engine(database_url, policies=PolicySchedule.load())
    await engine.start()
    try:
        await engine.submit(command)
    finally:
        await engine.stop()
    return str(token)


@asynccontextmanager
async def a_core(
    database_url: str, *, token: str | None = None, wall_clock: WallClock = system_wall_clock, **given: Any
) -> AsyncIterator[Core]:
    """A server on a migrated database, with settings as given; its operator has `token`, or a new one."""
    token = token or await an_operator_token(database_url)
    settings = settings_for(database_url, **given)
    connection = await asyncpg.connect(database_url)
    try:
        async with (
            Server(settings, wall_clock) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            yield Core(server, settings, channel, connection, Caller(channel, token))
    finally:
        connection.terminate()


@pytest.fixture(scope="module")
async def core(postgres: SharedServer, administrator: Connection) -> AsyncIterator[Core]:
    """One server and database for the tests of a module, which leave the other's facts alone."""
    async with a_database(administrator, postgres) as database_url, a_core(database_url) as running:
        yield running


async def digest(connection: Connection) -> str:
    """Tells two contents of a database apart; the rows of `engine` count batches and do not matter."""
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
        "AND relname <> 'engine' ORDER BY relname"
    )
    rows = "SELECT '{0}' AS name, coalesce(string_agg(t::text, '|' ORDER BY t::text), '') AS rows FROM {0} t"
    contents = " UNION ALL ".join(rows.format(table["relname"]) for table in tables)
    found: str = await connection.fetchval(  # ordered here, too: what is read in parallel arrives in any order
        f"SELECT md5(string_agg(rows, '/' ORDER BY name)) FROM ({contents}) AS contents"
    )
    return found


@asynccontextmanager
async def nothing_changes(core: Core) -> AsyncIterator[None]:
    """Fails where the block leaves a trace in the database."""
    before = await digest(core.connection)
    yield
    assert await digest(core.connection) == before


@asynccontextmanager
async def a_locked_row(core: Core, table: str, **key: object) -> AsyncIterator[None]:
    """Keeps every engine from the rows with this key until the block ends."""
    ((column, value),) = key.items()
    transaction = core.connection.transaction()
    await transaction.start()
    assert await core.connection.fetch(f"SELECT FROM {table} WHERE {column} = $1 FOR UPDATE", value)
    try:
        yield
    finally:
        await transaction.rollback()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    """Waits for a condition. Raises AssertionError where it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


async def engines_waiting(core: Core) -> bool:
    """Whether an engine waits for a row that somebody else has locked."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(await core.connection.fetchval(waiting))


# --- What tests begin with and look at ---------------------------------------------------------------------------------------


async def an_account(core: Core, *currencies: str, funds_minor: int = 0, merchant: bool = False) -> str:
    """The name of an account with these wallets (CNY where none is named) and so much in each."""
    currencies = currencies or ("CNY",)
    account = await core.operator.ask(create_account(*currencies, merchant=merchant))
    for currency in currencies if funds_minor else ():
        await core.operator.ask(a_top_up(account.name, funds_minor, currency))
    return str(account.name)


async def a_merchant(core: Core, *currencies: str) -> str:
    """The name of an account that pays fees on what it takes."""
    return await an_account(core, *currencies, merchant=True)


def id_of(name: str) -> UUID:
    """The id in a resource name."""
    return UUID(name.partition("/")[2])


async def available(core: Core, account: str, currency: str = "CNY") -> int:
    """What an account can spend, in minor units."""
    balances = (await core.operator.ask(accounts_pb2.ListBalancesRequest(name=account))).balances
    (found,) = (each.available.amount_minor for each in balances if each.available.currency_code == currency)
    return int(found)


async def audit_holds(core: Core) -> bool:
    """Whether the books are in order, as the core itself says."""
    answer = await core.operator.ask(operations_pb2.AuditLedgerRequest())
    return bool(answer.holds)


async def walked(caller: Caller, request: Any, *sizes: int) -> list[Any]:
    """Every item of a list, page by page, of these sizes in turn (those of the request where none is given)."""
    items: list[Any] = []
    for size in itertools.cycle(sizes or (request.page_size,)):
        answer = await caller.ask(changed(request, page_size=size))
        items += getattr(answer, answer.DESCRIPTOR.fields[0].name)
        if not answer.next_page_token:
            break
        request = changed(request, page_token=answer.next_page_token)
    return items
