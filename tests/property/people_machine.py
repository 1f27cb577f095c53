"""What the machine of `payments_machine.py` does as a person: paying, confirming and withdrawing by themselves."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from danbao_core.fundings import AskToWithdraw, Withdraw
from danbao_core.money import Money
from danbao_core.payments import ConfirmPayment, Mode, PayPayment, ShipmentMethod
from danbao_core.payments.approving import AskToPay
from danbao_core.people.answering import AnswerChallenge
from danbao_core.people.attempts import AttemptKind, Attempts
from danbao_core.people.challenges import Approval, Challenge, FactorKind
from danbao_core.people.changing import ChangePaymentPassword
from danbao_core.people.channels import IdentityChannel
from danbao_core.people.identity import ConfirmIdentity
from danbao_core.people.passwords import new_payment_password
from danbao_core.people.person import Document
from danbao_core.people.requesting import AskForChange
from danbao_core.people.spending import Spending
from tests.builders import BY_BANK, origin
from tests.people import PAYMENT_PASSWORD
from tests.property.approvals_machine import APPROVALS, KEYRING, PASSWORDS, SESSIONS, ApprovalRules
from tests.property.payments_model import BEGAN, DAY, PAYMENTS, Expected

PEOPLES_STEPS: Final = {
    AnswerChallenge,
    AskForChange,
    AskToPay,
    AskToWithdraw,
    ChangePaymentPassword,
    ConfirmIdentity,
}
SHOWN: Final = {
    *(f"{what} with {proof}" for what in ("paid", "withdrawn") for proof in ("PASSWORD", "SECOND_FACTOR", "TOTP")),
    *(
        f"{what} {outcome}"
        for what in ("paid", "withdrawn")
        for outcome in ("LIMIT_EXCEEDED", "APPROVAL_REQUIRED", "APPROVAL_USED", "APPROVAL_MISMATCH", "CHANGED_TOO_RECENTLY")
    ),
    "paid PASSWORD_LOCKED",
    "paid to who is known",
    "confirmed OK",
    "code CODE_EXPIRED",
    "code CODE_WRONG",
}
"""What is to become of what a person shows."""


class PeopleRules(ApprovalRules):
    """What Ada does, in two sessions."""

    create: Callable[..., Any]
    ship: Callable[..., None]
    _foresee_blocked: Callable[[UUID, str], str]
    _foresee_means: Callable[[UUID, str, int], str]
    time_passes: Callable[[int], None]

    def _seen_by_ada(self, which: UUID) -> Expected:
        """What a payment is by now, of which nothing is touched where it is none of theirs."""
        expected = self.expected[which]
        return self._caught_up_of(expected) if self.ada in (expected.payer, expected.payee) else expected

    @rule(which=PAYMENTS, session=SESSIONS, password=PASSWORDS, show=APPROVALS, wanted=st.booleans())
    def pay_myself(self, which: UUID, session: int, password: str, show: str, wanted: bool = False) -> None:
        which = (wanted and self._newest_of_ada("AWAITING_PAYMENT")) or which
        expected = self._seen_by_ada(which)
        approval = self._approval(show, session, ("PAY", which))
        command = PayPayment(origin=self._as_ada(session), payment_id=which, proofs=self._proofs(password, approval))
        _, outcome = self.attempt(command)
        needed = self._proof_needed(expected.currency, expected.amount, withdrawing=False)
        known = expected.mode is not Mode.ESCROW and self._must_rest() and self._knows(expected)
        assert outcome == self._foresee_paying(which, session, password, approval, needed)
        self._showed(outcome, approval, "paid")
        if outcome == "OK":
            self.went_back.add(f"paid with {needed}")
            if known:
                self.went_back.add("paid to who is known")
            self._pay(expected)

    def _foresee_paying(self, which: UUID, session: int, password: str, approval: UUID | None, needed: str | None) -> str:
        expected = self.expected[which]
        if self.ada != expected.payer:
            return "ACTOR_NOT_ALLOWED" if self.ada == expected.payee else "PAYMENT_NOT_FOUND"
        if {expected.payer, expected.payee} & self.closed:
            return "ACCOUNT_CLOSED"
        if (blocked := self._foresee_blocked(self.ada, expected.currency)) != "OK":
            return blocked
        if expected.state != "AWAITING_PAYMENT":
            return "INVALID_TRANSITION"
        shown = self._foresee_password(password)
        if shown == "OK" and expected.mode is not Mode.ESCROW and self._must_rest() and not self._knows(expected):
            return "CHANGED_TOO_RECENTLY"
        if shown == "OK":
            shown = self._foresee_approval(approval, session, ("PAY", which), needed)
        return self._foresee_means(self.ada, expected.currency, expected.amount) if shown == "OK" else shown

    @rule(which=PAYMENTS, session=SESSIONS, password=PASSWORDS, wanted=st.booleans())
    def confirm_myself(self, which: UUID, session: int, password: str, wanted: bool = False) -> None:
        which = (wanted and self._newest_of_ada("SHIPPED")) or which
        expected = self._seen_by_ada(which)
        command = ConfirmPayment(origin=self._as_ada(session), payment_id=which, proofs=self._proofs(password, None))
        _, outcome = self.attempt(command)
        assert outcome == self._foresee_confirming(expected, password)
        self._showed(outcome, None, "confirmed")
        if outcome == "OK":
            self._release(expected, self.now)

    def _foresee_confirming(self, expected: Expected, password: str) -> str:
        if self.ada not in (expected.payer, expected.payee):
            return "PAYMENT_NOT_FOUND"
        if self.ada == expected.payer and self.ada in self.frozen:
            return "ACCOUNT_FROZEN"
        if expected.state != "SHIPPED":
            return "INVALID_TRANSITION"
        if self.ada == expected.payee:
            return "ACTOR_NOT_ALLOWED"
        if expected.disputed:
            return "DISPUTE_OPEN"
        shown = self._foresee_password(password)
        return "REFUND_IN_PROGRESS" if shown == "OK" and expected.held == expected.reserved else shown

    @rule(
        currency=st.sampled_from(["CNY", "CNY", "USD", "JPY"]),
        amount=st.sampled_from([0, 100, 600, 2_000]),
        session=SESSIONS,
        password=PASSWORDS,
        show=APPROVALS,
    )
    def withdraw_myself(self, currency: str, amount: int, session: int, password: str, show: str) -> None:
        card = self.cards[self.ada]
        facts = ("WITHDRAW", card, currency, amount)
        approval = self._approval(show, session, facts)
        command = Withdraw(
            origin=self._as_ada(session),
            account_id=self.ada,
            amount=Money(amount, currency),
            instrument_id=card,
            ways=BY_BANK,
            proofs=self._proofs(password, approval),
        )
        funding, outcome = self.attempt(command)
        needed = self._proof_needed(currency, amount, withdrawing=True)
        assert outcome == self._foresee_my_withdrawal(facts, session, password, approval, needed)
        self._showed(outcome, approval, "withdrawn")
        if funding is not None:
            self.went_back.add(f"withdrawn with {needed}")
            self._asked_for(funding.id, "WITHDRAWAL", self.ada, currency, amount, card)

    def _foresee_my_withdrawal(
        self, facts: tuple[Any, ...], session: int, password: str, approval: UUID | None, needed: str | None
    ) -> str:
        _, _, currency, amount = facts
        without = self._foresee_withdrawal(self.ada, currency, amount, by_card=True)
        if without not in ("OK", "INSUFFICIENT_FUNDS"):
            return without
        if self._must_rest():
            return "CHANGED_TOO_RECENTLY"
        if (shown := self._foresee_password(password)) != "OK":
            return shown
        shown = self._foresee_approval(approval, session, facts, needed)
        return without if shown == "OK" else shown

    @rule(session=SESSIONS, password=PASSWORDS, show=APPROVALS)
    def change_password(self, session: int, password: str, show: str) -> None:
        """To the same digits; what is stored of them is other all the same."""
        approval = self._approval(show, session, ("CHANGE",))
        proof = self._proofs(password, approval).password
        if approval is None or proof is None:
            return
        command = ChangePaymentPassword(
            origin=self._as_ada(session),
            device_id="d",
            letter=None,
            proof=proof,
            approval_id=approval,
            new=new_payment_password(KEYRING, self.ada, PAYMENT_PASSWORD),
        )
        _, outcome = self.attempt(command)
        foreseen = self._foresee_password(password)
        if foreseen == "OK":
            foreseen = self._foresee_approval(approval, session, ("CHANGE",), "TOTP")
        assert outcome == foreseen
        self._showed(outcome, approval, "changed")
        if outcome == "OK":
            self.person.changed = self.now

    @rule(channel=st.sampled_from(IdentityChannel))
    def identify(self, channel: IdentityChannel) -> None:
        """A channel says who Ada is."""
        command = ConfirmIdentity(
            origin=origin(),
            account_id=self.ada,
            channel=channel,
            document=Document.RESIDENT_ID,
            real_name=b"sealed",
            number=b"sealed",
            number_hashes=(b"n" * 32,),
            seen=self._person().number,
        )
        _, outcome = self.attempt(command)
        assert outcome == ("ACCOUNT_CLOSED" if self.ada in self.closed else "OK")
        if outcome == "OK":
            self.person.channels.add(int(channel))

    # --- What is rarely reached by chance ---

    @rule(
        target=PAYMENTS,
        payee=st.integers(1, 3),
        amount=st.sampled_from([100, 400, 600, 1_400, 2_000, 2_900]),
        mode=st.sampled_from(Mode),
        channels=st.sampled_from([(1,), (1, 2, 3), (7,), (7,)]),
        factor=st.sampled_from([None, FactorKind.SMS, FactorKind.TOTP, FactorKind.TOTP]),
        before=st.sampled_from(["", "", "", "change", "change for a known one", "guess", "a day"]),
        again=st.booleans(),
    )
    def buy(
        self,
        payee: int,
        amount: int,
        mode: Mode,
        channels: tuple[int, ...],
        factor: FactorKind | None,
        before: str,
        again: bool,
    ) -> Any:
        """Ada buys something with the proofs that she has, and tries the same ones for another thing, before and after."""
        self._identify(channels)
        if before == "a day":
            self.time_passes(DAY)
        if before == "change for a known one":
            self._pay_if_made(self._order(payee, 1, Mode.INSTANT), "none")
            self.time_passes(1)
        if before.startswith("change"):
            self._change()
        payment = self._order(payee, amount, mode)
        if not isinstance(payment, UUID):
            return payment
        for _ in range(3 if before == "guess" else 0):
            self.pay_myself(payment, 0, "wrong", "none")
        other = self._order(payee, amount, mode) if again else None
        if factor is not None:
            self._approve(self._ask_to_pay(payment, 0, factor))
        self._pay_if_made(other, "newest")
        self.pay_myself(payment, 0, "right", "fitting")
        self._pay_if_made(other, "newest")
        if again and mode is Mode.ESCROW:
            self.ship(payment, ShipmentMethod.EXPRESS)
            self.confirm_myself(payment, 0, "right")
        return payment

    def _order(self, payee: int, amount: int, mode: Mode) -> Any:
        return self.create(len(self.accounts) - 1, payee, "CNY", amount, mode, "", pay=False)

    def _pay_if_made(self, payment: Any, show: str) -> None:
        if isinstance(payment, UUID):
            self.pay_myself(payment, 0, "right", show)

    def _identify(self, channels: tuple[int, ...]) -> None:
        for channel in channels:
            self.identify(IdentityChannel(channel))

    def _change(self) -> None:
        self._approve(self._ask_to_change(0, FactorKind.TOTP))
        self.change_password(0, "right", "fitting")

    @rule(
        amount=st.sampled_from([100, 600, 2_000, 2_900]),
        factor=st.sampled_from([None, FactorKind.SMS, FactorKind.TOTP, FactorKind.TOTP]),
        before=st.sampled_from(["", "a day", "a day", "change"]),
        another=st.sampled_from([0, 1]),
    )
    def cash_out(self, amount: int, factor: FactorKind | None, before: str, another: int) -> None:
        """Ada withdraws what takes the proof that she has, and shows it once more for the same amount or another."""
        self._identify((7,))
        self.top_up(len(self.accounts) - 1, "CNY", amount)
        if before == "a day":
            self.time_passes(DAY)
        if before == "change":
            self._change()
        if factor is not None:
            self._approve(self._ask_to_withdraw("CNY", amount + another, 0, factor))
        self.withdraw_myself("CNY", amount, 0, "right", "newest")
        self.withdraw_myself("CNY", amount + another, 0, "right", "fitting")
        self.withdraw_myself("CNY", amount, 0, "right", "newest")

    def _approve(self, challenge: UUID | None) -> None:
        if challenge is not None:
            self._answer(challenge, 0, "old")
            self._answer(challenge, 0, "right")

    # --- What must hold at any time ---

    def check_people(self) -> None:
        """The core's rows against the model."""
        person, row = self.person, self._person()
        changed = None if row.changed_at is None else int(row.changed_at.timestamp()) - BEGAN
        assert (int(row.level), changed) == (person.level, person.changed)
        for spending in self.core.all(Spending):
            assert spending.account_id == self.ada
            of_year = person.by_year.get(spending.currency, Counter())
            assert spending.day_minor == person.by_day[spending.currency][spending.day]
            assert (spending.year_minor, spending.life_minor) == (of_year[spending.year], person.life[spending.currency])
        counted = {AttemptKind.PAYMENT_PASSWORD: person.wrong_passwords, AttemptKind.CODE: person.wrong_codes}
        for attempts in self.core.all(Attempts):
            foreseen = counted.get(attempts.kind, person.codes)
            until = None if attempts.locked_until is None else int(attempts.locked_until.timestamp()) - BEGAN
            assert (attempts.count, until) == (foreseen.count, foreseen.until)
        for challenge in self.core.all(Challenge):
            expected = self.challenges[challenge.id]
            assert (challenge.tries, challenge.answered_at is not None) == (expected.tries, expected.answered)
        approvals = {each.id: each.used_at is not None for each in self.core.all(Approval)}
        assert approvals == {each: foreseen.used for each, foreseen in self.challenges.items() if foreseen.answered}
