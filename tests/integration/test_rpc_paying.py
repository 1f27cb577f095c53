"""How people pay and confirm: what they show for it, what an approval fits, and what they may spend."""

import asyncio

import grpc

from danbao.v1 import identity_pb2, payments_pb2
from danbao_core.people.person import IdentityLevel
from tests import paying_world
from tests.factors import (
    App,
    approved_by_sms,
    approved_by_totp,
    enrolled,
    paying,
    to_change_factors,
    to_pay,
    unpaid,
)
from tests.paying_world import CLOCK, YUAN, used
from tests.people import PersonCaller, a_person, another_session
from tests.rpc_client import (
    Core,
    Refused,
    a_core,
    a_merchant,
    an_account,
    audit_holds,
    available,
    id_of,
    nothing_changes,
    outcome,
)
from tests.rpc_requests import (
    a_batch,
    a_payment,
    a_transfer,
    advance_clock,
    an_authorization,
    cancel,
    capture,
    changed,
    confirm,
    money,
    pay,
    ship,
    void,
)

Limit, Payment = identity_pb2.Limit, payments_pb2.Payment
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

core, a_new_day, shop, ada, app = (
    paying_world.core,
    paying_world.a_new_day,
    paying_world.shop,
    paying_world.ada,
    paying_world.app,
)


async def limits(person: PersonCaller) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Cap, used and left of each limit."""
    request = identity_pb2.GetLimitsRequest(account=person.account, currency_code="CNY")
    return {
        (Limit.Period.Name(each.period)[7:], Limit.Proof.Name(each.proof)[6:]): (
            each.cap.amount_minor,
            each.used.amount_minor,
            each.left.amount_minor,
        )
        for each in (await person.ask(request)).limits
    }


# --- The payment password ---------------------------------------------------------------------------------------------------


async def test_a_small_payment_needs_the_payment_password(core: Core, ada: PersonCaller, shop: str) -> None:
    payment = await unpaid(ada, shop, 1_000 * YUAN)
    request = pay(payment.name)
    async with nothing_changes(core):
        refused = await ada.refused(request)
    assert (refused.code, refused.reason) == (PRECONDITION, "APPROVAL_REQUIRED")
    assert refused.metadata == {"factors": "PAYMENT_PASSWORD"}
    paid = await ada.ask(changed(request, payment_password=ada.payment_password))
    assert paid.state == Payment.STATE_PAID
    again = await ada.answer(changed(request, payment_password=ada.payment_password))
    assert (again.message, again.replayed) == (paid, True)


async def test_a_wrong_payment_password_is_counted_and_moves_nothing(core: Core, ada: PersonCaller, shop: str) -> None:
    payment = await unpaid(ada, shop, 10 * YUAN)
    for left in ("2", "1", "0"):
        refused = await ada.refused(changed(pay(payment.name), payment_password="111111"))
        assert (refused.reason, refused.metadata) == ("PASSWORD_WRONG", {"attempts_left": left})
    assert (await ada.refused(paying(ada, payment))).reason == "PASSWORD_LOCKED"
    assert await available(core, ada.account) == 100_000 * YUAN


async def test_a_payment_that_is_not_to_be_paid_takes_no_guesses(core: Core, ada: PersonCaller, shop: str) -> None:
    payment = await unpaid(ada, shop, 10 * YUAN)
    await ada.ask(cancel(payment.name))
    async with nothing_changes(core):
        refused = await ada.refused(changed(pay(payment.name), payment_password="111111"))
    assert refused.reason == "INVALID_TRANSITION"


async def test_a_person_creates_and_then_pays(core: Core, ada: PersonCaller, shop: str) -> None:
    refused = await ada.refused(a_payment(ada.account, shop))
    assert refused.reason == "APPROVAL_REQUIRED"
    assert refused.metadata == {"factors": "PAYMENT_PASSWORD", "call": "PayPayment"}


async def test_confirming_needs_the_payment_password(core: Core, ada: PersonCaller, shop: str) -> None:
    payment = await unpaid(ada, shop, 10 * YUAN)
    await ada.ask(paying(ada, payment))
    await core.operator.ask(ship(payment.name))
    assert (await ada.refused(confirm(payment.name))).metadata == {"factors": "PAYMENT_PASSWORD"}
    assert (await ada.refused(changed(confirm(payment.name), payment_password="111111"))).reason == "PASSWORD_WRONG"
    done = await ada.ask(changed(confirm(payment.name), payment_password=ada.payment_password))
    assert done.state == Payment.STATE_SUCCEEDED


async def test_nobody_pays_with_the_money_of_another(core: Core, ada: PersonCaller, shop: str) -> None:
    bob = await a_person(core, level=IdentityLevel.III)
    payment = await unpaid(ada, shop, 10 * YUAN)
    assert (await bob.refused(paying(bob, payment))).reason == "PAYMENT_NOT_FOUND"
    to_bob = await unpaid(ada, bob.account, 10 * YUAN)
    assert (await bob.refused(paying(bob, to_bob))).reason == "ACTOR_NOT_ALLOWED"


# --- Second factors ---------------------------------------------------------------------------------------------------------


async def test_a_larger_payment_waits_until_a_second_factor_approves_it(
    core: Core, ada: PersonCaller, app: App, shop: str
) -> None:
    payment = await unpaid(ada, shop, 3_000 * YUAN)
    request = paying(ada, payment)
    async with nothing_changes(core):
        refused = await ada.refused(request)
    assert (refused.code, refused.reason) == (PRECONDITION, "APPROVAL_REQUIRED")
    assert refused.metadata == {"factors": "SMS,TOTP"}
    approval = await approved_by_totp(ada, to_pay(payment), app)
    waiting = await ada.ask(payments_pb2.GetPaymentRequest(name=payment.name))
    assert waiting.state == Payment.STATE_AWAITING_PAYMENT
    paid = await ada.ask(changed(request, approval=approval))
    assert paid.state == Payment.STATE_PAID
    assert await audit_holds(core)


async def test_a_code_by_sms_approves_up_to_its_cap_and_totp_beyond(core: Core, ada: PersonCaller, app: App, shop: str) -> None:
    payment = await unpaid(ada, shop, 5_000 * YUAN)
    await ada.ask(paying(ada, payment, await approved_by_sms(core, ada, to_pay(payment))))
    more = await unpaid(ada, shop, 1)
    by_phone = await approved_by_sms(core, ada, to_pay(more))
    refused = await ada.refused(paying(ada, more, by_phone))
    assert (refused.reason, refused.metadata) == ("APPROVAL_REQUIRED", {"factors": "TOTP"})
    await ada.ask(paying(ada, more, await approved_by_totp(ada, to_pay(more), app)))


async def test_what_the_day_has_seen_before_counts(core: Core, ada: PersonCaller, shop: str) -> None:
    first, second = await unpaid(ada, shop, 600 * YUAN), await unpaid(ada, shop, 401 * YUAN)
    await ada.ask(paying(ada, first))
    assert (await ada.refused(paying(ada, second))).reason == "APPROVAL_REQUIRED"
    tomorrow = await unpaid(ada, shop, 401 * YUAN, expire_after=None)
    await core.operator.ask(advance_clock(86_400))
    assert (await ada.refused(paying(ada, tomorrow))).reason == "INVALID_TRANSITION"
    await ada.ask(paying(ada, await unpaid(ada, shop, 401 * YUAN)))


async def test_a_day_ends_at_midnight_in_shanghai(core: Core, ada: PersonCaller, shop: str) -> None:
    await ada.ask(paying(ada, await unpaid(ada, shop, 1_000 * YUAN)))
    await core.operator.ask(advance_clock(22 * 3600))  # it is 23 o'clock there
    assert (await ada.refused(paying(ada, await unpaid(ada, shop, 1)))).reason == "APPROVAL_REQUIRED"
    await core.operator.ask(advance_clock(3660))
    await ada.ask(paying(ada, await unpaid(ada, shop, 1_000 * YUAN)))


async def test_an_approval_is_used_once(core: Core, ada: PersonCaller, app: App, shop: str) -> None:
    one, two = await unpaid(ada, shop, 2_000 * YUAN), await unpaid(ada, shop, 2_000 * YUAN)
    approval = await approved_by_totp(ada, to_pay(one), app)
    await ada.ask(paying(ada, one, approval))
    assert (await ada.refused(paying(ada, two, approval))).reason == "APPROVAL_USED"
    assert (await ada.refused(paying(ada, one, approval))).reason == "INVALID_TRANSITION"


async def test_an_approval_fits_one_payment_payee_and_amount(core: Core, ada: PersonCaller, app: App, shop: str) -> None:
    other_shop = await a_merchant(core)
    payment = await unpaid(ada, shop, 2_000 * YUAN)
    approval = await approved_by_totp(ada, to_pay(payment), app)
    for other in (
        await unpaid(ada, shop, 2_000 * YUAN),
        await unpaid(ada, other_shop, 2_000 * YUAN),
        await unpaid(ada, shop, 2_001 * YUAN),
    ):
        assert (await ada.refused(paying(ada, other, approval))).reason == "APPROVAL_MISMATCH"
    of_factors = await approved_by_totp(ada, to_change_factors(), app)
    assert (await ada.refused(paying(ada, payment, of_factors))).reason == "APPROVAL_MISMATCH"
    small = await unpaid(ada, shop, 1)
    assert (await ada.refused(paying(ada, small, approval))).reason == "APPROVAL_MISMATCH"  # needed or not
    await ada.ask(paying(ada, payment, approval))


async def test_an_approval_is_void_where_the_payment_becomes_another(
    core: Core, ada: PersonCaller, app: App, shop: str
) -> None:
    other_shop = await a_merchant(core)
    for column, value in (("amount_minor", 2_001 * YUAN), ("payee_id", id_of(other_shop))):
        payment = await unpaid(ada, shop, 2_000 * YUAN)
        approval = await approved_by_totp(ada, to_pay(payment), app)
        # No call changes either; whoever reached the database would.
        await core.connection.execute(f"UPDATE payment SET {column} = $1 WHERE id = $2", value, id_of(payment.name))
        assert (await ada.refused(paying(ada, payment, approval))).reason == "APPROVAL_MISMATCH"
        await core.connection.execute(
            "UPDATE payment SET amount_minor = $1, payee_id = $2 WHERE id = $3", 2_000 * YUAN, id_of(shop), id_of(payment.name)
        )


async def test_an_approval_is_good_for_five_minutes(core: Core, ada: PersonCaller, app: App, shop: str) -> None:
    payment = await unpaid(ada, shop, 2_000 * YUAN)
    approval = await approved_by_totp(ada, to_pay(payment), app)
    await core.operator.ask(advance_clock(300))
    assert (await ada.refused(paying(ada, payment, approval))).reason == "APPROVAL_EXPIRED"


async def test_an_approval_belongs_to_its_session(core: Core, ada: PersonCaller, app: App, shop: str) -> None:
    payment = await unpaid(ada, shop, 2_000 * YUAN)
    approval = await approved_by_totp(ada, to_pay(payment), app)
    elsewhere = await another_session(core, ada)
    assert (await elsewhere.refused(paying(elsewhere, payment, approval))).reason == "APPROVAL_NOT_FOUND"
    await core.connection.execute("UPDATE session SET ended_at = now(), version = 2 WHERE id = $1", id_of(ada.session))
    for caller in (ada, elsewhere):
        refused = await caller.refused(paying(caller, payment, approval))
        assert refused.reason == ("SESSION_ENDED" if caller is ada else "APPROVAL_NOT_FOUND")
    assert await available(core, ada.account) == 100_000 * YUAN


async def test_two_parallel_uses_of_an_approval_move_money_once(core: Core, ada: PersonCaller, app: App, shop: str) -> None:
    payment = await unpaid(ada, shop, 2_000 * YUAN)
    approval = await approved_by_totp(ada, to_pay(payment), app)
    async with a_core(core.settings.database_url, token=core.operator.token, wall_clock=CLOCK) as second:
        there = PersonCaller(second.channel, ada.token)
        asked = [caller.ask(paying(ada, payment, approval)) for caller in (ada, there) * 4]
        found = await asyncio.gather(*(outcome(each) for each in asked))
    assert sum(not isinstance(each, Refused) for each in found) == 1
    assert {each.reason for each in found if isinstance(each, Refused)} == {"INVALID_TRANSITION"}
    assert await available(core, ada.account) == 98_000 * YUAN
    assert await audit_holds(core)


# --- Limits -----------------------------------------------------------------------------------------------------------------


async def test_who_is_not_verified_pays_nothing_from_a_balance(core: Core, shop: str) -> None:
    bob = await a_person(core, funds_minor=100)
    refused = await bob.refused(paying(bob, await unpaid(bob, shop, 1)))
    assert (refused.code, refused.reason) == (PRECONDITION, "LIMIT_EXCEEDED")
    assert refused.metadata == {"limit": "LIFE", "used_minor": "0", "cap_minor": "0", "currency": "CNY"}


async def test_level_one_pays_a_thousand_yuan_in_a_life(core: Core, shop: str) -> None:
    bob = await a_person(core, funds_minor=2_000 * YUAN, level=IdentityLevel.I)
    await bob.ask(paying(bob, await unpaid(bob, shop, 1_000 * YUAN)))
    await core.operator.ask(advance_clock(400 * 86_400))
    refused = await bob.refused(paying(bob, await unpaid(bob, shop, 1)))
    assert (refused.reason, refused.metadata["limit"]) == ("LIMIT_EXCEEDED", "LIFE")
    assert refused.metadata["used_minor"] == str(1_000 * YUAN)


async def test_beyond_the_strongest_proof_that_is_open_nothing_helps(core: Core, shop: str) -> None:
    bob = await a_person(core, funds_minor=10_000 * YUAN, level=IdentityLevel.II)
    payment = await unpaid(bob, shop, 5_001 * YUAN)
    approval = await approved_by_sms(core, bob, to_pay(payment))
    refused = await bob.refused(paying(bob, payment, approval))
    assert refused.metadata == {"limit": "DAY", "used_minor": "0", "cap_minor": str(5_000 * YUAN), "currency": "CNY"}


async def test_the_accounts_own_limit_ends_what_a_day_can_see(core: Core, ada: PersonCaller, app: App, shop: str) -> None:
    payment = await unpaid(ada, shop, 50_000 * YUAN)
    await ada.ask(paying(ada, payment, await approved_by_totp(ada, to_pay(payment), app)))
    one_more = await unpaid(ada, shop, 1)
    refused = await ada.refused(paying(ada, one_more, await approved_by_totp(ada, to_pay(one_more), app)))
    assert (refused.reason, refused.metadata["limit"]) == ("LIMIT_EXCEEDED", "DAY")
    assert refused.metadata["used_minor"] == refused.metadata["cap_minor"] == str(50_000 * YUAN)


async def test_limits_say_what_is_left(core: Core, ada: PersonCaller, shop: str) -> None:
    await ada.ask(paying(ada, await unpaid(ada, shop, 300 * YUAN)))
    assert await limits(ada) == {
        ("YEAR", "UNSPECIFIED"): (200_000 * YUAN, 300 * YUAN, 199_700 * YUAN),
        ("DAY", "PASSWORD"): (1_000 * YUAN, 300 * YUAN, 700 * YUAN),
        ("DAY", "SECOND_FACTOR"): (5_000 * YUAN, 300 * YUAN, 4_700 * YUAN),
        ("DAY", "TOTP"): (50_000 * YUAN, 300 * YUAN, 49_700 * YUAN),
    }
    bob = await a_person(core, level=IdentityLevel.I)
    assert ("LIFE", "UNSPECIFIED") in await limits(bob)
    assert ("DAY", "TOTP") not in await limits(bob)
    request = identity_pb2.GetLimitsRequest(account=shop, currency_code="CNY")
    assert not (await core.operator.ask(request)).limits
    assert not (await core.operator.ask(changed(request, account=ada.account, currency_code="USD"))).limits
    assert (await bob.refused(changed(request, account=ada.account))).reason == "ACCOUNT_NOT_FOUND"


async def test_a_currency_without_limits_needs_the_payment_password_alone(core: Core) -> None:
    shop = await a_merchant(core, "USD")
    bob = await a_person(core, funds_minor=10_000_000, currencies=("USD",))
    payment = await unpaid(bob, shop, 0, amount=money(10_000_000, "USD"))
    assert (await bob.refused(pay(payment.name))).reason == "APPROVAL_REQUIRED"
    await bob.ask(paying(bob, payment))


async def test_services_that_pay_for_a_person_are_counted_and_bounded(core: Core, ada: PersonCaller, shop: str) -> None:
    service = await core.caller("payments.write", "payments.pay", account=ada.account)
    await service.ask(a_payment(ada.account, shop, 2_000 * YUAN))
    assert await used(core, ada, "day", "year", "life") == [2_000 * YUAN] * 3
    refused = await core.operator.refused(a_transfer(ada.account, shop, 48_001 * YUAN))
    assert (refused.reason, refused.metadata["limit"]) == ("LIMIT_EXCEEDED", "DAY")
    await core.operator.ask(a_transfer(ada.account, shop, 48_000 * YUAN))
    assert (await ada.refused(paying(ada, await unpaid(ada, shop, 1)))).reason == "LIMIT_EXCEEDED"


async def test_a_batch_of_a_services_is_counted_whole_or_not_at_all(core: Core, ada: PersonCaller, shop: str) -> None:
    two = [a_transfer(ada.account, shop, 25_000 * YUAN) for _ in range(2)]
    refused = await core.operator.refused(a_batch(*two, a_transfer(ada.account, shop, 1)))
    assert (refused.reason, refused.metadata["limit"], refused.metadata["item"]) == ("LIMIT_EXCEEDED", "DAY", "2")
    await core.operator.ask(a_batch(*two))
    assert await used(core, ada, "day", "year", "life") == [50_000 * YUAN] * 3


async def test_services_and_the_person_at_once_do_not_exceed_a_limit(core: Core, shop: str) -> None:
    bob = await a_person(core, funds_minor=10_000 * YUAN, level=IdentityLevel.I)
    payments = [await unpaid(bob, shop, 300 * YUAN) for _ in range(4)]
    asked = [bob.ask(paying(bob, each)) for each in payments]
    asked += [core.operator.ask(a_payment(bob.account, shop, 300 * YUAN)) for _ in range(4)]
    found = await asyncio.gather(*(outcome(each) for each in asked))
    assert sum(not isinstance(each, Refused) for each in found) == 3
    assert {(each.reason, each.metadata["limit"]) for each in found if isinstance(each, Refused)} == {
        ("LIMIT_EXCEEDED", "LIFE")
    }
    assert await used(core, bob, "life") == [900 * YUAN]
    assert await audit_holds(core)


async def test_what_comes_back_on_the_same_day_can_be_spent_again(core: Core, ada: PersonCaller, shop: str) -> None:
    payment = await unpaid(ada, shop, 1_000 * YUAN)
    await ada.ask(paying(ada, payment))
    await ada.ask(cancel(payment.name))
    assert await used(core, ada, "day", "year", "life") == [0, 0, 0]
    authorization = await core.operator.ask(an_authorization(ada.account, shop, 900 * YUAN))
    await core.operator.ask(capture(authorization.name, money(300 * YUAN)))
    assert await used(core, ada, "day", "year", "life") == [300 * YUAN] * 3
    authorization = await core.operator.ask(an_authorization(ada.account, shop, 900 * YUAN))
    await core.operator.ask(void(authorization.name))
    assert await used(core, ada, "day", "year", "life") == [300 * YUAN] * 3
    await ada.ask(paying(ada, await unpaid(ada, shop, 700 * YUAN)))


async def test_what_comes_back_later_gives_the_year_and_the_life_back_and_no_day(
    core: Core, ada: PersonCaller, shop: str
) -> None:
    payment = await unpaid(ada, shop, 800 * YUAN)
    await ada.ask(paying(ada, payment))
    await core.operator.ask(advance_clock(86_400))
    await ada.ask(paying(ada, await unpaid(ada, shop, 100 * YUAN)))
    before = await used(core, ada, "life")
    await ada.ask(cancel(payment.name))
    assert await used(core, ada, "day") == [100 * YUAN]
    assert await used(core, ada, "life") == [before[0] - 800 * YUAN]


async def test_what_nobody_ships_or_captures_is_counted_back_by_time(core: Core, ada: PersonCaller, shop: str) -> None:
    payment = await unpaid(ada, shop, 800 * YUAN)
    await ada.ask(paying(ada, payment))
    authorization = await core.operator.ask(an_authorization(ada.account, shop, 900 * YUAN))
    await core.operator.ask(advance_clock(15 * 86_400))
    for late in (ship(payment.name), void(authorization.name)):
        assert (await core.operator.refused(late)).reason == "INVALID_TRANSITION"
    assert await used(core, ada, "life") == [0]


async def test_parallel_payments_at_two_servers_do_not_exceed_a_limit(core: Core, ada: PersonCaller, shop: str) -> None:
    payments = [await unpaid(ada, shop, 300 * YUAN) for _ in range(10)]
    async with a_core(core.settings.database_url, token=core.operator.token, wall_clock=CLOCK) as second:
        callers = [ada, PersonCaller(second.channel, ada.token)] * 5
        asked = [caller.ask(paying(ada, payment)) for caller, payment in zip(callers, payments, strict=True)]
        found = await asyncio.gather(*(outcome(each) for each in asked))
    assert sum(not isinstance(each, Refused) for each in found) == 3
    assert {each.reason for each in found if isinstance(each, Refused)} == {"APPROVAL_REQUIRED"}
    assert await used(core, ada, "day") == [900 * YUAN]
    assert await available(core, ada.account) == 99_100 * YUAN


# --- After a change ---------------------------------------------------------------------------------------------------------


async def test_after_a_change_new_payees_of_instant_payments_wait_for_a_day(core: Core, ada: PersonCaller, shop: str) -> None:
    friend, stranger = await an_account(core), await an_account(core)
    instant = Payment.MODE_INSTANT
    await ada.ask(paying(ada, await unpaid(ada, friend, YUAN, mode=instant)))
    await enrolled(ada, CLOCK)
    refused = await ada.refused(paying(ada, await unpaid(ada, stranger, YUAN, mode=instant)))
    assert (refused.code, refused.reason) == (PRECONDITION, "CHANGED_TOO_RECENTLY")
    assert "possible_from" in refused.metadata
    await ada.ask(paying(ada, await unpaid(ada, friend, YUAN, mode=instant)))
    for payee in (shop, stranger):
        await ada.ask(paying(ada, await unpaid(ada, payee, YUAN)))  # what is in escrow can be called back
    again = await ada.refused(paying(ada, await unpaid(ada, stranger, YUAN, mode=instant)))
    assert again.metadata == refused.metadata  # who is paid since the change is no acquaintance
    await core.operator.ask(advance_clock(86_400))
    await ada.ask(paying(ada, await unpaid(ada, stranger, YUAN, mode=instant)))
