"""Paying the platform's fees out: from FEES to an account of the operator's own, and from there to its card."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from danbao_core import ledger
from danbao_core.accounts import PLATFORM_ID, Account, AccountKind, Purpose, active_account
from danbao_core.accounts.rows import Earnings
from danbao_core.engine import Book, Draft, Key, Origin
from danbao_core.fundings import Withdraw, asking_keys
from danbao_core.ids import IdSequence
from danbao_core.money import Money
from danbao_core.payout_errors import FeesExceeded, PayoutsForMerchants
from danbao_core.people.instruments import must_be_bound
from danbao_core.proposals.why import Why


class FeePayout(msgspec.Struct, frozen=True, tag="fee_payout"):
    """Pays fees out by a withdrawal like any other, of a merchant's account that is the operator's; what the bank declines
    stays in its wallet.

    Never more than the fees came to, less what refunds under way give back of them. That is a sum over all stripes, so payouts
    take turns by the lock on the platform's account, and an approval has a batch for itself. A refund that is made afterwards
    may still take FEES below zero, which the next fees make good.
    """

    account_id: UUID
    amount: Money
    instrument_id: UUID | None = None
    """The card of the account; None only where a sandbox's till pays out."""

    def keys(self, book: Book) -> Iterable[Key]:
        currency = self.amount.currency
        yield Account.key(PLATFORM_ID)
        yield Earnings.read_key(currency)
        yield from ledger.keys(book, currency, [ledger.platform(Purpose.FEES, 0)])
        yield from asking_keys(book, self.account_id, currency, self.instrument_id)

    def must_be_possible(self, draft: Draft) -> None:
        """Raises AmountNotPositive, AmountOverflow, CurrencyUnknown, AccountNotFound, AccountClosed, WalletMissing,
        PayoutsForMerchants, InstrumentNotFound or FeesExceeded."""
        self.amount.must_be_payable()
        account = active_account(draft, self.account_id, self.amount.currency)
        if account.kind is not AccountKind.MERCHANT:
            raise PayoutsForMerchants(account=account.name)
        if self.instrument_id is not None:
            must_be_bound(draft, self.instrument_id, account.id)
        earnings = draft.get(Earnings, self.amount.currency)
        earned_minor = 0 if earnings is None else earnings.amount_minor
        if self.amount.amount_minor > earned_minor:
            raise FeesExceeded(earned_minor=earned_minor, currency=self.amount.currency)

    def carry_out(self, draft: Draft, ids: IdSequence, origin: Origin, why: Why) -> None:
        """Raises BankMissing, AccountFrozen, RefundsWaiting, AmountOverflow and, where the account owes, InsufficientFunds."""
        amount_minor, currency = self.amount.amount_minor, self.amount.currency
        ledger.post(
            draft,
            ids,
            origin,
            kind="proposal.pay_out_fees",
            subject_id=why.proposal_id,
            currency=currency,
            postings=[
                ledger.platform(Purpose.FEES, -amount_minor),
                *ledger.credit(draft, self.account_id, currency, amount_minor),
            ],
            memo=why.reason,
        )
        # Two operators may together what a grant, which they give together, would allow one alone; so no scope is asked for.
        withdrawal = Withdraw(
            origin=origin,
            account_id=self.account_id,
            amount=self.amount,
            instrument_id=self.instrument_id,
            ways=why.ways,
        )
        withdrawal.decided(draft, ids)
