"""Whatever a bank answers, in whichever order and however often: the books have what it did, and never more."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from danbao_core.accounts import Balance, Purpose, balance_id
from danbao_core.bank.port import Answer, DeclineReason, LineKind, Outcome
from danbao_core.fundings import Funding, FundingKind, FundingState, TopUp, Withdraw
from danbao_core.fundings_at_bank import ReverseTopUp, TakeOutcome
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.people.instruments import BindInstrument, Card
from danbao_core.reconciliation import Difference, DifferenceState
from danbao_core.reconciliation.commands import CompareSides, Sides
from tests.builders import BY_BANK, origin
from tests.memory_core import MemoryCore
from tests.shop import Shop

SOON = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
FUNDS_MINOR = 10_000

NOT_FINAL = st.sampled_from([Answer.PENDING, Answer.NOT_KNOWN, Answer.NO_ANSWER, Answer.NOT_SENT])
"""What a bank may answer before it has decided; once it has, it says the same for ever, or nothing."""


@st.composite
def a_banks_answers(draw: st.DrawFn) -> list[Outcome]:
    """What is heard of one funding, by whichever workers."""
    before = draw(st.lists(NOT_FINAL, max_size=4))
    decided = draw(st.sampled_from([Outcome(Answer.ACCEPTED), Outcome(Answer.DECLINED, DeclineReason.CARD_BLOCKED)]))
    after = draw(st.lists(st.one_of(st.just(decided), st.builds(Outcome, NOT_FINAL)), max_size=4))
    return [*map(Outcome, before), decided, *after]


FUNDINGS = st.lists(
    st.tuples(st.sampled_from([TopUp, Withdraw]), st.integers(1, 400), a_banks_answers(), st.integers(0, 2)),
    min_size=1,
    max_size=8,
)
"""Each with its amount, what its bank says, and how often its statements say that it was taken back."""


@given(fundings=FUNDINGS, spent_minor=st.integers(0, FUNDS_MINOR // 2), data=st.data())
def test_money_follows_what_the_bank_decided(
    fundings: list[tuple[type[TopUp] | type[Withdraw], int, list[Outcome], int]], spent_minor: int, data: st.DataObject
) -> None:
    shop = Shop(FUNDS_MINOR)
    core, buyer = shop.core, shop.buyer
    card = Card("token", "622202", "4567", "k1", (uuid7().bytes,))
    bound = core.carry_out(BindInstrument(origin=origin(), account_id=buyer.id, card=card)).instrument_id
    steps: list[tuple[Funding, list[Outcome | None]]] = []
    for command, amount_minor, answers, reversals in fundings:
        asked = command(
            origin=origin(), account_id=buyer.id, amount=Money(amount_minor, "CNY"), instrument_id=bound, ways=BY_BANK
        )
        steps.append((core.carry_out(asked), [*answers, *[None] * reversals]))
    if spent_minor:
        shop.order(spent_minor, pay=True)
    while left := [step for step in steps if step[1]]:
        funding, heard = data.draw(st.sampled_from(left))
        _heard(core, funding, heard.pop(0))

    expected = sum(_brought(*facts) for facts in fundings)
    available, held, receivable = (
        next(row.amount_minor for row in core.all(Balance) if row.id == balance_id(buyer.id, "CNY", purpose))
        for purpose in (Purpose.AVAILABLE, Purpose.HELD, Purpose.RECEIVABLE)
    )
    assert (available + receivable, held) == (FUNDS_MINOR + expected - spent_minor, 0)
    assert shop.platform(Purpose.BANK_CLEARING) == -(FUNDS_MINOR + expected)
    assert available >= 0 >= receivable
    assert all(row.next_attempt_at is None and not row.state.is_open for row in core.all(Funding))


def _heard(core: MemoryCore, funding: Funding, answer: Outcome | None) -> None:
    """A worker brings an answer; None is a statement on which the debit is taken back."""
    if answer is None:
        core.carry_out(
            ReverseTopUp(origin=origin(), funding_id=funding.id, amount=Money(funding.amount_minor, funding.currency))
        )
        return
    (now,) = (row for row in core.all(Funding) if row.id == funding.id)
    if now.next_attempt_at is not None:
        core._keep([now.replace(attempts=now.attempts + 1)])
    before = now.state
    command = TakeOutcome(origin=origin(), funding_id=funding.id, outcome=answer, ask_again_at=SOON)
    after = core.carry_out(command).state
    assert before.is_open or after is before, "what is settled stays so"
    assert after is not FundingState.REVERSED or before is after


def _brought(command: type[TopUp] | type[Withdraw], amount_minor: int, answers: list[Outcome], reversals: int) -> int:
    """What a funding brings into the account in the end."""
    accepted = Outcome(Answer.ACCEPTED) in answers
    if command.kind is FundingKind.WITHDRAWAL:
        return -amount_minor if accepted else 0
    return amount_minor if accepted and not reversals else 0


# --- Reconciliation ---------------------------------------------------------------------------------------------------------

SIGHTINGS = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 5)), max_size=30)
"""A movement, whether it is seen here or there, and on which day."""


@given(amounts=st.lists(st.tuples(st.integers(1, 2), st.integers(1, 2)), min_size=4, max_size=4), seen=SIGHTINGS)
def test_a_difference_is_open_as_long_as_its_sides_differ(
    amounts: list[tuple[int, int]], seen: list[tuple[int, bool, int]]
) -> None:
    """In whichever order, and however often, the days are looked at."""
    core, transfers = MemoryCore(), [uuid7() for _ in amounts]
    sides: dict[int, set[bool]] = {}
    for number, is_here, day in seen:
        here, there = amounts[number]
        sighting = Sides(transfers[number], LineKind.DEBIT, "CNY", here if is_here else None, None if is_here else there)
        core.carry_out(CompareSides(origin=origin(), day=day, sides=(sighting,)))
        sides.setdefault(number, set()).add(is_here)
    found = {each.transfer_id: each for each in core.all(Difference)}
    assert set(found) == {transfers[number] for number in sides}
    for number, known in sides.items():
        alike = known == {True, False} and amounts[number][0] == amounts[number][1]
        state = DifferenceState.EXPLAINED if alike else DifferenceState.OPEN
        assert found[transfers[number]].state is state
