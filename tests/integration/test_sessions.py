"""Registering, logging in, and what becomes of sessions and their tokens."""

import asyncio
import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from danbao.v1 import accounts_pb2, sessions_pb2, verification_pb2
from danbao_client import Danbao
from danbao_core.engine import statements
from danbao_core.engine.rows import loader
from danbao_core.people.factors import code_of_step, step_at
from danbao_core.people.sessions import Session, access_token
from tests import rpc_client
from tests.factors import confirm_totp, enrol
from tests.people import (
    a_minute_later,
    a_person,
    a_phone,
    a_stranger,
    another_session,
    approval_of,
    keyring_of,
    messages_to,
    registered,
    the_code,
)
from tests.rpc_client import Core, Refused, a_core, available, id_of, nothing_changes, outcome
from tests.rpc_requests import (
    DEVICE,
    a_top_up,
    answer_challenge,
    complete,
    log_in,
    open_wallet,
    refresh,
    register,
    revoke_all_sessions,
    revoke_session,
    start_reset,
)

core = rpc_client.core


def caller_of(core: Core, tokens: sessions_pb2.SessionTokens) -> rpc_client.Caller:
    return core.operator.with_token(tokens.access_token)


# --- Registering ------------------------------------------------------------------------------------------------------------


async def test_a_person_registers_and_has_an_account_a_session_and_a_known_device(core: Core) -> None:
    phone = a_phone()
    challenge = await a_stranger(core).ask(register(phone, currency_codes=["CNY", "USD"]))
    assert (challenge.purpose, challenge.factor) == (
        verification_pb2.Challenge.PURPOSE_REGISTER,
        verification_pb2.Factor.KIND_SMS,
    )
    tokens = await a_stranger(core).ask(complete(await approval_of(core, challenge, phone)))
    ada = caller_of(core, tokens)
    account = await ada.ask(accounts_pb2.GetAccountRequest(name=tokens.account))
    assert (account.display_name, list(account.currency_codes)) == ("Ada", ["CNY", "USD"])
    assert account.kind == accounts_pb2.Account.KIND_PERSONAL
    (session,) = (await ada.ask(sessions_pb2.ListSessionsRequest())).sessions
    assert (session.name, session.device_id, session.current, session.ended) == (tokens.session.name, DEVICE, True, False)
    assert await core.connection.fetchval("SELECT personal FROM account WHERE id = $1", id_of(tokens.account))
    await core.operator.ask(a_top_up(tokens.account, 100))
    assert await available(core, tokens.account) == 100
    assert (await a_stranger(core).ask(log_in(phone))).HasField("tokens")  # the device is known


async def test_a_person_registers_and_calls_with_the_client(core: Core) -> None:
    phone = a_phone()
    async with Danbao.connect(core.server.address) as danbao:
        challenge = await danbao.sessions.RegisterPerson(register(phone))
        approval = await danbao.verification.AnswerChallenge(answer_challenge(challenge.name, await the_code(core, phone)))
        tokens = await danbao.sessions.CompleteSession(complete(approval.name))
    async with Danbao.connect(core.server.address, key=tokens.access_token) as danbao:
        account = await danbao.accounts.GetAccount(accounts_pb2.GetAccountRequest(name=tokens.account))
    assert account.name == tokens.account


async def test_a_registration_waits_for_its_code(core: Core) -> None:
    phone = a_phone()
    challenge = await a_stranger(core).ask(register(phone))
    refused = await a_stranger(core).refused(complete(challenge.name.replace("challenges", "approvals")))
    assert refused.reason == "APPROVAL_NOT_FOUND"
    assert (await a_stranger(core).refused(log_in(phone))).reason == "PASSWORD_WRONG"


async def test_a_number_that_is_known_gets_the_same_answer_and_a_message_that_says_so(core: Core) -> None:
    known, unknown = a_phone(), a_phone()
    before = await registered(core, known)
    await a_minute_later(core)
    answers = [await a_stranger(core).ask(register(phone, display_name="Eve")) for phone in (known, unknown)]
    for answer in answers:
        answer.ClearField("name")
        answer.ClearField("expire_time")
    assert answers[0] == answers[1]
    assert (await messages_to(core, known))[0].template == "already_registered"
    assert (await messages_to(core, unknown))[0].template == "code"
    account = await core.operator.ask(accounts_pb2.GetAccountRequest(name=before.account))
    assert account.display_name == "Ada"


async def test_no_code_answers_the_registration_of_a_known_number(core: Core) -> None:
    ada = await a_person(core)
    challenge = await a_stranger(core).ask(register(ada.phone))
    refused = await a_stranger(core).refused(answer_challenge(challenge.name, "000000"))
    assert refused.reason == "CODE_WRONG"
    (attempt,) = await core.connection.fetch("SELECT code_hash FROM challenge WHERE id = $1", id_of(challenge.name))
    assert attempt["code_hash"] is None


@pytest.mark.parametrize("password", ["12345678", "password1", "aaaaaaaaaaaa", "qwertyuiop", "iloveyou1", "letmein123"])
async def test_common_login_passwords_are_refused(core: Core, password: str) -> None:
    async with nothing_changes(core):
        refused = await a_stranger(core).refused(register(a_phone(), login_password=password))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PASSWORD_TOO_COMMON")


async def test_ones_own_number_is_no_password(core: Core) -> None:
    phone = a_phone()
    assert (await a_stranger(core).refused(register(phone, login_password=phone[1:]))).reason == "PASSWORD_TOO_COMMON"


@pytest.mark.parametrize(
    ("phone", "reason"),
    [
        ("", "FIELD_INVALID"),
        ("13800138000", "FIELD_INVALID"),
        ("+86 138 0013 8000", "FIELD_INVALID"),
        ("+8613800138000;ext=7", "FIELD_INVALID"),
        ("+861380013800\N{ARABIC-INDIC DIGIT ZERO}", "FIELD_INVALID"),
        ("+0013800138000", "FIELD_INVALID"),
        ("+86138001380000000", "FIELD_INVALID"),
        ("+8613800138", "PHONE_INVALID"),
        ("+861380013800012", "PHONE_INVALID"),
        ("+862112345678", "PHONE_INVALID"),
        ("+9991234567", "PHONE_INVALID"),
    ],
)
async def test_phone_numbers_in_wrong_forms_are_refused_everywhere(core: Core, phone: str, reason: str) -> None:
    async with nothing_changes(core):
        for request in (register(phone), log_in(phone)):
            refused = await a_stranger(core).refused(request)
            assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


async def test_a_currency_that_there_is_not_is_refused_before_a_code_is_sent(core: Core) -> None:
    phone = a_phone()
    assert (await a_stranger(core).refused(register(phone, currency_codes=["XXX"]))).reason == "CURRENCY_UNKNOWN"
    assert await messages_to(core, phone) == []


async def test_registering_twice_at_once_makes_one_account(core: Core) -> None:
    phone = a_phone()
    first = await a_stranger(core).ask(register(phone))
    approvals = [await approval_of(core, first, phone)]
    await a_minute_later(core)
    second = await a_stranger(core).ask(register(phone))
    approvals.append(await approval_of(core, second, phone))
    outcomes = await asyncio.gather(*(outcome(a_stranger(core).ask(complete(each))) for each in approvals))
    refused = [each for each in outcomes if isinstance(each, Refused)]
    assert [each.reason for each in refused] == ["PHONE_TAKEN"]
    assert await core.connection.fetchval("SELECT count(*) FROM phone_ref WHERE phone_hash = $1", _lookup(core, phone)) == 1


async def test_of_many_uses_of_one_approval_one_wins(core: Core) -> None:
    phone = a_phone()
    approval = await approval_of(core, await a_stranger(core).ask(register(phone)), phone)
    async with a_core(core.settings.database_url, token=core.operator.token) as second:
        callers = [a_stranger(core), a_stranger(second)] * 5
        outcomes = await asyncio.gather(*(outcome(each.ask(complete(approval))) for each in callers))
    refused = [each.reason for each in outcomes if isinstance(each, Refused)]
    assert (len(refused), set(refused)) == (9, {"APPROVAL_USED"})


async def test_a_registration_is_completed_on_its_own_device(core: Core) -> None:
    phone = a_phone()
    approval = await approval_of(core, await a_stranger(core).ask(register(phone)), phone)
    refused = await a_stranger(core).refused(complete(approval, "another-device"))
    assert refused.reason == "APPROVAL_MISMATCH"
    await a_stranger(core).ask(complete(approval))


async def test_the_repeat_of_a_call_that_showed_tokens_shows_none(core: Core) -> None:
    phone = a_phone()
    request = complete(await approval_of(core, await a_stranger(core).ask(register(phone)), phone))
    await a_stranger(core).ask(request)
    assert (await a_stranger(core).refused(request)).reason == "SECRET_ALREADY_SHOWN"
    login = log_in(phone)
    await a_stranger(core).ask(login)
    assert (await a_stranger(core).refused(login)).reason == "SECRET_ALREADY_SHOWN"


async def test_the_repeat_of_a_registration_sends_nothing_more(core: Core) -> None:
    phone = a_phone()
    request = register(phone)
    first = await a_stranger(core).ask(request)
    again = await a_stranger(core).answer(request)
    assert (again.message, again.replayed) == (first, True)
    assert len(await messages_to(core, phone)) == 1


async def test_codes_are_sent_once_a_minute_to_a_number_whoever_asks(core: Core) -> None:
    known, unknown = await a_person(core), a_phone()
    for phone in (known.phone, unknown):
        await a_stranger(core).ask(register(phone))
        for request in (register(phone), register(phone, device_id="another-device")):
            refused = await a_stranger(core).refused(request)
            assert (refused.reason, set(refused.metadata)) == ("TOO_MANY_CODES", {"possible_from"})
        assert len(await messages_to(core, phone)) == 1


async def test_a_flood_of_codes_ends_with_the_tenth_of_a_day(core: Core) -> None:
    phone = a_phone()
    for _ in range(10):
        await a_stranger(core).ask(register(phone))
        await a_minute_later(core)
    assert (await a_stranger(core).refused(register(phone))).reason == "TOO_MANY_CODES"
    assert len(await messages_to(core, phone)) == 10


# --- Logging in -------------------------------------------------------------------------------------------------------------


async def test_a_new_device_needs_a_code_and_is_known_then(core: Core) -> None:
    ada = await a_person(core)
    answer = await a_stranger(core).ask(log_in(ada.phone, device_id="a-new-device"))
    assert answer.challenge.purpose == verification_pb2.Challenge.PURPOSE_LOGIN
    approval = await approval_of(core, answer.challenge, ada.phone)
    tokens = await a_stranger(core).ask(complete(approval, "a-new-device"))
    assert tokens.account == ada.account
    assert (await messages_to(core, ada.phone))[0].template == "new_device"
    assert (await a_stranger(core).ask(log_in(ada.phone, device_id="a-new-device"))).HasField("tokens")
    changed_at = await core.connection.fetchval("SELECT changed_at FROM person WHERE account_id = $1", id_of(ada.account))
    assert changed_at is not None


@pytest.mark.parametrize("factor", [verification_pb2.Factor.KIND_TOTP, verification_pb2.Factor.KIND_RECOVERY_CODE])
async def test_who_has_no_authenticator_cannot_ask_for_it(core: Core, factor: Any) -> None:
    ada = await a_person(core)
    refused = await a_stranger(core).refused(log_in(ada.phone, device_id="a-new-device", factor=factor))
    assert refused.reason == "FACTOR_MISSING"


async def test_with_an_authenticator_every_login_asks_for_it_or_for_a_recovery_code(core: Core) -> None:
    ada = await a_person(core)
    made, step = await ada.ask(enrol()), step_at(datetime.now(UTC))
    await ada.ask(confirm_totp(made.factor.name, code_of_step(made.secret, step)))
    login = log_in(ada.phone, device_id=ada.device_id)
    asked_for = log_in(ada.phone, device_id=ada.device_id, factor=verification_pb2.Factor.KIND_RECOVERY_CODE)
    challenge, other = [(await a_stranger(core).ask(each)).challenge for each in (login, asked_for)]
    assert challenge.factor == other.factor == verification_pb2.Factor.KIND_TOTP
    code = code_of_step(made.secret, step + 1)  # good already
    approval = await a_stranger(core).ask(answer_challenge(challenge.name, code))
    tokens = await a_stranger(core).ask(complete(approval.name, ada.device_id))
    assert tokens.account == ada.account
    reset = await a_stranger(core).ask(start_reset(ada.phone))
    assert reset.factor == verification_pb2.Factor.KIND_TOTP


async def test_the_approval_of_a_login_is_for_its_device(core: Core) -> None:
    ada = await a_person(core)
    answer = await a_stranger(core).ask(log_in(ada.phone, device_id="a-new-device"))
    approval = await approval_of(core, answer.challenge, ada.phone)
    assert (await a_stranger(core).refused(complete(approval, "another-device"))).reason == "APPROVAL_MISMATCH"


async def test_an_approval_from_before_all_sessions_were_ended_begins_none(core: Core) -> None:
    ada = await a_person(core)
    answer = await a_stranger(core).ask(log_in(ada.phone, device_id="a-new-device"))
    approval = await approval_of(core, answer.challenge, ada.phone)
    await ada.ask(revoke_all_sessions())
    assert (await a_stranger(core).refused(complete(approval, "a-new-device"))).reason == "APPROVAL_MISMATCH"


async def test_a_number_that_is_written_otherwise_is_the_same(core: Core) -> None:
    ada = await a_person(core, phone="+447911123456")
    assert (await a_stranger(core).ask(log_in("+4407911123456", device_id=ada.device_id))).HasField("tokens")


# --- Tokens -----------------------------------------------------------------------------------------------------------------


async def test_a_refresh_token_is_good_once(core: Core) -> None:
    ada = await a_person(core)
    first = await a_stranger(core).ask(refresh(ada.refresh_token))
    second = await a_stranger(core).ask(refresh(first.refresh_token))
    assert len({ada.refresh_token, first.refresh_token, second.refresh_token}) == 3
    assert second.session.name == ada.session
    await core.operator.with_token(second.access_token).ask(sessions_pb2.ListSessionsRequest())


async def test_reusing_a_refresh_token_ends_the_session(core: Core) -> None:
    ada = await a_person(core)
    tokens = await a_stranger(core).ask(refresh(ada.refresh_token))
    refused = await a_stranger(core).refused(refresh(ada.refresh_token))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "REFRESH_TOKEN_REUSED")
    assert (await a_stranger(core).refused(refresh(tokens.refresh_token))).reason == "SESSION_ENDED"
    assert (await caller_of(core, tokens).refused(open_wallet(ada.account, "USD"))).reason == "SESSION_ENDED"


async def test_the_same_refresh_is_answered_again_within_a_minute(core: Core) -> None:
    ada = await a_person(core)
    request = refresh(ada.refresh_token)
    first = await a_stranger(core).ask(request)
    again = await a_stranger(core).answer(request)
    assert again.replayed
    assert again.message.refresh_token == first.refresh_token
    await core.connection.execute(
        "UPDATE session SET refreshed_at = refreshed_at - interval '61 seconds' WHERE id = $1", id_of(ada.session)
    )
    assert (await a_stranger(core).refused(request)).reason == "REFRESH_TOKEN_REUSED"


async def test_of_parallel_refreshes_one_wins(core: Core) -> None:
    ada = await a_person(core)
    outcomes = await asyncio.gather(*(outcome(a_stranger(core).ask(refresh(ada.refresh_token))) for _ in range(5)))
    reasons = sorted(each.reason for each in outcomes if isinstance(each, Refused))
    assert reasons == ["REFRESH_TOKEN_REUSED", "SESSION_ENDED", "SESSION_ENDED", "SESSION_ENDED"]


@pytest.mark.parametrize(
    "token", ["dbr_x", "dbr_00_0_00", "dbr_" + "0" * 32 + "_0_" + "0" * 64, "dbr_" + "0" * 32 + "_-1_" + "0" * 64]
)
async def test_refresh_tokens_that_are_none_of_ours_are_refused(core: Core, token: str) -> None:
    async with nothing_changes(core):
        assert (await a_stranger(core).refused(refresh(token))).reason == "TOKEN_INVALID"


async def test_tokens_that_we_did_not_sign_are_refused(core: Core) -> None:
    ada = await a_person(core)
    assert ada.token is not None
    header, claims = {"alg": "Ed25519", "kid": "0"}, jwt.decode(ada.token, _public_key(core), algorithms=["Ed25519"]).claims
    stranger = OKPKey.import_key(Ed25519PrivateKey.generate())
    public = _public_key(core).as_pem(private=False)
    unsigned = f"{_part({**header, 'alg': 'none'})}.{_part(claims)}."
    signed = f"{_part({**header, 'alg': 'HS256'})}.{_part(claims)}"
    by_public_key = f"{signed}.{_base64(hmac.digest(public, signed.encode(), 'sha256'))}"
    forged = [
        jwt.encode(header, claims, stranger, algorithms=["Ed25519"]),
        by_public_key,
        jwt.encode({**header, "kid": "1"}, claims, stranger, algorithms=["Ed25519"]),
        unsigned,
        ada.token[:-4] + "AAAA",
        "dbk_",
        "a.b.c",
    ]
    for token in forged:
        refused = await core.operator.with_token(token).refused(sessions_pb2.ListSessionsRequest())
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"), token


async def test_an_expired_token_is_refused(core: Core) -> None:
    ada = await a_person(core)
    session = await _session(core, ada.session)
    token, _ = access_token(keyring_of(core), session, datetime.now(UTC) - timedelta(minutes=10, seconds=1))
    refused = await core.operator.with_token(token).refused(sessions_pb2.ListSessionsRequest())
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")


async def test_tokens_under_an_older_key_of_the_ring_are_good(core: Core, tmp_path: Path) -> None:
    ada = await a_person(core)
    ring = tmp_path / "keyring.toml"
    keys = {"0": core.settings.hash_key.get_secret_value(), "1": "6b" * 32}
    ring.write_text("".join(f'[[key]]\nid = "{key_id}"\nsecret = "{secret}"\n' for key_id, secret in keys.items()))
    ring.chmod(0o600)
    async with a_core(core.settings.database_url, token=core.operator.token, keyring_file=ring) as rotated:
        await rotated.operator.with_token(ada.token).ask(open_wallet(ada.account, "USD"))
        tokens = await a_stranger(rotated).ask(refresh(ada.refresh_token))
        assert (await a_stranger(rotated).ask(log_in(ada.phone, device_id=ada.device_id))).HasField("tokens")
    refused = await caller_of(core, tokens).refused(sessions_pb2.ListSessionsRequest())
    assert refused.reason == "TOKEN_INVALID"  # a key that is not in this server's ring


# --- Ending sessions --------------------------------------------------------------------------------------------------------


async def test_what_an_ended_session_changes_is_refused_at_once_in_every_process(core: Core) -> None:
    ada = await a_person(core)
    other = await another_session(core, ada)
    async with a_core(core.settings.database_url, token=core.operator.token) as second:
        there = second.operator.with_token(ada.token)
        await there.ask(sessions_pb2.ListSessionsRequest())  # the token is believed there for 2 seconds
        ended = await other.ask(revoke_session(ada.session))
        assert (ended.ended, ended.current) == (True, False)
        for caller in (ada, there):
            refused = await caller.refused(open_wallet(ada.account, "USD"))
            assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "SESSION_ENDED")
    assert [each.name for each in (await other.ask(sessions_pb2.ListSessionsRequest())).sessions] == [other.session]
    again = await other.ask(revoke_session(ada.session))
    assert again.ended


async def test_all_sessions_end_at_once_and_devices_are_forgotten(core: Core) -> None:
    ada = await a_person(core)
    other = await another_session(core, ada)
    await ada.ask(revoke_all_sessions())
    for caller in (ada, other):
        assert (await caller.refused(open_wallet(ada.account, "USD"))).reason == "SESSION_ENDED"
        assert (await a_stranger(core).refused(refresh(caller.refresh_token))).reason == "SESSION_ENDED"
    answer = await a_stranger(core).ask(log_in(ada.phone, device_id=ada.device_id))
    assert answer.HasField("challenge")


async def test_the_sessions_of_others_are_not_there(core: Core) -> None:
    ada, eve = await a_person(core), await a_person(core)
    assert (await eve.refused(revoke_session(ada.session))).reason == "SESSION_NOT_FOUND"
    assert [each.name for each in (await eve.ask(sessions_pb2.ListSessionsRequest())).sessions] == [eve.session]


async def test_a_session_that_ran_out_is_over(core: Core) -> None:
    ada = await a_person(core)
    await core.connection.execute("UPDATE session SET expires_at = now() WHERE id = $1", id_of(ada.session))
    assert (await ada.refused(open_wallet(ada.account, "USD"))).reason == "SESSION_ENDED"
    assert (await a_stranger(core).refused(refresh(ada.refresh_token))).reason == "SESSION_ENDED"


async def test_an_hour_back_on_the_clock_ends_no_session_and_forgives_no_reuse(core: Core) -> None:
    ada = await a_person(core)
    tokens = await a_stranger(core).ask(refresh(ada.refresh_token))

    def an_hour_ago() -> datetime:
        return datetime.now(UTC) - timedelta(hours=1)

    async with a_core(core.settings.database_url, token=core.operator.token, wall_clock=an_hour_ago) as behind:
        again = await a_stranger(behind).ask(refresh(tokens.refresh_token))
        await behind.operator.with_token(again.access_token).ask(open_wallet(ada.account, "USD"))
        refused = await a_stranger(behind).refused(refresh(ada.refresh_token))
        assert refused.reason == "REFRESH_TOKEN_REUSED"
    assert (await a_stranger(core).refused(refresh(again.refresh_token))).reason == "SESSION_ENDED"


def _lookup(core: Core, phone: str) -> bytes:
    return keyring_of(core).lookup("phone", phone)


def _public_key(core: Core) -> Any:
    return OKPKey.import_key(keyring_of(core).current.signing_key)


def _part(content: dict[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


async def _session(core: Core, name: str) -> Session:
    record = await core.connection.fetchrow(statements.read_rows(Session.table), [id_of(name)])
    row = loader(Session)(record)
    assert isinstance(row, Session)
    return row
