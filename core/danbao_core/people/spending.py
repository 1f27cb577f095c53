"""What people may still spend: counted in the commit that pays, in a row that is locked, so that no race exceeds a cap.

A day's total is what left the wallet on it, payments and withdrawals alike, because it bounds what somebody can take who has
the person's proofs; years and lives count payments from the balance, as the classes of payment accounts ask for. Days and
years are those of Asia/Shanghai.

Accounts in a service's hands (`Account.personal` is false) have no row, and nothing is read or locked for them.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, NamedTuple
from uuid import UUID

from danbao_core.accounts import Account
from danbao_core.clock import shanghai_day, shanghai_year
from danbao_core.engine import Draft, Key, NotLoaded, Row, RowNeeded, table
from danbao_core.money import Money
from danbao_core.people.person import IdentityLevel, Person
from danbao_core.people_errors import ChangedTooRecently, LimitExceeded
from danbao_core.policy import Caps, Limits, Policy


class Period(IntEnum):
    """Over what time payments are counted; the numbers are those of the contract."""

    PAYMENT = 1
    DAY = 2
    YEAR = 3
    LIFE = 4


class Proof(IntEnum):
    """What a payer shows; the numbers are those of the contract, 0 being whatever it is."""

    ANY = 0
    PASSWORD = 1
    SECOND_FACTOR = 2
    TOTP = 3


@table("spending", rank=44, key=("account_id", "currency"))
class Spending(Row, frozen=True):
    """What a person has spent in one currency, in minor units."""

    account_id: UUID
    currency: str
    day: int
    """Days since 1970-01-01."""
    day_minor: int
    """On that day, with withdrawals."""
    year: int
    year_minor: int
    life_minor: int
    version: int

    def used(self, period: Period, at: datetime) -> int:
        """How much is counted at a moment; nothing yet of one payment. What was counted on a later day, before the clock went
        back, counts still."""
        match period:
            case Period.PAYMENT:
                return 0
            case Period.DAY:
                return self.day_minor if self.day >= shanghai_day(at) else 0
            case Period.YEAR:
                return self.year_minor if self.year >= shanghai_year(at) else 0
            case Period.LIFE:
                return self.life_minor

    def spent(self, amount_minor: int, at: datetime, *, withdrawn: bool = False) -> "Spending":
        """Itself after so much more."""
        paid_minor = 0 if withdrawn else amount_minor
        return self.replace(
            day=max(self.day, shanghai_day(at)),
            day_minor=self.used(Period.DAY, at) + amount_minor,
            year=max(self.year, shanghai_year(at)),
            year_minor=self.used(Period.YEAR, at) + paid_minor,
            life_minor=self.life_minor + paid_minor,
            version=self.version + 1,
        )

    def returned(self, amount_minor: int, spent_at: datetime, at: datetime, *, withdrawn: bool = False) -> "Spending":
        """Itself after what was spent at a moment came back at another: the day has it back only on that day."""
        paid_minor = 0 if withdrawn else amount_minor
        of_day = amount_minor if self.day == shanghai_day(spent_at) == shanghai_day(at) else 0
        of_year = paid_minor if self.year == shanghai_year(spent_at) else 0
        return self.replace(
            day_minor=max(0, self.day_minor - of_day),
            year_minor=max(0, self.year_minor - of_year),
            life_minor=max(0, self.life_minor - paid_minor),
            version=self.version + 1,
        )


def spending_keys(account: Account | None, currency: str) -> Iterable[Key]:
    """What counting needs of an account, for commands that know it when they name their rows; others come upon it."""
    if account is not None and account.personal:
        yield from _keys(account.id, currency)


def _keys(account_id: UUID, currency: str) -> tuple[Key, Key]:
    return Spending.key(account_id, currency), Person.read_key(account_id)


def spending_of(draft: Draft, account_id: UUID, currency: str) -> tuple[Spending, IdentityLevel]:
    """What a person has spent, and how surely it is known who they are. Raises RowNeeded where the rows were not named."""
    try:
        spending, person = draft.need(Spending, account_id, currency), draft.get(Person, account_id)
    except (RowNeeded, NotLoaded):
        raise RowNeeded(*_keys(account_id, currency)) from None
    return spending or nothing_spent(account_id, currency), IdentityLevel.NONE if person is None else person.level


def nothing_spent(account_id: UUID, currency: str) -> Spending:
    """The row of who has not spent yet."""
    return Spending(account_id, currency, day=0, day_minor=0, year=0, year_minor=0, life_minor=0, version=0)


class Cap(NamedTuple):
    """One cap."""

    period: Period
    proof: Proof
    cap_minor: int


def identity_caps(limits: Limits, level: IdentityLevel) -> list[Cap]:
    """The caps of who is known so surely."""
    by_level = {
        IdentityLevel.NONE: limits.level_none,
        IdentityLevel.I: limits.level_1,
        IdentityLevel.II: limits.level_2,
        IdentityLevel.III: limits.level_3,
    }
    return _each(by_level[level], Proof.ANY)


def proof_caps(limits: Limits, level: IdentityLevel) -> list[tuple[Proof, list[Cap]]]:
    """The proofs that are open to who is known so surely, the weakest first, each with its caps."""
    proofs = [(Proof.PASSWORD, limits.password), (Proof.SECOND_FACTOR, limits.second_factor), (Proof.TOTP, limits.totp)]
    return [(proof, _each(caps, proof)) for proof, caps in (proofs if level is IdentityLevel.III else proofs[:2])]


def _each(caps: Caps, proof: Proof) -> list[Cap]:
    every = (
        (Period.PAYMENT, caps.payment_minor),
        (Period.DAY, caps.day_minor),
        (Period.YEAR, caps.year_minor),
        (Period.LIFE, caps.life_minor),
    )
    return [Cap(period, proof, cap) for period, cap in every if cap is not None]


def _exceeded(spending: Spending, caps: Iterable[Cap], amount_minor: int, at: datetime) -> LimitExceeded | None:
    for period, _, cap_minor in caps:
        used_minor = spending.used(period, at)
        if used_minor + amount_minor > cap_minor:
            return LimitExceeded(limit=period.name, used_minor=used_minor, cap_minor=cap_minor, currency=spending.currency)
    return None


def proof_needed(draft: Draft, account_id: UUID, amount: Money, *, withdrawing: bool = False) -> Proof:
    """The weakest proof with which a person may pay, or with `withdrawing` withdraw, so much.

    Raises LimitExceeded (`limit`, `used_minor`, `cap_minor`, `currency`) where none is enough, and RowNeeded.
    """
    limits = draft.policy.limits.get(amount.currency)
    if limits is None:
        return Proof.PASSWORD
    spending, level = spending_of(draft, account_id, amount.currency)
    refusal = None if withdrawing else _exceeded(spending, identity_caps(limits, level), amount.amount_minor, draft.now)
    if refusal is not None:
        raise refusal
    for proof, caps in proof_caps(limits, level):
        refusal = _exceeded(spending, caps, amount.amount_minor, draft.now)
        if refusal is None:
            return proof
    raise refusal or LimitExceeded


def count_payment(draft: Draft, payer: Account, amount: Money) -> None:
    """Counts a payment of a person's, whoever asks for it. Raises LimitExceeded and RowNeeded.

    What the person must show for it is `proof_needed`'s; a service that pays for a person answers for that itself.
    """
    if not payer.personal:
        return
    spending, level = spending_of(draft, payer.id, amount.currency)
    if (limits := draft.policy.limits.get(amount.currency)) is not None:
        caps = [*identity_caps(limits, level), *_each(limits.totp, Proof.ANY)]
        if (refusal := _exceeded(spending, caps, amount.amount_minor, draft.now)) is not None:
            raise refusal
    draft.put(spending.spent(amount.amount_minor, draft.now))


def count_withdrawal(draft: Draft, account: Account, amount: Money) -> None:
    """Counts a withdrawal of a person's into their day. Raises RowNeeded."""
    if account.personal:
        spending, _ = spending_of(draft, account.id, amount.currency)
        draft.put(spending.spent(amount.amount_minor, draft.now, withdrawn=True))


def give_back(
    draft: Draft, account: Account, amount: Money, *, spent_at: datetime, at: datetime, withdrawn: bool = False
) -> None:
    """Counts back what a person spent at one moment and has again at another. Raises RowNeeded."""
    if account.personal and amount.amount_minor:
        spending, _ = spending_of(draft, account.id, amount.currency)
        draft.put(spending.returned(amount.amount_minor, spent_at, at, withdrawn=withdrawn))


FACTORS: Final = {Proof.PASSWORD: "", Proof.SECOND_FACTOR: "SMS,TOTP", Proof.TOTP: "TOTP"}
"""The factors of which one must be shown beside the payment password, as APPROVAL_REQUIRED names them."""


def must_not_rest(person: Person, now: datetime, policy: Policy) -> None:
    """Raises ChangedTooRecently (`possible_from`) for a while after a factor, the phone or a password was changed."""
    if person.changed_at is not None:
        possible_from = person.changed_at + timedelta(seconds=policy.rest_after_change_seconds)
        if now < possible_from:
            raise ChangedTooRecently(possible_from=possible_from.isoformat())
