"""Freezing accounts: what the owner starts is refused, while what settles or gives back goes on."""

from collections.abc import Iterable
from typing import ClassVar
from uuid import UUID

from danbao_core import trail
from danbao_core.accounts.balances import Balance
from danbao_core.accounts.commands import balance_ids
from danbao_core.accounts.rows import Account, AccountState, account_of
from danbao_core.engine import Book, Command, Decision, Key


class _SetState(Command[Account], frozen=True):
    """Brings an account that is not closed into a state; where it is in that state, nothing changes.

    The account and its balances are locked, the balances although they do not change: whatever takes money from one of them
    has either committed, or comes later and reads the account as it is then.
    """

    result_type = Account
    state: ClassVar[AccountState]
    topic: ClassVar[str]
    account_id: UUID
    reason: str
    """Why, in the operator's words; the audit event keeps it."""

    def keys(self, book: Book) -> Iterable[Key]:
        yield Account.key(self.account_id)
        account = book.get(Account, self.account_id)
        if account is not None:
            yield from (Balance.key(each) for each in balance_ids(account))

    def decide(self, book: Book) -> Decision[Account]:
        account = account_of(book, self.account_id, self.origin)
        account.must_not_be_closed()
        if account.state is self.state:
            return Decision(account)
        changed = account.replace(state=self.state, updated_at=book.now, version=account.version + 1)
        ids = self.ids()
        trace = trail.audit_event(ids, self.origin, Account, account.id, book.now, memo=self.reason)
        return Decision(changed, [changed, trace, trail.account_event(ids, self.topic, account.id, book.now)])


class FreezeAccount(_SetState, frozen=True):
    """Refuses what the owner starts from now on; a frozen account stays as it is. Refused: AccountNotFound, AccountClosed."""

    state = AccountState.FROZEN
    topic = "account.frozen"


class UnfreezeAccount(_SetState, frozen=True):
    """Ends a freeze; an account that is not frozen stays as it is. Refused: AccountNotFound, AccountClosed."""

    state = AccountState.ACTIVE
    topic = "account.unfrozen"
