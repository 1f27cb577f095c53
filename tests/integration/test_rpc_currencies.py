"""Four currencies end to end: two with hundredths, JPY without minor units, KWD with thousandths; none pays for another."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import grpc
import pytest

from danbao.v1 import accounts_pb2, payments_pb2
from danbao_core.money import MAX_AMOUNT_MINOR
from tests import rpc_client
from tests.rpc_client import Core, a_core, a_merchant, an_account, audit_holds, nothing_changes, walked
from tests.rpc_requests import (
    a_batch,
    a_payment,
    a_top_up,
    a_transfer,
    advance_clock,
    an_authorization,
    cancel,
    capture,
    changed,
    confirm,
    correct,
    money,
    pay,
    ship,
    void,
)

core = rpc_client.core

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
Payment = payments_pb2.Payment

CURRENCIES = ("CNY", "USD", "JPY", "KWD")
DAY = 24 * 60 * 60
Wallets = dict[str, tuple[int, int]]
"""What each wallet of an account has, in minor units: to spend, and held."""


def fee(amount_minor: int) -> int:
    """1.5 % of so many minor units, whatever their size."""
    return int((Decimal(amount_minor) * Decimal("0.015")).to_integral_value(ROUND_HALF_UP))


async def people(core: Core) -> tuple[str, str]:
    """A buyer with another sum in each of four wallets (10,000 CNY fen, 20,000 US cents and so on), and a shop."""
    buyer = await an_account(core, *CURRENCIES)
    for number, currency in enumerate(CURRENCIES, 1):
        await core.operator.ask(a_top_up(buyer, number * 10_000, currency))
    return buyer, await a_merchant(core, *CURRENCIES)


def at_first() -> Wallets:
    """What the buyer of `people` begins with."""
    return {currency: (number * 10_000, 0) for number, currency in enumerate(CURRENCIES, 1)}


async def wallets(core: Core, account: str) -> Wallets:
    balances = (await core.operator.ask(accounts_pb2.ListBalancesRequest(name=account))).balances
    for balance in balances:
        codes = {money.currency_code for money in (balance.available, balance.held, balance.owed)}
        assert len(codes) == 1, "one wallet, one currency"
    return {each.available.currency_code: (each.available.amount_minor, each.held.amount_minor) for each in balances}


async def statement_adds_up(core: Core, account: str, currency: str) -> bool:
    """Whether the statements of a wallet lead from nothing to what it has, in its own currency alone."""
    for purpose, has in zip(("AVAILABLE", "HELD"), (await wallets(core, account))[currency], strict=True):
        ask = accounts_pb2.ListEntriesRequest(account=account, currency_code=currency, page_size=3)
        entries = await walked(core.operator, changed(ask, purposes=[accounts_pb2.Entry.Purpose.Value(f"PURPOSE_{purpose}")]))
        codes = {money.currency_code for each in entries for money in (each.amount, each.balance_after)}
        if codes - {currency}:
            return False
        if sum(each.amount.amount_minor for each in entries) != has:
            return False
        if entries and entries[0].balance_after.amount_minor != has:
            return False
    return True


# --- The life of a payment, in each currency --------------------------------------------------------------------------------


@pytest.mark.parametrize("currency", CURRENCIES)
async def test_the_whole_life_of_each_mode(core: Core, currency: str) -> None:
    buyer, shop = await people(core)
    has, ask = at_first()[currency][0], core.operator.ask

    def of(amount_minor: int) -> Any:
        return money(amount_minor, currency)

    # Escrow: shipped, corrected, confirmed; another cancelled; another never shipped.
    escrow = await ask(a_payment(buyer, shop, amount=of(1_133)))
    assert (escrow.amount, escrow.fee, escrow.held) == (of(1_133), of(17), of(1_133))
    await ask(ship(escrow.name))
    await ask(correct(escrow.name))
    confirmed = await ask(confirm(escrow.name))
    assert (confirmed.released, confirmed.held.amount_minor, confirmed.fee) == (of(1_133), 0, of(17))
    returned = await ask(cancel((await ask(a_payment(buyer, shop, amount=of(500)))).name))
    assert (returned.returned, returned.close_reason) == (of(500), Payment.CLOSE_REASON_CANCELLED_BY_PLATFORM)
    late = await ask(a_payment(buyer, shop, amount=of(700)))
    assert await wallets(core, buyer) == at_first() | {currency: (has - 1_133 - 700, 0)}

    # Instant, paid later and in a batch.
    waiting = await ask(changed(a_transfer(buyer, shop), amount=of(34), pay=None))
    assert (await ask(pay(waiting.name))).released == of(34)
    batch = a_batch(*(changed(a_transfer(buyer, shop), amount=of(amount)) for amount in (33, 1)))
    assert [payment.fee for payment in (await ask(batch)).payments] == [of(0), of(0)]

    # Authorization: in part, void, never captured.
    authorized = await ask(an_authorization(buyer, shop, amount=of(1_000)))
    assert await wallets(core, buyer) == at_first() | {currency: (has - 1_133 - 700 - 34 - 33 - 1 - 1_000, 1_000)}
    captured = await ask(capture(authorized.name, of(300)))
    assert (captured.released, captured.returned, captured.fee) == (of(300), of(700), of(5))
    assert (await ask(void((await ask(an_authorization(buyer, shop, amount=of(200)))).name))).returned == of(200)
    held = await ask(an_authorization(buyer, shop, amount=of(50)))

    await ask(advance_clock(15 * DAY))
    for payment, action in ((late, cancel), (held, void)):  # too late: time has closed it
        refused = await core.operator.refused(action(payment.name))
        assert refused.reason == "INVALID_TRANSITION"
    taken = (1_133, 34, 33, 1, 300)
    assert await wallets(core, buyer) == at_first() | {currency: (has - sum(taken), 0)}
    earned = sum(taken) - sum(map(fee, taken))
    assert await wallets(core, shop) == dict.fromkeys(CURRENCIES, (0, 0)) | {currency: (earned, 0)}
    for account in (buyer, shop):
        assert [each for each in CURRENCIES if not await statement_adds_up(core, account, each)] == []
    assert await audit_holds(core)


@pytest.mark.parametrize(
    ("currency", "amount_minor", "fee_minor"),
    [
        ("CNY", 1_250, 19),  # 0.1875 yuan
        ("CNY", 33, 0),  # 0.495 fen
        ("USD", 34, 1),  # 0.51 cents
        ("JPY", 33, 0),  # 0.495 yen: no part of a yen is kept
        ("JPY", 34, 1),  # 0.51 yen
        ("JPY", 100, 2),  # 1.5 yen: the half goes up
        ("JPY", 300, 5),  # 4.5 yen: up, and not to the even 4
        ("JPY", 1, 0),
        ("KWD", 1, 0),  # 0.015 fils
        ("KWD", 100, 2),  # 1.5 fils
        ("KWD", 12_345, 185),  # 185.175 fils
    ],
)
async def test_fees_are_rounded_half_up_to_a_whole_minor_unit(
    core: Core, currency: str, amount_minor: int, fee_minor: int
) -> None:
    buyer, shop = await people(core)
    payment = await core.operator.ask(changed(a_transfer(buyer, shop), amount=money(amount_minor, currency)))
    assert payment.fee == money(fee_minor, currency)
    assert (await wallets(core, shop))[currency] == (amount_minor - fee_minor, 0)
    held = await core.operator.ask(an_authorization(buyer, shop, amount=money(amount_minor + 7, currency)))
    captured = await core.operator.ask(capture(held.name, money(amount_minor, currency)))
    assert captured.fee == money(fee_minor, currency)  # of what was captured, not of what was authorized
    assert (await wallets(core, shop))[currency] == (2 * (amount_minor - fee_minor), 0)


# --- One wallet's money never pays for another currency ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Payment.MODE_ESCROW, Payment.MODE_INSTANT, Payment.MODE_AUTHORIZATION])
@pytest.mark.parametrize("currency", CURRENCIES)
async def test_other_wallets_do_not_help_out(core: Core, currency: str, mode: "Payment.Mode") -> None:
    rich, shop = await an_account(core, *CURRENCIES), await a_merchant(core, *CURRENCIES)
    for other in CURRENCIES:
        await core.operator.ask(a_top_up(rich, 9 if other == currency else 1_000_000, other))
    later = await core.operator.ask(a_payment(rich, shop, amount=money(10, currency), mode=mode, pay=False))
    async with nothing_changes(core):
        for request in (a_payment(rich, shop, amount=money(10, currency), mode=mode), pay(later.name)):
            refused = await core.operator.refused(request)
            assert (refused.code, refused.reason) == (PRECONDITION, "INSUFFICIENT_FUNDS")
            assert refused.metadata == {"currency": currency}
    paid = await core.operator.ask(a_payment(rich, shop, amount=money(9, currency), mode=mode))
    assert paid.amount == money(9, currency)
    assert {each for each, (to_spend, _) in (await wallets(core, rich)).items() if to_spend != 1_000_000} == {currency}


@pytest.mark.parametrize("currency", CURRENCIES)
async def test_both_sides_need_the_wallet(core: Core, currency: str) -> None:
    others = [each for each in CURRENCIES if each != currency]
    buyer, shop = await people(core)
    without = await an_account(core, *others, funds_minor=1_000)
    async with nothing_changes(core):
        for payer, payee in ((without, shop), (buyer, without)):
            for pays in (True, False):
                refused = await core.operator.refused(a_payment(payer, payee, amount=money(10, currency), pay=pays))
                assert (refused.code, refused.reason) == (PRECONDITION, "WALLET_MISSING")
                assert refused.metadata == {"account": without, "currency": currency}
        refused = await core.operator.refused(a_top_up(without, 1, currency))
        assert refused.reason == "WALLET_MISSING"


@pytest.mark.parametrize("currency", CURRENCIES)
async def test_what_is_held_is_captured_in_its_own_currency(core: Core, currency: str) -> None:
    buyer, shop = await people(core)
    held = await core.operator.ask(an_authorization(buyer, shop, amount=money(100, currency)))
    async with nothing_changes(core):
        for other in CURRENCIES:
            if other != currency:
                refused = await core.operator.refused(capture(held.name, money(100, other)))
                assert (refused.code, refused.reason) == (INVALID, "CURRENCY_MISMATCH")
    assert (await core.operator.ask(capture(held.name, money(100, currency)))).released == money(100, currency)


# --- The largest amounts ----------------------------------------------------------------------------------------------------


async def test_the_largest_amount_goes_through_in_every_currency(database_url: str) -> None:
    async with a_core(database_url) as core:  # books of their own: all money outside is in these wallets
        buyer, shop = await an_account(core, *CURRENCIES), await a_merchant(core, *CURRENCIES)
        for currency in CURRENCIES:
            whole, ask = money(MAX_AMOUNT_MINOR, currency), core.operator.ask
            await ask(a_top_up(buyer, MAX_AMOUNT_MINOR, currency))
            refused = await core.operator.refused(a_top_up(buyer, 1, currency))
            assert refused.reason == "AMOUNT_OVERFLOW"
            await ask(void((await ask(an_authorization(buyer, shop, amount=whole))).name))
            await ask(cancel((await ask(a_payment(buyer, shop, amount=whole))).name))
            payment = await ask(a_payment(buyer, shop, amount=whole))
            await ask(ship(payment.name))
            confirmed = await ask(confirm(payment.name))
            assert (confirmed.released, confirmed.fee) == (whole, money(fee(MAX_AMOUNT_MINOR), currency))
        assert await wallets(core, buyer) == dict.fromkeys(CURRENCIES, (0, 0))
        assert await wallets(core, shop) == dict.fromkeys(CURRENCIES, (MAX_AMOUNT_MINOR - fee(MAX_AMOUNT_MINOR), 0))
        assert await audit_holds(core)
