"""Refunds to cards: the money moves when the bank has said so, and goes to the wallet where the bank or the card says no."""

from datetime import timedelta

import pytest

from danbao_core.accounts import Account, Purpose
from danbao_core.bank.port import Answer, DeclineReason, Outcome
from danbao_core.fundings import TopUp, Withdraw
from danbao_core.ids import uuid7
from danbao_core.ledger import Journal
from danbao_core.money import Money
from danbao_core.payments import (
    CancelPayment,
    CloseReason,
    Payment,
    Refund,
    RefundState,
    State,
)
from danbao_core.payments.refund_rows import Destination, Fallback
from danbao_core.people.instruments import Instrument
from danbao_core.people_errors import InstrumentNotFound
from danbao_core.refunds_at_bank import LeaveUnboundCard, TakeRefundOutcome
from tests.builders import origin
from tests.memory_core import NOON
from tests.shop import Shop

LATER = NOON + timedelta(seconds=7)


def a_card(shop: Shop, of: Account) -> Instrument:
    card = Instrument(
        id=uuid7(),
        account_id=of.id,
        token="token",
        issuer_prefix="424242",
        last_four="4242",
        fingerprint_key_id="1",
        created_at=NOON,
        unbound_at=None,
        version=1,
    )
    shop.core.place(card)
    return card


def unbound(shop: Shop, card: Instrument) -> None:
    shop.core.place(card.replace(unbound_at=NOON, version=2))


def sent(shop: Shop, refund: Refund) -> Refund:
    """The refund after a worker has set out to ask the bank (`claim_refund.sql`)."""
    row: Refund = shop.now(refund).replace(attempts=1, sent_at=NOON)
    shop.core.place(row)
    return row


def answered(shop: Shop, refund: Refund, answer: Answer) -> Refund:
    reason = DeclineReason.OTHER if answer is Answer.DECLINED else DeclineReason.NONE
    command = TakeRefundOutcome(origin=origin(), refund_id=refund.id, outcome=Outcome(answer, reason), ask_again_at=LATER)
    return shop.core.carry_out(command)


def leave_card(shop: Shop, refund: Refund) -> Refund:
    return shop.core.carry_out(LeaveUnboundCard(origin=origin(), refund_id=refund.id))


def to_card(shop: Shop, payment: Payment, amount_minor: int = 400) -> Refund:
    return shop.refund(payment, amount_minor, instrument_id=a_card(shop, shop.buyer).id)


@pytest.mark.parametrize("released", [False, True])
def test_the_money_leaves_when_the_bank_says_yes(released: bool) -> None:
    shop = Shop()
    payment = shop.succeeded() if released else shop.order(pay=True)
    refund = to_card(shop, payment)
    assert (refund.state, refund.destination, refund.next_attempt_at) == (RefundState.PENDING, Destination.INSTRUMENT, NOON)
    assert shop.carried_out(refund) == refund, "that is the bank's to say"
    outside = shop.platform(Purpose.BANK_CLEARING)
    refund = answered(shop, sent(shop, refund), Answer.ACCEPTED)
    assert (refund.state, refund.next_attempt_at) == (RefundState.SUCCEEDED, None)
    assert shop.platform(Purpose.BANK_CLEARING) == outside + 400
    assert shop.available(shop.buyer) == 9_000
    assert shop.now(payment).refunded_minor == 400
    assert answered(shop, refund, Answer.DECLINED) == refund, "it is settled"


@pytest.mark.parametrize("answer", [Answer.PENDING, Answer.NOT_KNOWN, Answer.NO_ANSWER, Answer.NOT_SENT])
def test_what_is_not_known_is_not_guessed(answer: Answer) -> None:
    shop = Shop()
    payment = shop.order(pay=True)
    refund = answered(shop, sent(shop, to_card(shop, payment)), answer)
    assert (refund.state, refund.next_attempt_at) == (RefundState.PENDING, LATER)
    assert (shop.now(payment).held_minor, shop.now(payment).refund_reserved_minor) == (1_000, 400)


@pytest.mark.parametrize("released", [False, True])
def test_what_the_bank_declines_goes_to_the_wallet(released: bool) -> None:
    shop = Shop()
    payment = shop.succeeded() if released else shop.order(pay=True)
    refund = answered(shop, sent(shop, to_card(shop, payment)), Answer.DECLINED)
    assert (refund.state, refund.destination, refund.fallback) == (
        RefundState.PENDING,
        Destination.WALLET,
        Fallback.BANK_DECLINED,
    )
    assert shop.carried_out(refund).state is RefundState.SUCCEEDED
    assert shop.available(shop.buyer) == 9_400


def test_a_card_that_was_unbound_before_is_left_alone() -> None:
    shop = Shop()
    card = a_card(shop, shop.buyer)
    refund = shop.refund(shop.order(pay=True), 400, instrument_id=card.id)
    assert leave_card(shop, refund) == refund
    unbound(shop, card)
    refund = leave_card(shop, refund)
    assert (refund.destination, refund.fallback) == (Destination.WALLET, Fallback.INSTRUMENT_UNBOUND)


def test_a_card_that_was_unbound_afterwards_may_have_got_it() -> None:
    shop = Shop()
    card = a_card(shop, shop.buyer)
    refund = sent(shop, shop.refund(shop.order(pay=True), 400, instrument_id=card.id))
    unbound(shop, card)
    assert leave_card(shop, refund) == refund


@pytest.mark.parametrize("answer", [Answer.ACCEPTED, Answer.DECLINED])
def test_cancelling_leaves_to_the_bank_what_it_may_have(answer: Answer) -> None:
    shop = Shop()
    payment = shop.order(pay=True)
    at_bank, not_yet = to_card(shop, payment, 300), to_card(shop, payment, 200)
    at_bank = sent(shop, at_bank)
    payment = shop.step(CancelPayment, payment)
    assert (payment.state, payment.returned_minor, payment.held_minor) == (State.CLOSED, 700, 300)
    assert payment.open_refund_ids == [at_bank.id]
    assert shop.now(not_yet).state is RefundState.FAILED
    shop.carried_out(answered(shop, at_bank, answer))
    payment = shop.now(payment)
    assert (payment.held_minor, payment.returned_minor, payment.refund_reserved_minor) == (0, 1_000, 0)
    assert payment.close_reason is CloseReason.CANCELLED_BY_PLATFORM
    assert shop.platform(Purpose.ESCROW) == 0
    assert shop.available(shop.buyer) == (9_700 if answer is Answer.ACCEPTED else 10_000)


def test_a_card_is_not_asked_while_the_payee_lacks_the_money() -> None:
    shop = Shop()
    payment = shop.succeeded()
    shop.core.carry_out(Withdraw(origin=origin(), account_id=shop.seller.id, amount=Money(985, "CNY")))
    refund = to_card(shop, payment)
    assert (refund.state, refund.next_attempt_at) == (RefundState.AWAITING_FUNDS, None)
    shop.core.carry_out(TopUp(origin=origin(), account_id=shop.seller.id, amount=Money(985, "CNY")))
    refund = shop.carried_out(refund)
    assert (refund.state, refund.next_attempt_at) == (RefundState.PENDING, NOON)


@pytest.mark.parametrize("theirs", [False, True])
def test_only_the_payers_own_card_will_do(theirs: bool) -> None:
    shop = Shop()
    card = a_card(shop, shop.buyer if theirs else shop.seller)
    if theirs:
        unbound(shop, card)
    with pytest.raises(InstrumentNotFound):
        shop.refund(shop.order(pay=True), 1, instrument_id=card.id)
    assert not [each for each in shop.core.all(Journal) if each.kind.startswith("refund.")]
