"""Fees that are paid out: never more than they came to, by two operators, to an account of the operator's own."""

from typing import Any

import pytest

from danbao_core.accounts import Account, AccountKind, AccountState
from danbao_core.bank.ways import Ways
from danbao_core.errors import (
    AccountClosed,
    AccountFrozen,
    AmountNotPositive,
    BankMissing,
    InsufficientFunds,
    Refusal,
    WalletMissing,
)
from danbao_core.fundings import Funding, FundingState, Withdraw
from danbao_core.ids import uuid7
from danbao_core.ledger import Journal
from danbao_core.money import Money
from danbao_core.payments import CarryOutRefund, CreatePayment, CreateRefund, Mode, Payment
from danbao_core.payout_errors import FeesExceeded, PayoutsForMerchants
from danbao_core.people.instruments import BindInstrument, Card
from danbao_core.people_errors import InstrumentNotFound
from danbao_core.proposals import ApproveProposal, FeePayout, ProposalState
from danbao_core.sandbox import BankBehaviour, SetBankBehaviour
from tests.builders import BY_BANK, origin
from tests.unit.test_proposals import FEES, OUTSIDE, Office, adjustment, of, wallet


class Company(Office):
    """An operator with an account of its own, and a shop whose sales bring 150 of fees."""

    def __init__(self) -> None:
        super().__init__()
        self.own = self.account(kind=AccountKind.MERCHANT)
        self.shop = self.account(kind=AccountKind.MERCHANT)
        self.sale = self.sold(10_000)

    def sold(self, amount_minor: int) -> Payment:
        buyer = self.account(amount_minor)
        return self.carry_out(
            CreatePayment(
                origin=origin(),
                payer_id=buyer.id,
                payee_id=self.shop.id,
                amount=Money(amount_minor, "CNY"),
                mode=Mode.INSTANT,
                pay=True,
            )
        )

    def card(self, account: Account | None = None) -> Any:
        card = Card("token", "622202", "4567", "k1", (uuid7().bytes,))
        owner = account or self.own
        return self.carry_out(BindInstrument(origin=origin(), account_id=owner.id, card=card)).instrument_id

    def paid_out(self, amount_minor: int, *, ways: Ways = Ways(), **facts: Any) -> Funding:  # noqa: B008  # it is immutable
        """The withdrawal of fees that Olga proposed and Otto approved."""
        proposal = self.proposal(payout(self.own, amount_minor, **facts))
        self.carry_out(ApproveProposal(origin=of(self.otto), proposal_id=proposal.id, ways=ways))
        return self.all(Funding)[-1]


def payout(account: Account, amount_minor: int, currency: str = "CNY", **facts: Any) -> FeePayout:
    return FeePayout(account_id=account.id, amount=Money(amount_minor, currency), **facts)


@pytest.fixture
def company() -> Company:
    return Company()


def test_all_of_the_fees_leave_by_a_withdrawal(company: Company) -> None:
    outside = company.holds(OUTSIDE)
    funding = company.paid_out(150)
    assert (funding.state, funding.amount_minor, funding.account_id) == (FundingState.SUCCEEDED, 150, company.own.id)
    assert (company.holds(FEES), company.holds(wallet(company.own)), company.holds(OUTSIDE)) == (0, 0, outside + 150)
    assert [each.kind for each in company.all(Journal)][-3:] == ["proposal.pay_out_fees", "funding.withdraw", "funding.settle"]


def test_a_cards_bank_is_asked_for_it_like_for_any_other(company: Company) -> None:
    card = company.card()
    funding = company.paid_out(100, instrument_id=card, ways=BY_BANK)
    assert (funding.state, funding.instrument_id, funding.next_attempt_at is None) == (FundingState.PENDING, card, False)
    assert (company.holds(FEES), company.holds(wallet(company.own))) == (50, 0)


def test_what_the_bank_declines_stays_in_the_operators_wallet(company: Company) -> None:
    company.carry_out(SetBankBehaviour(origin=origin(), behaviour=BankBehaviour.DECLINE))
    assert company.paid_out(150).state is FundingState.FAILED
    assert (company.holds(FEES), company.holds(wallet(company.own))) == (0, 150)
    company.carry_out(SetBankBehaviour(origin=origin(), behaviour=BankBehaviour.ACCEPT))
    company.carry_out(Withdraw(origin=origin(), account_id=company.own.id, amount=Money(150, "CNY")))
    assert company.holds(wallet(company.own)) == 0


def test_no_more_than_the_fees_came_to_is_proposed(company: Company) -> None:
    with pytest.raises(FeesExceeded) as caught:
        company.proposal(payout(company.own, 151))
    assert caught.value.metadata == {"earned_minor": "150", "currency": "CNY"}


def test_no_more_than_the_fees_came_to_is_approved(company: Company) -> None:
    proposals = [company.proposal(payout(company.own, 100)) for _ in range(2)]
    approvals = [ApproveProposal(origin=of(company.otto), proposal_id=each.id) for each in proposals]
    company.carry_out(approvals[0])
    with pytest.raises(FeesExceeded):
        company.carry_out(approvals[1])
    assert company.all(type(proposals[1]))[-1].state is ProposalState.PENDING
    company.sold(5_000)
    company.carry_out(approvals[1])
    assert company.holds(FEES) == 150 + 75 - 200


def test_an_approval_has_a_batch_for_itself() -> None:
    assert ApproveProposal.alone, "or two of one batch would each see all of the fees"


def test_what_refunds_under_way_give_back_is_left(company: Company) -> None:
    company.carry_out(CreateRefund(origin=origin(), payment_id=company.sale.id, amount=Money(4_000, "CNY")))
    with pytest.raises(FeesExceeded) as caught:
        company.proposal(payout(company.own, 91))
    assert caught.value.metadata["earned_minor"] == "90"
    company.paid_out(90)
    assert company.holds(FEES) == 60


def test_fees_of_which_a_refund_takes_more_than_there_is_are_made_good_by_the_next(company: Company) -> None:
    company.paid_out(150)
    refund = company.carry_out(CreateRefund(origin=origin(), payment_id=company.sale.id))
    company.carry_out(CarryOutRefund(origin=origin(), refund_id=refund.id))
    assert company.holds(FEES) == -150
    company.sold(20_000)
    with pytest.raises(FeesExceeded):
        company.proposal(payout(company.own, 151))
    company.paid_out(150)


def test_what_is_not_possible(company: Company) -> None:
    stranger, person = company.account(), company.account()
    closed = company.account(kind=AccountKind.MERCHANT)
    company.place(closed.replace(state=AccountState.CLOSED))
    theirs = company.card(stranger)
    for terms, refusal in (
        (payout(company.own, 0), AmountNotPositive),
        (payout(person, 1), PayoutsForMerchants),
        (payout(closed, 1), AccountClosed),
        (payout(company.own, 1, "EUR"), WalletMissing),
        (payout(company.own, 1, instrument_id=theirs), InstrumentNotFound),
    ):
        with pytest.raises(refusal):
            company.proposal(terms)


@pytest.mark.parametrize(
    ("change", "ways", "refusal"),
    [
        ({}, Ways(bank=True, till=False), BankMissing),
        ({"state": AccountState.FROZEN}, Ways(), AccountFrozen),
    ],
)
def test_what_became_impossible_leaves_all_as_it_was(
    company: Company, change: dict[str, Any], ways: Ways, refusal: type[Refusal]
) -> None:
    proposal = company.proposal(payout(company.own, 150))
    company.place(company.own.replace(**change))
    with pytest.raises(refusal):
        company.carry_out(ApproveProposal(origin=of(company.otto), proposal_id=proposal.id, ways=ways))
    assert (company.holds(FEES), company.holds(wallet(company.own))) == (150, 0)


def test_an_account_that_owes_is_not_paid_out_to(company: Company) -> None:
    company.approved(adjustment(wallet(company.own), OUTSIDE, 40))
    proposal = company.proposal(payout(company.own, 150))
    with pytest.raises(InsufficientFunds):
        company.carry_out(ApproveProposal(origin=of(company.otto), proposal_id=proposal.id))
