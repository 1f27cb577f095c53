"""What the machine of `payments_machine.py` does with money that comes in and goes out, over the till and by cards."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from danbao_core.bank.port import Answer, DeclineReason, Outcome
from danbao_core.fundings import Funding, SettleFunding, TopUp, Withdraw
from danbao_core.fundings_at_bank import ReverseTopUp, TakeOutcome
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.people.instruments import BindInstrument, Card, UnbindInstrument
from danbao_core.sandbox import BankBehaviour, SetBankBehaviour
from tests.builders import BY_BANK, origin
from tests.property.fundings_model import FundingsModel
from tests.property.payments_model import ACCOUNTS, CURRENCIES

FUNDING_STEPS: Final = {BindInstrument, ReverseTopUp, SettleFunding, TakeOutcome, TopUp, UnbindInstrument, Withdraw}
FUNDED: Final = {
    *(
        f"{kind} {way} {state}"
        for kind in ("TOP_UP", "WITHDRAWAL")
        for way in ("at bank", "over the till")
        for state in ("SUCCEEDED", "FAILED")
    ),
    "reversed",
    "reversed and owed",
    "answered again",
}
"""What is to become of fundings."""
WHILE_OPEN: Final = {
    Answer.PENDING: "PENDING",
    Answer.NOT_KNOWN: "UNKNOWN",
    Answer.NO_ANSWER: "UNKNOWN",
}
"""What an answer that is not final makes of a funding that is open."""


class FundingRules(FundingsModel):
    """Topping up, withdrawing, and whatever banks answer, in whichever order and however often."""

    def bind(self, account: UUID) -> None:
        """Another card."""
        card = Card("token", "622202", "4567", "k1", (uuid7().bytes * 2,))
        bound, outcome = self.attempt(BindInstrument(origin=origin(), account_id=account, card=card))
        assert outcome == ("ACCOUNT_CLOSED" if account in self.closed else "OK")
        if bound is not None:
            self.cards[account] = bound.instrument_id

    @rule(who=ACCOUNTS, bind=st.integers(0, 2))
    def change_card(self, who: int, bind: int) -> None:
        """Unbinds a card, or twice as often binds another in the place of one that was unbound, so that most can be used."""
        account = self.accounts[who]
        if bind == 0:
            _, outcome = self.attempt(UnbindInstrument(origin=origin(), instrument_id=self.cards[account]))
            assert outcome == "OK"
            self.unbound.add(self.cards[account])
        elif not self._card_is_bound(account):
            self.bind(account)

    def behave(self, bank: BankBehaviour) -> None:
        """Says how the till answers."""
        self.core.carry_out(SetBankBehaviour(origin=origin(), behaviour=bank))

    @rule(
        who=ACCOUNTS,
        currency=st.sampled_from(CURRENCIES),
        amount=st.integers(-1, 5_000),
        bank=st.sampled_from([*BankBehaviour, BankBehaviour.ACCEPT]),
        by_card=st.booleans(),
    )
    def top_up(
        self, who: int, currency: str, amount: int, bank: BankBehaviour = BankBehaviour.ACCEPT, by_card: bool = False
    ) -> None:
        self._top_up(self.accounts[who], currency, amount, bank, by_card=by_card)

    def _top_up(
        self,
        account: UUID,
        currency: str,
        amount: int,
        bank: BankBehaviour = BankBehaviour.ACCEPT,
        *,
        by_card: bool = False,
    ) -> None:
        card = self.cards[account] if by_card else None
        self.behave(bank)
        funding, outcome = self.attempt(
            TopUp(origin=origin(), account_id=account, amount=Money(amount, currency), instrument_id=card, ways=BY_BANK)
        )
        self.behave(BankBehaviour.ACCEPT)
        assert outcome == self._foresee_asking(account, currency, amount, by_card=by_card)
        if funding is not None:
            self._asked_for(funding.id, "TOP_UP", account, currency, amount, card)
            self._answered_at_once(funding.id, bank)

    @rule(
        who=ACCOUNTS,
        currency=st.sampled_from(CURRENCIES),
        amount=st.integers(-1, 2_000),
        bank=st.sampled_from(BankBehaviour),
        by_card=st.booleans(),
    )
    def withdraw(self, who: int, currency: str, amount: int, bank: BankBehaviour, by_card: bool = False) -> None:
        account = self.accounts[who]
        card = self.cards[account] if by_card else None
        self.behave(bank)
        funding, outcome = self.attempt(
            Withdraw(origin=origin(), account_id=account, amount=Money(amount, currency), instrument_id=card, ways=BY_BANK)
        )
        self.behave(BankBehaviour.ACCEPT)
        assert outcome == self._foresee_withdrawal(account, currency, amount, by_card=by_card)
        if funding is not None:
            self._asked_for(funding.id, "WITHDRAWAL", account, currency, amount, card)
            self._answered_at_once(funding.id, bank)

    def _foresee_withdrawal(self, account: UUID, currency: str, amount: int, *, by_card: bool) -> str:
        asking = self._foresee_asking(account, currency, amount, by_card=by_card)
        if asking != "OK":
            return asking
        if self._waiting(account, currency):
            return "REFUNDS_WAITING"
        return "INSUFFICIENT_FUNDS" if self.wallets[account, currency] < amount else "OK"

    def _foresee_moving(self, account: UUID, currency: str, amount: int) -> str:
        """What is asked of a wallet before anything else."""
        if amount <= 0:
            return "AMOUNT_NOT_POSITIVE"
        if account in self.closed:
            return "ACCOUNT_CLOSED"
        return "OK" if (account, currency) in self.wallets else "WALLET_MISSING"

    def _foresee_asking(self, account: UUID, currency: str, amount: int, *, by_card: bool) -> str:
        moving = self._foresee_moving(account, currency, amount)
        if moving != "OK":
            return moving
        if account in self.frozen:
            return "ACCOUNT_FROZEN"
        return "INSTRUMENT_NOT_FOUND" if by_card and not self._card_is_bound(account) else "OK"

    def _answered_at_once(self, funding: UUID, bank: BankBehaviour) -> None:
        if self.fundings[funding].card is None and bank is not BankBehaviour.NO_ANSWER:
            self._answered(funding, accepted=bank is BankBehaviour.ACCEPT)

    def _some_funding(self, number: int, *, over: bool) -> list[UUID]:
        """A funding that is open, counted from the newest, or with `over` any."""
        under_way = [each for each, foreseen in self.fundings.items() if foreseen.open or over]
        return (under_way[::-1][number:] or under_way)[:1]

    @rule(number=st.integers(0, 5), over=st.booleans(), accepted=st.booleans())
    def till_answers(self, number: int, over: bool, accepted: bool) -> None:
        for funding in self._some_funding(number, over=over):
            self._till_answers(funding, accepted=accepted)

    def _till_answers(self, funding: UUID, *, accepted: bool) -> None:
        expected = self.fundings[funding]
        _, outcome = self.attempt(SettleFunding(origin=origin(), funding_id=funding, accepted=accepted))
        if not expected.open:
            assert outcome == "FUNDING_NOT_PENDING"
        elif expected.card is not None:
            assert outcome == "FUNDING_AT_BANK"
        else:
            assert outcome == "OK"
            self._answered(funding, accepted=accepted)

    @rule(
        number=st.integers(0, 5),
        over=st.booleans(),
        answers=st.lists(st.sampled_from(Answer), min_size=1, max_size=3),
        reason=st.sampled_from(list(DeclineReason)[1:]),
    )
    def bank_answers(self, number: int, over: bool, answers: list[Answer], reason: DeclineReason) -> None:
        """A worker asks the bank for one, or several do, one of which may come long after it was settled."""
        for funding in self._some_funding(number, over=over):
            for answer in answers:
                self._bank_answers(funding, Outcome(answer, reason if answer is Answer.DECLINED else DeclineReason.NONE))

    @rule(
        who=st.integers(0, 3),
        currency=st.sampled_from(["CNY", "USD"]),
        amount=st.integers(1, 2_000),
        comes_in=st.sampled_from([True, True, False]),
        by_card=st.sampled_from([True, True, False]),
        before=st.lists(st.sampled_from(list(WHILE_OPEN)), max_size=2),
        accepted=st.booleans(),
        again=st.booleans(),
        spent=st.booleans(),
    )
    def fund(
        self,
        *,
        who: int,
        currency: str,
        amount: int,
        comes_in: bool,
        by_card: bool,
        before: list[Answer],
        accepted: bool,
        again: bool,
        spent: bool,
    ) -> None:
        """What is rarely reached by chance: all that a bank says to one, to the end or to its being taken back, which is then
        owed where it was spent."""
        known = len(self.fundings)
        if comes_in:
            self.top_up(who, currency, amount, BankBehaviour.NO_ANSWER, by_card)
        else:
            self.withdraw(who, currency, amount, BankBehaviour.NO_ANSWER, by_card)
        for funding in list(self.fundings)[known:]:
            final = Outcome(Answer.ACCEPTED) if accepted else Outcome(Answer.DECLINED, DeclineReason.CARD_BLOCKED)
            for outcome in [*map(Outcome, before), final, *[final] * again]:
                self._bank_answers(funding, outcome)
            self._till_answers(funding, accepted=accepted)
            if accepted and comes_in and spent:
                self.withdraw(who, currency, self.wallets[self.accounts[who], currency], BankBehaviour.ACCEPT)
            for _ in range(again + spent):
                self._bank_takes_back(funding)

    def _bank_answers(self, funding: UUID, outcome: Outcome) -> None:
        expected = self.fundings[funding]
        at_bank = expected.open and expected.card is not None
        if at_bank:
            self.core.claim("funding", funding)
            expected.asked += 1
        elif not expected.open:
            self.went_back.add("answered again")
        command = TakeOutcome(origin=origin(), funding_id=funding, outcome=outcome, ask_again_at=datetime.now(UTC))
        _, granted = self.attempt(command)
        assert granted == "OK"
        if at_bank and outcome.known:
            self._answered(funding, accepted=outcome.answer is Answer.ACCEPTED)
        elif at_bank:
            expected.state = WHILE_OPEN.get(outcome.answer, expected.state)

    @rule(number=st.integers(0, 5), wanted=st.booleans(), more=st.sampled_from([0, 0, 0, 1]))
    def bank_takes_back(self, number: int, wanted: bool, more: int) -> None:
        """What a statement says of a top-up; such as it was booked, or of another amount, or of whichever funding."""
        booked = [
            each
            for each, foreseen in self.fundings.items()
            if not wanted or (foreseen.card is not None and (foreseen.kind, foreseen.state) == ("TOP_UP", "SUCCEEDED"))
        ]
        for funding in (booked[::-1][number:] or booked)[:1]:
            self._bank_takes_back(funding, more)

    def _bank_takes_back(self, funding: UUID, more: int = 0) -> None:
        expected = self.fundings[funding]
        amount = Money(expected.amount + more, expected.currency)
        _, outcome = self.attempt(ReverseTopUp(origin=origin(), funding_id=funding, amount=amount))
        assert outcome == "OK"
        if expected.asked and (expected.kind, expected.state, more) == ("TOP_UP", "SUCCEEDED", 0):
            self._taken_back(expected)

    def check_fundings(self) -> None:
        """The core's rows against the model."""
        fundings = {each.id: each for each in self.core.all(Funding)}
        assert fundings.keys() == self.fundings.keys()
        for funding in fundings.values():
            foreseen = self.fundings[funding.id]
            assert (funding.kind.name, funding.state.name, funding.attempts) == (foreseen.kind, foreseen.state, foreseen.asked)
            assert (funding.account_id, funding.currency) == (foreseen.account, foreseen.currency)
            assert (funding.amount_minor, funding.instrument_id) == (foreseen.amount, foreseen.card)
            assert (funding.next_attempt_at is not None) == (foreseen.open and foreseen.card is not None)
