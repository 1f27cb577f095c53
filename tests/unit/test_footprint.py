"""Which commands can be carried out beside each other, by the rows that they name."""

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid5

import pytest

from danbao_core.accounts import PLATFORM_ID, Account
from danbao_core.engine import Book, Command, Key
from danbao_core.engine.footprint import Footprint
from danbao_core.engine.gathering import name_ahead
from danbao_core.engine.waiting import Waiting
from danbao_core.money import Money
from danbao_core.payments import CreatePayment, Mode
from danbao_core.policy import PolicySchedule
from tests.builders import origin

ADA, BOB, SHOP, STALL = [uuid5(PLATFORM_ID, name) for name in ("ada", "bob", "shop", "stall")]
POLICIES = PolicySchedule.load()


class Names(Command[Account], frozen=True):
    """A command that names these rows."""

    named: tuple[Any, ...]

    def keys(self, _: Book) -> Iterable[Key]:
        return self.named


async def asked(command: Command[Any]) -> Waiting:
    """The command, with what it names."""
    waiting = Waiting(command, None, asyncio.get_running_loop().create_future(), 0.0)
    name_ahead(waiting, Book(policies=POLICIES), None)
    return waiting


async def names(*keys: Key) -> Waiting:
    return await asked(Names(origin=origin(), named=keys))


async def pays(payer_id: UUID, payee_id: UUID, mode: Mode = Mode.INSTANT) -> Waiting:
    amount = Money(1, "CNY")
    return await asked(CreatePayment(origin=origin(), payer_id=payer_id, payee_id=payee_id, amount=amount, mode=mode, pay=True))


READ, SHARED, CHANGED = Account.read_key, Account.shared_key, Account.key


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (CHANGED, CHANGED, True),
        (CHANGED, SHARED, True),
        (SHARED, CHANGED, True),
        (SHARED, SHARED, False),
        (READ, CHANGED, False),
        (CHANGED, READ, False),
        (Account.stripe_key, Account.stripe_key, False),
    ],
)
async def test_who_waits_for_a_row_that_both_name(one: Any, other: Any, meet: bool) -> None:
    assert Footprint([await names(one(ADA))]).is_met_by(await names(other(ADA))) is meet
    assert not Footprint([await names(one(ADA))]).is_met_by(await names(other(BOB)))


async def test_nobody_meets_nothing() -> None:
    assert not Footprint([]).is_met_by(await names(CHANGED(ADA)))
    assert not Footprint([await names(CHANGED(ADA))]).is_met_by(await names())


@pytest.mark.parametrize("mode", [Mode.INSTANT, Mode.ESCROW])
async def test_payments_of_others_do_not_meet_at_the_platform(mode: Mode) -> None:
    """Its fees and its escrow are those of the lane's own stripe."""
    under_way = Footprint([await pays(ADA, SHOP, mode)])
    assert not under_way.is_met_by(await pays(BOB, STALL, mode))
    assert under_way.is_met_by(await pays(ADA, STALL, mode))


async def test_what_is_passed_over_is_in_the_way_of_what_comes_later() -> None:
    under_way = Footprint([await pays(ADA, SHOP)])
    passed_over, later = await pays(BOB, SHOP), await pays(BOB, STALL)
    assert not under_way.is_met_by(later)
    under_way.add(passed_over)
    assert under_way.is_met_by(later)
