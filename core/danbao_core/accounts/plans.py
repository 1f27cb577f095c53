"""What merchants pay for being paid."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from danbao_core import trail
from danbao_core.accounts.rows import Account, AccountKind, account_of
from danbao_core.engine import Book, Command, Decision, Key
from danbao_core.errors import EffectiveTimePast, NotAMerchant


class SetMerchantPlan(Command[Account], frozen=True):
    """Gives a merchant a fee of its own from a moment on, or the policy's again; payments keep the fee of their making.

    It replaces the change that lay ahead, if any. Refused: AccountNotFound, NotAMerchant, AccountClosed, EffectiveTimePast.
    """

    result_type = Account
    account_id: UUID
    fee_bps: int | None
    """Basis points, 0 to 10,000; None is the policy's fee."""
    effective_at: datetime | None = None
    """Business time; None is now."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.key(self.account_id)

    def decide(self, book: Book) -> Decision[Account]:
        account = account_of(book, self.account_id, self.origin)
        if account.kind is not AccountKind.MERCHANT:
            raise NotAMerchant(account=account.name)
        account.must_not_be_closed()
        at = self.effective_at or book.now
        if at < book.now:
            raise EffectiveTimePast(time=book.now.isoformat())
        before = account.with_plan_at(book.now)
        if at == book.now:
            after = before.replace(fee_bps=self.fee_bps, next_fee_bps=None, next_fee_at=None)
        else:
            after = before.replace(next_fee_bps=self.fee_bps, next_fee_at=at)
        after = after.replace(updated_at=book.now, version=account.version + 1)
        memo = f"from {_in_words(before)} to {_in_words(after)}"
        return Decision(after, [after, trail.audit_event(self.ids(), self.origin, Account, account.id, book.now, memo)])


def _in_words(account: Account) -> str:
    now = _rate(account.fee_bps)
    if account.next_fee_at is None:
        return now
    return f"{now} with {_rate(account.next_fee_bps)} since {account.next_fee_at.isoformat()}"


def _rate(fee_bps: int | None) -> str:
    return "the policy's fee" if fee_bps is None else f"{fee_bps} bps"
