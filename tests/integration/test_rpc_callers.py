"""Who may call: keys that are missing, malformed, unknown, wrong, revoked, rotated, or not for this."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message

from danbao.v1 import accounts_pb2, operations_pb2, payments_pb2
from danbao_core.accounts import Purpose, balance_id
from danbao_core.people.sessions import SCOPES as SESSION_SCOPES
from danbao_core.service_keys import GRANTED_SCOPES, SCOPES, Token
from tests import rpc_client
from tests.people import a_person
from tests.rpc_client import (
    Caller,
    Core,
    a_core,
    a_locked_row,
    a_merchant,
    an_account,
    an_operator_token,
    available,
    digest,
    engines_waiting,
    id_of,
    nothing_changes,
    outcome,
    until,
)
from tests.rpc_requests import (
    METHODS,
    UNKNOWN,
    a_payment,
    a_top_up,
    a_transfer,
    create_account,
    create_key,
    is_mutating,
    named,
    path_of,
    revoke,
    rotate,
)
from tests.valid_requests import valid_requests

core = rpc_client.core

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED

REQUESTS = list(valid_requests())
LIST_KEYS = operations_pb2.ListServiceKeysRequest()


class Clock:
    """Wall time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def pair(database_url: str, clock: Clock) -> AsyncIterator[tuple[Core, Core]]:
    """Two servers on one database, on whose wall clock no time passes."""
    token = await an_operator_token(database_url)
    async with (
        a_core(database_url, token=token, wall_clock=clock) as one,
        a_core(database_url, token=token, wall_clock=clock) as two,
    ):
        yield one, two


def name_of(caller: Caller) -> str:
    """The resource name of the key behind a token."""
    assert caller.token is not None
    return f"serviceKeys/{UUID(caller.token.split('_')[1])}"


# --- Every RPC --------------------------------------------------------------------------------------------------------------


def scope_for(request: Message) -> str:
    """The scope that the RPC of a request declares; empty where it needs no token."""
    return rpc_client.scope_of(METHODS[request.DESCRIPTOR.full_name])


@pytest.mark.parametrize("request_", [each for each in REQUESTS if scope_for(each)], ids=named)
async def test_every_rpc_wants_a_token_and_the_scope_that_it_declares(core: Core, request_: Message) -> None:
    scope = scope_for(request_)
    others = await core.caller(*sorted(SCOPES - {scope}))
    async with nothing_changes(core):
        stranger = await core.operator.with_token(None).refused(request_)
        denied = await others.refused(request_)
        malformed = await core.operator.with_token(None).refused_bytes(path_of(request_), b"\xff")
    assert (stranger.code, stranger.reason) == (UNAUTHENTICATED, "TOKEN_MISSING")
    assert (denied.code, denied.reason, denied.metadata) == (DENIED, "SCOPE_MISSING", {"scope": scope})
    assert malformed.reason == "TOKEN_MISSING"  # who calls comes before what is asked for


@pytest.mark.parametrize("request_", [each for each in REQUESTS if scope_for(each) in SCOPES], ids=named)
async def test_the_declared_scope_is_enough_to_be_heard(core: Core, request_: Message) -> None:
    caller = await core.caller(scope_for(request_))
    found = await outcome(caller.ask(request_))
    if isinstance(found, rpc_client.Refused):
        assert found.code is grpc.StatusCode.NOT_FOUND or found.metadata["scope"] in GRANTED_SCOPES, found


@pytest.mark.parametrize("request_", [each for each in REQUESTS if not scope_for(each)], ids=named)
async def test_who_needs_no_token_is_heard_without_one(core: Core, request_: Message) -> None:
    found = await outcome(core.operator.with_token(None).ask(request_))
    assert not isinstance(found, rpc_client.Refused) or found.reason not in ("TOKEN_MISSING", "SCOPE_MISSING")


@pytest.mark.parametrize("request_", [each for each in REQUESTS if scope_for(each) not in SESSION_SCOPES | {""}], ids=named)
async def test_a_session_does_nothing_for_which_sessions_lack_the_scope(core: Core, request_: Message) -> None:
    ada = await a_person(core)
    async with nothing_changes(core):
        refused = await ada.refused(request_)
    assert (refused.code, refused.reason, refused.metadata) == (DENIED, "SCOPE_MISSING", {"scope": scope_for(request_)})


@pytest.mark.parametrize("request_", [each for each in REQUESTS if scope_for(each) in SESSION_SCOPES], ids=named)
async def test_a_session_is_heard_where_sessions_have_the_scope(core: Core, request_: Message) -> None:
    found = await outcome((await a_person(core)).ask(request_))
    assert not isinstance(found, rpc_client.Refused) or found.reason != "SCOPE_MISSING"


async def test_no_scope_stands_without_an_rpc_or_a_rule(core: Core) -> None:
    declared = {rpc_client.scope_of(method) for method in METHODS.values()} - {""}
    assert declared - {"person"} | {"disputes.supervise", "payments.pay", *GRANTED_SCOPES} == SCOPES
    assert "person" not in SCOPES  # no key has it
    assert declared >= SESSION_SCOPES


# --- Tokens -----------------------------------------------------------------------------------------------------------------


async def test_what_is_no_token_of_ours(core: Core) -> None:
    token = str(core.operator.token)
    _, key_id, secret = token.split("_", 2)
    missing = ["", "Basic dXNlcjpwYXNz", token, f"Bearer{token}"]
    invalid = [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer dbk",
        "Bearer dbk_",
        "Bearer dbk__",
        f"Bearer dbk_{key_id}",
        f"Bearer dbk_{key_id}_",
        f"Bearer xyz_{key_id}_{secret}",
        f"Bearer dbk_{key_id[:-1]}_{secret}",
        f"Bearer dbk_{key_id[:-1]}g_{secret}",
        f"Bearer dbk_{UUID(UNKNOWN).hex}_{secret}",
        f"Bearer dbk_{key_id}_{secret[:-1]}",
        f"Bearer dbk_{key_id}_{secret}x",
        f"Bearer dbk_{key_id}_{secret.swapcase()}",
        f"Bearer dbk_{key_id}_{'x' * 4000}",
        f"Bearer dbk_{'0' * 4000}_{secret}",
        f"Bearer {token} {token}",
    ]
    stranger = core.operator.with_token(None)
    async with nothing_changes(core):
        for request in (LIST_KEYS, create_account("CNY")):
            for reason, headers in (("TOKEN_MISSING", missing), ("TOKEN_INVALID", invalid)):
                for header in headers:
                    refused = await stranger.refused(request, metadata=[("authorization", header)])
                    if header.strip() == "Bearer":
                        assert refused.reason in ("TOKEN_MISSING", "TOKEN_INVALID")
                    else:
                        assert (refused.code, refused.reason) == (UNAUTHENTICATED, reason), header
                    assert secret not in f"{refused}", header


async def test_the_word_bearer_may_be_written_in_any_way(core: Core) -> None:
    for header in (f"bearer {core.operator.token}", f"BEARER   {core.operator.token} "):
        assert (await core.operator.with_token(None).ask(LIST_KEYS, metadata=[("authorization", header)])).service_keys


async def test_a_token_is_shown_once(core: Core) -> None:
    request = create_key("payments.read")
    made = await core.operator.ask(request)
    turn = rotate(made.service_key.name, 60)
    turned = await core.operator.ask(turn)
    assert turned.token != made.token
    async with nothing_changes(core):
        for repeat in (request, turn):
            refused = await core.operator.refused(repeat)
            assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SECRET_ALREADY_SHOWN")
            assert refused.metadata == {"service_key": made.service_key.name}
    secrets = [Token.parse(token).secret for token in (made.token, turned.token)]
    everything = await core.connection.fetchval(
        "SELECT string_agg(t, '') FROM (SELECT r::text FROM request r UNION ALL SELECT k::text FROM service_key k "
        "UNION ALL SELECT o::text FROM outbox o UNION ALL SELECT a::text FROM audit_event a) AS rows(t)"
    )
    listed = str(await core.operator.ask(LIST_KEYS))
    for secret in secrets:
        assert secret not in everything
        assert secret.encode().hex() not in everything  # as bytea shows it
        assert secret not in listed


# --- Revoked ----------------------------------------------------------------------------------------------------------------


async def test_a_revoked_key_is_refused(core: Core) -> None:
    caller = await core.caller("accounts.write", "operations")
    assert (await caller.ask(LIST_KEYS)).service_keys
    revoked = await core.operator.ask(revoke(name_of(caller)))
    assert revoked.state == operations_pb2.ServiceKey.STATE_REVOKED
    async with nothing_changes(core):
        for request in (LIST_KEYS, create_account("CNY")):
            refused = await caller.refused(request)
            assert (refused.code, refused.reason) == (UNAUTHENTICATED, "KEY_REVOKED")
        wrong = await caller.with_token(f"{caller.token}x").refused(LIST_KEYS)
        assert wrong.reason == "TOKEN_INVALID"  # only who has the secret learns what became of the key
        refused = await core.operator.refused(rotate(name_of(caller)))
        assert (refused.code, refused.reason) == (UNAUTHENTICATED, "KEY_REVOKED")


async def test_revoking_twice_changes_nothing(core: Core) -> None:
    caller = await core.caller("payments.read")
    first = await core.operator.ask(revoke(name_of(caller)))
    rows = "SELECT k::text FROM service_key k WHERE id = $1"
    row = await core.connection.fetchval(rows, id_of(name_of(caller)))
    assert await core.operator.ask(revoke(name_of(caller))) == first
    assert await core.connection.fetchval(rows, id_of(name_of(caller))) == row


async def test_a_key_may_end_itself(core: Core) -> None:
    caller = await core.caller("operations")
    request = revoke(name_of(caller))
    assert (await caller.ask(request)).state == operations_pb2.ServiceKey.STATE_REVOKED
    assert (await caller.refused(request)).reason == "KEY_REVOKED"


async def test_a_key_revoked_elsewhere_changes_nothing_from_then_on(pair: tuple[Core, Core], clock: Clock) -> None:
    one, two = pair
    caller = await one.caller("accounts.write", "accounts.read", "operations")
    ada = await caller.ask(create_account("CNY"))
    await two.operator.ask(revoke(name_of(caller)))
    async with nothing_changes(one):
        # The first server still believes the token it verified, which is enough for a look; the commit knows better.
        assert await caller.ask(accounts_pb2.GetAccountRequest(name=ada.name)) == ada
        assert (await caller.refused(create_account("CNY"))).reason == "KEY_REVOKED"
        clock.pass_seconds(2)
        refused = await caller.refused(accounts_pb2.GetAccountRequest(name=ada.name))
        assert (refused.code, refused.reason) == (UNAUTHENTICATED, "KEY_REVOKED")


async def test_a_key_revoked_while_its_request_waits_changes_nothing(pair: tuple[Core, Core]) -> None:
    one, two = pair
    buyer, shop = await an_account(one, funds_minor=100), await a_merchant(one)
    caller = await one.caller("payments.write", "payments.pay_any")
    async with a_locked_row(one, "balance", id=balance_id(id_of(buyer), "CNY", Purpose.AVAILABLE)):
        waiting = asyncio.create_task(outcome(caller.ask(a_payment(buyer, shop))))
        await until(lambda: engines_waiting(one))
        await two.operator.ask(revoke(name_of(caller)))
        before = await digest(one.connection)
    assert (await waiting).reason == "KEY_REVOKED"
    assert await digest(one.connection) == before
    assert await available(one, buyer) == 100


# --- Rotated ----------------------------------------------------------------------------------------------------------------


async def test_the_old_secret_works_for_the_grace_and_no_longer(pair: tuple[Core, Core], clock: Clock) -> None:
    one, two = pair
    old = await one.caller("accounts.write", "operations")
    answer = await one.operator.ask(rotate(name_of(old), 60))
    new = old.with_token(answer.token)
    assert answer.service_key.old_secret_expire_time.ToDatetime(UTC) == clock.now + timedelta(seconds=60)
    for elsewhere in (one, two):
        for token in (old.token, new.token):
            caller = elsewhere.operator.with_token(token)
            await caller.ask(create_account("CNY"))
            await caller.ask(LIST_KEYS)
    clock.pass_seconds(59.999)
    await old.ask(create_account("CNY"))
    clock.pass_seconds(0.001)
    async with nothing_changes(one):
        refused = await old.refused(create_account("CNY"))
        assert (refused.code, refused.reason) == (UNAUTHENTICATED, "TOKEN_INVALID")
        clock.pass_seconds(2)
        assert (await old.refused(LIST_KEYS)).reason == "TOKEN_INVALID"
    await new.ask(create_account("CNY"))


async def test_without_grace_the_old_secret_is_refused_at_once(pair: tuple[Core, Core]) -> None:
    one, two = pair
    old = await one.caller("accounts.write", "operations")
    await two.operator.with_token(old.token).ask(LIST_KEYS)  # which the second server now believes
    new = old.with_token((await one.operator.ask(rotate(name_of(old)))).token)
    async with nothing_changes(one):
        for elsewhere in (one, two):
            caller = elsewhere.operator.with_token(old.token)
            assert (await caller.refused(create_account("CNY"))).reason == "TOKEN_INVALID"
    await new.ask(create_account("CNY"))


async def test_a_second_rotation_ends_the_first_secret(pair: tuple[Core, Core]) -> None:
    one, _ = pair
    first = await one.caller("operations")
    second = first.with_token((await one.operator.ask(rotate(name_of(first), 600))).token)
    third = first.with_token((await one.operator.ask(rotate(name_of(first), 600))).token)
    assert (await first.refused(LIST_KEYS)).reason == "TOKEN_INVALID"
    for caller in (second, third):
        assert (await caller.ask(LIST_KEYS)).service_keys


# --- Bound keys -------------------------------------------------------------------------------------------------------------


async def test_a_bound_key_does_for_its_account_what_its_scopes_allow(core: Core) -> None:
    buyer, shop = await an_account(core), await a_merchant(core)
    scopes = ("accounts.read", "accounts.write", "fundings.write", "payments.pay", "payments.read", "payments.write")
    mine = await core.caller(*scopes, account=buyer, service="app")
    await mine.ask(a_top_up(buyer, 300))
    paid = await mine.ask(a_payment(buyer, shop))
    await mine.ask(a_transfer(buyer, shop))
    assert (await mine.ask(payments_pb2.GetPaymentRequest(name=paid.name))).state == payments_pb2.Payment.STATE_PAID
    assert await available(core, buyer) == 100


@pytest.mark.parametrize("scope", ["disputes.decide", "disputes.supervise", "operations", "sandbox"])
async def test_a_key_that_reaches_over_all_accounts_is_bound_to_none(core: Core, scope: str) -> None:
    operator, account = await core.caller("operations"), await an_account(core)
    request = create_key("payments.read", scope)
    request.account = account
    async with nothing_changes(core):
        refused = await operator.refused(request)
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SCOPE_NOT_BINDABLE"), refused


async def test_a_repeat_under_a_key_of_another_account_does_not_show_the_answer(core: Core) -> None:
    mine, theirs = await an_account(core), await an_account(core)
    first = await core.caller("fundings.write", account=mine, service="app")
    second = await core.caller("fundings.write", account=theirs, service="app")
    request = a_top_up(mine, 100)
    await first.ask(request)
    refused = await second.refused(request)
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND"), refused


async def test_a_key_of_one_account_is_no_key_of_another(core: Core) -> None:
    mine = await core.caller("accounts.read", account=await an_account(core))
    refused = await mine.refused(accounts_pb2.GetAccountRequest(name=f"accounts/{uuid4()}"))
    foreign = await mine.refused(accounts_pb2.GetAccountRequest(name=await an_account(core)))
    assert (refused.code, refused.reason, refused.message[:30]) == (foreign.code, foreign.reason, foreign.message[:30])


def test_mutating_rpcs_are_those_with_a_request_id() -> None:
    others = [named(request) for request in REQUESTS if not is_mutating(request)]
    # Each item of a stream has a request_id of its own.
    reading_without_saying_so = {"AuditLedger", "ExplainPayment", "StreamPayments", "WatchDisputes", "WatchPayments"}
    assert {name for name in others if not name.startswith(("Get", "List", "Export"))} == reading_without_saying_so
    assert not [named(request) for request in REQUESTS if is_mutating(request) and named(request).startswith(("Get", "List"))]
