"""What can be proposed. Each kind of terms knows its rows, when it is possible, and how it is carried out."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from danbao_core import ledger, trail
from danbao_core.accounts import Account, Balance, Purpose, active_account, balance_id
from danbao_core.engine import Book, Draft, Key, Origin
from danbao_core.errors import KeyRevoked, OpenItemNotFound, OpenItemSettled, ScopeNotGranted, SidesAreOne
from danbao_core.ids import IdSequence
from danbao_core.ledger import OpenItem, OpenItemState, Posting
from danbao_core.money import Money
from danbao_core.people.challenges import FactorKind
from danbao_core.people.enrolment import remove_all
from danbao_core.people.factors import Factor
from danbao_core.people.person import Person, person_of
from danbao_core.people_errors import FactorMissing
from danbao_core.policy import Policy
from danbao_core.proposals.fee_payouts import FeePayout
from danbao_core.proposals.why import Why
from danbao_core.service_keys import GRANTED_SCOPES, KeyState, ServiceKey, service_key_of

ADJUSTABLE: Final = (Purpose.FEES, Purpose.BANK_CLEARING, Purpose.COMPENSATION)
"""The platform's balances that operators may move; what others hold belongs to payments and open items."""


class Side(msgspec.Struct, frozen=True):
    """Where money is taken from or given to: an account's wallet (AVAILABLE), or one of the platform's ADJUSTABLE balances."""

    purpose: Purpose
    account_id: UUID | None = None

    def keys_to_debit(self, book: Book, currency: str) -> Iterable[Key]:
        """What `debit` needs."""
        if self.account_id is None:
            return ledger.keys(book, currency, [ledger.platform(self.purpose, 0)])
        purposes = (Purpose.AVAILABLE, Purpose.RECEIVABLE)
        balances = [Balance.key(balance_id(self.account_id, currency, each)) for each in purposes]
        return [Account.key(self.account_id), *balances]

    def keys_to_credit(self, book: Book, currency: str) -> Iterable[Key]:
        """What `credit` needs."""
        if self.account_id is None:
            return ledger.keys(book, currency, [ledger.platform(self.purpose, 0)])
        return [Account.read_key(self.account_id), *ledger.keys(book, currency, [Posting(self.account_id, self.purpose, 0)])]

    def must_exist(self, draft: Draft, currency: str) -> None:
        """Raises AccountNotFound, AccountClosed or WalletMissing."""
        if self.account_id is not None:
            active_account(draft, self.account_id, currency)

    def debit(self, draft: Draft, money: Money) -> list[Posting]:
        """Takes money; an account owes what it lacks."""
        if self.account_id is None:
            return [ledger.platform(self.purpose, -money.amount_minor)]
        return ledger.debit(draft, self.account_id, money.currency, money.amount_minor)

    def credit(self, draft: Draft, money: Money) -> list[Posting]:
        """Gives money; it first repays what an account owes."""
        if self.account_id is None:
            return [ledger.platform(self.purpose, money.amount_minor)]
        return ledger.credit(draft, self.account_id, money.currency, money.amount_minor)


class Adjustment(msgspec.Struct, frozen=True, tag="adjustment"):
    """Moves money from one side to the other, because the books have to be put right."""

    debit: Side
    credit: Side
    amount: Money

    def keys(self, book: Book) -> Iterable[Key]:
        return [*self.debit.keys_to_debit(book, self.amount.currency), *self.credit.keys_to_credit(book, self.amount.currency)]

    def must_be_possible(self, draft: Draft) -> None:
        """Raises AmountNotPositive, AmountOverflow, CurrencyUnknown, SidesAreOne, AccountNotFound, AccountClosed or
        WalletMissing."""
        self.amount.must_be_payable()
        if self.debit == self.credit:
            raise SidesAreOne
        for side in (self.debit, self.credit):
            side.must_exist(draft, self.amount.currency)

    def carry_out(self, draft: Draft, ids: IdSequence, origin: Origin, why: Why) -> None:
        """Raises InsufficientFunds where COMPENSATION would go below zero, AmountOverflow."""
        ledger.post(
            draft,
            ids,
            origin,
            kind="proposal.adjust",
            subject_id=why.proposal_id,
            currency=self.amount.currency,
            postings=[*self.debit.debit(draft, self.amount), *self.credit.credit(draft, self.amount)],
            memo=why.reason,
        )


class Grant(msgspec.Struct, frozen=True, tag="grant"):
    """Gives a service key scopes that one operator alone cannot give."""

    key_id: UUID
    scopes: tuple[str, ...]

    def keys(self, book: Book) -> Iterable[Key]:
        return [ServiceKey.key(self.key_id)]

    def must_be_possible(self, draft: Draft) -> None:
        """Raises ScopeNotGranted, ServiceKeyNotFound or KeyRevoked."""
        if others := sorted(set(self.scopes) - GRANTED_SCOPES):
            raise ScopeNotGranted(scope=others[0])
        if service_key_of(draft, self.key_id).state is KeyState.REVOKED:
            raise KeyRevoked

    def carry_out(self, draft: Draft, ids: IdSequence, origin: Origin, why: Why) -> None:
        key = service_key_of(draft, self.key_id)
        scopes = " ".join(sorted({*key.scopes.split(), *self.scopes}))
        draft.put(
            key.replace(scopes=scopes, version=key.version + 1),
            trail.audit_event(ids, origin, ServiceKey, key.id, draft.now, why.reason),
        )


class OpenItemSettlement(msgspec.Struct, frozen=True, tag="open_item_settlement"):
    """Gives the money of an open item to an account, such as a new one of its owner, or to the platform."""

    open_item_id: UUID
    credit: Side

    def keys(self, book: Book) -> Iterable[Key]:
        yield OpenItem.key(self.open_item_id)
        item = book.get(OpenItem, self.open_item_id)
        if item is not None:
            yield from ledger.keys(book, item.currency, [ledger.platform(Purpose.SUSPENSE, 0)])
            yield from self.credit.keys_to_credit(book, item.currency)

    def must_be_possible(self, draft: Draft) -> None:
        """Raises OpenItemNotFound, OpenItemSettled, AccountNotFound, AccountClosed or WalletMissing."""
        self.credit.must_exist(draft, self._item(draft).currency)

    def carry_out(self, draft: Draft, ids: IdSequence, origin: Origin, why: Why) -> None:
        item = self._item(draft)
        money = Money(item.amount_minor, item.currency)
        journal = ledger.post(
            draft,
            ids,
            origin,
            kind="proposal.settle",
            subject_id=why.proposal_id,
            currency=item.currency,
            postings=[ledger.platform(Purpose.SUSPENSE, -item.amount_minor), *self.credit.credit(draft, money)],
            memo=why.reason,
        )
        settled = item.replace(
            state=OpenItemState.SETTLED,
            settled_by=journal.id,
            settled_at=draft.now,
            version=item.version + 1,
        )
        draft.put(
            settled,
            trail.audit_event(ids, origin, OpenItem, item.id, draft.now, why.reason),
            trail.event(ids, "open_item.settled", item.id, settled.version, settled, draft.now),
        )

    def _item(self, draft: Draft) -> OpenItem:
        item = draft.get(OpenItem, self.open_item_id)
        if item is None:
            raise OpenItemNotFound(open_item=f"openItems/{self.open_item_id}")
        if item.state is OpenItemState.SETTLED:
            raise OpenItemSettled
        return item


class FactorRecovery(msgspec.Struct, frozen=True, tag="factor_recovery"):
    """Takes the authenticator of somebody who has lost it out of force, and its recovery codes.

    The person is told when it is proposed, and has time to object before it can be approved (`waiting_time`).
    """

    account_id: UUID

    def keys(self, book: Book) -> Iterable[Key]:
        yield Person.key(self.account_id)
        person = book.get(Person, self.account_id)
        if person is not None and person.totp_id is not None:
            yield Factor.key(person.totp_id)

    def must_be_possible(self, draft: Draft) -> None:
        """Raises PersonNotFound, or FactorMissing where no authenticator is in force."""
        if person_of(draft, self.account_id).totp_id is None:
            raise FactorMissing(factor=FactorKind.TOTP.name)

    def must_be_lost(self, draft: Draft, proposed_at: datetime) -> None:
        """Raises FactorMissing where the authenticator in force was enrolled since then: it is not the one that was lost."""
        factor = draft.get(Factor, person_of(draft, self.account_id).totp_id)
        if factor is not None and factor.created_at > proposed_at:
            raise FactorMissing(factor=FactorKind.TOTP.name)

    def carry_out(self, draft: Draft, ids: IdSequence, origin: Origin, why: Why) -> None:
        remove_all(draft, ids, origin, person_of(draft, self.account_id), why.letter, why.reason)


Terms = Adjustment | Grant | OpenItemSettlement | FactorRecovery | FeePayout


def waiting_time(terms: Terms, policy: Policy) -> timedelta:
    """How long after a proposal it can be approved at the earliest."""
    waits = isinstance(terms, FactorRecovery)
    return timedelta(seconds=policy.factor_recovery_wait_seconds if waits else 0)
