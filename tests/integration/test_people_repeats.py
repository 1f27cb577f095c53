"""Every RPC about people that changes something, sent again with the same request id: the same answer, and no second effect."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import grpc
import pytest
from google.protobuf.message import Message

from danbao.v1 import verification_pb2
from danbao_core.ids import uuid7
from danbao_core.people.factors import code_of_step, step_at
from tests import rpc_client
from tests.factors import confirm_totp, enrol, recovery_codes, remove, to_change_factors
from tests.people import (
    LOGIN_PASSWORD,
    PAYMENT_PASSWORD,
    PersonCaller,
    a_person,
    a_phone,
    a_stranger,
    another_session,
    approval_of,
    the_code,
)
from tests.rpc_client import Caller, Core, digest, id_of, nothing_changes
from tests.rpc_requests import (
    a_request_id,
    answer_challenge,
    bind,
    change_email,
    change_login_password,
    change_phone,
    close,
    complete,
    erase,
    log_in,
    mark_read,
    prefer,
    register,
    reset_password,
    revoke_session,
    set_payment_password,
    start_reset,
    unbind,
    verify,
)

core = rpc_client.core

Asked: TypeAlias = tuple[Caller, Message]
Ask = verification_pb2.CreateChallengeRequest

NEW_PASSWORD: Final = "violet-typewriter-77"
SMS: Final = verification_pb2.Factor.KIND_SMS
EMAIL: Final = verification_pb2.Factor.KIND_EMAIL


async def a_completion(core: Core) -> Asked:
    phone = a_phone()
    challenge = await a_stranger(core).ask(register(phone))
    return a_stranger(core), complete(await approval_of(core, challenge, phone))


async def a_login(core: Core) -> Asked:
    ada = await a_person(core)
    return a_stranger(core), log_in(ada.phone, device_id=ada.device_id)


async def an_answer(core: Core) -> Asked:
    phone = a_phone()
    challenge = await a_stranger(core).ask(register(phone))
    return a_stranger(core), answer_challenge(challenge.name, await the_code(core, phone))


async def a_revocation(core: Core) -> Asked:
    ada = await a_person(core)
    return ada, revoke_session((await another_session(core, ada)).session)


async def a_change(core: Core) -> Asked:
    ada = await a_person(core)
    challenge = await ada.ask(to_change_a_password())
    return ada, change_login_password(LOGIN_PASSWORD, NEW_PASSWORD, await approval_of(core, challenge, ada.phone, ada))


async def a_reset(core: Core) -> Asked:
    ada = await a_person(core)
    challenge = await a_stranger(core).ask(start_reset(ada.phone))
    return a_stranger(core), reset_password(await approval_of(core, challenge, ada.phone), NEW_PASSWORD)


async def a_new_number(core: Core) -> Asked:
    ada, phone = await a_person(core), a_phone()
    request = Ask(request_id=a_request_id(), change_phone=Ask.ChangePhonePurpose(phone=phone), factor=SMS)
    return ada, change_phone(await approval_of(core, await ada.ask(request), phone, ada), phone)


async def a_new_address(core: Core) -> Asked:
    ada, address = await a_person(core), "ada@example.com"
    request = Ask(request_id=a_request_id(), change_email=Ask.ChangeEmailPurpose(email=address), factor=EMAIL)
    return ada, change_email(address, await approval_of(core, await ada.ask(request), address, ada))


async def a_confirmation(core: Core) -> Asked:
    ada = await a_person(core)
    made = await ada.ask(enrol())
    return ada, confirm_totp(made.factor.name, code_of_step(made.secret, step_at(datetime.now(UTC))))


async def an_enrolled_person(core: Core) -> tuple[PersonCaller, str, str]:
    """A person, their authenticator, and its next code, which is good already."""
    ada = await a_person(core)
    made, step = await ada.ask(enrol()), step_at(datetime.now(UTC))
    await ada.ask(confirm_totp(made.factor.name, code_of_step(made.secret, step)))
    return ada, made.factor.name, code_of_step(made.secret, step + 1)


async def a_removal(core: Core) -> Asked:
    ada, factor, code = await an_enrolled_person(core)
    challenge = await ada.ask(to_change_factors())
    return ada, remove(factor, (await ada.ask(answer_challenge(challenge.name, code))).name)


async def new_recovery_codes(core: Core) -> Asked:
    ada, _, code = await an_enrolled_person(core)
    challenge = await ada.ask(to_change_factors())
    return ada, recovery_codes((await ada.ask(answer_challenge(challenge.name, code))).name)


async def a_verification(core: Core) -> Asked:
    ada = await a_person(core)
    return ada, verify(ada.account)


async def a_binding(core: Core) -> Asked:
    ada = await a_person(core)
    return ada, bind(ada.account, payment_password=PAYMENT_PASSWORD)


async def an_unbinding(core: Core) -> Asked:
    ada = await a_person(core)
    return ada, unbind((await ada.ask(bind(ada.account, payment_password=PAYMENT_PASSWORD))).name)


async def an_erasure(core: Core) -> Asked:
    ada = await a_person(core)
    await ada.ask(close(ada.account))
    return core.operator, erase(ada.account)


async def a_preference(core: Core) -> Asked:
    ada = await a_person(core)
    return ada, prefer(ada.account, 1, 1)


async def a_message_read(core: Core) -> Asked:
    ada, message = await a_person(core), uuid7()
    await core.connection.execute(
        "INSERT INTO inbox_message VALUES ($1, $2, 1, 4, 'account_frozen', '', '{}', now(), NULL, 1)",
        id_of(ada.account),
        message,
    )
    return ada, mark_read(ada.account, f"{ada.account}/inboxMessages/{message}")


def by_a_stranger(ask: Callable[[str], Message]) -> Callable[[Core], Awaitable[Asked]]:
    """Who names a phone number that nobody has."""

    async def asked(core: Core) -> Asked:
        return a_stranger(core), ask(a_phone())

    return asked


def by_a_person(ask: Callable[[], Message], **facts: Any) -> Callable[[Core], Awaitable[Asked]]:
    async def asked(core: Core) -> Asked:
        return await a_person(core, **facts), ask()

    return asked


def to_change_a_password() -> Ask:
    return Ask(request_id=a_request_id(), change_password=Ask.ChangePasswordPurpose(), factor=SMS)


MUTATIONS: Final[dict[str, Callable[[Core], Awaitable[Asked]]]] = {
    "RegisterPerson": by_a_stranger(register),
    "CreateSession": a_login,
    "CompleteSession": a_completion,
    "RevokeSession": a_revocation,
    "SetPaymentPassword": by_a_person(lambda: set_payment_password("280463"), payment_password=""),
    "ChangePassword": a_change,
    "StartPasswordReset": by_a_stranger(start_reset),
    "ResetPassword": a_reset,
    "ChangePhone": a_new_number,
    "ChangeEmail": a_new_address,
    "EnrollTotp": by_a_person(enrol),
    "ConfirmTotp": a_confirmation,
    "RemoveFactor": a_removal,
    "CreateRecoveryCodes": new_recovery_codes,
    "CreateChallenge": by_a_person(to_change_a_password),
    "AnswerChallenge": an_answer,
    "VerifyIdentity": a_verification,
    "BindInstrument": a_binding,
    "UnbindInstrument": an_unbinding,
    "ErasePersonalData": an_erasure,
    "UpdatePreferences": a_preference,
    "MarkInboxMessagesRead": a_message_read,
}
"""Somebody, and a request that is granted them."""

ELSEWHERE: Final = {"RefreshSession", "RevokeAllSessions"}
"""The one is answered again for a minute only, the other ends the session that would repeat it; test_sessions has both."""

SECRETS: Final = {"CreateSession", "CompleteSession", "EnrollTotp", "CreateRecoveryCodes"}


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_repeat_is_answered_like_the_first_call_and_changes_nothing(core: Core, name: str) -> None:
    caller, request = await MUTATIONS[name](core)
    before = await digest(core.connection)
    first = await caller.answer(request)
    assert not first.replayed
    assert await digest(core.connection) != before
    async with nothing_changes(core):
        if name in SECRETS:
            refused = await caller.refused(request)
            assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SECRET_ALREADY_SHOWN")
        else:
            assert await caller.answer(request) == (first.message, True)
