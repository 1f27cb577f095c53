"""What the machine of `payments_machine.py` knows of people, in plain integers: what they may spend, and what they show."""

from collections import Counter
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from danbao_core.policy import Caps, Limits, PolicySchedule
from tests.property.payments_model import BEGAN, DAY, START, Expected, Model

BY_PROOF: Final = {"PASSWORD": 500, "SECOND_FACTOR": 1_500, "TOTP": 3_000}
"""How much CNY a person may spend on a day, by what they show; the last takes level III. Far less than usual, so that random
steps come up to it."""
BY_LEVEL: Final = (("life", 0), ("life", 2_500), ("year", 6_000), ("year", 20_000))
"""How much CNY may be paid, by how surely it is known who pays, and over what time."""
POLICIES: Final = PolicySchedule(
    [
        msgspec.structs.replace(
            PolicySchedule.load().at(START),
            limits={
                "CNY": Limits(
                    **{proof.lower(): Caps(day_minor=cap) for proof, cap in BY_PROOF.items()},
                    **{
                        name: Caps(**{f"{period}_minor": cap})
                        for name, (period, cap) in zip(("level_none", "level_1", "level_2", "level_3"), BY_LEVEL, strict=True)
                    },
                )
            },
        )
    ]
)
REST: Final = DAY
"""How long withdrawals and new payees wait after a change of what protects the account."""
LIFETIME: Final = 5 * 60
"""Of a challenge, and of an approval."""


def day_of(moment: int) -> int:
    """The day of a moment in Shanghai, counted from 1970."""
    return (BEGAN + 8 * 3_600 + moment) // DAY


def year_of(moment: int) -> int:
    """Its year there."""
    return (START + timedelta(hours=8, seconds=moment)).year


class Counted:
    """What is tried a few times a day, and then locked."""

    def __init__(self, most: int, lock: int = 3 * 3_600) -> None:
        self.most, self.lock = most, lock
        self.day, self.count, self.last = 0, 0, -DAY
        self.until: int | None = None

    def locked(self, now: int) -> bool:
        return self.until is not None and now < self.until

    def today(self, now: int) -> int:
        return self.count if self.day == day_of(now) else 0

    def one_more(self, now: int) -> None:
        self.day, self.count, self.last = day_of(now), self.today(now) + 1, now

    def wrong(self, now: int) -> None:
        was_locked = self.locked(now)
        self.one_more(now)
        if self.count >= self.most and not was_locked:
            self.until = now + self.lock

    def forget(self) -> None:
        self.count, self.until = 0, None


class ExpectedChallenge:
    """What the model knows of a challenge and, once it is answered, of its approval."""

    def __init__(self, facts: tuple[Any, ...], factor: str, session: int, code: str, at: int) -> None:
        self.facts, self.factor, self.session, self.code = facts, factor, session, code
        """The facts are what it approves, the purpose first."""
        self.expires, self.tries = at + LIFETIME, 0
        self.answered = self.used = False
        self.good_until = 0
        """When its approval ends."""


class ExpectedPerson:
    """What the model knows of somebody. Amounts are by currency."""

    def __init__(self) -> None:
        self.channels: set[int] = set()
        self.changed: int | None = None
        self.by_day: dict[str, Counter[int]] = {}
        self.by_year: dict[str, Counter[int]] = {}
        self.life: Counter[str] = Counter()
        self.wrong_passwords, self.wrong_codes, self.codes = Counted(3), Counted(10), Counted(10)

    @property
    def level(self) -> int:
        """Seven channels are numbered from 1; the last is a look into the face."""
        if 7 in self.channels or len(self.channels) >= 5:
            return 3
        return 2 if len(self.channels) >= 3 else min(1, len(self.channels))


class PeopleModel(Model):
    """One person, what they have spent, and what they have shown."""

    def __init__(self) -> None:
        super().__init__()
        self.person = ExpectedPerson()
        self.challenges: dict[UUID, ExpectedChallenge] = {}
        self.newest_sms: UUID | None = None

    @property
    def ada(self) -> UUID:
        """The person's account."""
        return self.accounts[-1]

    def _spend(self, account: UUID, currency: str, amount: int, *, withdrawn: bool = False) -> None:
        if account == self.ada:
            self._count(currency, amount, amount, self.now, withdrawn=withdrawn)

    def _have_back(self, account: UUID, currency: str, amount: int, spent_at: int, at: int, *, withdrawn: bool = False) -> None:
        """The day on which it was spent has it back only on that day."""
        if account == self.ada and amount:
            self._count(currency, -amount if day_of(spent_at) == day_of(at) else 0, -amount, spent_at, withdrawn=withdrawn)

    def _count(self, currency: str, by_day: int, by_year: int, at: int, *, withdrawn: bool) -> None:
        person = self.person
        person.by_day.setdefault(currency, Counter())[day_of(at)] += by_day
        if not withdrawn:
            person.by_year.setdefault(currency, Counter())[year_of(at)] += by_year
            person.life[currency] += by_year

    def _today(self, currency: str) -> int:
        return self.person.by_day.get(currency, Counter())[day_of(self.now)]

    def _exceeds_level(self, currency: str, amount: int) -> bool:
        period, cap = BY_LEVEL[self.person.level]
        life, years = self.person.life[currency], self.person.by_year.get(currency, Counter())
        return (life if period == "life" else years[year_of(self.now)]) + amount > cap

    def _exceeds(self, account: UUID, currency: str, amount: int) -> bool:
        if account != self.ada or currency != "CNY":
            return False
        return self._exceeds_level(currency, amount) or self._today(currency) + amount > BY_PROOF["TOTP"]

    def _proof_needed(self, currency: str, amount: int, *, withdrawing: bool) -> str | None:
        """The weakest proof that is enough for so much; None where none is."""
        if currency != "CNY":
            return "PASSWORD"
        if not withdrawing and self._exceeds_level(currency, amount):
            return None
        enough = (each for each, cap in BY_PROOF.items() if self._today(currency) + amount <= cap)
        proof = next(enough, None)
        return None if proof == "TOTP" and self.person.level < 3 else proof

    def _foresee_approval(self, which: UUID | None, session: int, facts: tuple[Any, ...], needed: str | None) -> str:
        """What is said to an approval that is shown, or to none, where a proof is needed, or none is enough."""
        if needed is None:
            return "LIMIT_EXCEEDED"
        shown = None if which is None else self.challenges[which]
        if shown is not None:
            if shown.session != session:
                return "APPROVAL_NOT_FOUND"
            if shown.used:
                return "APPROVAL_USED"
            if self.now >= shown.good_until:
                return "APPROVAL_EXPIRED"
            if shown.facts != facts:
                return "APPROVAL_MISMATCH"
        enough = needed == "PASSWORD" or (shown is not None and (needed != "TOTP" or shown.factor != "SMS"))
        return "OK" if enough else "APPROVAL_REQUIRED"

    def _foresee_password(self, password: str) -> str:
        """What is said to a payment password, which is right, wrong or none. A wrong one is counted, and a right one while it
        is locked."""
        counted = self.person.wrong_passwords
        if password == "none":
            return "APPROVAL_REQUIRED"
        if counted.locked(self.now):
            return "PASSWORD_LOCKED"
        return "OK" if password == "right" else "PASSWORD_WRONG"

    def _must_rest(self) -> bool:
        return self.person.changed is not None and self.now < self.person.changed + REST

    def _knows(self, expected: Expected) -> bool:
        """Whether the payer paid the payee before the last change."""
        pairs = ((each.payer, each.payee, each.paid) for each in self.expected.values())
        paid = [at for payer, payee, at in pairs if at is not None and (payer, payee) == (expected.payer, expected.payee)]
        return bool(paid) and self.person.changed is not None and min(paid) < self.person.changed
