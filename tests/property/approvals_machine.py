"""What the machine of `payments_machine.py` does with challenges, and what a person shows: codes, approvals and passwords."""

from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from danbao_core.engine import Command, Origin
from danbao_core.fundings import AskToWithdraw
from danbao_core.ids import uuid7
from danbao_core.keyring import Keyring
from danbao_core.money import Money
from danbao_core.payments.approving import AskToPay
from danbao_core.people.answering import AnswerChallenge, CodeShown
from danbao_core.people.asking import SmsCode, sms_hashes
from danbao_core.people.challenges import Challenge, FactorKind, Purpose, personal_binding
from danbao_core.people.messages import letter
from danbao_core.people.passwords import payment_proof
from danbao_core.people.person import IdentityLevel, Person
from danbao_core.people.proofs import Proofs
from danbao_core.people.requesting import AskForChange
from tests.builders import Put, origin
from tests.people import PAYMENT_PASSWORD, rows_of_somebody
from tests.property.fundings_machine import FundingRules
from tests.property.payments_model import PAYMENTS
from tests.property.people_model import ExpectedChallenge, PeopleModel

KEYRING: Final = Keyring({"k1": b"k" * 32})
PHONE: Final = "+8613800138000"
SESSIONS: Final = st.sampled_from([0, 0, 0, 1])
FACTORS: Final = st.sampled_from([FactorKind.SMS, FactorKind.TOTP])
PASSWORDS: Final = st.sampled_from(["right", "right", "right", "right", "wrong", "none"])
APPROVALS: Final = st.sampled_from(["none", "fitting", "fitting", "newest", "oldest"])


class ApprovalRules(PeopleModel, FundingRules):
    """Ada, who has an authenticator and a phone, in two sessions."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions = [uuid7(), uuid7()]
        self.step = 0
        """The last time step of the authenticator whose code was accepted."""

    def register(self) -> UUID:
        """Ada, of whom no channel has said yet who it is."""
        ada, rows = rows_of_somebody(KEYRING, ("CNY", "USD"), IdentityLevel.NONE, PHONE)
        self.core.carry_out(Put(origin=origin(), rows=rows))
        self.wallets |= {(ada.id, currency): 0 for currency in ("CNY", "USD")}
        return ada.id

    def _as_ada(self, session: int) -> Origin:
        return origin(caller="person:ada", account_id=self.ada, session_id=self.sessions[session])

    def _person(self) -> Person:
        (person,) = self.core.all(Person)
        return person

    # --- Challenges and approvals ---

    @rule(
        which=PAYMENTS,
        what=st.sampled_from(["pay", "pay", "withdraw", "change"]),
        currency=st.sampled_from(["CNY", "CNY", "USD"]),
        amount=st.sampled_from([0, 100, 600, 2_000]),
        session=SESSIONS,
        factor=FACTORS,
        wanted=st.booleans(),
    )
    def ask(self, which: UUID, what: str, currency: str, amount: int, session: int, factor: FactorKind, wanted: bool) -> None:
        match what:
            case "pay":
                self._ask_to_pay((wanted and self._newest_of_ada("AWAITING_PAYMENT")) or which, session, factor)
            case "withdraw":
                self._ask_to_withdraw(currency, amount, session, factor)
            case _:
                self._ask_to_change(session, factor)

    def _newest_of_ada(self, state: str) -> UUID | None:
        """The newest payment of theirs that is in a state."""
        theirs = [each for each, expected in self.expected.items() if (expected.payer, expected.state) == (self.ada, state)]
        return theirs[-1] if theirs else None

    def _ask_to_pay(self, which: UUID, session: int, factor: FactorKind) -> UUID | None:
        expected = self.expected[which]
        foreseen = "OK"
        if expected.payer != self.ada:
            foreseen = "PAYMENT_NOT_FOUND"
        elif expected.state != "AWAITING_PAYMENT":
            foreseen = "INVALID_TRANSITION"
        return self._ask(AskToPay, foreseen, ("PAY", which), session, factor, payment_id=which)

    def _ask_to_withdraw(self, currency: str, amount: int, session: int, factor: FactorKind) -> UUID | None:
        card, foreseen = self.cards[self.ada], "OK"
        if amount <= 0:
            foreseen = "AMOUNT_NOT_POSITIVE"
        elif not self._card_is_bound(self.ada):
            foreseen = "INSTRUMENT_NOT_FOUND"
        facts, money = ("WITHDRAW", card, currency, amount), Money(amount, currency)
        return self._ask(AskToWithdraw, foreseen, facts, session, factor, instrument_id=card, amount=money)

    def _ask_to_change(self, session: int, factor: FactorKind) -> UUID | None:
        purpose = Purpose.CHANGE_PASSWORD
        binding = personal_binding(purpose, self.ada)
        return self._ask(AskForChange, "OK", ("CHANGE",), session, factor, purpose=purpose, bound_to=binding)

    def _ask(
        self,
        command: type[Command[Challenge]],
        foreseen: str,
        facts: tuple[Any, ...],
        session: int,
        factor: FactorKind,
        **named: Any,
    ) -> UUID | None:
        challenge_id, code, sms = uuid7(), f"{len(self.challenges):06}", None
        if factor is FactorKind.SMS:
            message = letter(KEYRING, PHONE, "code", code=code).of(self.ada)
            hashed = sms_hashes(KEYRING, challenge_id, code)[KEYRING.current.id]
            sms = SmsCode(hashed, KEYRING.current.id, message, message.address_hash)
        given: dict[str, Any] = {"id": challenge_id, "factor": factor, "device_id": "d", "sms": sms} | named
        _, outcome = self.attempt(command(origin=self._as_ada(session), **given))
        sent = self.person.codes
        if foreseen == "OK" and self.person.wrong_codes.locked(self.now):
            foreseen = "FACTOR_LOCKED"
        elif foreseen == "OK" and sms is not None and (sent.today(self.now) >= sent.most or self.now < sent.last + 60):
            foreseen = "TOO_MANY_CODES"
        assert outcome == foreseen
        if outcome != "OK":
            return None
        if sms is not None:
            sent.one_more(self.now)
            self.newest_sms = challenge_id
        self.challenges[challenge_id] = ExpectedChallenge(facts, factor.name, session, code, self.now)
        return challenge_id

    @rule(
        number=st.integers(0, 3),
        session=SESSIONS,
        code=st.sampled_from(["right", "right", "wrong", "old"]),
        times=st.sampled_from([1, 1, 1, 6]),
    )
    def answer(self, number: int, session: int, code: str, times: int) -> None:
        """A challenge, counted from the newest, with its code, with another, or with one that was good before."""
        for challenge in (list(self.challenges)[::-1][number:] or list(self.challenges))[:1]:
            for _ in range(times):
                self._answer(challenge, session, code)

    def _answer(self, challenge_id: UUID, session: int, code: str) -> None:
        challenge = self.challenges[challenge_id]
        shown = CodeShown(
            credential=uuid7().bytes * 2,
            sms=sms_hashes(KEYRING, challenge_id, challenge.code if code == "right" else "999999"),
            factor_id=self._person().totp_id,
            step={"right": self.step + 1, "old": self.step}.get(code),
        )
        command = AnswerChallenge(origin=self._as_ada(session), challenge_id=challenge_id, shown=shown)
        _, outcome = self.attempt(command)
        assert outcome == self._foresee_answer(challenge_id, session, code)
        self.went_back.add(f"code {outcome}")
        if outcome == "OK":
            challenge.answered, challenge.good_until = True, self.now + 5 * 60
            self.step += challenge.factor == "TOTP"
        elif outcome == "CODE_WRONG":
            challenge.tries += 1
            self.person.wrong_codes.wrong(self.now)

    def _foresee_answer(self, challenge_id: UUID, session: int, code: str) -> str:
        challenge = self.challenges[challenge_id]
        if challenge.session != session:
            return "CHALLENGE_NOT_FOUND"
        if self.person.wrong_codes.locked(self.now):
            return "FACTOR_LOCKED"
        replaced = challenge.factor == "SMS" and challenge_id != self.newest_sms
        if challenge.answered or self.now >= challenge.expires or challenge.tries >= 5 or replaced:
            return "CODE_EXPIRED"
        return "OK" if code == "right" else "CODE_WRONG"

    def _approval(self, show: str, session: int, facts: tuple[Any, ...]) -> UUID | None:
        """One that fits, the newest or the oldest, or none."""
        answered = [each for each, challenge in self.challenges.items() if challenge.answered]
        match show:
            case "fitting":
                fits = [each for each in answered if self._fits(self.challenges[each], session, facts)]
                return fits[-1] if fits else None
            case "newest":
                return answered[-1] if answered else None
            case "oldest":
                return answered[0] if answered else None
        return None

    def _fits(self, challenge: ExpectedChallenge, session: int, facts: tuple[Any, ...]) -> bool:
        good = not challenge.used and self.now < challenge.good_until
        return good and (challenge.session, challenge.facts) == (session, facts)

    def _proofs(self, password: str, approval: UUID | None) -> Proofs:
        typed = {"right": PAYMENT_PASSWORD, "wrong": "999999", "none": ""}[password]
        return Proofs(payment_proof(KEYRING, self._person(), typed), approval)

    def _showed(self, outcome: str, approval: UUID | None, what: str) -> None:
        """What counts of what was shown."""
        self.went_back.add(f"{what} {outcome}")
        if outcome == "OK":
            self.person.wrong_passwords.forget()
            if approval is not None:
                self.challenges[approval].used = True
        elif outcome in ("PASSWORD_WRONG", "PASSWORD_LOCKED"):
            self.person.wrong_passwords.wrong(self.now)
