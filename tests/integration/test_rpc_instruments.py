"""Cards, over the wire: what binds one, what is kept of it, and who may."""

import asyncio

import grpc
import pytest
from stdnum import luhn

from danbao.v1 import identity_pb2
from tests import rpc_client
from tests.leaks import must_not_be_stored
from tests.people import PersonCaller, a_person
from tests.rpc_client import Core, a_core, nothing_changes, outcome
from tests.rpc_requests import UNKNOWN, bind, changed, close, unbind

core = rpc_client.core

CARD = "6222021234567894567"
OTHER_CARD = "5555555555554444"
WRONG_PASSWORD = "135792"


def cards_of(account: str) -> identity_pb2.ListInstrumentsRequest:
    return identity_pb2.ListInstrumentsRequest(account=account)


def bound_by(person: PersonCaller, card_number: str = CARD, **fields: str) -> identity_pb2.BindInstrumentRequest:
    """A request of a person who types their payment password in."""
    return bind(person.account, card_number, **{"payment_password": person.payment_password, **fields})


async def test_what_is_kept_of_a_card(core: Core) -> None:
    ada = await a_person(core)
    card = await ada.ask(bound_by(ada))
    assert (card.account, card.issuer_prefix, card.last_four) == (ada.account, CARD[:6], CARD[-4:])
    assert card.HasField("create_time")
    assert not card.HasField("unbind_time")
    assert (await ada.ask(cards_of(ada.account))).instruments == [card]
    await must_not_be_stored(core.connection, CARD, ada.payment_password)


async def test_cards_are_listed_newest_first(core: Core) -> None:
    ada = await a_person(core)
    first, second = await ada.ask(bound_by(ada)), await ada.ask(bound_by(ada, OTHER_CARD))
    assert (await core.operator.ask(cards_of(ada.account))).instruments == [second, first]
    await ada.ask(unbind(second.name))
    assert (await ada.ask(cards_of(ada.account))).instruments == [first]


async def test_a_repeat_is_answered_like_the_first_call(core: Core) -> None:
    ada = await a_person(core)
    request = bound_by(ada)
    card = await ada.ask(request)
    assert await ada.answer(request) == (card, True)
    await ada.ask(unbind(card.name))
    assert await ada.answer(request) == (card, True)


@pytest.mark.parametrize("number", [CARD[:-1] + digit for digit in "0123456789" if digit != CARD[-1]] + ["0" * 16])
async def test_every_wrong_check_digit_is_refused(core: Core, number: str) -> None:
    ada = await a_person(core)
    async with nothing_changes(core):
        refused = await ada.refused(bound_by(ada, number))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CARD_NUMBER_INVALID")
        assert number not in str(refused)


async def test_card_numbers_that_break_the_contract(core: Core) -> None:
    ada = await a_person(core)
    async with nothing_changes(core):
        for number in (
            "",
            "4" * 11,
            "4" * 20,
            f"{CARD} ",
            "6222 0212 3456 7894 567",
            "\uff14111111111111111",
            "4111-1111-1111-1111",
        ):
            refused = await ada.refused(bound_by(ada, number))
            assert set(refused.violations) == {"card_number"}, number
            assert not number or number not in str(refused)


async def test_a_card_is_bound_once_at_a_time(core: Core) -> None:
    ada, bob = await a_person(core), await a_person(core)
    card = await ada.ask(bound_by(ada))
    async with nothing_changes(core):
        refused = await ada.refused(bound_by(ada))
        assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "INSTRUMENT_BOUND")
        assert refused.metadata == {"instrument": card.name}
    assert (await bob.ask(bound_by(bob))).name != card.name  # of another account it is none of ours
    unbound = await ada.ask(unbind(card.name))
    assert unbound.HasField("unbind_time")
    again = await ada.ask(bound_by(ada))
    assert again.name != card.name
    assert (await ada.ask(cards_of(ada.account))).instruments == [again]


async def test_unbinding_again_changes_nothing(core: Core) -> None:
    ada = await a_person(core)
    card = await ada.ask(bound_by(ada))
    unbound = await ada.ask(unbind(card.name))
    rows = "SELECT string_agg(i::text, ' ' ORDER BY id) FROM instrument i"
    before = await core.connection.fetchval(rows)
    assert await ada.ask(unbind(card.name)) == unbound
    assert await core.connection.fetchval(rows) == before


async def test_the_same_card_in_parallel_is_bound_once(core: Core) -> None:
    ada = await a_person(core)
    async with a_core(core.settings.database_url, token=core.operator.token) as second:
        there = PersonCaller(second.channel, ada.token)
        callers = [ada, there] * 4
        outcomes = await asyncio.gather(*(outcome(caller.ask(bound_by(ada))) for caller in callers))
    bound = [each for each in outcomes if isinstance(each, identity_pb2.Instrument)]
    assert [each.reason for each in outcomes if isinstance(each, rpc_client.Refused)] == ["INSTRUMENT_BOUND"] * 7
    assert (await ada.ask(cards_of(ada.account))).instruments == bound


# --- The payment password ---------------------------------------------------------------------------------------------------


async def test_a_person_shows_the_payment_password(core: Core) -> None:
    ada, unset = await a_person(core), await a_person(core, payment_password="")
    async with nothing_changes(core):
        refused = await ada.refused(bound_by(ada, payment_password=""))
        assert (refused.reason, refused.metadata) == ("APPROVAL_REQUIRED", {"factors": "PAYMENT_PASSWORD"})
        assert (await unset.refused(bound_by(unset, payment_password=WRONG_PASSWORD))).reason == "PASSWORD_MISSING"
    lefts = []
    for _ in range(3):
        refused = await ada.refused(bound_by(ada, payment_password=WRONG_PASSWORD))
        lefts.append((refused.reason, refused.metadata.get("attempts_left")))
    assert lefts[:2] == [("PASSWORD_WRONG", "2"), ("PASSWORD_WRONG", "1")]
    assert (await ada.refused(bound_by(ada))).reason == "PASSWORD_LOCKED"
    assert not (await ada.ask(cards_of(ada.account))).instruments


async def test_a_service_shows_none(core: Core) -> None:
    ada = await a_person(core)
    service = await core.caller("accounts.write")
    assert (await service.ask(bind(ada.account))).last_four == CARD[-4:]


# --- Who may ----------------------------------------------------------------------------------------------------------------


async def test_who_may_see_and_change_cards(core: Core) -> None:
    ada, bob = await a_person(core), await a_person(core)
    card = await ada.ask(bound_by(ada))
    key_of_bob = await core.caller("accounts.write", "accounts.read", account=bob.account)
    async with nothing_changes(core):
        for caller in (bob, key_of_bob):
            for request in (bound_by(ada), cards_of(ada.account)):
                assert (await caller.refused(request)).reason == "ACCOUNT_NOT_FOUND"
            refused = await caller.refused(unbind(card.name))
            assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "INSTRUMENT_NOT_FOUND")
        assert (await ada.refused(unbind(f"instruments/{UNKNOWN}"))).reason == "INSTRUMENT_NOT_FOUND"
    key_of_ada = await core.caller("accounts.write", account=ada.account)
    assert (await key_of_ada.ask(unbind(card.name))).HasField("unbind_time")


async def test_whom_no_card_is_bound_to(core: Core) -> None:
    ada = await a_person(core)
    await ada.ask(close(ada.account))
    async with nothing_changes(core):
        assert (await ada.refused(bound_by(ada))).reason == "ACCOUNT_CLOSED"
        assert (await core.operator.refused(bind(f"accounts/{UNKNOWN}"))).reason == "ACCOUNT_NOT_FOUND"


async def test_a_live_core_without_a_bank_refuses(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await a_person(core)
    monkeypatch.setattr("danbao_core.server.Server._sandbox", property(lambda _: False))
    async with a_core(core.settings.database_url, token=core.operator.token) as live:
        refused = await PersonCaller(live.channel, ada.token).refused(bound_by(ada))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BANK_MISSING")


async def test_the_number_is_no_part_of_what_tells_requests_apart(core: Core) -> None:
    """It is a secret: a repeat may hold another one, and is answered all the same."""
    ada = await a_person(core)
    request = bound_by(ada)
    card = await ada.ask(request)
    assert await ada.answer(changed(request, card_number=OTHER_CARD)) == (card, True)


def test_cards_of_these_tests_check() -> None:
    assert luhn.is_valid(CARD)
    assert luhn.is_valid(OTHER_CARD)
