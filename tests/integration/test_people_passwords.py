"""Setting, changing and resetting passwords, and changing the phone number."""

import asyncio
from typing import Any

import grpc
import pytest

from danbao.v1 import identity_pb2, sessions_pb2, verification_pb2
from tests import rpc_client
from tests.people import (
    LOGIN_PASSWORD,
    PAYMENT_PASSWORD,
    PersonCaller,
    a_minute_later,
    a_person,
    a_phone,
    a_stranger,
    another_session,
    approval_of,
    keyring_of,
    logged_in,
    messages_to,
)
from tests.rpc_client import Core, Refused, id_of, nothing_changes, outcome
from tests.rpc_requests import (
    a_request_id,
    advance_clock,
    answer_challenge,
    change_login_password,
    change_payment_password,
    change_phone,
    changed,
    log_in,
    open_wallet,
    refresh,
    reset_password,
    revoke_all_sessions,
    set_payment_password,
    start_reset,
)

core = rpc_client.core

NEW_LOGIN = "violet-typewriter-77"
NEW_PAYMENT = "719304"


async def an_approval(core: Core, person: PersonCaller, **subject: Any) -> str:
    """The approval of a change by a code to the person's number, or to the new one."""
    request = verification_pb2.CreateChallengeRequest(
        request_id=a_request_id(), factor=verification_pb2.Factor.KIND_SMS, **subject
    )
    await a_minute_later(core)
    phone = request.change_phone.phone or person.phone
    return await approval_of(core, await person.ask(request), phone, person)


async def to_change_a_password(core: Core, person: PersonCaller) -> str:
    return await an_approval(core, person, change_password=verification_pb2.CreateChallengeRequest.ChangePasswordPurpose())


async def to_change_the_phone(core: Core, person: PersonCaller, phone: str) -> str:
    purpose = verification_pb2.CreateChallengeRequest.ChangePhonePurpose(phone=phone)
    return await an_approval(core, person, change_phone=purpose)


async def a_reset(core: Core, phone: str) -> str:
    """The approval to set a password anew."""
    await a_minute_later(core)
    return await approval_of(core, await a_stranger(core).ask(start_reset(phone)), phone)


async def rests(core: Core, person: PersonCaller) -> bool:
    """Whether withdrawals of a person rest."""
    found = await core.connection.fetchval("SELECT changed_at FROM person WHERE account_id = $1", id_of(person.account))
    return found is not None


async def verified(core: Core, person: PersonCaller, number: str) -> None:
    """Has a passport number be the one by which a person was verified."""
    keyring, account_id = keyring_of(core), id_of(person.account)
    await core.connection.execute(
        "UPDATE person SET document = 2, real_name = $2, number = $3, number_hash = $4 WHERE account_id = $1",
        account_id,
        keyring.seal("Ada Lovelace", "person", "real_name", account_id),
        keyring.seal(number, "person", "number", account_id),
        keyring.lookup("number", f"2:{number}"),
    )


async def log_in_reason(core: Core, phone: str, password: str, **fields: Any) -> str:
    """What a login comes to: "tokens", "challenge", or the reason of its refusal."""
    found = await outcome(a_stranger(core).ask(log_in(phone, login_password=password, **fields)))
    return found.reason if isinstance(found, Refused) else str(found.WhichOneof("outcome"))


# --- The first payment password ---------------------------------------------------------------------------------------------


async def test_a_payment_password_is_set_once_with_the_login_password(core: Core) -> None:
    ada = await a_person(core, payment_password="")
    refused = await ada.refused(set_payment_password(PAYMENT_PASSWORD, login_password="not-the-password"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PASSWORD_WRONG")
    await ada.ask(set_payment_password(PAYMENT_PASSWORD))
    assert (await messages_to(core, ada.phone))[0].template == "password_set"
    assert not await rests(core, ada)
    assert (await ada.refused(set_payment_password(NEW_PAYMENT))).reason == "PASSWORD_ALREADY_SET"
    events = await core.connection.fetch("SELECT method FROM audit_event WHERE subject_id = $1", id_of(ada.account))
    assert [each["method"] for each in events] == ["AccountService/SetPaymentPassword"]


@pytest.mark.parametrize("pin", ["111111", "123456", "987654", "890123"])
async def test_common_payment_passwords_are_refused(core: Core, pin: str) -> None:
    ada = await a_person(core, payment_password="")
    async with nothing_changes(core):
        assert (await ada.refused(set_payment_password(pin))).reason == "PASSWORD_TOO_COMMON"


@pytest.mark.parametrize("pin", ["", "12345", "1234567", "12345a", "１２３４５６"])  # noqa: RUF001
async def test_payment_passwords_are_six_digits(core: Core, pin: str) -> None:
    ada = await a_person(core, payment_password="")
    assert set((await ada.refused(set_payment_password(pin))).violations) == {"payment_password"}


async def test_of_two_first_payment_passwords_one_wins(core: Core) -> None:
    ada = await a_person(core, payment_password="")
    outcomes = await asyncio.gather(*(outcome(ada.ask(set_payment_password(pin))) for pin in ("280463", "719304")))
    assert [each.reason for each in outcomes if isinstance(each, Refused)] == ["PASSWORD_ALREADY_SET"]


# --- Changing ---------------------------------------------------------------------------------------------------------------


async def test_a_new_login_password_ends_all_other_sessions(core: Core) -> None:
    ada = await a_person(core)
    other = await another_session(core, ada)
    await ada.ask(change_login_password(LOGIN_PASSWORD, NEW_LOGIN, await to_change_a_password(core, ada)))
    assert (await other.refused(open_wallet(ada.account, "USD"))).reason == "SESSION_ENDED"
    await ada.ask(open_wallet(ada.account, "USD"))
    await a_stranger(core).ask(refresh(ada.refresh_token))
    assert await log_in_reason(core, ada.phone, LOGIN_PASSWORD, device_id=ada.device_id) == "PASSWORD_WRONG"
    assert await log_in_reason(core, ada.phone, NEW_LOGIN, device_id=ada.device_id) == "tokens"
    assert await rests(core, ada)
    assert (await messages_to(core, ada.phone))[0].template == "password_changed"


async def test_a_new_payment_password_ends_no_session(core: Core) -> None:
    ada = await a_person(core)
    other = await another_session(core, ada)
    await ada.ask(change_payment_password(PAYMENT_PASSWORD, NEW_PAYMENT, await to_change_a_password(core, ada)))
    await other.ask(open_wallet(ada.account, "USD"))
    refused = await ada.refused(change_payment_password(PAYMENT_PASSWORD, "555123", await to_change_a_password(core, ada)))
    assert (refused.reason, refused.metadata) == ("PASSWORD_WRONG", {"attempts_left": "2"})
    assert await rests(core, ada)


async def test_an_approval_changes_one_password_once_in_its_session(core: Core) -> None:
    ada, eve = await a_person(core), await a_person(core)
    approval = await to_change_a_password(core, ada)
    assert (await eve.refused(change_login_password(LOGIN_PASSWORD, NEW_LOGIN, approval))).reason == "APPROVAL_NOT_FOUND"
    other = await another_session(core, ada)
    assert (await other.refused(change_login_password(LOGIN_PASSWORD, NEW_LOGIN, approval))).reason == "APPROVAL_NOT_FOUND"
    await ada.ask(change_login_password(LOGIN_PASSWORD, NEW_LOGIN, approval))
    refused = await ada.refused(change_payment_password(PAYMENT_PASSWORD, NEW_PAYMENT, approval))
    assert refused.reason == "APPROVAL_USED"


async def test_a_wrong_old_password_is_counted_and_leaves_the_approval(core: Core) -> None:
    ada = await a_person(core)
    approval = await to_change_a_password(core, ada)
    for reason in ("PASSWORD_WRONG", "PASSWORD_WRONG", "PASSWORD_WRONG", "PASSWORD_LOCKED"):
        assert (await ada.refused(change_login_password("not-the-password", NEW_LOGIN, approval))).reason == reason
    for reason in ("PASSWORD_WRONG", "PASSWORD_WRONG", "PASSWORD_WRONG", "PASSWORD_LOCKED"):
        assert (await ada.refused(change_payment_password("999999", NEW_PAYMENT, approval))).reason == reason
    templates = [(each.template, each.parameters.get("password")) for each in await messages_to(core, ada.phone)]
    assert templates[:2] == [("password_locked", "payment"), ("password_locked", "login")]


async def test_an_approval_of_something_else_changes_no_password(core: Core) -> None:
    ada = await a_person(core)
    approval = await to_change_the_phone(core, ada, a_phone())
    assert (await ada.refused(change_login_password(LOGIN_PASSWORD, NEW_LOGIN, approval))).reason == "APPROVAL_MISMATCH"


@pytest.mark.parametrize(
    ("kind", "old", "new", "field"),
    [
        (identity_pb2.PASSWORD_KIND_LOGIN, LOGIN_PASSWORD, "seven77", "new_password"),
        (identity_pb2.PASSWORD_KIND_PAYMENT, PAYMENT_PASSWORD, "12345a", "new_password"),
        (identity_pb2.PASSWORD_KIND_PAYMENT, PAYMENT_PASSWORD, "1234567", "new_password"),
        (identity_pb2.PASSWORD_KIND_PAYMENT, "a-word", NEW_PAYMENT, "old_password"),
    ],
)
async def test_new_passwords_have_the_form_of_their_kind(core: Core, kind: Any, old: str, new: str, field: str) -> None:
    ada = await a_person(core)
    request = changed(change_login_password(old, new, f"approvals/{'0' * 8}-0000-7000-8000-{'0' * 12}"), kind=kind)
    async with nothing_changes(core):
        refused = await ada.refused(request)
    assert (refused.reason, set(refused.violations)) == ("FIELD_INVALID", {field})


# --- Resetting --------------------------------------------------------------------------------------------------------------


async def test_a_forgotten_login_password_is_set_anew(core: Core) -> None:
    ada = await a_person(core)
    for _ in range(3):
        await log_in_reason(core, ada.phone, "not-the-password")
    await a_stranger(core).ask(reset_password(await a_reset(core, ada.phone), NEW_LOGIN))
    assert (await ada.refused(open_wallet(ada.account, "USD"))).reason == "SESSION_ENDED"
    assert await rests(core, ada)
    assert (await messages_to(core, ada.phone))[0].template == "password_reset"
    await a_minute_later(core)
    assert await log_in_reason(core, ada.phone, NEW_LOGIN, device_id=ada.device_id) == "challenge"  # and unlocked


async def test_a_forgotten_payment_password_is_set_anew_and_unlocked(core: Core) -> None:
    ada = await a_person(core)
    approval = await to_change_a_password(core, ada)
    for _ in range(3):
        await ada.refused(change_payment_password("999999", NEW_PAYMENT, approval))
    request = reset_password(await a_reset(core, ada.phone), NEW_PAYMENT, kind=identity_pb2.PASSWORD_KIND_PAYMENT)
    await a_stranger(core).ask(request)
    await a_minute_later(core)
    tokens = await logged_in(core, ada.phone)
    ada.token = tokens.access_token
    await ada.ask(change_payment_password(NEW_PAYMENT, "555123", await to_change_a_password(core, ada)))


async def test_who_was_verified_shows_their_number(core: Core) -> None:
    ada = await a_person(core)
    await verified(core, ada, "E12345678")
    approval = await a_reset(core, ada.phone)
    for number in ("", "E12345679"):
        refused = await a_stranger(core).refused(reset_password(approval, NEW_LOGIN, number=number))
        assert refused.reason == "IDENTITY_MISMATCH"
    await a_stranger(core).ask(reset_password(approval, NEW_LOGIN, number="E12345678"))


async def test_numbers_are_guessed_three_times(core: Core) -> None:
    ada = await a_person(core)
    await verified(core, ada, "E12345678")
    approval = await a_reset(core, ada.phone)
    for reason in ("IDENTITY_MISMATCH", "IDENTITY_MISMATCH", "IDENTITY_MISMATCH", "PASSWORD_LOCKED"):
        refused = await a_stranger(core).refused(reset_password(approval, NEW_LOGIN, number="E99999999"))
        assert refused.reason == reason
    refused = await a_stranger(core).refused(reset_password(approval, NEW_LOGIN, number="E12345678"))
    assert refused.reason == "PASSWORD_LOCKED"
    await core.operator.ask(advance_clock(3 * 3600))
    approval = await a_reset(core, ada.phone)
    await a_stranger(core).ask(reset_password(approval, NEW_LOGIN, number="E12345678"))


async def test_who_was_never_verified_shows_none(core: Core) -> None:
    ada = await a_person(core)
    refused = await a_stranger(core).refused(reset_password(await a_reset(core, ada.phone), NEW_LOGIN, number="E12345678"))
    assert refused.reason == "IDENTITY_MISMATCH"


async def test_the_reset_of_an_unknown_number_looks_the_same_and_sends_nothing(core: Core) -> None:
    ada = await a_person(core)
    of_known = await a_stranger(core).ask(start_reset(ada.phone))
    assert of_known.factor == verification_pb2.Factor.KIND_SMS
    factors = set()
    for _ in range(40):
        phone = a_phone()
        challenge = await a_stranger(core).ask(start_reset(phone))
        assert await messages_to(core, phone) == []
        factors.add(challenge.factor)
        if challenge.factor == of_known.factor:
            for answer in (challenge, of_known):
                answer.ClearField("name")
                answer.ClearField("expire_time")
            assert challenge == of_known
            assert (await a_stranger(core).refused(start_reset(phone))).reason == "TOO_MANY_CODES"
            assert (await a_stranger(core).refused(start_reset(ada.phone))).reason == "TOO_MANY_CODES"
            of_known = challenge
    assert factors == {verification_pb2.Factor.KIND_SMS, verification_pb2.Factor.KIND_TOTP}


async def test_no_code_answers_the_reset_of_an_unknown_number(core: Core) -> None:
    challenge = await a_stranger(core).ask(start_reset(a_phone()))
    assert (await a_stranger(core).refused(answer_challenge(challenge.name, "000000"))).reason == "CODE_WRONG"


async def test_the_approval_of_a_login_resets_nothing(core: Core) -> None:
    ada = await a_person(core)
    answer = await a_stranger(core).ask(log_in(ada.phone, device_id="a-new-device"))
    approval = await approval_of(core, answer.challenge, ada.phone)
    assert (await a_stranger(core).refused(reset_password(approval, NEW_LOGIN))).reason == "APPROVAL_MISMATCH"


async def test_an_approval_resets_once(core: Core) -> None:
    ada = await a_person(core)
    approval = await a_reset(core, ada.phone)
    requests = [reset_password(approval, f"{NEW_LOGIN}-{n}") for n in range(4)]
    outcomes = await asyncio.gather(*(outcome(a_stranger(core).ask(each)) for each in requests))
    assert sorted(each.reason for each in outcomes if isinstance(each, Refused)) == ["APPROVAL_USED"] * 3


# --- The phone number -------------------------------------------------------------------------------------------------------


async def test_a_person_changes_their_number(core: Core) -> None:
    ada, new = await a_person(core), a_phone()
    answer = await ada.ask(change_phone(await to_change_the_phone(core, ada, new), new))
    assert answer.phone == f"{new[3:6]}****{new[-4:]}"
    for phone in (ada.phone, new):
        told = (await messages_to(core, phone))[0]
        assert (told.template, told.parameters["phone"]) == ("phone_changed", answer.phone)
    assert await rests(core, ada)
    assert await log_in_reason(core, ada.phone, LOGIN_PASSWORD) == "PASSWORD_WRONG"
    assert await log_in_reason(core, new, LOGIN_PASSWORD, device_id=ada.device_id) == "tokens"
    await ada.ask(open_wallet(ada.account, "USD"))  # its sessions go on


async def test_a_number_that_was_given_up_is_free(core: Core) -> None:
    ada, bob, new = await a_person(core), await a_person(core), a_phone()
    await ada.ask(change_phone(await to_change_the_phone(core, ada, new), new))
    await bob.ask(change_phone(await to_change_the_phone(core, bob, ada.phone), ada.phone))
    assert await log_in_reason(core, ada.phone, LOGIN_PASSWORD, device_id=bob.device_id) == "tokens"


async def test_the_number_of_somebody_else_is_taken(core: Core) -> None:
    ada, bob = await a_person(core), await a_person(core)
    refused = await ada.refused(change_phone(await to_change_the_phone(core, ada, bob.phone), bob.phone))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "PHONE_TAKEN")


async def test_of_two_who_change_to_one_number_one_gets_it(core: Core) -> None:
    ada, bob, new = await a_person(core), await a_person(core), a_phone()
    requests = [change_phone(await to_change_the_phone(core, each, new), new) for each in (ada, bob)]
    outcomes = await asyncio.gather(*(outcome(who.ask(each)) for who, each in zip((ada, bob), requests, strict=True)))
    assert [each.reason for each in outcomes if isinstance(each, Refused)] == ["PHONE_TAKEN"]


async def test_an_approval_is_for_the_number_that_the_code_went_to(core: Core) -> None:
    ada = await a_person(core)
    approval = await to_change_the_phone(core, ada, a_phone())
    assert (await ada.refused(change_phone(approval, a_phone()))).reason == "APPROVAL_MISMATCH"


async def test_a_wrong_login_password_changes_no_number(core: Core) -> None:
    ada, new = await a_person(core), a_phone()
    approval = await to_change_the_phone(core, ada, new)
    refused = await ada.refused(change_phone(approval, new, login_password="not-the-password"))
    assert refused.reason == "PASSWORD_WRONG"


async def test_a_reset_of_the_old_number_is_void(core: Core) -> None:
    ada, new = await a_person(core), a_phone()
    reset = await a_reset(core, ada.phone)
    await ada.ask(change_phone(await to_change_the_phone(core, ada, new), new))
    assert (await a_stranger(core).refused(reset_password(reset, NEW_LOGIN))).reason == "APPROVAL_MISMATCH"


async def test_services_have_no_passwords(core: Core) -> None:
    requests: list[Any] = [
        set_payment_password(PAYMENT_PASSWORD),
        change_login_password(LOGIN_PASSWORD, NEW_LOGIN, f"approvals/{'0' * 8}-0000-7000-8000-{'0' * 12}"),
        sessions_pb2.ListSessionsRequest(),
        revoke_all_sessions(),
    ]
    for request in requests:
        assert (await core.operator.refused(request)).reason == "SCOPE_MISSING"
