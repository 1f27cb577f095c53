"""What an authenticator in force protects: with the phone alone, or a number of one's own, nobody gets the account."""

from typing import Any

import grpc
import pytest

from danbao.v1 import verification_pb2
from tests import paying_world
from tests.factors import SMS, App, approved_by_sms, approved_by_totp, enrolled, paying, to_change_factors, unpaid
from tests.paying_world import CLOCK
from tests.people import LOGIN_PASSWORD, PersonCaller, a_person, a_phone, a_stranger
from tests.rpc_client import Core, Refused, a_merchant
from tests.rpc_requests import a_batch, a_message, a_payment, a_request_id, change_login_password, change_phone, changed, log_in

Ask = verification_pb2.CreateChallengeRequest
DENIED = grpc.StatusCode.PERMISSION_DENIED

core, a_new_day = paying_world.core, paying_world.a_new_day  # what is counted by day is counted on one


@pytest.fixture
async def ada(core: Core) -> PersonCaller:
    return await a_person(core, funds_minor=100_000)


@pytest.fixture
async def app(ada: PersonCaller) -> App:
    return await enrolled(ada, CLOCK)


def to_change_password() -> Ask:
    return Ask(request_id=a_request_id(), change_password=Ask.ChangePasswordPurpose(), factor=verification_pb2.Factor.KIND_TOTP)


async def by_the_new_number(core: Core, ada: PersonCaller, phone: str) -> str:
    """The approval that the code to a new number gives."""
    owner = PersonCaller(core.channel, ada.token)
    owner.__dict__ |= {**ada.__dict__, "phone": phone}
    ask = Ask(request_id=a_request_id(), change_phone=Ask.ChangePhonePurpose(phone=phone), factor=SMS)
    return await approved_by_sms(core, owner, ask)


def must_ask_for_totp(refused: Refused) -> None:
    assert (refused.reason, refused.metadata) == ("APPROVAL_REQUIRED", {"factors": "TOTP"})


async def test_a_password_changes_by_the_authenticator_alone(core: Core, ada: PersonCaller, app: App) -> None:
    new = "violet-typewriter-77"
    by_sms = await approved_by_sms(core, ada, to_change_password())
    must_ask_for_totp(await ada.refused(change_login_password(LOGIN_PASSWORD, new, by_sms)))
    by_totp = await approved_by_totp(ada, to_change_password(), app)
    await ada.ask(change_login_password(LOGIN_PASSWORD, new, by_totp))


async def test_a_number_changes_by_the_authenticator_too(core: Core, ada: PersonCaller, app: App) -> None:
    phone = a_phone()
    request = change_phone(await by_the_new_number(core, ada, phone), phone)
    must_ask_for_totp(await ada.refused(request))
    by_sms = await approved_by_sms(core, ada, to_change_factors(SMS))
    must_ask_for_totp(await ada.refused(changed(request, factor_approval=by_sms)))
    by_totp = await approved_by_totp(ada, to_change_factors(), app)
    await ada.ask(changed(request, request_id=a_request_id(), factor_approval=by_totp))


async def test_a_login_is_answered_by_the_authenticator_whatever_is_wished(core: Core, ada: PersonCaller, app: App) -> None:
    outcome = await a_stranger(core).ask(log_in(ada.phone, factor=SMS))
    assert outcome.challenge.factor == verification_pb2.Factor.KIND_TOTP


async def test_what_a_payee_takes_at_will_waits_like_what_they_have_at_once(core: Core, ada: PersonCaller, app: App) -> None:
    stranger: Any = await a_merchant(core)
    order = await unpaid(ada, stranger, 100, mode="MODE_AUTHORIZATION")
    assert (await ada.refused(paying(ada, order))).reason == "CHANGED_TOO_RECENTLY"


async def test_a_person_takes_no_order_number_of_a_payees(core: Core, ada: PersonCaller) -> None:
    shop = await a_merchant(core)
    refused = await ada.refused(a_payment(ada.account, shop, 1, pay=False, order_no="A-1"))
    assert (refused.code, refused.reason) == (DENIED, "ORDER_NO_OF_PAYEE")
    await core.operator.ask(a_payment(ada.account, shop, 1, pay=False, order_no="A-1"))
    bob = await a_person(core)
    await ada.ask(a_payment(bob.account, ada.account, 1, pay=False, order_no="mine"))  # as the payee


async def test_bulk_is_for_services(core: Core, ada: PersonCaller) -> None:
    item = a_payment(ada.account, await a_merchant(core), 1, pay=False)
    for request in (a_batch(item), a_message(item)):
        refused = await ada.refused(request)
        assert (refused.code, refused.reason) == (DENIED, "SERVICE_NEEDED")
