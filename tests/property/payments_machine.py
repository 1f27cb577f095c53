"""The whole life of payments against a model in plain integers; driven on decisions alone, and on a real engine.

The model knows nothing of books, batches or balances ids: a wallet is a number, a payment a few facts. Whatever the core
answers, the model must have foreseen, reasons included.
"""

from typing import Any, TypeVar
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from danbao_core.accounts import (
    Account,
    AccountKind,
    Balance,
    CloseAccount,
    CreateAccount,
    FreezeAccount,
    OpenWallet,
    Purpose,
    UnfreezeAccount,
)
from danbao_core.ledger import Entry, Journal
from danbao_core.money import Money
from danbao_core.payments import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CorrectShipment,
    ExtendConfirmation,
    Mode,
    Payment,
    PayPayment,
    Refund,
    Shipment,
    ShipmentMethod,
    ShipPayment,
    VoidPayment,
)
from danbao_core.payments.refund_rows import Destination
from danbao_core.proposals import Adjustment, ApproveProposal, CreateProposal, Side
from tests.builders import an_operators_key, by, origin
from tests.property.creation_machine import CreationRules
from tests.property.disputes_machine import DisputeRules
from tests.property.payments_model import (
    ACCOUNTS,
    CONFIRM_AFTER,
    CURRENCIES,
    DAY,
    EXTENSION,
    PAYMENTS,
    PEOPLE,
    Expected,
)
from tests.property.payouts_machine import PayoutRules
from tests.property.people_machine import PeopleRules
from tests.property.refunds_machine import RefundRules

R = TypeVar("R", bound=msgspec.Struct)


class PaymentsMachine(CreationRules, RefundRules, DisputeRules, PayoutRules, PeopleRules, RuleBasedStateMachine):
    """Buyers, sellers, payments in every mode and four currencies, closing accounts, and time."""

    payments = PAYMENTS

    @initialize()
    def people(self) -> None:
        """The buyers have money in every wallet."""
        for kind, currencies in PEOPLE:
            account = self.core.carry_out(
                CreateAccount(origin=origin(), kind=kind, display_name=kind.name, currencies=currencies)
            )
            for currency in currencies:
                self.wallets[account.id, currency] = 0
            if kind is AccountKind.MERCHANT:
                self.merchants.add(account.id)
            self.accounts.append(account.id)
        self.accounts.append(self.register())
        for account_id, currency in [each for each in self.wallets if each[0] not in self.merchants]:
            self._top_up(account_id, currency, 5_000)
        for account_id in self.accounts:
            self.bind(account_id)
        self.operators = [self.core.carry_out(an_operators_key()) for _ in range(2)]

    # --- Rules ---

    @rule(who=ACCOUNTS, currency=st.sampled_from(CURRENCIES), amount=st.integers(1, 2_000), debit=st.booleans())
    def adjust(self, who: int, currency: str, amount: int, debit: bool) -> None:
        """Takes money that the account may not have, which it then owes, or gives it some."""
        account = self.accounts[who]
        sides = (Side(Purpose.AVAILABLE, account), Side(Purpose.FEES))
        taken, given = sides if debit else sides[::-1]
        outcome = self.adjusted(taken, given, Money(amount, currency))
        if account in self.closed:
            assert outcome == "ACCOUNT_CLOSED"
            return
        if (account, currency) not in self.wallets:
            assert outcome == "WALLET_MISSING"
            return
        assert outcome == "OK"
        if debit:
            at_hand = min(amount, self.wallets[account, currency])
            self.wallets[account, currency] -= at_hand
            self.owed[account, currency] += amount - at_hand
        else:
            self._give(account, currency, amount)
        self.platform["FEES", currency] += amount if debit else -amount

    def adjusted(self, taken: Side, given: Side, amount: Money) -> str:
        """What comes of an adjustment that one operator proposes and another approves."""
        terms = Adjustment(debit=taken, credit=given, amount=amount)
        proposal, outcome = self.attempt(CreateProposal(origin=by(self.operators[0]), terms=terms, reason="x"))
        if proposal is not None:
            _, outcome = self.attempt(ApproveProposal(origin=by(self.operators[1]), proposal_id=proposal.id))
        return outcome

    @rule(who=ACCOUNTS, currency=st.sampled_from(CURRENCIES))
    def open_wallet(self, who: int, currency: str) -> None:
        account = self.accounts[who]
        _, outcome = self.attempt(OpenWallet(origin=origin(), account_id=account, currency=currency))
        if account in self.closed:
            assert outcome == "ACCOUNT_CLOSED"
        elif account in self.frozen:
            assert outcome == "ACCOUNT_FROZEN"
        else:
            assert outcome == "OK"
            self.wallets.setdefault((account, currency), 0)

    @rule(
        target=payments,
        payer=st.integers(0, 1),
        payee=st.integers(2, 3),
        currency=st.sampled_from(CURRENCIES),
        amount=st.integers(1, 600),
        mode=st.sampled_from(Mode),
        method=st.sampled_from(list(CONFIRM_AFTER)),
        percent=st.sampled_from([0, 0, 33, 50, 100]),
        at_once=st.booleans(),
        then=st.sampled_from(["", "", "void", "correct", "extend"]),
    )
    def purchase(
        self,
        *,
        payer: int,
        payee: int,
        currency: str,
        amount: int,
        mode: Mode,
        method: ShipmentMethod,
        percent: int,
        at_once: bool,
        then: str,
    ) -> Any:
        """What is rarely reached by chance: goods under way or money held, and the end of both, which 0 percent leaves open."""
        payment = self.create(payer, payee, currency, amount, mode, "", pay=at_once)
        if isinstance(payment, UUID):
            if not at_once:
                self.pay(payment)
            if mode is Mode.AUTHORIZATION and percent:
                self.capture(payment, percent, None)
            if mode is Mode.ESCROW:
                self.ship(payment, method)
            match then:
                case "void":
                    self.void(payment)
                case "correct":
                    self.correct(payment, method)
                case "extend":
                    self.extend(payment)
            if mode is Mode.ESCROW and percent == 100:
                self.confirm(payment)
        return payment

    @rule(which=payments, wanted=st.booleans())
    def pay(self, which: UUID, wanted: bool = False) -> None:
        which = (wanted and self._newest("AWAITING_PAYMENT")) or which
        expected = self._caught_up(which)
        _, outcome = self.attempt(PayPayment(origin=origin(), payment_id=which))
        if {expected.payer, expected.payee} & self.closed:
            assert outcome == "ACCOUNT_CLOSED"
        elif (blocked := self._foresee_blocked(expected.payer, expected.currency)) != "OK":
            assert outcome == blocked
        elif expected.state != "AWAITING_PAYMENT":
            assert outcome == "INVALID_TRANSITION"
        else:
            assert outcome == self._foresee_means(expected.payer, expected.currency, expected.amount)
        if outcome == "OK":
            self._pay(expected)

    @rule(which=payments, wanted=st.booleans(), method=st.sampled_from(list(CONFIRM_AFTER)))
    def ship(self, which: UUID, method: ShipmentMethod, wanted: bool = False) -> None:
        which = (wanted and self._newest("PAID")) or which
        expected = self._caught_up(which)
        _, outcome = self.attempt(ShipPayment(origin=origin(), payment_id=which, shipment=Shipment(method)))
        assert outcome == self._foresee_going_on(expected, "PAID")
        if outcome == "OK":
            expected.state, expected.due = "SHIPPED", self.now + CONFIRM_AFTER[method]

    @rule(which=payments, wanted=st.booleans())
    def confirm(self, which: UUID, wanted: bool = False) -> None:
        which = (wanted and self._newest("SHIPPED")) or which
        expected = self._caught_up(which)
        _, outcome = self.attempt(ConfirmPayment(origin=origin(), payment_id=which))
        if expected.payer in self.frozen:
            assert outcome == "ACCOUNT_FROZEN"
            return
        assert outcome == self._foresee_going_on(expected, "SHIPPED")
        if outcome == "OK":
            self._release(expected, self.now)

    def _foresee_going_on(self, expected: Expected, state: str) -> str:
        """Of a step on goods and money of which refunds may leave nothing."""
        if expected.state != state:
            return "INVALID_TRANSITION"
        if expected.disputed:
            return "DISPUTE_OPEN"
        return "REFUND_IN_PROGRESS" if expected.held == expected.reserved else "OK"

    @rule(which=payments, wanted=st.booleans(), method=st.sampled_from(list(CONFIRM_AFTER)))
    def correct(self, which: UUID, method: ShipmentMethod, wanted: bool = False) -> None:
        which = (wanted and self._newest("SHIPPED")) or which
        expected = self._caught_up(which)
        _, outcome = self.attempt(CorrectShipment(origin=origin(), payment_id=which, shipment=Shipment(method)))
        if expected.state != "SHIPPED":
            assert outcome == "INVALID_TRANSITION"
        elif expected.disputed:
            assert outcome == "DISPUTE_OPEN"
        elif expected.corrected:
            assert outcome == "ALREADY_CORRECTED"
        else:
            assert outcome == "OK"
            expected.corrected = True
            expected.due = self.now + CONFIRM_AFTER[method] + (EXTENSION if expected.extended else 0)

    @rule(which=payments, wanted=st.booleans())
    def extend(self, which: UUID, wanted: bool = False) -> None:
        which = (wanted and self._newest("SHIPPED")) or which
        expected = self._caught_up(which)
        _, outcome = self.attempt(ExtendConfirmation(origin=origin(), payment_id=which))
        if expected.disputed and expected.state == "SHIPPED":
            assert outcome == "DISPUTE_OPEN"
        elif expected.state != "SHIPPED" or expected.due is None:
            assert outcome == "INVALID_TRANSITION"
        elif expected.extended:
            assert outcome == "ALREADY_EXTENDED"
        else:
            assert outcome == "OK"
            expected.extended = True
            expected.due += EXTENSION

    @rule(
        which=payments,
        wanted=st.booleans(),
        percent=st.sampled_from([None, 1, 33, 50, 99, 100, 101]),
        currency=st.sampled_from([None, None, None, *CURRENCIES]),
    )
    def capture(self, which: UUID, percent: int | None, currency: str | None, wanted: bool = False) -> None:
        """All of it, or so much, mostly in the currency of the payment."""
        which = (wanted and self._newest("AUTHORIZED")) or which
        expected = self._caught_up(which)
        amount = None if percent is None else -(-expected.amount * percent // 100)
        asked = None if amount is None else Money(amount, currency or expected.currency)
        _, outcome = self.attempt(CapturePayment(origin=origin(), payment_id=which, amount=asked))
        if asked is not None and asked.currency != expected.currency:
            assert outcome == "CURRENCY_MISMATCH"
        elif expected.state != "AUTHORIZED":
            assert outcome == "INVALID_TRANSITION"
        elif amount is not None and amount > expected.amount:
            assert outcome == "CAPTURE_EXCEEDS_AUTHORIZATION"
        else:
            assert outcome == "OK"
            self._capture(expected, expected.amount if amount is None else amount)

    @rule(which=payments, wanted=st.booleans())
    def void(self, which: UUID, wanted: bool = False) -> None:
        which = (wanted and self._newest("AUTHORIZED")) or which
        expected = self._caught_up(which)
        _, outcome = self.attempt(VoidPayment(origin=origin(), payment_id=which))
        assert outcome == ("OK" if expected.state == "AUTHORIZED" else "INVALID_TRANSITION")
        if outcome == "OK":
            self._return(expected, self.now)

    @rule(which=payments, wanted=st.booleans())
    def cancel(self, which: UUID, wanted: bool = False) -> None:
        which = (wanted and self._newest("PAID")) or which
        expected = self._caught_up(which)
        _, outcome = self.attempt(CancelPayment(origin=origin(), payment_id=which))
        possible = "DISPUTE_OPEN" if expected.disputed else "OK"
        assert outcome == (possible if expected.state in ("AWAITING_PAYMENT", "PAID") else "INVALID_TRANSITION")
        if outcome == "OK":
            self._return(expected, self.now)

    @rule(which=payments, payer=st.booleans())
    def close(self, which: UUID, payer: bool) -> None:
        """Closes an account that has a payment, so that money is on its way to it; not the last buyer or seller."""
        account = self.expected[which].payer if payer else self.expected[which].payee
        if (account in self.merchants) in [closed in self.merchants for closed in self.closed - {account}]:
            return
        _, outcome = self.attempt(CloseAccount(origin=origin(), account_id=account))
        if account in self.closed:
            assert outcome == "OK"
        elif account in self.frozen:
            assert outcome == "ACCOUNT_FROZEN"
        elif any(minor for books in (self.wallets, self.owed) for (of, _), minor in books.items() if of == account):
            assert outcome == "BALANCE_NOT_ZERO"
        elif any(self._is_under_way(each) for each in self.expected.values() if account in (each.payer, each.payee)):
            assert outcome == "PAYMENTS_OPEN"
        elif any(each.open for each in self.fundings.values() if each.account == account):
            assert outcome == "FUNDINGS_OPEN"
        elif any(each.reserved for each in self.expected.values() if account in (each.payer, each.payee)):
            assert outcome == "REFUNDS_OPEN"
        elif any(each.disputed for each in self.expected.values() if account in (each.payer, each.payee)):
            assert outcome == "DISPUTES_OPEN"
        elif account in self.taken and self.now < self.taken[account] + 60 * DAY:
            assert outcome == "TAKINGS_TOO_RECENT"
        else:
            assert outcome == "OK"
            self.closed.add(account)

    @rule(which=payments, payer=st.booleans(), freeze=st.integers(0, 2))
    def freeze(self, which: UUID, payer: bool, freeze: int) -> None:
        """Freezes an account, or twice as often ends its freeze, so that most payments go on."""
        self.freeze_account(self.expected[which].payer if payer else self.expected[which].payee, freeze=freeze == 0)

    def freeze_account(self, account: UUID, *, freeze: bool) -> None:
        command = FreezeAccount if freeze else UnfreezeAccount
        _, outcome = self.attempt(command(origin=origin(), account_id=account, reason="x"))
        assert outcome == ("ACCOUNT_CLOSED" if account in self.closed else "OK")
        if outcome == "OK" and freeze:
            self.frozen.add(account)
        elif outcome == "OK":
            self.frozen.discard(account)

    def _is_under_way(self, expected: Expected) -> bool:
        if expected.state == "AWAITING_PAYMENT":
            return expected.due is not None and expected.due > self.now
        return expected.state in ("PAID", "SHIPPED", "AUTHORIZED")

    @rule(
        seconds=st.sampled_from(
            [1, 60, 30 * 60 - 1, 30 * 60, DAY, DAY, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 10 * DAY, 15 * DAY, 365 * DAY]
        )
    )
    def time_passes(self, seconds: int) -> None:
        self.core.advance(seconds)
        self.now += seconds

    # --- What must hold at any time ---

    def check(self) -> None:
        """The core's rows against the model, and the ledger against itself."""
        for payment in self.core.all(Payment):
            expected = self.expected[payment.id]
            assert (payment.state.name, payment.held_minor) == (expected.state, expected.held)
            assert (payment.released_minor, payment.returned_minor) == (expected.released, expected.returned)
            assert payment.fee_minor == expected.fee
            assert (payment.refund_reserved_minor, payment.refund_count) == (expected.reserved, len(expected.refunds))
            assert payment.refunded_minor == expected.of_refunds("SUCCEEDED")
            taken = expected.of_refunds("PENDING", "SUCCEEDED", source="PAYEE") + sum(award for award, _ in expected.awards)
            assert payment.refund_taken_minor == taken
            shares = sum(each.share for each in expected.refunds) + sum(share for _, share in expected.awards)
            assert payment.fee_returned_minor == shares
            assert payment.awarded_minor == expected.awarded
            assert (payment.dispute_id is not None) == expected.disputed
        for refund in self.core.all(Refund):
            foreseen = self.refunds[refund.id]
            assert (refund.state.name, refund.fee_share_minor) == (foreseen.state, foreseen.share)
            assert (refund.destination is Destination.INSTRUMENT) == (foreseen.card is not None)
        self.check_disputes()
        self.check_fundings()
        self.check_payouts()
        self.check_people()
        for account in self.core.all(Account):
            waiting = {each: len(self._waiting(account.id, each)) for each in CURRENCIES}
            counts = " ".join(f"{each}:{waiting[each]}" for each in sorted(CURRENCIES) if waiting[each])
            assert account.waiting_refunds == counts
        held = {wallet: self._held(*wallet) for wallet in self.wallets}
        core: dict[Purpose, dict[tuple[UUID, str], int]] = {purpose: {} for purpose in Purpose}
        platform = dict.fromkeys(self.platform, 0) | {("BANK_CLEARING", currency): 0 for currency in CURRENCIES}
        for balance in self.core.all(Balance):
            if balance.purpose in (Purpose.AVAILABLE, Purpose.HELD, Purpose.RECEIVABLE):
                core[balance.purpose][balance.account_id, balance.currency] = balance.amount_minor
            else:
                platform[balance.purpose.name, balance.currency] += balance.amount_minor
        assert core[Purpose.AVAILABLE] == self.wallets
        assert core[Purpose.HELD] == held
        assert core[Purpose.RECEIVABLE] == {wallet: -self.owed[wallet] for wallet in self.wallets}
        outside = {("BANK_CLEARING", currency): amount for currency, amount in self.outside.items()}
        assert platform == self.platform | outside
        self._check_entries()

    def _check_entries(self) -> None:
        balances = {balance.id: balance for balance in self.core.all(Balance)}
        by_journal: dict[UUID, list[Entry]] = {journal.id: [] for journal in self.core.all(Journal)}
        by_balance: dict[UUID, list[Entry]] = {balance: [] for balance in balances}
        for entry in self.core.all(Entry):
            by_journal[entry.journal_id].append(entry)
            by_balance[entry.balance_id].append(entry)
        for entries in by_journal.values():
            assert sum(entry.amount_minor for entry in entries) == 0
            assert len({balances[entry.balance_id].currency for entry in entries}) == 1
        for balance in balances.values():
            entries = sorted(by_balance[balance.id], key=lambda entry: entry.version)
            assert [entry.version for entry in entries] == list(range(1, balance.version + 1))
            assert sum(entry.amount_minor for entry in entries) == balance.amount_minor
