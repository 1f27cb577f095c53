"""What takes two operators: the decisions, and the money that they move."""

from typing import Any

import pytest

from danbao_core.accounts import PLATFORM_ID, Account, AccountKind, AccountState, Balance, CreateAccount, Purpose
from danbao_core.engine import Origin
from danbao_core.errors import (
    AccountClosed,
    AccountNotFound,
    AmountNotPositive,
    AmountOverflow,
    InsufficientFunds,
    KeyOfAnotherOperator,
    KeyRevoked,
    OpenItemNotFound,
    OpenItemSettled,
    ProposalNotFound,
    ProposalNotPending,
    Refusal,
    ScopeMissing,
    ScopeNeedsGrant,
    ScopeNotGranted,
    SecondOperatorNeeded,
    ServiceKeyNotFound,
    SidesAreOne,
    WalletMissing,
)
from danbao_core.fundings import TopUp, Withdraw
from danbao_core.ids import uuid7
from danbao_core.ledger import Journal, OpenItem, OpenItemState
from danbao_core.money import MAX_AMOUNT_MINOR, Money
from danbao_core.payments import CancelPayment, CreatePayment, Mode
from danbao_core.proposals import (
    Adjustment,
    ApproveProposal,
    CreateProposal,
    Grant,
    OpenItemSettlement,
    Proposal,
    ProposalState,
    RejectProposal,
    Side,
    Terms,
)
from danbao_core.service_keys import CreateServiceKey, RevokeServiceKey, RotateServiceKey, ServiceKey
from danbao_core.trail import AuditEvent, Outbox
from tests.builders import origin
from tests.memory_core import MemoryCore

DAY = 86_400
FUND = Side(Purpose.COMPENSATION)
FEES = Side(Purpose.FEES)
OUTSIDE = Side(Purpose.BANK_CLEARING)


class Office(MemoryCore):
    """A core with two operators, Olga and Otto, whose keys were made on the machine."""

    def __init__(self) -> None:
        super().__init__()
        self.olga = self.key("operations", service="olga")
        self.otto = self.key("operations", service="otto")

    def key(self, *scopes: str, service: str = "shop", by: Origin | None = None) -> ServiceKey:
        """A new key; made on the machine where nobody makes it."""
        command = CreateServiceKey(
            origin=by or origin(), service=service, scopes=frozenset(scopes), secret_hash=service.encode().ljust(32)
        )
        return self.carry_out(command)

    def account(self, funds_minor: int = 0, kind: AccountKind = AccountKind.PERSONAL) -> Account:
        made = self.carry_out(CreateAccount(origin=origin(), kind=kind, display_name="Ada", currencies=("CNY",)))
        if funds_minor:
            self.top_up(made, funds_minor)
        return made

    def top_up(self, account: Account, amount_minor: int) -> None:
        self.carry_out(TopUp(origin=origin(), account_id=account.id, amount=Money(amount_minor, "CNY")))

    def proposal(self, terms: Terms, reason: str = "a mistake") -> Proposal:
        """What Olga proposes."""
        return self.carry_out(CreateProposal(origin=of(self.olga), terms=terms, reason=reason))

    def approved(self, terms: Terms, reason: str = "a mistake") -> Proposal:
        """What Olga proposes and Otto approves."""
        proposal = self.proposal(terms, reason)
        return self.carry_out(ApproveProposal(origin=of(self.otto), proposal_id=proposal.id))

    def refusal(self, command: Any) -> Refusal:
        with pytest.raises(Refusal) as caught:
            self.carry_out(command)
        return caught.value

    def holds(self, side: Side) -> int:
        """What is on a side, over all stripes."""
        owner = side.account_id or PLATFORM_ID
        return sum(each.amount_minor for each in self.all(Balance) if each.purpose is side.purpose and each.account_id == owner)

    def owes(self, account: Account) -> int:
        return -self.holds(Side(Purpose.RECEIVABLE, account.id))


def of(key: ServiceKey) -> Origin:
    """A request that is made with a key."""
    return origin(caller=key.caller, key_id=key.id, scopes=frozenset(key.scopes.split()), account_id=key.account_id)


def wallet(account: Account) -> Side:
    return Side(Purpose.AVAILABLE, account.id)


def adjustment(debit: Side, credit: Side, amount_minor: int = 100) -> Adjustment:
    return Adjustment(debit=debit, credit=credit, amount=Money(amount_minor, "CNY"))


@pytest.fixture
def office() -> Office:
    return Office()


# --- Two operators ----------------------------------------------------------------------------------------------------------


def test_a_proposal_changes_nothing_until_another_operator_approves_it(office: Office) -> None:
    ada = office.account(1_000)
    proposal = office.proposal(adjustment(wallet(ada), FEES))
    assert (proposal.state, proposal.proposer_key_id, proposal.decider_key_id) == (
        ProposalState.PENDING,
        office.olga.id,
        None,
    )
    assert office.holds(wallet(ada)) == 1_000

    approved = office.carry_out(ApproveProposal(origin=of(office.otto), proposal_id=proposal.id))

    assert (approved.state, approved.decider_key_id, approved.decided_at) == (
        ProposalState.APPROVED,
        office.otto.id,
        office.now,
    )
    assert (office.holds(wallet(ada)), office.holds(FEES)) == (900, 100)


def test_nobody_approves_what_they_proposed(office: Office) -> None:
    proposal = office.proposal(adjustment(OUTSIDE, FUND))
    own = ApproveProposal(origin=of(office.olga), proposal_id=proposal.id)
    assert isinstance(office.refusal(own), SecondOperatorNeeded)
    assert office.holds(FUND) == 0


@pytest.mark.parametrize("generations", [1, 2])
def test_a_key_that_the_proposer_made_is_no_second_operator(office: Office, generations: int) -> None:
    key = office.olga
    for _ in range(generations):
        key = office.key("operations", by=of(key))
    proposal = office.proposal(adjustment(OUTSIDE, FUND))
    assert isinstance(office.refusal(ApproveProposal(origin=of(key), proposal_id=proposal.id)), SecondOperatorNeeded)


def test_nor_is_the_proposers_maker_or_sibling(office: Office) -> None:
    one, other = (office.key("operations", by=of(office.olga)) for _ in range(2))
    proposal = office.carry_out(CreateProposal(origin=of(one), terms=adjustment(OUTSIDE, FUND), reason="x"))
    for key in (other, office.olga):
        assert isinstance(office.refusal(ApproveProposal(origin=of(key), proposal_id=proposal.id)), SecondOperatorNeeded)


def test_the_other_operators_descendants_may_approve(office: Office) -> None:
    proposal = office.proposal(adjustment(OUTSIDE, FUND))
    descendant = office.key("operations", by=of(office.otto))
    approved = office.carry_out(ApproveProposal(origin=of(descendant), proposal_id=proposal.id))
    assert approved.state is ProposalState.APPROVED


@pytest.mark.parametrize("command", [ApproveProposal, RejectProposal])
def test_who_is_no_operator_decides_nothing(office: Office, command: Any) -> None:
    proposal = office.proposal(adjustment(OUTSIDE, FUND))
    for asking in (of(office.key("payments.write")), origin()):
        assert isinstance(office.refusal(command(origin=asking, proposal_id=proposal.id)), ScopeMissing)
        wanted = CreateProposal(origin=asking, terms=adjustment(OUTSIDE, FUND), reason="x")
        assert isinstance(office.refusal(wanted), ScopeMissing)


@pytest.mark.parametrize("who", ["olga", "otto"])
def test_either_operator_rejects(office: Office, who: str) -> None:
    proposal = office.proposal(adjustment(OUTSIDE, FUND))
    rejected = office.carry_out(RejectProposal(origin=of(getattr(office, who)), proposal_id=proposal.id))
    assert (rejected.state, office.holds(FUND)) == (ProposalState.REJECTED, 0)
    late = ApproveProposal(origin=of(office.otto), proposal_id=proposal.id)
    assert office.refusal(late).metadata["state"] == "REJECTED"


@pytest.mark.parametrize("command", [ApproveProposal, RejectProposal])
def test_a_proposal_is_decided_once(office: Office, command: Any) -> None:
    proposal = office.approved(adjustment(OUTSIDE, FUND))
    again = office.refusal(command(origin=of(office.otto), proposal_id=proposal.id))
    assert isinstance(again, ProposalNotPending)
    assert office.holds(FUND) == 100


@pytest.mark.parametrize("command", [ApproveProposal, RejectProposal])
def test_a_proposal_expires_after_a_week(office: Office, command: Any) -> None:
    in_time, late = (office.proposal(adjustment(OUTSIDE, FUND)) for _ in range(2))
    office.advance(7 * DAY - 1)
    office.carry_out(command(origin=of(office.otto), proposal_id=in_time.id))
    office.advance(1)

    refusal = office.refusal(command(origin=of(office.otto), proposal_id=late.id))

    assert (type(refusal), refusal.metadata["state"]) == (ProposalNotPending, "EXPIRED")
    (expired,) = [each for each in office.all(Proposal) if each.id == late.id]
    assert (expired.state, expired.decided_at, expired.decider_key_id) == (ProposalState.EXPIRED, late.due_at, None)
    (trace,) = [each for each in office.all(AuditEvent) if each.subject_id == late.id and each.caller == "timer"]
    assert trace.created_at == office.now


def test_there_is_no_such_proposal(office: Office) -> None:
    assert isinstance(office.refusal(ApproveProposal(origin=of(office.otto), proposal_id=uuid7())), ProposalNotFound)


def test_every_step_is_told_and_written_down(office: Office) -> None:
    adjusted = office.approved(adjustment(OUTSIDE, FUND), "seed of the fund")
    rejected = office.proposal(adjustment(OUTSIDE, FUND), "twice")
    office.carry_out(RejectProposal(origin=of(office.otto), proposal_id=rejected.id))
    topics = [(each.topic, each.subject_id) for each in office.all(Outbox) if each.topic.startswith("proposal")]
    assert topics == [
        ("proposal.created", adjusted.id),
        ("proposal.approved", adjusted.id),
        ("proposal.created", rejected.id),
        ("proposal.rejected", rejected.id),
    ]
    facts = [(each.subject_id, each.caller, each.memo) for each in office.all(AuditEvent) if each.memo]
    assert facts == [
        (adjusted.id, "service:olga", "seed of the fund"),
        (adjusted.id, "service:otto", "seed of the fund"),
        (rejected.id, "service:olga", "twice"),
        (rejected.id, "service:otto", "twice"),
    ]
    (journal,) = [each for each in office.all(Journal) if each.subject_id == adjusted.id]
    assert (journal.kind, journal.memo, journal.key_id) == ("proposal.adjust", "seed of the fund", office.otto.id)


# --- Adjustments ------------------------------------------------------------------------------------------------------------


def test_money_moves_between_wallets(office: Office) -> None:
    ada, bob = office.account(1_000), office.account()
    office.approved(adjustment(wallet(ada), wallet(bob), 300))
    assert (office.holds(wallet(ada)), office.holds(wallet(bob))) == (700, 300)


def test_an_account_owes_what_it_lacks(office: Office) -> None:
    ada = office.account(60)
    office.approved(adjustment(wallet(ada), FEES))
    assert (office.holds(wallet(ada)), office.owes(ada), office.holds(FEES)) == (0, 40, 100)


def test_an_account_with_nothing_owes_all(office: Office) -> None:
    ada = office.account()
    for _ in range(2):
        office.approved(adjustment(wallet(ada), FEES))
    assert office.owes(ada) == 200


def test_nobody_owes_more_than_can_be_shown(office: Office) -> None:
    ada = office.account()
    office.approved(adjustment(wallet(ada), FEES, MAX_AMOUNT_MINOR))
    office.approved(adjustment(FEES, OUTSIDE, MAX_AMOUNT_MINOR))
    proposal = office.proposal(adjustment(wallet(ada), FEES, 1))
    assert isinstance(office.refusal(ApproveProposal(origin=of(office.otto), proposal_id=proposal.id)), AmountOverflow)
    assert office.owes(ada) == MAX_AMOUNT_MINOR


def test_credits_repay_before_they_can_be_spent(office: Office) -> None:
    ada = office.account()
    office.approved(adjustment(wallet(ada), FEES, 100))
    for amount_minor, owed, available in ((30, 70, 0), (70, 0, 0), (5, 0, 5)):
        office.top_up(ada, amount_minor)
        assert (office.owes(ada), office.holds(wallet(ada))) == (owed, available)


def test_an_adjustment_repays_too(office: Office) -> None:
    ada = office.account()
    office.approved(adjustment(wallet(ada), FEES, 100))
    office.approved(adjustment(FEES, wallet(ada), 130))
    assert (office.owes(ada), office.holds(wallet(ada)), office.holds(FEES)) == (0, 30, -30)


def a_purchase(payer: Account, payee: Account, mode: Mode) -> CreatePayment:
    return CreatePayment(origin=origin(), payer_id=payer.id, payee_id=payee.id, amount=Money(1_000, "CNY"), mode=mode, pay=True)


def test_takings_repay(office: Office) -> None:
    ada, shop = office.account(1_000), office.account(kind=AccountKind.MERCHANT)
    office.approved(adjustment(wallet(shop), FEES, 500))
    office.carry_out(a_purchase(ada, shop, Mode.INSTANT))
    assert (office.owes(shop), office.holds(wallet(shop))) == (0, 1_000 - 15 - 500)


def test_returns_repay(office: Office) -> None:
    ada, shop = office.account(1_000), office.account(kind=AccountKind.MERCHANT)
    payment = office.carry_out(a_purchase(ada, shop, Mode.ESCROW))
    office.approved(adjustment(wallet(ada), FEES, 400))
    office.carry_out(CancelPayment(origin=origin(), payment_id=payment.id))
    assert (office.owes(ada), office.holds(wallet(ada))) == (0, 600)


def test_the_fund_does_not_go_below_zero(office: Office) -> None:
    ada = office.account()
    office.approved(adjustment(OUTSIDE, FUND, 100))
    short = office.proposal(adjustment(FUND, wallet(ada), 101))
    approval = ApproveProposal(origin=of(office.otto), proposal_id=short.id)
    assert isinstance(office.refusal(approval), InsufficientFunds)
    office.approved(adjustment(OUTSIDE, FUND, 1))
    office.carry_out(ApproveProposal(origin=of(office.otto), proposal_id=short.id))  # it was left pending
    assert (office.holds(FUND), office.holds(wallet(ada))) == (0, 101)


def closed(office: Office) -> Account:
    account = office.account()
    office._keep([account.replace(state=AccountState.CLOSED)])
    return account


@pytest.mark.parametrize(
    ("terms", "refusal"),
    [
        (lambda office, ada: adjustment(wallet(ada), wallet(ada)), SidesAreOne),
        (lambda office, ada: adjustment(FEES, FEES), SidesAreOne),
        (lambda office, ada: adjustment(FEES, wallet(ada), 0), AmountNotPositive),
        (lambda office, ada: adjustment(FEES, Side(Purpose.AVAILABLE, uuid7())), AccountNotFound),
        (lambda office, ada: adjustment(Side(Purpose.AVAILABLE, uuid7()), FEES), AccountNotFound),
        (lambda office, ada: adjustment(FEES, Side(Purpose.AVAILABLE, PLATFORM_ID)), AccountNotFound),
        (lambda office, ada: adjustment(FEES, wallet(closed(office))), AccountClosed),
        (lambda office, ada: adjustment(wallet(closed(office)), FEES), AccountClosed),
        (lambda office, ada: Adjustment(debit=FEES, credit=wallet(ada), amount=Money(1, "USD")), WalletMissing),
        (lambda office, ada: Grant(key_id=uuid7(), scopes=("payments.pay_any",)), ServiceKeyNotFound),
        (lambda office, ada: Grant(key_id=office.otto.id, scopes=("payments.write",)), ScopeNotGranted),
        (lambda office, ada: OpenItemSettlement(open_item_id=uuid7(), credit=wallet(ada)), OpenItemNotFound),
    ],
)
def test_what_is_impossible_is_not_even_proposed(office: Office, terms: Any, refusal: type[Refusal]) -> None:
    wanted = terms(office, office.account(100))
    assert type(office.refusal(CreateProposal(origin=of(office.olga), terms=wanted, reason="x"))) is refusal


def test_what_became_impossible_is_refused_and_stays_pending(office: Office) -> None:
    ada = office.account()
    proposal = office.proposal(adjustment(FEES, wallet(ada)))
    office._keep([ada.replace(state=AccountState.CLOSED)])
    assert isinstance(office.refusal(ApproveProposal(origin=of(office.otto), proposal_id=proposal.id)), AccountClosed)
    office._keep([ada])
    office.carry_out(ApproveProposal(origin=of(office.otto), proposal_id=proposal.id))
    assert office.holds(wallet(ada)) == 100


# --- Grants -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["payments.pay_any", "fundings.withdraw_any"])
def test_one_operator_alone_makes_no_key_that_reaches_into_any_wallet(office: Office, scope: str) -> None:
    with pytest.raises(ScopeNeedsGrant):
        office.key("payments.write", "fundings.write", scope, by=of(office.olga))


def test_nobody_withdraws_from_any_wallet_without_the_grant(office: Office) -> None:
    ada = office.account(100)
    key = office.key("fundings.write", by=of(office.olga))
    refused = office.refusal(Withdraw(origin=of(key), account_id=ada.id, amount=Money(60, "CNY")))
    assert (type(refused), refused.metadata["scope"]) == (ScopeMissing, "fundings.withdraw_any")
    office.approved(Grant(key_id=key.id, scopes=("fundings.withdraw_any",)))
    (granted,) = [each for each in office.all(ServiceKey) if each.id == key.id]
    office.carry_out(Withdraw(origin=of(granted), account_id=ada.id, amount=Money(60, "CNY")))
    assert office.holds(wallet(ada)) == 40


def test_two_grant_it(office: Office) -> None:
    key = office.key("payments.write", by=of(office.olga))
    office.approved(Grant(key_id=key.id, scopes=("payments.pay_any",)))
    (granted,) = [each for each in office.all(ServiceKey) if each.id == key.id]
    assert granted.scopes == "payments.pay_any payments.write"
    assert "a mistake" in [each.memo for each in office.all(AuditEvent) if each.subject_id == key.id]


def test_a_revoked_key_is_given_nothing(office: Office) -> None:
    key = office.key("payments.write")
    proposal = office.proposal(Grant(key_id=key.id, scopes=("payments.pay_any",)))
    office.carry_out(RevokeServiceKey(origin=of(office.olga), key_id=key.id))
    assert isinstance(office.refusal(ApproveProposal(origin=of(office.otto), proposal_id=proposal.id)), KeyRevoked)


@pytest.mark.parametrize("scope", ["operations", "payments.pay_any", "payments.write"])
def test_nobody_gets_a_token_of_another_operators_key(office: Office, scope: str) -> None:
    """Whatever it may do now: two operators might grant it more."""
    key = office.key(scope)
    steal = RotateServiceKey(origin=of(office.olga), key_id=key.id, secret_hash=b"x" * 32, grace_seconds=60)
    assert isinstance(office.refusal(steal), KeyOfAnotherOperator)


def test_the_machine_gives_any_key_a_new_token(office: Office) -> None:
    command = RotateServiceKey(origin=origin(), key_id=office.olga.id, secret_hash=b"x" * 32, grace_seconds=60)
    assert office.carry_out(command).secret_hash == b"x" * 32


def test_an_operator_gets_new_tokens_for_what_descends_from_its_first_key(office: Office) -> None:
    child = office.key("operations", by=of(office.olga))
    assert child.root_id == office.olga.id == office.olga.root_id
    for asking, key in ((office.olga, child), (child, office.olga), (child, child)):
        office.carry_out(RotateServiceKey(origin=of(asking), key_id=key.id, secret_hash=b"x" * 32, grace_seconds=60))


# --- Open items -------------------------------------------------------------------------------------------------------------


def test_money_for_a_closed_account_is_an_open_item_until_two_operators_settle_it(office: Office) -> None:
    ada, shop = office.account(1_000), office.account(kind=AccountKind.MERCHANT)
    payment = office.carry_out(
        CreatePayment(
            origin=origin(), payer_id=ada.id, payee_id=shop.id, amount=Money(1_000, "CNY"), mode=Mode.ESCROW, pay=True
        )
    )
    office._keep([ada.replace(state=AccountState.CLOSED)])
    office.carry_out(CancelPayment(origin=origin(), payment_id=payment.id))
    (item,) = office.all(OpenItem)
    (journal,) = [each for each in office.all(Journal) if each.kind == "payment.cancel"]
    assert (item.state, item.account_id, item.amount_minor, item.journal_id) == (
        OpenItemState.OPEN,
        ada.id,
        1_000,
        journal.id,
    )

    newcomer = office.account()
    office.approved(OpenItemSettlement(open_item_id=item.id, credit=wallet(newcomer)))

    (settled,) = office.all(OpenItem)
    (journal,) = [each for each in office.all(Journal) if each.kind == "proposal.settle"]
    assert (settled.state, settled.settled_by, settled.settled_at) == (OpenItemState.SETTLED, journal.id, office.now)
    assert (office.holds(wallet(newcomer)), office.holds(Side(Purpose.SUSPENSE))) == (1_000, 0)
    again = CreateProposal(origin=of(office.olga), terms=OpenItemSettlement(open_item_id=item.id, credit=FEES), reason="x")
    assert isinstance(office.refusal(again), OpenItemSettled)
    assert [each.memo for each in office.all(AuditEvent) if each.subject_id == item.id] == ["a mistake"]
    assert [each.topic for each in office.all(Outbox) if each.subject_id == item.id] == [
        "open_item.created",
        "open_item.settled",
    ]
