"""A core without a database: commands decide on rows that are held in memory. What is tested on it are the decisions."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec

from danbao_core.accounts import Balance, Purpose
from danbao_core.accounts.rows import Earnings, Obligation, Taking
from danbao_core.disputes import Dispute
from danbao_core.disputes.rows import WaitingCompensation
from danbao_core.engine import Book, Command, Decision, Key, Row
from danbao_core.engine.book import RowNeeded
from danbao_core.errors import Refusal
from danbao_core.fundings import Funding
from danbao_core.ledger import Entry, Journal
from danbao_core.payments import Payment, Refund, RefundState, State
from danbao_core.payments.approving import KnownPayee
from danbao_core.policy import PolicySchedule

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

R = TypeVar("R", bound=msgspec.Struct)
S = TypeVar("S", bound=Row)


class MemoryCore:
    """Carries out one command at a time, or a batch of them, as an engine would."""

    def __init__(self, given: Iterable[Row] = (), at: datetime = NOON, policies: PolicySchedule | None = None) -> None:
        self.now = at
        self.policies = policies or PolicySchedule.load()
        self._rows: dict[type[Row], dict[tuple[Any, ...], Row]] = {}
        self._keep(given)

    def carry_out(self, command: Command[R]) -> R:
        """The result of a command, whose changes are kept. Raises the Refusal where it is refused."""
        book, decision = self._decided(command, [])
        book.merge(decision.changes)
        self._keep(decision.changes)
        if decision.refusal is not None:
            raise decision.refusal
        return decision.result

    def carry_out_together(self, commands: Sequence[Command[R]]) -> list[R | Refusal]:
        """What commands come to that share a batch, in their order. None may find out that it needs more rows than it names."""
        book = self._book_for(commands)
        outcomes: list[R | Refusal] = []
        for command in commands:
            try:
                decision = command.decide(book)
            except Refusal as refusal:
                outcomes.append(refusal)
                continue
            book.merge(decision.changes)
            self._keep(decision.changes)
            outcomes.append(decision.refusal or decision.result)
        return outcomes

    def _decided(self, command: Command[R], needed: list[Key]) -> tuple[Book, Decision[R]]:
        """The decision, made again with each row that it finds out to need."""
        book = self._book_for([command], needed)
        try:
            return book, command.decide(book)
        except RowNeeded as error:
            if set(error.keys) <= set(needed):
                raise
            return self._decided(command, [*needed, *error.keys])

    def advance(self, seconds: int) -> None:
        """Lets business time pass."""
        self.now += timedelta(seconds=seconds)

    def claim(self, what: str, which: UUID) -> None:
        """What `claim_funding.sql` or `claim_refund.sql` does, for a worker that sets out to ask the bank."""
        if what == "funding":
            (funding,) = (each for each in self.all(Funding) if each.id == which)
            self._keep([funding.replace(attempts=funding.attempts + 1)])
        else:
            (refund,) = (each for each in self.all(Refund) if each.id == which)
            self._keep([refund.replace(attempts=refund.attempts + 1, sent_at=refund.sent_at or self.now)])

    def all(self, row_type: type[S]) -> list[S]:
        """Every row of a table."""
        return cast(list[S], list(self._rows.get(row_type, {}).values()))

    def place(self, *rows: Row) -> None:
        """Puts rows as they are in the place of what there is."""
        self._keep(rows)

    def _book_for(self, commands: Sequence[Command[Any]], needed: Sequence[Key] = ()) -> Book:
        book = Book(now=self.now, policies=self.policies)
        book.discovering = True
        while new := [key for command in commands for key in (*command.keys(book), *needed) if not book.knows(key)]:
            for key in new:
                row = self._row(key)
                book.place([] if row is None else [row], [key] if row is None else [])
        book.discovering = False
        return book

    def _row(self, key: Key) -> Row | None:
        row_type, values = key.place
        if row_type is Obligation:
            return self._obligation(*values)
        if row_type is Earnings:
            return self._earnings(*values)
        if row_type is WaitingCompensation:
            return self._waiting_compensation(*values)
        if row_type is KnownPayee:
            return self._known_payee(*values)
        return self._taking(*values) if row_type is Taking else self._rows.get(row_type, {}).get(values)

    def _obligation(self, account_id: UUID) -> Obligation | None:
        """What `read_obligation.sql` finds."""
        for payment in self.all(Payment):
            over = payment.state in (State.SUCCEEDED, State.FINISHED, State.CLOSED)
            under_way = not over and not (payment.state is State.AWAITING_PAYMENT and payment.is_due(self.now))
            if under_way and account_id in (payment.payer_id, payment.payee_id):
                return Obligation(account_id, payment.id, None)
        for funding in self.all(Funding):
            if funding.account_id == account_id and funding.state.is_open:
                return Obligation(account_id, None, funding.id)
        for refund in self.all(Refund):
            if refund.open and account_id in (refund.payer_id, refund.payee_id):
                return Obligation(account_id, refund.payment_id, None, refund.id)
        for dispute in self.all(Dispute):
            if dispute.open and account_id in (dispute.buyer_id, dispute.seller_id):
                return Obligation(account_id, dispute.payment_id, None, None, dispute.id)
        return None

    def _taking(self, account_id: UUID) -> Taking | None:
        """What `read_taking.sql` finds."""
        payee_of = {payment.id: payment.payee_id for payment in self.all(Payment)}
        refunded = {refund.id: refund.payee_id for refund in self.all(Refund)}
        payee_of |= {each.subject_id: refunded[each.subject_id] for each in self.all(Journal) if each.kind == "refund.release"}
        payee_of |= {dispute.id: dispute.seller_id for dispute in self.all(Dispute) if not dispute.released}
        journals = {each.id: each for each in self.all(Journal) if payee_of.get(each.subject_id) == account_id}
        purposes = (Purpose.AVAILABLE, Purpose.RECEIVABLE)
        wallets = [each.id for each in self.all(Balance) if each.account_id == account_id and each.purpose in purposes]
        moments = [
            journals[entry.journal_id].created_at
            for entry in self.all(Entry)
            if entry.balance_id in wallets and entry.amount_minor > 0 and entry.journal_id in journals
        ]
        return Taking(account_id, max(moments)) if moments else None

    def _known_payee(self, payer_id: UUID, payee_id: UUID) -> KnownPayee | None:
        """What `read_known_payee.sql` finds."""
        sides = (payer_id, payee_id)
        paid = [each.paid_at for each in self.all(Payment) if each.paid_at and (each.payer_id, each.payee_id) == sides]
        return KnownPayee(payer_id, payee_id, min(paid)) if paid else None

    def _earnings(self, currency: str) -> Earnings:
        """What `read_earnings.sql` finds."""
        fees = [each.amount_minor for each in self.all(Balance) if (each.purpose, each.currency) == (Purpose.FEES, currency)]
        pending = [each for each in self.all(Refund) if each.state is RefundState.PENDING and each.currency == currency]
        return Earnings(currency, sum(fees) - sum(each.fee_share_minor for each in pending))

    def _waiting_compensation(self, currency: str) -> WaitingCompensation | None:
        """What `read_waiting.sql` finds."""
        waiting = [each for each in self.all(Dispute) if each.awaits_compensation and each.currency == currency]
        oldest = min(waiting, key=lambda each: (each.ended_at, each.id), default=None)
        return None if oldest is None else WaitingCompensation(currency, oldest.id)

    def _keep(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._rows.setdefault(type(row), {})[row.key_values] = row
