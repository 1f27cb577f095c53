"""One server process, put together: settings, database, engine, services, and a graceful end."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final, cast

import asyncpg
import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from danbao.v1 import (
    accounts_pb2_grpc,
    disputes_pb2_grpc,
    notifications_pb2_grpc,
    operations_pb2_grpc,
    payments_pb2_grpc,
    payouts_pb2_grpc,
    sandbox_pb2_grpc,
    sessions_pb2_grpc,
    verification_pb2_grpc,
)
from danbao_core import metrics_page
from danbao_core.bank.ways import Ways
from danbao_core.clock import WallClock, system_wall_clock
from danbao_core.engine import Engine
from danbao_core.opening import StartFailed, bank_of, keyring_of, read_pool, running_engine
from danbao_core.people.login_passwords import LoginPasswords
from danbao_core.rpc.authentication import Authenticator
from danbao_core.rpc.by_name import find_by_name
from danbao_core.rpc.gate import Gate
from danbao_core.rpc.interceptor import SERVICES, Interceptor
from danbao_core.rpc.paging import Pages
from danbao_core.rpc.peers import Peers, networks_of
from danbao_core.rpc.rates import Buckets, Rates
from danbao_core.rpc.read_pool import ReadPool
from danbao_core.rpc.seen import Watch
from danbao_core.rpc.services import (
    Accounts,
    Disputes,
    Notifications,
    Operations,
    Payments,
    Payouts,
    Sandbox,
    Sessions,
    Verification,
)
from danbao_core.rpc.services.desk import Desk
from danbao_core.rpc.tls import Certificates, CertificatesUnusable
from danbao_core.rpc.tracing import Tracer
from danbao_core.rpc.watching import Watching
from danbao_core.settings import Mode, Settings

if TYPE_CHECKING:
    Pool = asyncpg.Pool[Any]

_log = structlog.get_logger("danbao.server")

SANDBOX_SERVICE: Final = "danbao.v1.SandboxService"

MESSAGE_BYTES: Final = 4 * 1024 * 1024
METADATA_BYTES: Final = 8 * 1024

KEY_CONNECTIONS: Final = 2
"""By which callers' keys are read, and nothing else: nobody waits at the door because those inside read long lists."""

LAST_WORDS_SECONDS: Final = 0.5
"""For answers that are on their way when the last call has ended."""

OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.max_concurrent_streams", 1024),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_connection_idle_ms", 30 * 60 * 1000),
)


class Server:
    """Serves the contract on one address. `async with` it; `address` then says where."""

    def __init__(self, settings: Settings, wall_clock: WallClock = system_wall_clock) -> None:
        self.address = settings.listen
        self.metrics_url = ""
        """Of the page for Prometheus; empty where there is none."""
        self._settings = settings
        self._wall_clock = wall_clock
        self._health = health.aio.HealthServicer()
        self._stack = contextlib.AsyncExitStack()
        self._draining = False

    @property
    def _sandbox(self) -> bool:
        return self._settings.mode is Mode.SANDBOX

    @property
    def _service_names(self) -> list[str]:
        return [name for name in SERVICES if self._sandbox or name != SANDBOX_SERVICE]

    async def __aenter__(self) -> "Server":
        async with contextlib.AsyncExitStack() as stack:
            pool = await stack.enter_async_context(read_pool(self._settings, self._settings.pool_size))
            key_pool = await stack.enter_async_context(read_pool(self._settings, KEY_CONNECTIONS))
            engine = await stack.enter_async_context(running_engine(self._settings))
            tracer = await stack.enter_async_context(_tracer(self._settings, str(engine.id)))
            reads, watch = ReadPool(pool), Watch(tracer)
            page = metrics_page.serving(
                self._settings.metrics_listen, metrics_page.registry_of(engine.metrics, reads, watch.metrics)
            )
            try:
                self.metrics_url = await stack.enter_async_context(page)
            except OSError as error:
                raise StartFailed(f"DANBAO_METRICS_LISTEN: {error.strerror}: name another") from None
            # Handlers and lists use the two methods of a pool that it has.
            await self._serve(stack, engine, cast("Pool", reads), cast("Pool", ReadPool(key_pool)), watch)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drains: health turns NOT_SERVING, running calls end, what waits is committed."""
        self._draining = True
        await self._health.enter_graceful_shutdown()
        await self._stack.aclose()

    async def _serve(
        self, stack: contextlib.AsyncExitStack, engine: Engine, pool: "Pool", key_pool: "Pool", watch: Watch
    ) -> None:
        settings = self._settings
        keyring = keyring_of(settings)
        authenticator = Authenticator(key_pool, self._wall_clock, keyring)
        login_passwords = LoginPasswords()
        stack.callback(login_passwords.close)
        desk = Desk(
            engine, pool, keyring, login_passwords, authenticator, sends=settings.sends_messages, mails=settings.sends_mail
        )
        bank = await stack.enter_async_context(bank_of(settings))
        ways = Ways(bank=bank is not None, till=self._sandbox)
        gate = Gate()
        pages = Pages(settings.hash_key_bytes)
        interceptor = Interceptor(
            gate,
            authenticator,
            settings.hash_key_bytes,
            self._wall_clock,
            settings.stream_idle_seconds,
            watch,
            Buckets(Rates.of(settings)),
            Peers(networks_of(settings.proxies)),
        )
        server = grpc.aio.server(
            interceptors=[interceptor],
            options=[
                *OPTIONS,
                ("grpc.so_reuseport", int(settings.reuse_port)),
                ("grpc.max_allowed_incoming_connections", settings.connections_max),
            ],
        )
        find_by_name(server)
        accounts_pb2_grpc.add_AccountServiceServicer_to_server(
            Accounts(engine, pool, pages, keyring, desk, bank, sandbox=self._sandbox), server
        )
        watching = Watching(pool, settings.hash_key_bytes, settings.watch_heartbeat_seconds)
        payments_pb2_grpc.add_PaymentServiceServicer_to_server(
            Payments(
                engine,
                pool,
                pages,
                settings.hash_key_bytes,
                self._wall_clock,
                keyring,
                watching,
                has_bank=ways.bank,
            ),
            server,
        )
        disputes_pb2_grpc.add_DisputeServiceServicer_to_server(Disputes(engine, pool, pages, keyring, watching), server)
        operations_pb2_grpc.add_OperationsServiceServicer_to_server(
            Operations(engine, pool, pages, desk, settings.database_url, ways), server
        )
        payouts_pb2_grpc.add_PayoutServiceServicer_to_server(Payouts(engine, pool, pages, ways), server)
        notifications_pb2_grpc.add_NotificationServiceServicer_to_server(
            Notifications(engine, pool, pages, keyring, sandbox=self._sandbox), server
        )
        sessions_pb2_grpc.add_SessionServiceServicer_to_server(Sessions(desk), server)
        verification_pb2_grpc.add_VerificationServiceServicer_to_server(Verification(desk), server)
        if self._sandbox:
            sandbox_pb2_grpc.add_SandboxServiceServicer_to_server(Sandbox(engine, pool, keyring, bank), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*self._service_names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        self.address = f"{settings.listen.rpartition(':')[0]}:{_add_port(server, settings)}"
        await server.start()
        stack.push_async_callback(_drain, server, gate, settings.drain_seconds)
        watcher = asyncio.create_task(self._watch_health(engine), name="danbao-health")
        stack.push_async_callback(_cancelled, watcher)
        await self._say_health(serving=True)
        _log.info("serving", address=self.address, metrics=self.metrics_url, mode=settings.mode.value, tls=settings.has_tls)

    async def _watch_health(self, engine: Engine) -> None:
        """Every service is NOT_SERVING while the engine has no database."""
        serving = True
        while True:
            await asyncio.sleep(0.2)
            if engine.connected != serving:
                serving = engine.connected
                await self._say_health(serving=serving)

    async def _say_health(self, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        if not self._draining:
            for name in ("", *self._service_names):
                await self._health.set(name, status)


def _add_port(server: grpc.aio.Server, settings: Settings) -> int:
    """The port on which the server will serve, with TLS where there are certificates. Raises StartFailed."""
    try:
        if settings.tls_cert is None or settings.tls_key is None:
            return server.add_insecure_port(settings.listen)
        certificates = Certificates(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        return server.add_secure_port(settings.listen, certificates.server_credentials())
    except CertificatesUnusable as error:
        raise StartFailed(str(error)) from None
    except RuntimeError:
        raise StartFailed(f"DANBAO_LISTEN: {settings.listen} is in use or cannot be bound: name another") from None


async def _drain(server: grpc.aio.Server, gate: Gate, drain_seconds: float) -> None:
    """Lets the running calls of the contract end; what only watches (health, reflection) would go on for ever."""
    await gate.close(drain_seconds)
    await server.stop(min(LAST_WORDS_SECONDS, drain_seconds))


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@contextlib.asynccontextmanager
async def _tracer(settings: Settings, instance: str) -> AsyncIterator[Tracer | None]:
    """Makes spans, where DANBAO_TRACES is set; the last ones are sent at the end. Raises StartFailed."""
    if not settings.traces:
        yield None
        return
    from danbao_core.rpc.spans import Spans  # noqa: PLC0415  # a tenth of a second that most servers need not wait

    try:
        spans = Spans(settings.traces, instance)
    except OSError as error:
        raise StartFailed(f"DANBAO_TRACES: {settings.traces} cannot be written ({error.strerror})") from None
    try:
        yield spans
    finally:
        await asyncio.to_thread(spans.close)


async def serve(settings: Settings, ready: Callable[["Server"], None]) -> None:
    """Serves until SIGTERM or SIGINT; calls `ready` with the server once it does. Raises StartFailed or MigrationError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Server(settings) as server:
        ready(server)
        await stop.wait()
        _log.info("draining", address=server.address)
