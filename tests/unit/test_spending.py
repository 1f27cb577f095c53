"""What people may spend: how it is counted, which proof is enough, and whose figures are in force."""

from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from uuid import UUID

import pytest

from danbao_core.clock import shanghai_day, shanghai_midnight
from danbao_core.engine import Book, Draft, RowNeeded
from danbao_core.ids import uuid7
from danbao_core.money import Money
from danbao_core.people.person import Document, IdentityLevel, Person
from danbao_core.people.spending import (
    Period,
    Proof,
    Spending,
    identity_caps,
    nothing_spent,
    proof_caps,
    proof_needed,
)
from danbao_core.people_errors import LimitExceeded
from danbao_core.policy import Caps, Limits, PolicySchedule

NOON = datetime(2026, 12, 31, 4, tzinfo=UTC)  # in Shanghai
YUAN = 100


def a_person(level: IdentityLevel) -> Person:
    return Person(
        account_id=uuid7(),
        phone=None,
        login_password="",
        payment_password=None,
        payment_salt=None,
        payment_key_id="",
        session_epoch=0,
        changed_at=None,
        level=level,
        channels="",
        document=Document.NONE,
        real_name=None,
        number=None,
        number_hash=None,
        created_at=NOON,
        updated_at=NOON,
        version=1,
    )


def a_book(
    person: Person, spending: Spending | None = None, at: datetime = NOON, policies: PolicySchedule | None = None
) -> Book:
    book = Book(now=at, policies=policies or PolicySchedule.load())
    key = Spending.key(person.account_id, "CNY")
    book.place([person, *([spending] if spending else [])], absent=[] if spending else [key])
    return book


def needed(level: IdentityLevel, yuan: float, spent_yuan: int = 0) -> Proof:
    person = a_person(level)
    spent = nothing_spent(person.account_id, "CNY").spent(spent_yuan * YUAN, NOON) if spent_yuan else None
    return proof_needed(Draft(a_book(person, spent)), person.account_id, Money(int(yuan * YUAN), "CNY"))


def spending(yuan: int, at: datetime = NOON) -> Spending:
    return nothing_spent(UUID(int=1), "CNY").spent(yuan * YUAN, at)


@pytest.mark.parametrize(
    ("level", "yuan", "spent", "proof"),
    [
        (IdentityLevel.I, 1_000, 0, Proof.PASSWORD),
        (IdentityLevel.II, 1_000, 0, Proof.PASSWORD),
        (IdentityLevel.II, 1_000.01, 0, Proof.SECOND_FACTOR),
        (IdentityLevel.II, 400, 601, Proof.SECOND_FACTOR),
        (IdentityLevel.II, 5_000, 0, Proof.SECOND_FACTOR),
        (IdentityLevel.III, 5_000, 0, Proof.SECOND_FACTOR),
        (IdentityLevel.III, 5_000.01, 0, Proof.TOTP),
        (IdentityLevel.III, 1, 5_000, Proof.TOTP),
        (IdentityLevel.III, 50_000, 0, Proof.TOTP),
    ],
)
def test_the_proof_goes_by_the_days_total(level: IdentityLevel, yuan: float, spent: int, proof: Proof) -> None:
    assert needed(level, yuan, spent) is proof


@pytest.mark.parametrize(
    ("level", "yuan", "spent", "limit"),
    [
        (IdentityLevel.NONE, 0.01, 0, "LIFE"),
        (IdentityLevel.I, 1_000.01, 0, "LIFE"),
        (IdentityLevel.II, 5_000.01, 0, "DAY"),
        (IdentityLevel.II, 1, 100_000, "YEAR"),
        (IdentityLevel.III, 50_000.01, 0, "DAY"),
        (IdentityLevel.III, 1, 200_000, "YEAR"),
    ],
)
def test_beyond_the_caps_no_proof_helps(level: IdentityLevel, yuan: float, spent: int, limit: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        needed(level, yuan, spent)
    assert caught.value.metadata["limit"] == limit
    assert caught.value.metadata["used_minor"] == str(spent * YUAN)


def test_days_and_years_are_those_of_shanghai() -> None:
    evening = shanghai_midnight(shanghai_day(NOON) + 1) - timedelta(seconds=1)
    assert spending(3, NOON).used(Period.DAY, evening) == 300
    night = evening + timedelta(seconds=1)
    assert [spending(3).used(period, night) for period in (Period.DAY, Period.YEAR, Period.LIFE)] == [0, 0, 300]
    both = spending(3).spent(200, night)
    assert (both.day_minor, both.year_minor, both.life_minor) == (200, 200, 500)


def test_what_returns_is_counted_back_where_it_was_counted() -> None:
    same_day = spending(5).returned(200, NOON, NOON + timedelta(hours=1))
    assert (same_day.day_minor, same_day.year_minor, same_day.life_minor) == (300, 300, 300)
    morning = NOON - timedelta(days=1)
    next_day = spending(5, morning).spent(100, NOON).returned(500, morning, NOON)
    assert (next_day.day_minor, next_day.year_minor, next_day.life_minor) == (100, 100, 100)
    new_year = NOON + timedelta(days=1)
    other_year = spending(5).spent(100, new_year).returned(500, NOON, new_year)
    assert (other_year.day_minor, other_year.year_minor, other_year.life_minor) == (100, 100, 100)
    nothing = nothing_spent(UUID(int=1), "CNY").returned(500, NOON, NOON)
    assert (nothing.day_minor, nothing.year_minor, nothing.life_minor) == (0, 0, 0)


def test_withdrawals_count_for_the_day_alone() -> None:
    withdrawn = spending(5).spent(100, NOON, withdrawn=True)
    assert (withdrawn.day_minor, withdrawn.year_minor, withdrawn.life_minor) == (600, 500, 500)
    back = withdrawn.returned(100, NOON, NOON, withdrawn=True)
    assert (back.day_minor, back.year_minor, back.life_minor) == (500, 500, 500)


def test_figures_are_those_of_their_day() -> None:
    policy = PolicySchedule.load().at(NOON)
    tomorrow = NOON + timedelta(days=1)
    stricter = Limits(password=Caps(payment_minor=100), second_factor=Caps(day_minor=200), level_1=Caps(year_minor=300))
    later = type(policy)(
        **{name: getattr(policy, name) for name in policy.__struct_fields__}
        | {"effective_from": tomorrow, "limits": {"CNY": stricter}}
    )
    policies = PolicySchedule([policy, later])
    person = a_person(IdentityLevel.I)
    amount = Money(150, "CNY")
    before, after = a_book(person, policies=policies), a_book(person, at=tomorrow, policies=policies)
    assert proof_needed(Draft(before), person.account_id, amount) is Proof.PASSWORD
    assert proof_needed(Draft(after), person.account_id, amount) is Proof.SECOND_FACTOR
    with pytest.raises(LimitExceeded):
        proof_needed(Draft(after), person.account_id, Money(201, "CNY"))


def test_what_has_no_figures_has_no_caps() -> None:
    person = a_person(IdentityLevel.NONE)
    assert proof_needed(Draft(a_book(person)), person.account_id, Money(10**12, "USD")) is Proof.PASSWORD
    assert not identity_caps(Limits(), IdentityLevel.NONE)
    assert [caps for _, caps in proof_caps(Limits(), IdentityLevel.III)] == [[], [], []]


def test_a_decision_that_comes_upon_a_person_asks_for_both_rows() -> None:
    person = a_person(IdentityLevel.I)
    book = Book(now=NOON, policies=PolicySchedule.load())
    with pytest.raises(RowNeeded) as caught:
        proof_needed(Draft(book), person.account_id, Money(1, "CNY"))
    assert set(caught.value.keys) == {Spending.key(person.account_id, "CNY"), Person.read_key(person.account_id)}
    book.place([], absent=[Spending.key(person.account_id, "CNY")])  # as another command of the batch may have named it
    with pytest.raises(RowNeeded):
        proof_needed(Draft(book), person.account_id, Money(1, "CNY"))


@pytest.mark.parametrize("text", ["password = { day_minor = -1 }", "password = { week_minor = 1 }", "level_4 = {}"])
def test_limits_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:

    defaults = resources.files("danbao_core").joinpath("policy.toml").read_text(encoding="utf-8")
    file = tmp_path / "policy.toml"
    file.write_text(defaults.partition("[policy.limits.CNY]")[0] + f"[policy.limits.CNY]\n{text}\n")
    with pytest.raises(ValueError, match="policy file"):
        PolicySchedule.load(file)


def test_a_clock_that_goes_back_gives_no_day_and_no_year_again() -> None:
    new_year = shanghai_midnight(shanghai_day(NOON) + 1)
    spent = spending(100, new_year)
    before = new_year - timedelta(minutes=30)
    assert [spent.used(period, before) for period in (Period.DAY, Period.YEAR)] == [100 * YUAN] * 2
    again = spent.spent(200 * YUAN, before)
    assert [again.used(period, new_year) for period in (Period.DAY, Period.YEAR)] == [300 * YUAN] * 2
