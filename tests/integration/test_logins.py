"""Guessing login passwords: what is told, what is counted, what is locked, and that nobody else is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import grpc
import pytest

from danbao_core.clock import WallClock
from danbao_core.migrations import migrate
from danbao_core.people import login_passwords
from danbao_core.settings import Mode
from tests import rpc_client
from tests.people import LOGIN_PASSWORD, a_minute_later, a_person, a_phone, a_stranger, another_session, keyring_of, messages_to
from tests.rpc_client import Caller, Core, Refused, a_core, id_of, nothing_changes, outcome
from tests.rpc_requests import advance_clock, log_in, refresh, register, set_payment_password, start_reset
from tests.shared_postgres import SharedServer, a_database

core = rpc_client.core

WRONG = "not-the-password"
THREE_HOURS = 3 * 3600


async def guessed(core: Core, phone: str, **fields: Any) -> Refused:
    """The refusal of a wrong password, from a device that nobody knows."""
    return await a_stranger(core).refused(log_in(phone, login_password=WRONG, **{"device_id": "a-strangers-device"} | fields))


async def counted(core: Core, phone: str) -> int:
    """How many wrong passwords were counted for a number."""
    subject = keyring_of(core).lookup("phone", phone)
    found: int = await core.connection.fetchval("SELECT count FROM attempts WHERE kind = 1 AND subject = $1", subject)
    return found


def a_clock_that_is_off(by: timedelta) -> WallClock:
    return lambda: datetime.now(UTC) + by


async def settled(caller: Caller, request: Any) -> Any:
    """The outcome of a request that is sent again while too many passwords are being checked."""
    while isinstance(found := await outcome(caller.ask(request)), Refused) and found.reason == "PASSWORDS_BUSY":
        await asyncio.sleep(0.05)
    return found


# --- What is told -----------------------------------------------------------------------------------------------------------


async def test_an_unknown_number_is_answered_like_a_wrong_password(core: Core) -> None:
    known, unknown = (await a_person(core)).phone, a_phone()
    for reason in ("PASSWORD_WRONG", "PASSWORD_WRONG", "PASSWORD_WRONG", "PASSWORD_LOCKED", "PASSWORD_LOCKED"):
        of_known, of_unknown = await guessed(core, known), await guessed(core, unknown)
        assert of_known.reason == of_unknown.reason == reason
        assert of_known.code is of_unknown.code is grpc.StatusCode.FAILED_PRECONDITION
        assert set(of_known.metadata) == set(of_unknown.metadata) == ({"unlock_time"} if reason.endswith("LOCKED") else set())


async def test_an_unknown_number_costs_an_argon2_hash_too(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    hasher = login_passwords._HASHER

    class Spy:
        def verify(self, stored: str, password: str) -> bool:
            asked.append(stored)
            return hasher.verify(stored, password)

    monkeypatch.setattr(login_passwords, "_HASHER", Spy())
    await guessed(core, a_phone())
    (stored,) = asked
    assert stored.rpartition("$")[0].rpartition("$")[0] == hasher.hash("any").rpartition("$")[0].rpartition("$")[0]


# --- What is counted --------------------------------------------------------------------------------------------------------


async def test_the_third_wrong_one_locks_for_three_hours_and_tells_the_owner(core: Core) -> None:
    ada = await a_person(core)
    for _ in range(3):
        assert (await guessed(core, ada.phone)).reason == "PASSWORD_WRONG"
    (message,) = await messages_to(core, ada.phone)
    assert (message.template, dict(message.parameters)) == ("password_locked", {"password": "login"})
    events = await core.connection.fetch("SELECT memo FROM audit_event WHERE subject_id = $1", id_of(ada.account))
    assert [each["memo"] for each in events] == ["locked"]
    right = log_in(ada.phone, device_id="a-new-device")
    assert (await a_stranger(core).refused(right)).reason == "PASSWORD_LOCKED"
    await core.operator.ask(advance_clock(THREE_HOURS))
    assert (await a_stranger(core).ask(log_in(ada.phone, device_id="a-new-device"))).HasField("challenge")


async def test_nobody_is_told_of_a_number_that_nobody_has(core: Core) -> None:
    phone = a_phone()
    for _ in range(4):
        await guessed(core, phone)
    assert await messages_to(core, phone) == []


async def test_two_hundred_parallel_guesses_over_two_servers_count_as_two_hundred(core: Core) -> None:
    ada = await a_person(core)
    async with a_core(core.settings.database_url, token=core.operator.token) as second:
        callers = [a_stranger(core), a_stranger(second)] * 100
        requests = [log_in(ada.phone, login_password=f"{WRONG}-{n}", device_id=f"device-{n:04}") for n in range(200)]
        outcomes = await asyncio.gather(*(settled(*each) for each in zip(callers, requests, strict=True)))
        reasons = [each.reason for each in outcomes]
        assert (reasons.count("PASSWORD_WRONG"), reasons.count("PASSWORD_LOCKED")) == (3, 197)
        assert await counted(core, ada.phone) == 200
        for each in (core, second):
            assert (await a_stranger(each).refused(log_in(ada.phone))).reason == "PASSWORD_LOCKED"
    assert len(await messages_to(core, ada.phone)) == 1


async def test_the_retry_of_a_counted_guess_is_not_counted_again(core: Core) -> None:
    ada = await a_person(core)
    for _ in range(5):
        assert (await guessed(core, ada.phone, request_id="the-same")).reason == "PASSWORD_WRONG"
    assert await counted(core, ada.phone) == 1


async def test_another_guess_under_the_same_request_id_is_counted(core: Core) -> None:
    phone = a_phone()
    for n in range(5):
        request = log_in(phone, login_password=f"{WRONG}-{n}", request_id="the-same")
        await a_stranger(core).refused(request)
    assert await counted(core, phone) == 5


async def test_counters_survive_a_restart_and_a_server_whose_clock_is_off(core: Core) -> None:
    phone = a_phone()
    for hours in (-1, 5, 24):
        clock = a_clock_that_is_off(timedelta(hours=hours))
        async with a_core(core.settings.database_url, token=core.operator.token, wall_clock=clock) as other:
            assert (await guessed(other, phone)).reason == "PASSWORD_WRONG"
    assert (await guessed(core, phone)).reason == "PASSWORD_LOCKED"


async def test_the_right_password_forgets_the_wrong_ones(core: Core) -> None:
    ada = await a_person(core)
    for _ in range(2):
        await guessed(core, ada.phone)
    await a_stranger(core).ask(log_in(ada.phone, device_id="a-new-device"))
    assert await counted(core, ada.phone) == 0


# --- Who is locked ----------------------------------------------------------------------------------------------------------


async def test_strangers_lock_each_other_out_and_not_the_owner(core: Core) -> None:
    ada = await a_person(core)
    for n in range(30):  # from as many devices
        assert (await guessed(core, ada.phone, device_id=f"device-{n:04}")).reason in ("PASSWORD_WRONG", "PASSWORD_LOCKED")
    assert (await guessed(core, ada.phone)).reason == "PASSWORD_LOCKED"
    assert (await a_stranger(core).ask(log_in(ada.phone, device_id=ada.device_id))).HasField("tokens")
    assert (await a_stranger(core).ask(refresh(ada.refresh_token))).account == ada.account


async def test_a_known_device_locks_itself_alone(core: Core) -> None:
    ada = await a_person(core)
    for _ in range(3):
        await guessed(core, ada.phone, device_id=ada.device_id)
    assert (await a_stranger(core).refused(log_in(ada.phone, device_id=ada.device_id))).reason == "PASSWORD_LOCKED"
    assert (await a_stranger(core).ask(log_in(ada.phone, device_id="a-new-device"))).HasField("challenge")


async def test_guesses_in_many_sessions_of_a_device_are_counted_together(core: Core) -> None:
    ada = await a_person(core, payment_password="")
    reasons = []
    for _ in range(5):
        session = await another_session(core, ada)
        reasons.append((await session.refused(set_payment_password("280463", login_password=WRONG))).reason)
    assert reasons == ["PASSWORD_WRONG"] * 3 + ["PASSWORD_LOCKED"] * 2


async def test_codes_of_logins_are_sent_once_a_minute(core: Core) -> None:
    ada = await a_person(core)
    for n in range(3):
        await a_minute_later(core)
        await a_stranger(core).ask(log_in(ada.phone, device_id=f"device-{n:04}"))
        refused = await a_stranger(core).refused(log_in(ada.phone, device_id=f"other-{n:04}"))
        assert refused.reason == "TOO_MANY_CODES"
    assert len(await messages_to(core, ada.phone)) == 3


# --- Where it ends ----------------------------------------------------------------------------------------------------------


async def test_who_calls_too_often_without_a_token_is_told_to_wait(core: Core) -> None:
    async with a_core(core.settings.database_url, token=core.operator.token, public_calls_per_second=0.01) as slow:
        assert (await a_stranger(slow).refused(refresh("dbr_x"))).reason == "TOKEN_INVALID"
        refused = await a_stranger(slow).refused(refresh("dbr_x"))
        assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CALLS_TOO_FREQUENT")
        assert refused.retry_seconds is not None
        assert 0 < refused.retry_seconds <= 100
        await guessed(slow, a_phone())  # another method


async def test_a_person_and_a_service_have_rates_of_their_own(core: Core) -> None:
    ada = await a_person(core)
    rates: dict[str, Any] = {"person_calls_per_second": 0.01, "calls_per_second": 0.01}
    async with a_core(core.settings.database_url, token=core.operator.token, **rates) as slow:
        there, once = slow.operator.with_token(ada.token), refresh("dbr_x")
        assert (await there.refused(once)).reason == "TOKEN_INVALID"
        assert (await there.refused(once)).reason == "CALLS_TOO_FREQUENT"
        await slow.operator.ask(advance_clock(1))
        assert (await slow.operator.refused(advance_clock(1))).reason == "CALLS_TOO_FREQUENT"


@pytest.fixture
async def live(postgres: SharedServer, administrator: "asyncpg.Connection[Any]") -> AsyncIterator[Core]:
    async with a_database(administrator, postgres, "template1") as database_url:
        await migrate(database_url, "live")
        async with a_core(database_url, mode=Mode.LIVE) as running:
            yield running


async def test_a_live_core_without_a_channel_sends_nothing_and_says_so(live: Core) -> None:
    async with nothing_changes(live):
        for request in (register(a_phone()), log_in(a_phone()), start_reset(a_phone())):
            refused = await a_stranger(live).refused(request)
            assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MESSAGES_MISSING")


async def test_the_password_of_who_logs_in_is_nowhere(core: Core) -> None:
    ada = await a_person(core)
    await a_stranger(core).ask(log_in(ada.phone, device_id=ada.device_id))
    rows = await core.connection.fetch("SELECT t::text AS row FROM request t UNION ALL SELECT t::text FROM attempt t")
    assert not [each for each in rows if LOGIN_PASSWORD in each["row"] or ada.phone in each["row"]]
