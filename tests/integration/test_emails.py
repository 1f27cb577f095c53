"""People give an e-mail address, which a code shows to be theirs, and take it away again; it is kept as secret as a number."""

import grpc
import pytest

from danbao.v1 import identity_pb2, verification_pb2
from tests import rpc_client
from tests.leaks import must_not_be_logged, must_not_be_stored
from tests.log_lines import log_lines
from tests.people import PersonCaller, a_mail_address, a_minute_later, a_person, a_phone, approval_of, messages_to, the_code
from tests.rpc_client import Core, nothing_changes
from tests.rpc_requests import a_request_id, advance_clock, answer_challenge, change_email, changed

core = rpc_client.core

Ask = verification_pb2.CreateChallengeRequest
EMAIL = verification_pb2.Factor.KIND_EMAIL


def _ask(address: str, factor: verification_pb2.Factor.Kind.ValueType = EMAIL) -> Ask:
    return Ask(request_id=a_request_id(), change_email=Ask.ChangeEmailPurpose(email=address), factor=factor)


async def _approval(core: Core, ada: PersonCaller, address: str) -> str:
    await a_minute_later(core)
    return await approval_of(core, await ada.ask(_ask(address)), address, ada)


async def _stored(ada: PersonCaller) -> str:
    exported: identity_pb2.PersonalData = await ada.ask(identity_pb2.ExportPersonalDataRequest(account=ada.account))
    return exported.email


async def test_a_person_gives_an_address(core: Core) -> None:
    ada, address = await a_person(core), a_mail_address()
    challenge = await ada.ask(_ask(address))
    assert (challenge.purpose, challenge.factor) == (verification_pb2.Challenge.PURPOSE_CHANGE_EMAIL, EMAIL)
    [message] = await messages_to(core, address)
    assert (message.channel, message.template) == (2, "code")
    assert message.parameters["code"] in message.title
    approval = await approval_of(core, challenge, address, ada)
    answer = await ada.ask(change_email(address, approval))
    assert answer.email == "a***@example.com"
    factors = (await ada.ask(verification_pb2.ListFactorsRequest())).factors
    assert [(each.kind, each.label) for each in factors if each.kind == EMAIL] == [(EMAIL, "a***@example.com")]
    assert await _stored(ada) == address
    told = (await messages_to(core, ada.phone))[0]
    assert (told.template, told.parameters["email"]) == ("email_changed", "a***@example.com")


async def test_a_domain_has_no_capitals(core: Core) -> None:
    ada = await a_person(core)
    await ada.ask(change_email("ada@EXAMPLE.com", await _approval(core, ada, "ada@Example.COM")))
    assert await _stored(ada) == "ada@example.com"


async def test_the_address_before_is_told(core: Core) -> None:
    ada = await a_person(core)
    await ada.ask(change_email("old@example.com", await _approval(core, ada, "old@example.com")))
    await ada.ask(change_email("new@example.com", await _approval(core, ada, "new@example.com")))
    assert (await messages_to(core, "old@example.com"))[0].template == "email_changed"
    await ada.ask(change_email("", ""))
    assert (await messages_to(core, "new@example.com"))[0].template == "email_removed"
    assert await _stored(ada) == ""


async def test_an_approval_fits_one_address(core: Core) -> None:
    ada, address = await a_person(core), a_mail_address()
    approval = await _approval(core, ada, address)
    async with nothing_changes(core):
        refused = await ada.refused(change_email("eve@example.com", approval))
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "APPROVAL_MISMATCH")
    await ada.ask(change_email(address, approval))
    assert (await ada.refused(change_email(address, approval))).reason == "APPROVAL_USED"


async def test_a_code_to_the_phone_shows_nothing_of_an_address(core: Core) -> None:
    ada, address = await a_person(core), a_mail_address()
    async with nothing_changes(core):
        refused = await ada.refused(_ask(address, verification_pb2.Factor.KIND_SMS))
        assert set(refused.violations) == {"factor"}
        other = Ask(request_id=a_request_id(), change_password=Ask.ChangePasswordPurpose(), factor=EMAIL)
        assert set((await ada.refused(other)).violations) == {"factor"}


async def test_the_login_password_is_needed(core: Core) -> None:
    ada, address = await a_person(core), a_mail_address()
    approval = await _approval(core, ada, address)
    refused = await ada.refused(change_email(address, approval, login_password="wrong-password"))
    assert refused.reason == "PASSWORD_WRONG"
    assert await _stored(ada) == ""
    await ada.ask(change_email(address, approval))


async def test_an_approval_is_given_with_an_address_and_only_then(core: Core) -> None:
    ada, address = await a_person(core), a_mail_address()
    approval = await _approval(core, ada, address)
    async with nothing_changes(core):
        for request in (change_email("", approval), change_email(address, "")):
            assert (await ada.refused(request)).reason == "FIELD_INVALID"


@pytest.mark.parametrize(
    "address",
    ["ada", "ada@", "@example.com", "ada@example", "a b@example.com", "=?x?q?a?=@example.com", "ada@-x.com", "a@b\r\n.com"],
)
async def test_what_is_no_address_is_refused(core: Core, address: str) -> None:
    ada = await a_person(core)
    async with nothing_changes(core):
        assert set((await ada.refused(_ask(address))).violations) == {"change_email.email"}


async def test_a_wrong_code_is_counted_and_an_old_one_is_void(core: Core) -> None:
    ada, address = await a_person(core), a_mail_address()
    challenge = await ada.ask(_ask(address))
    code = await the_code(core, address)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    refused = await ada.refused(answer_challenge(challenge.name, wrong))
    assert (refused.reason, refused.metadata["attempts_left"]) == ("CODE_WRONG", "4")
    await core.operator.ask(advance_clock(301))
    assert (await ada.refused(answer_challenge(challenge.name, code))).reason == "CODE_EXPIRED"


async def test_codes_to_an_address_are_as_rare_as_those_to_a_number(core: Core) -> None:
    ada, address = await a_person(core), a_mail_address()
    await ada.ask(_ask(address))
    assert (await ada.refused(_ask(address))).reason == "TOO_MANY_CODES"


async def test_an_address_stands_nowhere_in_clear(core: Core) -> None:
    ada, address = await a_person(core, phone=a_phone()), "countess.of.lovelace@example.com"
    with log_lines() as lines:
        approval = await _approval(core, ada, address)
        await ada.ask(change_email(address, approval))
        await ada.refused(changed(change_email(address, approval), login_password="wrong-password"))
    await must_not_be_stored(core.connection, address)
    must_not_be_logged(lines, address)
