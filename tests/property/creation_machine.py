"""How the machine of `payments_machine.py` makes payments: one by one, and several that share a batch, as those of bulk do."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule

from danbao_core.accounts import Account
from danbao_core.errors import Refusal
from danbao_core.money import Money
from danbao_core.payments import CreatePayment, Mode, Payment
from tests.builders import origin
from tests.property.payments_model import ACCOUNTS, CURRENCIES, PAYMENTS, Expected, Model

ORDERS: Final = st.sampled_from(["", "1", "2", "3", "4", "5", "6"])
ORDERS_TOGETHER: Final = st.sampled_from(["", "", "7", "8", "9"])
"""Of which no payment that is made alone has one, so that those of one batch may well have the same."""

TOGETHER: Final = {"granted beside another", "refused for what another took", "granted for what another gave", "numbered alike"}
"""What is to become of payments that share a batch."""


class CreationRules(Model):
    """Asking for payments."""

    @rule(
        target=PAYMENTS,
        payer=ACCOUNTS,
        payee=ACCOUNTS,
        currency=st.sampled_from(CURRENCIES),
        amount=st.integers(0, 3_000),
        mode=st.sampled_from(Mode),
        order=ORDERS,
        pay=st.booleans(),
    )
    def create(self, payer: int, payee: int, currency: str, amount: int, mode: Mode, order: str, pay: bool) -> Any:
        command = self._wanted(payer, payee, Money(amount, currency), mode, order, pay=pay)
        payment, outcome = self.attempt(command)
        self._must_be_foreseen(command, payment, outcome)
        return multiple() if payment is None else payment.id

    @rule(
        target=PAYMENTS,
        currency=st.sampled_from(CURRENCIES),
        wanted=st.lists(
            st.tuples(ACCOUNTS, ACCOUNTS, st.sampled_from([0, 10, 60, 100]), st.sampled_from(Mode), ORDERS_TOGETHER),
            min_size=1,
            max_size=6,
        ),
        again=st.booleans(),
        back=st.booleans(),
    )
    def create_together(
        self, currency: str, wanted: Sequence[tuple[int, int, int, Mode, str]], *, again: bool, back: bool
    ) -> Any:
        """Payments that are paid at once and share a batch: each finds what those before it left. The amounts are percents of
        what the payer has before. The first may be asked for again, and its payee may pay back more than they had before."""
        giver, taker, *_ = first = wanted[0]
        wanted = [*wanted, *([first] if again else []), *([(taker, giver, 101, Mode.INSTANT, "")] if back else [])]
        asked = [
            self._wanted(payer, payee, Money(self._part_of(payer, currency, percent), currency), mode, order, pay=True)
            for payer, payee, percent, mode, order in wanted
        ]
        commands = [each for each in asked if not self._needs_more_rows(each)]
        foreseen_alone = [self._foresee_creation(each) for each in commands]
        made: list[UUID] = []
        for command, result, alone in zip(commands, self.core.carry_out_together(commands), foreseen_alone, strict=True):
            payment, outcome = (None, result.reason) if isinstance(result, Refusal) else (result, "OK")
            self._must_be_foreseen(command, payment, outcome)
            self._note_others(outcome, alone, beside=bool(made))
            if payment is not None:
                made.append(payment.id)
        return multiple(*made)

    def _wanted(self, payer: int, payee: int, amount: Money, mode: Mode, order: str, *, pay: bool) -> CreatePayment:
        of, to = self.accounts[payer], self.accounts[payee]
        return CreatePayment(origin=origin(), payer_id=of, payee_id=to, amount=amount, mode=mode, order_no=order, pay=pay)

    def _part_of(self, who: int, currency: str, percent: int) -> int:
        return max(1, self.wallets.get((self.accounts[who], currency), 0) * percent // 100)

    def _needs_more_rows(self, command: CreatePayment) -> bool:
        """Whether it may find out, when it is decided, that it needs more rows: it is then decided after all of its batch."""
        accounts = {account.id: account for account in self.core.all(Account)}
        return accounts[command.payer_id].personal or accounts[command.payee_id].ever_owed

    def _must_be_foreseen(self, command: CreatePayment, payment: Payment | None, outcome: str) -> None:
        """Takes over into the model what came of asking for a payment, if it is what the model says."""
        assert outcome == self._foresee_creation(command)
        if payment is None:
            return
        of, to, amount = command.payer_id, command.payee_id, command.amount
        fee = self._fee(to, amount.amount_minor)
        expected = self.expected[payment.id] = Expected(
            of, to, amount.currency, amount.amount_minor, fee, command.mode, self.now
        )
        if command.order_no:
            self.orders.add((to, command.order_no))
        if command.pay:
            self._pay(expected)
        assert payment.state.name == expected.state

    def _note_others(self, outcome: str, alone: str, *, beside: bool) -> None:
        """Remembers what became of a payment that would have come to something else alone."""
        if outcome == "OK" and beside:
            self.went_back.add("granted beside another")
        if (alone, outcome) == ("OK", "INSUFFICIENT_FUNDS"):
            self.went_back.add("refused for what another took")
        if (alone, outcome) == ("INSUFFICIENT_FUNDS", "OK"):
            self.went_back.add("granted for what another gave")
        if (alone, outcome) == ("OK", "ORDER_NO_TAKEN"):
            self.went_back.add("numbered alike")

    def _foresee_creation(self, command: CreatePayment) -> str:
        of, to, currency = command.payer_id, command.payee_id, command.amount.currency
        if of == to:
            return "PAYER_IS_PAYEE"
        if command.amount.amount_minor <= 0:
            return "AMOUNT_NOT_POSITIVE"
        for account in (of, to):
            if account in self.closed:
                return "ACCOUNT_CLOSED"
            if (account, currency) not in self.wallets:
                return "WALLET_MISSING"
        blocked = self._foresee_blocked(of, currency) if command.pay else "OK"
        if blocked == "OK" and command.order_no and (to, command.order_no) in self.orders:
            return "ORDER_NO_TAKEN"
        return self._foresee_means(of, currency, command.amount.amount_minor) if command.pay and blocked == "OK" else blocked

    def _foresee_blocked(self, payer: UUID, currency: str) -> str:
        """Of paying from a wallet that is there."""
        if payer in self.frozen:
            return "ACCOUNT_FROZEN"
        return "REFUNDS_WAITING" if self._waiting(payer, currency) else "OK"

    def _foresee_means(self, payer: UUID, currency: str, amount: int) -> str:
        if self._exceeds(payer, currency, amount):
            return "LIMIT_EXCEEDED"
        return "INSUFFICIENT_FUNDS" if self.wallets[payer, currency] < amount else "OK"
