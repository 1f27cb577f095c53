"""Fundings of cards: the stories of single decisions, by what their bank answers."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from danbao_core.accounts import Account, AccountState, Balance, Purpose, balance_id
from danbao_core.bank.asking import pause_after
from danbao_core.bank.port import Answer, DeclineReason, Outcome
from danbao_core.bank.ways import Ways
from danbao_core.bank_errors import FundingAtBank
from danbao_core.errors import AccountFrozen, BankMissing, FundingNotFound, InsufficientFunds
from danbao_core.fundings import FailureReason, Funding, FundingState, SettleFunding, TopUp, Withdraw
from danbao_core.fundings_at_bank import ReverseTopUp, TakeOutcome
from danbao_core.ids import uuid7
from danbao_core.ledger import Journal
from danbao_core.money import Money
from danbao_core.payouts import Cadence, SetPayoutSchedule
from danbao_core.people.instruments import BindInstrument, Card, UnbindInstrument
from danbao_core.people_errors import InstrumentNotFound
from danbao_core.sandbox import BankBehaviour, SetBankBehaviour
from danbao_core.trail import AuditEvent, Outbox
from tests.builders import BY_BANK, origin
from tests.shop import Shop, bound

SOON = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
"""Wall time at which a bank is asked again."""

YES, NO = Outcome(Answer.ACCEPTED), Outcome(Answer.DECLINED, DeclineReason.INSUFFICIENT_FUNDS)
OPEN = [Outcome(each) for each in (Answer.PENDING, Answer.NOT_KNOWN, Answer.NO_ANSWER, Answer.NOT_SENT)]


def a_card(shop: Shop, account: Account) -> Any:
    card = Card("token", "622202", "4567", "k1", (uuid7().bytes,))
    return shop.core.carry_out(BindInstrument(origin=origin(), account_id=account.id, card=card)).instrument_id


def at_bank(shop: Shop, command: type[TopUp] | type[Withdraw], amount_minor: int = 1_000, **facts: Any) -> Funding:
    given: dict[str, Any] = {"origin": origin(), "account_id": shop.buyer.id} | facts
    card = given.pop("instrument_id", None) or a_card(shop, shop.buyer)
    return shop.core.carry_out(command(amount=Money(amount_minor, "CNY"), instrument_id=card, ways=BY_BANK, **given))


def asked(shop: Shop, funding: Funding) -> Funding:
    """As a worker's claim leaves it."""
    claimed = funding.replace(attempts=funding.attempts + 1, next_attempt_at=SOON)
    shop.core._keep([claimed])
    return claimed


def answered(shop: Shop, funding: Funding, outcome: Outcome) -> Funding:
    claimed = asked(shop, funding) if funding.next_attempt_at else funding
    return shop.core.carry_out(
        TakeOutcome(origin=origin(), funding_id=claimed.id, outcome=outcome, ask_again_at=SOON + timedelta(seconds=1))
    )


def reversed_(shop: Shop, funding: Funding, amount: Money | None = None) -> Funding:
    as_booked = Money(funding.amount_minor, funding.currency)
    return shop.core.carry_out(ReverseTopUp(origin=origin(), funding_id=funding.id, amount=amount or as_booked))


def money(shop: Shop) -> tuple[int, int, int, int]:
    """What the buyer can spend, holds and owes, and what went out or, below zero, came in."""
    ids = [balance_id(shop.buyer.id, "CNY", each) for each in (Purpose.AVAILABLE, Purpose.HELD, Purpose.RECEIVABLE)]
    of = {each.id: each.amount_minor for each in shop.core.all(Balance)}
    available, held, owed = (of[each] for each in ids)
    return available, held, -owed, shop.platform(Purpose.BANK_CLEARING)


def journals(shop: Shop, funding: Funding) -> list[str]:
    return [journal.kind for journal in shop.core.all(Journal) if journal.subject_id == funding.id]


def topics(shop: Shop, funding: Funding) -> list[str]:
    return [each.topic for each in shop.core.all(Outbox) if each.subject_id == funding.id]


# --- Asking -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("till", BankBehaviour)
def test_a_cards_bank_is_asked_after_the_commit_whatever_the_till_says(till: BankBehaviour) -> None:
    shop = Shop()
    shop.core.carry_out(SetBankBehaviour(origin=origin(), behaviour=till))
    by = origin()
    coming, going = at_bank(shop, TopUp, origin=by), at_bank(shop, Withdraw, 4_000)
    assert (coming.state, coming.attempts, coming.next_attempt_at) == (FundingState.PENDING, 0, by.received_at)
    assert (going.state, journals(shop, coming), journals(shop, going)) == (FundingState.PENDING, [], ["funding.withdraw"])
    assert money(shop) == (6_000, 4_000, 0, -10_000)
    assert topics(shop, coming) == topics(shop, going) == ["funding.created"]


def test_only_a_card_that_is_bound_to_the_account_is_asked() -> None:
    shop = Shop()
    card, other = a_card(shop, shop.buyer), a_card(shop, shop.seller)
    shop.core.carry_out(UnbindInstrument(origin=origin(), instrument_id=card))
    for command in (TopUp, Withdraw):
        for wrong in (card, other, uuid7()):
            with pytest.raises(InstrumentNotFound):
                at_bank(shop, command, instrument_id=wrong)
    with pytest.raises(InsufficientFunds):
        at_bank(shop, Withdraw, 10_001)
    shop.core._keep([shop.buyer.replace(state=AccountState.FROZEN)])
    with pytest.raises(AccountFrozen):
        at_bank(shop, TopUp)


def test_a_merchants_key_binds_its_card_and_withdraws_to_it() -> None:
    shop = Shop()
    by = bound(shop.seller)
    card = Card("token", "622202", "4567", "k1", (b"print",))
    bound_card = shop.core.carry_out(BindInstrument(origin=by, account_id=shop.seller.id, card=card))
    shop.core.carry_out(TopUp(origin=origin(), account_id=shop.seller.id, amount=Money(5, "CNY")))
    going = at_bank(shop, Withdraw, 5, origin=by, account_id=shop.seller.id, instrument_id=bound_card.instrument_id)
    assert going.state is FundingState.PENDING


# --- What the bank says -----------------------------------------------------------------------------------------------------


def test_a_bank_that_says_yes() -> None:
    shop = Shop()
    coming, going = answered(shop, at_bank(shop, TopUp), YES), answered(shop, at_bank(shop, Withdraw, 4_000), YES)
    for funding in (coming, going):
        assert (funding.state, funding.next_attempt_at, funding.attempts) == (FundingState.SUCCEEDED, None, 1)
        assert topics(shop, funding) == ["funding.created", "funding.succeeded"]
    assert money(shop) == (7_000, 0, 0, -7_000)


@pytest.mark.parametrize("reason", [each for each in DeclineReason if each])
def test_a_bank_that_says_no_says_why(reason: DeclineReason) -> None:
    shop = Shop()
    no = Outcome(Answer.DECLINED, reason)
    for funding in (answered(shop, at_bank(shop, TopUp), no), answered(shop, at_bank(shop, Withdraw), no)):
        assert (funding.state, funding.failure_reason) == (FundingState.FAILED, FailureReason(reason.value))
    assert money(shop) == (10_000, 0, 0, -10_000)


def test_every_reason_of_a_bank_is_one_of_a_funding() -> None:
    assert {each.value for each in DeclineReason} == {each.value for each in FailureReason}


@pytest.mark.parametrize("outcome", OPEN, ids=lambda outcome: outcome.answer.name)
@pytest.mark.parametrize("command", [TopUp, Withdraw])
def test_what_is_not_known_moves_nothing_and_is_asked_again(command: Any, outcome: Outcome) -> None:
    shop = Shop()
    funding = at_bank(shop, command)
    before = money(shop)
    waiting = answered(shop, funding, outcome)
    unknown = outcome.answer in (Answer.NO_ANSWER, Answer.NOT_KNOWN)
    assert waiting.state is (FundingState.UNKNOWN if unknown else FundingState.PENDING)
    assert waiting.next_attempt_at == SOON + timedelta(seconds=1)
    assert (money(shop), topics(shop, funding)) == (before, ["funding.created"])
    written = [each.memo for each in shop.core.all(AuditEvent) if each.subject_id == funding.id and each.memo]
    assert written == (["unknown"] if unknown else []), "a change of state is written down, and no more than that"
    assert answered(shop, waiting, Outcome(Answer.NOT_SENT)).state is waiting.state, "nothing was asked, nothing is learnt"
    assert answered(shop, waiting, Outcome(Answer.PENDING)).state is FundingState.PENDING, "the bank has it"
    assert answered(shop, waiting, YES).state is FundingState.SUCCEEDED


@pytest.mark.parametrize("late", [YES, NO, *OPEN], ids=lambda outcome: outcome.answer.name)
@pytest.mark.parametrize("final", [YES, NO], ids=lambda outcome: outcome.answer.name)
def test_an_answer_that_comes_late_changes_nothing(final: Outcome, late: Outcome) -> None:
    shop = Shop()
    settled = answered(shop, at_bank(shop, Withdraw), final)
    before = (money(shop), len(shop.core._rows))
    assert answered(shop, settled, late) == settled
    assert (money(shop), len(shop.core._rows)) == before


def test_nobody_answers_in_a_banks_place() -> None:
    shop = Shop()
    funding = at_bank(shop, TopUp)
    for each in (funding, answered(shop, funding, OPEN[2])):
        for accepted in (True, False):
            with pytest.raises(FundingAtBank):
                shop.core.carry_out(SettleFunding(origin=origin(), funding_id=each.id, accepted=accepted))


def test_an_answer_to_nothing() -> None:
    with pytest.raises(FundingNotFound):
        Shop().core.carry_out(TakeOutcome(origin=origin(), funding_id=uuid7(), outcome=YES, ask_again_at=SOON))
    with pytest.raises(FundingNotFound):
        Shop().core.carry_out(ReverseTopUp(origin=origin(), funding_id=uuid7(), amount=Money(1, "CNY")))


def test_pauses_grow_to_ten_minutes() -> None:
    assert [pause_after(attempt).total_seconds() for attempt in (1, 2, 3, 4, 10, 11, 1_000)] == [1, 2, 4, 8, 512, 600, 600]


# --- What the bank takes back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [Money(999, "CNY"), Money(1_001, "CNY"), Money(1_000, "USD")])
def test_a_debit_that_is_said_to_be_taken_back_in_another_amount_stays_as_it_is(amount: Money) -> None:
    shop = Shop()
    funding = answered(shop, at_bank(shop, TopUp), YES)
    assert reversed_(shop, funding, amount) == funding


@pytest.mark.parametrize(("spent", "left"), [(0, (10_000, 0)), (10_500, (0, 500)), (11_000, (0, 1_000))])
def test_what_a_bank_takes_back_the_account_gives_or_owes(spent: int, left: tuple[int, int]) -> None:
    shop = Shop()
    funding = answered(shop, at_bank(shop, TopUp), YES)
    if spent:
        shop.order(spent, pay=True)
    taken_back = reversed_(shop, funding)
    assert (taken_back.state, journals(shop, funding)) == (FundingState.REVERSED, ["funding.top_up", "funding.reverse"])
    available, held, owed, outside = money(shop)
    assert (available, owed, held, outside) == (*left, 0, -10_000)
    assert topics(shop, funding)[-1] == "funding.reversed"
    assert (reversed_(shop, funding), money(shop)) == (taken_back, (available, held, owed, outside))


def test_what_is_reversed_is_a_top_up_of_a_card_that_succeeded() -> None:
    shop = Shop()
    till = shop.core.carry_out(TopUp(origin=origin(), account_id=shop.buyer.id, amount=Money(1, "CNY")))
    waiting, declined = at_bank(shop, TopUp), answered(shop, at_bank(shop, TopUp), NO)
    gone = answered(shop, at_bank(shop, Withdraw), YES)
    before = money(shop)
    assert [reversed_(shop, each) for each in (till, waiting, declined, gone)] == [till, waiting, declined, gone]
    assert money(shop) == before


def test_what_is_taken_back_from_a_frozen_or_closed_account_is_booked_too() -> None:
    for state in (AccountState.FROZEN, AccountState.CLOSED):
        shop = Shop(funds_minor=0)
        funding = answered(shop, at_bank(shop, TopUp), YES)
        shop.order(1_000, pay=True)
        (account,) = (each for each in shop.core.all(Account) if each.id == shop.buyer.id)
        shop.core._keep([account.replace(state=state)])
        assert reversed_(shop, funding).state is FundingState.REVERSED
        assert money(shop) == (0, 0, 1_000, 0)


@pytest.mark.parametrize(
    ("ways", "with_card", "refused"),
    [
        (Ways(bank=True, till=False), True, False),
        (Ways(bank=True, till=False), False, True),
        (Ways(bank=False, till=False), True, True),
        (Ways(bank=False, till=True), True, False),
    ],
)
@pytest.mark.parametrize("command", [TopUp, Withdraw, SetPayoutSchedule])
def test_what_no_way_leads_out_is_refused_when_it_is_asked_for(
    command: Any, ways: Ways, with_card: bool, refused: bool
) -> None:
    shop = Shop(100)
    card = a_card(shop, shop.seller) if with_card else None
    given: dict[str, Any] = {"amount": Money(1, "CNY")}
    if command is SetPayoutSchedule:
        given = {"currency": "CNY", "cadence": Cadence.DAILY}
    asked = command(origin=origin(), account_id=shop.seller.id, instrument_id=card, ways=ways, **given)
    if command is Withdraw:
        shop.core.carry_out(TopUp(origin=origin(), account_id=shop.seller.id, amount=Money(1, "CNY")))
    with pytest.raises(BankMissing) if refused else nullcontext():
        shop.core.carry_out(asked)
