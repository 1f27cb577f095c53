"""Top-ups and withdrawals: the stories of single decisions, by what the sandbox's bank answers."""

from typing import Any

import pytest

from danbao_core import fundings
from danbao_core.accounts import Account, AccountKind, AccountState, Balance, Purpose, balance_id
from danbao_core.errors import (
    AccountClosed,
    AccountNotFound,
    AmountNotPositive,
    AmountOverflow,
    CurrencyUnknown,
    FundingNotFound,
    FundingNotPending,
    InsufficientFunds,
    Refusal,
    WalletMissing,
)
from danbao_core.fundings import FailureReason, Funding, FundingKind, FundingState, SettleFunding, TopUp, Withdraw
from danbao_core.ids import uuid7
from danbao_core.ledger import Entry, Journal
from danbao_core.money import MAX_AMOUNT_MINOR, Money
from danbao_core.sandbox import Bank, BankBehaviour, SetBankBehaviour
from danbao_core.trail import AuditEvent, Outbox
from tests.builders import origin
from tests.shop import Shop, bound


def the_bank(shop: Shop, behaviour: BankBehaviour) -> Bank:
    return shop.core.carry_out(SetBankBehaviour(origin=origin(), behaviour=behaviour))


def top_up(shop: Shop, amount_minor: int = 1_000, currency: str = "CNY", **facts: Any) -> Funding:
    given: dict[str, Any] = {"origin": origin(), "account_id": shop.buyer.id} | facts
    return shop.core.carry_out(TopUp(amount=Money(amount_minor, currency), **given))


def withdraw(shop: Shop, amount_minor: int = 1_000, currency: str = "CNY", **facts: Any) -> Funding:
    given: dict[str, Any] = {"origin": origin(), "account_id": shop.buyer.id} | facts
    return shop.core.carry_out(Withdraw(amount=Money(amount_minor, currency), **given))


def settle(shop: Shop, funding: Funding, *, accepted: bool) -> Funding:
    return shop.core.carry_out(SettleFunding(origin=origin(), funding_id=funding.id, accepted=accepted))


def closed(shop: Shop, account: Account) -> None:
    """Closes an account although CloseAccount refuses it."""
    shop.core._keep([account.replace(state=AccountState.CLOSED)])


def money(shop: Shop) -> tuple[int, int, int]:
    """What the buyer can spend, what it holds, and what went out or, below zero, came in."""
    held = balance_id(shop.buyer.id, "CNY", Purpose.HELD)
    (held_minor,) = (each.amount_minor for each in shop.core.all(Balance) if each.id == held)
    return shop.available(shop.buyer), held_minor, shop.platform(Purpose.BANK_CLEARING)


def journals(shop: Shop, funding: Funding) -> list[str]:
    return [journal.kind for journal in shop.core.all(Journal) if journal.subject_id == funding.id]


def topics(shop: Shop, funding: Funding) -> list[tuple[str, int]]:
    return [(each.topic, each.subject_version) for each in shop.core.all(Outbox) if each.subject_id == funding.id]


def written_down(shop: Shop, funding: Funding) -> int:
    return sum(each.subject_id == funding.id for each in shop.core.all(AuditEvent))


# --- The bank answers at once -----------------------------------------------------------------------------------------------


def test_a_withdrawal_goes_out_over_what_the_account_holds() -> None:
    shop = Shop()
    funding = withdraw(shop, 4_000)
    assert (funding.kind, funding.state, funding.amount_minor) == (FundingKind.WITHDRAWAL, FundingState.SUCCEEDED, 4_000)
    assert money(shop) == (6_000, 0, -6_000)
    assert journals(shop, funding) == ["funding.withdraw", "funding.settle"]
    assert topics(shop, funding) == [("funding.succeeded", 2)]


def test_each_step_of_one_command_has_an_entry_of_its_own() -> None:
    shop = Shop()
    withdraw(shop, 4_000)
    held = balance_id(shop.buyer.id, "CNY", Purpose.HELD)
    entries = [each for each in shop.core.all(Entry) if each.balance_id == held]
    assert [(each.version, each.amount_minor, each.balance_after_minor) for each in entries] == [
        (1, 4_000, 4_000),
        (2, -4_000, 0),
    ]
    assert len({each.journal_id for each in entries}) == 2
    (balance,) = (each for each in shop.core.all(Balance) if each.id == held)
    assert balance.version == 2


def test_a_bank_that_declines_leaves_the_money_where_it_was() -> None:
    shop = Shop()
    the_bank(shop, BankBehaviour.DECLINE)
    for funding, kinds in ((top_up(shop), []), (withdraw(shop), ["funding.withdraw", "funding.fail"])):
        assert (funding.state, funding.failure_reason) == (FundingState.FAILED, FailureReason.BANK_DECLINED)
        assert money(shop) == (10_000, 0, -10_000)
        assert journals(shop, funding) == kinds
        assert topics(shop, funding) == [("funding.failed", 2)]
        assert written_down(shop, funding) == (not kinds), "what moves no money is in the audit events"


def test_the_bank_accepts_until_it_is_told_otherwise_and_again_when_it_is_told_so() -> None:
    shop = Shop()
    assert top_up(shop).state is FundingState.SUCCEEDED
    assert the_bank(shop, BankBehaviour.DECLINE).version == 1
    assert the_bank(shop, BankBehaviour.ACCEPT) == Bank(id=1, behaviour=BankBehaviour.ACCEPT, version=2)
    assert top_up(shop).state is FundingState.SUCCEEDED


# --- The bank does not answer -----------------------------------------------------------------------------------------------


def test_a_pending_top_up_books_nothing_until_the_bank_says_yes() -> None:
    shop = Shop()
    the_bank(shop, BankBehaviour.NO_ANSWER)
    funding = top_up(shop)
    assert (funding.state, funding.failure_reason) == (FundingState.PENDING, FailureReason.NOT_FAILED)
    assert (money(shop), journals(shop, funding)) == ((10_000, 0, -10_000), [])
    assert (topics(shop, funding), written_down(shop, funding)) == ([("funding.created", 1)], 1)
    shop.core.advance(365 * 86_400)
    settled = settle(shop, funding, accepted=True)
    assert (settled.state, settled.created_at, settled.updated_at) == (
        FundingState.SUCCEEDED,
        funding.created_at,
        shop.core.now,
    )
    assert (money(shop), journals(shop, funding)) == ((11_000, 0, -11_000), ["funding.top_up"])
    assert topics(shop, funding)[1:] == [("funding.succeeded", 2)]


def test_a_pending_withdrawal_holds_its_money_until_the_bank_answers() -> None:
    shop = Shop()
    the_bank(shop, BankBehaviour.NO_ANSWER)
    yes, no = withdraw(shop, 7_000), withdraw(shop, 2_000)
    assert (money(shop), journals(shop, yes)) == ((1_000, 9_000, -10_000), ["funding.withdraw"])
    with pytest.raises(InsufficientFunds):
        withdraw(shop, 1_001)
    assert settle(shop, yes, accepted=True).state is FundingState.SUCCEEDED
    assert money(shop) == (1_000, 2_000, -3_000)
    failed = settle(shop, no, accepted=False)
    assert (failed.state, failed.failure_reason) == (FundingState.FAILED, FailureReason.BANK_DECLINED)
    assert (money(shop), journals(shop, no)) == ((3_000, 0, -3_000), ["funding.withdraw", "funding.fail"])


def test_a_pending_top_up_that_fails_moves_nothing() -> None:
    shop = Shop()
    the_bank(shop, BankBehaviour.NO_ANSWER)
    funding = settle(shop, top_up(shop), accepted=False)
    assert (funding.state, funding.failure_reason) == (FundingState.FAILED, FailureReason.BANK_DECLINED)
    assert (money(shop), journals(shop, funding)) == ((10_000, 0, -10_000), [])
    assert written_down(shop, funding) == 2


def test_a_bank_answers_once() -> None:
    shop = Shop()
    done = withdraw(shop)
    the_bank(shop, BankBehaviour.NO_ANSWER)
    failed = settle(shop, withdraw(shop), accepted=False)
    for funding, state in ((done, "SUCCEEDED"), (failed, "FAILED")):
        for accepted in (True, False):
            with pytest.raises(FundingNotPending) as refused:
                settle(shop, funding, accepted=accepted)
            assert refused.value.metadata == {"funding": funding.name, "state": state}
    with pytest.raises(FundingNotFound):
        shop.core.carry_out(SettleFunding(origin=origin(), funding_id=uuid7(), accepted=True))


def test_what_comes_to_a_closed_account_is_kept_in_suspense() -> None:
    shop = Shop()
    the_bank(shop, BankBehaviour.NO_ANSWER)
    coming, going, gone = top_up(shop, 1), withdraw(shop, 20), withdraw(shop, 300)
    closed(shop, shop.buyer)
    assert settle(shop, coming, accepted=True).state is FundingState.SUCCEEDED
    assert settle(shop, going, accepted=False).state is FundingState.FAILED
    assert settle(shop, gone, accepted=True).state is FundingState.SUCCEEDED
    assert shop.platform(Purpose.SUSPENSE) == 21
    assert money(shop) == (9_680, 0, -9_701)


# --- Refused ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [top_up, withdraw])
@pytest.mark.parametrize("behaviour", BankBehaviour)
def test_what_no_bank_is_asked_for(ask: Any, behaviour: BankBehaviour) -> None:
    shop = Shop()
    the_bank(shop, behaviour)
    gone = shop.open(AccountKind.PERSONAL)
    closed(shop, gone)
    refusals: list[tuple[type[Refusal], dict[str, Any]]] = [
        (AmountNotPositive, {"amount_minor": 0}),
        (AmountNotPositive, {"amount_minor": -1}),
        (CurrencyUnknown, {"currency": "ZZZ"}),
        (WalletMissing, {"currency": "USD"}),
        (AccountNotFound, {"account_id": uuid7()}),
        (AccountNotFound, {"origin": bound(shop.seller)}),
        (AccountClosed, {"account_id": gone.id}),
    ]
    for refusal, facts in refusals:
        with pytest.raises(refusal):
            ask(shop, **facts)
    assert [each for each in shop.core.all(Funding) if each.account_id != shop.buyer.id] == []
    assert money(shop) == (10_000, 0, -10_000)


@pytest.mark.parametrize("behaviour", BankBehaviour)
def test_nobody_withdraws_more_than_there_is(behaviour: BankBehaviour) -> None:
    shop = Shop()
    the_bank(shop, behaviour)
    for amount_minor in (10_001, MAX_AMOUNT_MINOR):
        with pytest.raises(InsufficientFunds):
            withdraw(shop, amount_minor)
    assert withdraw(shop, 10_000, origin=bound(shop.buyer)).amount_minor == 10_000


def test_a_top_up_past_the_end_of_a_balance_stays_pending() -> None:
    shop = Shop()
    the_bank(shop, BankBehaviour.NO_ANSWER)
    funding = top_up(shop, MAX_AMOUNT_MINOR)
    with pytest.raises(AmountOverflow):
        settle(shop, funding, accepted=True)
    assert settle(shop, funding, accepted=False).state is FundingState.FAILED


def test_money_that_crosses_the_border_is_remembered_for_ever() -> None:
    assert all(command.keeps_request_for_ever for command in (fundings.TopUp, fundings.Withdraw, fundings.SettleFunding))
