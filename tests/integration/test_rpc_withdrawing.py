"""How people withdraw: to a card of theirs, with the same proofs as they pay."""

from typing import Any

import grpc

from danbao.v1 import accounts_pb2, sandbox_pb2
from tests import paying_world
from tests.factors import (
    App,
    approved_by_totp,
    enrolled,
    paying,
    to_withdraw,
    unpaid,
)
from tests.paying_world import CLOCK, YUAN, used
from tests.people import PersonCaller, a_person
from tests.rpc_client import (
    Core,
)
from tests.rpc_requests import (
    a_withdrawal,
    advance_clock,
    answer_funding,
    bind,
    changed,
    the_bank,
    unbind,
)

PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

core, a_new_day, shop, ada, app = (
    paying_world.core,
    paying_world.a_new_day,
    paying_world.shop,
    paying_world.ada,
    paying_world.app,
)


async def a_card(person: PersonCaller) -> str:
    bound = await person.ask(bind(person.account, payment_password=person.payment_password))
    return str(bound.name)


def withdrawing(person: PersonCaller, card: str, amount_minor: int, approval: str = "") -> Any:
    return changed(
        a_withdrawal(person.account, amount_minor),
        payment_password=person.payment_password,
        instrument=card,
        approval=approval,
    )


async def test_a_person_withdraws_to_a_card_of_theirs(core: Core, ada: PersonCaller) -> None:
    card = await a_card(ada)
    none = changed(withdrawing(ada, card, YUAN), instrument=None)
    assert (await ada.refused(none)).violations == {"instrument": "FIELD_INVALID"}
    assert (await ada.refused(changed(withdrawing(ada, card, YUAN), payment_password=None))).metadata == {
        "factors": "PAYMENT_PASSWORD"
    }
    assert (await ada.refused(changed(withdrawing(ada, card, YUAN), payment_password="111111"))).reason == "PASSWORD_WRONG"
    bob = await a_person(core, funds_minor=YUAN)
    assert (await bob.refused(withdrawing(bob, card, YUAN))).reason == "INSTRUMENT_NOT_FOUND"
    funding = await ada.ask(withdrawing(ada, card, 1_000 * YUAN))
    assert funding.state == accounts_pb2.Funding.STATE_SUCCEEDED
    assert await used(core, ada, "day", "year", "life") == [1_000 * YUAN, 0, 0]
    await ada.ask(unbind(card))
    assert (await ada.refused(withdrawing(ada, card, YUAN))).reason == "INSTRUMENT_NOT_FOUND"


async def test_the_same_table_of_proofs_holds_for_withdrawals(core: Core, ada: PersonCaller, app: App, shop: str) -> None:
    card = await a_card(ada)
    await core.operator.ask(advance_clock(86_400))  # what rests after the enrolment is over
    await ada.ask(paying(ada, await unpaid(ada, shop, 600 * YUAN)))
    request = withdrawing(ada, card, 600 * YUAN)
    assert (await ada.refused(request)).metadata == {"factors": "SMS,TOTP"}
    for other in (to_withdraw(card, 601 * YUAN), to_withdraw(await a_second_card(ada), 600 * YUAN)):
        wrong = await approved_by_totp(ada, other, app)
        assert (await ada.refused(changed(request, approval=wrong))).reason == "APPROVAL_MISMATCH"
    approval = await approved_by_totp(ada, to_withdraw(card, 600 * YUAN), app)
    await ada.ask(changed(request, approval=approval))
    assert (await ada.refused(withdrawing(ada, card, 600 * YUAN, approval))).reason == "APPROVAL_USED"
    assert await used(core, ada, "day") == [1_200 * YUAN]


async def a_second_card(person: PersonCaller) -> str:
    request = bind(person.account, "4111111111111111", payment_password=person.payment_password)
    return str((await person.ask(request)).name)


async def test_a_withdrawal_that_the_bank_declines_gives_the_day_back(core: Core, ada: PersonCaller) -> None:
    card = await a_card(ada)
    await core.operator.ask(the_bank(sandbox_pb2.Bank.BEHAVIOUR_DECLINE))
    try:
        funding = await ada.ask(withdrawing(ada, card, 900 * YUAN))
        assert funding.state == accounts_pb2.Funding.STATE_FAILED
        assert await used(core, ada, "day") == [0]
        await core.operator.ask(the_bank(sandbox_pb2.Bank.BEHAVIOUR_NO_ANSWER))
        funding = await ada.ask(withdrawing(ada, card, 900 * YUAN))
        assert await used(core, ada, "day") == [900 * YUAN]
        await core.operator.ask(answer_funding(funding.name, accepted=False))
        assert await used(core, ada, "day") == [0]
    finally:
        await core.operator.ask(the_bank(sandbox_pb2.Bank.BEHAVIOUR_ACCEPT))


async def test_withdrawals_rest_for_a_day_after_a_change(core: Core, ada: PersonCaller) -> None:
    card = await a_card(ada)
    await enrolled(ada, CLOCK)
    refused = await ada.refused(withdrawing(ada, card, YUAN))
    assert (refused.code, refused.reason) == (PRECONDITION, "CHANGED_TOO_RECENTLY")
    await core.operator.ask(advance_clock(86_400))
    await ada.ask(withdrawing(ada, card, YUAN))


async def test_a_service_withdraws_for_a_person_and_it_is_counted(core: Core, ada: PersonCaller) -> None:
    service = await core.caller("fundings.write", account=ada.account)
    await service.ask(a_withdrawal(ada.account, 700 * YUAN))
    assert await used(core, ada, "day", "life") == [700 * YUAN, 0]
