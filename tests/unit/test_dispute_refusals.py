"""What is refused of what is asked for in disputes, and what they take as evidence."""

import hashlib
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from danbao_core.accounts import AccountKind
from danbao_core.dispute_errors import (
    AlreadyDisputed,
    AwardExceedsDisputed,
    CompensationNotPossible,
    DisputeExceedsRemaining,
    DisputeNotFound,
    DisputeOpen,
    DisputeWindowClosed,
    EvidenceClosed,
    EvidenceHashMismatch,
    EvidenceMissing,
    EvidenceTooLarge,
    EvidenceTypeUnknown,
    PartyMissing,
    TooMuchEvidence,
)
from danbao_core.disputes import (
    AcceptDispute,
    AcceptOffer,
    AppealDispute,
    DecideDispute,
    Dispute,
    DisputeEvent,
    DisputeState,
    EscalateDispute,
    EvidenceFile,
    OfferSettlement,
    Outcome,
    Party,
    Reason,
    RejectDispute,
    SubmitEvidence,
    WaiveAppeal,
    WithdrawDispute,
)
from danbao_core.engine import Command
from danbao_core.errors import (
    ActorNotAllowed,
    AmountNotPositive,
    CurrencyMismatch,
    InvalidTransition,
    PaymentNotFound,
    Refusal,
    ScopeMissing,
)
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.payments import (
    CancelPayment,
    CloseReason,
    Mode,
    State,
)
from danbao_core.payments.refund_rows import RefundFailure
from tests.builders import origin
from tests.disputes_at_shop import (
    DAY,
    HOUR,
    arbitrator,
    decided,
    disputed,
    step,
    steps_of,
    topics,
    under_review,
    wealth,
)
from tests.shop import Shop, bound
from tests.unit.test_dispute_table import ALLOWED, DECLARED


def test_a_strangers_payment_is_not_there() -> None:
    shop = Shop()
    payment = shop.shipped()
    stranger = bound(shop.open(AccountKind.PERSONAL), "disputes.write")
    with pytest.raises(PaymentNotFound):
        disputed(shop, payment, by=stranger)
    dispute = disputed(shop, payment)
    for command, facts in EVERY_STEP:
        with pytest.raises(DisputeNotFound):
            step(shop, command, dispute, stranger, **facts)


EVERY_STEP: list[tuple[type[Command[Any]], dict[str, Any]]] = [
    (AcceptDispute, {}),
    (RejectDispute, {"text": "x"}),
    (OfferSettlement, {"amount": Money(1, "CNY")}),
    (AcceptOffer, {}),
    (EscalateDispute, {"text": "x"}),
    (WithdrawDispute, {"text": "x"}),
    (SubmitEvidence, {"text": "x"}),
    (DecideDispute, {"to_buyer": Money(1, "CNY")}),
    (AppealDispute, {"text": "x"}),
    (WaiveAppeal, {}),
]
EVENTS = dict(zip((command for command, _ in EVERY_STEP), [each for each in DisputeEvent if 1 < each < 20], strict=True))
"""The contract numbers them in the same order."""


@pytest.mark.parametrize(
    ("state", "party", "command", "facts"),
    [(state, party, *each) for state, party, each in product(DisputeState, (Party.BUYER, Party.SELLER), EVERY_STEP)],
    ids=lambda each: each.name if isinstance(each, DisputeState | Party) else getattr(each, "__name__", ""),
)
def test_every_step_by_either_side(state: DisputeState, party: Party, command: type[Command[Any]], facts: Any) -> None:
    """By keys that are bound: what the tables promise, commands keep."""
    shop = Shop()
    dispute = in_state(shop, state)
    by = bound(shop.buyer if party is Party.BUYER else shop.seller, "disputes.write")
    event = EVENTS[command]
    if (state, event, party) in ALLOWED:
        after = step(shop, command, dispute, by, **facts)
        assert after.state is ALLOWED[state, event, party]
        assert (after.version, steps_of(shop, after)[-1].actor) == (dispute.version + 1, party)
        return
    with pytest.raises(ActorNotAllowed if (state, event) in DECLARED else InvalidTransition):
        step(shop, command, dispute, by, **facts)
    assert shop.now(dispute) == dispute


def in_state(shop: Shop, state: DisputeState) -> Dispute:
    """A dispute that came into the state as disputes do, with an offer."""
    dispute = disputed(shop, shop.shipped())
    if state is DisputeState.AWAITING_SELLER:
        return dispute
    dispute = step(shop, OfferSettlement, dispute, amount=Money(300, "CNY"))
    match state:
        case DisputeState.SETTLED:
            return step(shop, AcceptOffer, dispute)
        case DisputeState.CLOSED:
            return step(shop, WithdrawDispute, dispute)
        case DisputeState.UNDER_REVIEW | DisputeState.DECIDED:
            dispute = step(shop, EscalateDispute, dispute)
    return decided(shop, dispute, 1) if state is DisputeState.DECIDED else dispute


def test_who_may_decide_and_for_whom_services_act() -> None:
    shop = Shop()
    dispute = under_review(shop, disputed(shop, shop.shipped()))
    service = origin(key_id=uuid7(), scopes=frozenset({"disputes.write"}))
    with pytest.raises(ScopeMissing):
        decided(shop, dispute, 1, service)
    with pytest.raises(PartyMissing):
        step(shop, SubmitEvidence, dispute, service, text="x")
    assert step(shop, SubmitEvidence, dispute, service, text="x", party=Party.SELLER).seller_evidence == 1
    with pytest.raises(ActorNotAllowed):
        step(shop, SubmitEvidence, dispute, bound(shop.buyer), text="x", party=Party.SELLER)
    with pytest.raises(ActorNotAllowed):
        disputed(shop, shop.shipped(), by=service, party=Party.SELLER)
    with pytest.raises(ActorNotAllowed):
        disputed(shop, shop.shipped(), by=bound(shop.seller, "disputes.write"))


def test_one_dispute_at_a_time_one_ordinary_and_one_that_nobody_authorized() -> None:
    shop = Shop()
    payment = shop.succeeded(amount_minor=1_000)
    first = disputed(shop, payment, 100)
    for reason in (Reason.OTHER, Reason.UNAUTHORIZED):
        with pytest.raises(DisputeOpen):
            disputed(shop, payment, reason=reason)
    step(shop, WithdrawDispute, first)
    with pytest.raises(AlreadyDisputed) as refused:
        disputed(shop, payment, reason=Reason.OTHER)
    assert refused.value.metadata == {"payment": payment.name}
    second = disputed(shop, payment, 100, reason=Reason.UNAUTHORIZED)
    step(shop, AcceptDispute, second)
    with pytest.raises(AlreadyDisputed):
        disputed(shop, payment, reason=Reason.UNAUTHORIZED)


def test_a_dispute_whose_time_is_over_makes_room_for_another() -> None:
    shop = Shop()
    payment = shop.succeeded(amount_minor=1_000)
    first = disputed(shop, payment, 100)
    shop.core.advance(3 * DAY)
    second = disputed(shop, payment, reason=Reason.UNAUTHORIZED)
    assert shop.now(first).outcome is Outcome.DEFAULT_JUDGMENT
    assert second.amount_minor == 900


def test_a_dispute_whose_end_released_the_payment_makes_room_for_one_after_the_release() -> None:
    shop = Shop()
    payment = shop.shipped(amount_minor=1_000)
    first = disputed(shop, payment, 100)
    shop.core.advance(3 * DAY)
    second = disputed(shop, payment, reason=Reason.UNAUTHORIZED)
    assert shop.now(first).outcome is Outcome.DEFAULT_JUDGMENT
    assert (second.released, second.amount_minor, second.held_minor) == (True, 900, 886)
    assert wealth(shop) == (9_100, 0, 0, 14)


def test_a_payment_whose_dispute_and_whose_own_time_are_over_is_disputed_after_the_release() -> None:
    shop = Shop()
    payment = shop.shipped(amount_minor=1_000)
    step(shop, RejectDispute, disputed(shop, payment), text="No.")
    shop.core.advance(20 * DAY)
    second = disputed(shop, payment, reason=Reason.UNAUTHORIZED)
    assert (second.released, second.held_minor) == (True, 985)
    assert shop.now(payment).succeeded_at - payment.updated_at == timedelta(days=13), "ten to confirm, and three disputed"


def test_a_payment_that_is_called_off_when_its_dispute_is_over_takes_its_refunds_along() -> None:
    shop = Shop()
    payment = shop.order(1_000, pay=True)
    refund = shop.refund(payment, 400)
    step(shop, RejectDispute, disputed(shop, payment), text="No.")
    shop.core.advance(40 * DAY)
    with pytest.raises(InvalidTransition):
        disputed(shop, payment, reason=Reason.UNAUTHORIZED)
    assert shop.now(payment).close_reason is CloseReason.NOT_SHIPPED
    assert shop.now(refund).failure is RefundFailure.SUPERSEDED


@pytest.mark.parametrize(("reason", "days"), [(Reason.NOT_AS_DESCRIBED, 15), (Reason.UNAUTHORIZED, 60)])
def test_the_window_closes(reason: Reason, days: int) -> None:
    shop = Shop()
    early, late = shop.succeeded(), shop.succeeded()
    shop.core.advance(days * DAY - 1)
    assert disputed(shop, early, reason=reason).released
    shop.core.advance(1)
    with pytest.raises(DisputeWindowClosed):
        disputed(shop, late, reason=reason)
    shop.core.advance(400 * DAY)
    with pytest.raises(DisputeWindowClosed):
        disputed(shop, late, reason=reason)
    assert shop.now(late).state is State.FINISHED, "what time brought about stays"


@pytest.mark.parametrize("state", ["unpaid", "authorized", "cancelled", "refunded"])
def test_only_what_was_paid_and_not_given_back_is_disputed(state: str) -> None:
    shop = Shop()
    payment = shop.order(pay=state != "unpaid", mode=Mode.AUTHORIZATION if state == "authorized" else Mode.ESCROW)
    if state == "cancelled":
        shop.step(CancelPayment, payment)
    if state == "refunded":
        shop.carried_out(shop.refund(payment))
    with pytest.raises(InvalidTransition):
        disputed(shop, payment)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "refusal"),
    [(1_001, "CNY", DisputeExceedsRemaining), (0, "CNY", AmountNotPositive), (1, "USD", CurrencyMismatch)],
)
def test_no_more_is_disputed_than_was_paid(amount_minor: int, currency: str, refusal: type[Refusal]) -> None:
    shop = Shop()
    with pytest.raises(refusal):
        disputed(shop, shop.shipped(amount_minor=1_000), amount_minor, currency=currency)


@pytest.mark.parametrize(
    ("to_buyer", "compensation", "reason", "refusal"),
    [
        (401, None, Reason.OTHER, AwardExceedsDisputed),
        (300, 101, Reason.UNAUTHORIZED, AwardExceedsDisputed),
        (-1, None, Reason.OTHER, AmountNotPositive),
        (1, -1, Reason.UNAUTHORIZED, AmountNotPositive),
        (300, 100, Reason.NOT_RECEIVED, CompensationNotPossible),
    ],
)
def test_no_more_is_awarded_than_is_disputed(
    to_buyer: int, compensation: int | None, reason: Reason, refusal: type[Refusal]
) -> None:
    shop = Shop()
    dispute = under_review(shop, disputed(shop, shop.shipped(amount_minor=1_000), 400, reason=reason))
    given = {} if compensation is None else {"compensation": Money(compensation, "CNY")}
    with pytest.raises(refusal):
        decided(shop, dispute, to_buyer, **given)
    with pytest.raises(CurrencyMismatch):
        step(shop, DecideDispute, dispute, arbitrator(), to_buyer=Money(1, "USD"))


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (Money(401, "CNY"), AwardExceedsDisputed),
        (Money(0, "CNY"), AmountNotPositive),
        (Money(1, "USD"), CurrencyMismatch),
    ],
)
def test_no_more_is_offered_than_is_disputed(amount: Money, refusal: type[Refusal]) -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped(amount_minor=1_000), 400)
    with pytest.raises(refusal):
        step(shop, OfferSettlement, dispute, amount=amount)


def test_what_time_brought_about_stays_where_the_step_comes_too_late() -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped())
    shop.core.advance(2 * DAY)
    with pytest.raises(InvalidTransition):
        step(shop, RejectDispute, dispute)
    assert shop.now(dispute).outcome is Outcome.DEFAULT_JUDGMENT


PHOTO = b"\x89PNG"
FILE: dict[str, Any] = {
    "file_name": "a.png",
    "media_type": "image/png",
    "content": PHOTO,
    "sha256": hashlib.sha256(PHOTO).digest(),
}


def test_both_sides_show_texts_and_files() -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped())
    command = SubmitEvidence(origin=origin(), dispute_id=dispute.id, party=Party.BUYER, text="It came broken.", **FILE)
    evidence = shop.core.carry_out(command)
    assert (evidence.party, evidence.size_bytes, evidence.sha256) == (Party.BUYER, 4, FILE["sha256"])
    assert shop.core.all(EvidenceFile) == [EvidenceFile(evidence.id, PHOTO)]
    dispute = step(shop, SubmitEvidence, dispute, bound(shop.seller), text="It did not.")
    assert (dispute.buyer_evidence, dispute.seller_evidence) == (1, 1)
    assert topics(shop, dispute) == ["opened", "evidence_submitted", "evidence_submitted"]


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({}, EvidenceMissing),
        ({"text": "x" * 4_001}, EvidenceTooLarge),
        (FILE | {"content": b"x" * 1_048_577}, EvidenceTooLarge),
        (FILE | {"media_type": "video/mp4"}, EvidenceTypeUnknown),
        (FILE | {"media_type": ""}, EvidenceTypeUnknown),
        (FILE | {"content": b"another"}, EvidenceHashMismatch),
        (FILE | {"sha256": b""}, EvidenceHashMismatch),
        (FILE | {"content": b"", "text": "x"}, EvidenceMissing),
    ],
)
def test_what_is_no_evidence_is_refused(facts: dict[str, Any], refusal: type[Refusal]) -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped())
    with pytest.raises(refusal):
        step(shop, SubmitEvidence, dispute, party=Party.BUYER, **facts)


def test_each_side_shows_something_20_times() -> None:
    shop = Shop()
    dispute = disputed(shop, shop.shipped())
    for _ in range(20):
        step(shop, SubmitEvidence, dispute, party=Party.BUYER, text="x")
    with pytest.raises(TooMuchEvidence):
        step(shop, SubmitEvidence, dispute, party=Party.BUYER, text="x")
    assert step(shop, SubmitEvidence, dispute, party=Party.SELLER, text="x").seller_evidence == 1


def test_a_review_takes_evidence_for_72_hours_and_again_after_an_appeal() -> None:
    shop = Shop()
    dispute = under_review(shop, disputed(shop, shop.shipped()))
    shop.core.advance(72 * HOUR - 1)
    step(shop, SubmitEvidence, dispute, party=Party.BUYER, text="x")
    shop.core.advance(1)
    with pytest.raises(EvidenceClosed):
        step(shop, SubmitEvidence, dispute, party=Party.BUYER, text="x")
    assert shop.now(dispute).due_event is DisputeEvent.REMIND, "what time brought about stays"
    step(shop, AppealDispute, decided(shop, dispute, 1), party=Party.BUYER, text="x")
    assert step(shop, SubmitEvidence, dispute, party=Party.BUYER, text="x").buyer_evidence == 2
