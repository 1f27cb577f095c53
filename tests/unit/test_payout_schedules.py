"""When payouts are due: by the days of Shanghai, and never for what was missed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from danbao_core.ids import uuid7
from danbao_core.payouts import Cadence, PayoutSchedule, Skip, schedule_id

MONDAY_NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)
"""In Shanghai."""

SHOP = UUID("00000000-0000-8000-8000-00000000540b")


def a_schedule(cadence: Cadence, weekday: int = 0, **facts: Any) -> PayoutSchedule:
    given: dict[str, Any] = {
        "id": uuid7(),
        "account_id": SHOP,
        "currency": "CNY",
        "cadence": cadence,
        "weekday": weekday,
        "least_minor": 1,
        "instrument_id": None,
        "due_at": None,
        "covered_version": 0,
        "covered_minor": 0,
        "open_payout_id": None,
        "skip": Skip.NONE,
        "skipped_at": None,
        "created_at": MONDAY_NOON,
        "updated_at": MONDAY_NOON,
        "version": 1,
    }
    return PayoutSchedule(**(given | facts))


def test_a_day_begins_in_shanghai() -> None:
    daily = a_schedule(Cadence.DAILY)
    midnight = datetime(2026, 11, 23, 16, tzinfo=UTC)
    assert daily.due_after(MONDAY_NOON) == midnight
    assert daily.due_after(midnight - timedelta(microseconds=1)) == midnight
    assert daily.due_after(midnight) == midnight + timedelta(days=1)


@pytest.mark.parametrize(("weekday", "days"), [(1, 7), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (7, 6)])
def test_a_day_of_the_week_comes_once_a_week(weekday: int, days: int) -> None:
    weekly = a_schedule(Cadence.WEEKLY, weekday)
    due = datetime(2026, 11, 22, 16, tzinfo=UTC) + timedelta(days=days)
    assert weekly.due_after(MONDAY_NOON) == due
    assert (due + timedelta(hours=8)).isoweekday() == weekday
    assert weekly.due_after(due) == due + timedelta(days=7)


def test_a_threshold_is_looked_at_every_hour() -> None:
    assert a_schedule(Cadence.THRESHOLD).due_after(MONDAY_NOON) == MONDAY_NOON + timedelta(hours=1)
    assert a_schedule(Cadence.THRESHOLD).due_after(MONDAY_NOON + timedelta(minutes=59)) == MONDAY_NOON + timedelta(hours=1)


def test_never_is_never() -> None:
    assert a_schedule(Cadence.NEVER).due_after(MONDAY_NOON) is None
    assert not a_schedule(Cadence.NEVER).is_due(MONDAY_NOON)


def test_what_was_missed_is_not_made_up_for() -> None:
    due_at = MONDAY_NOON - timedelta(days=400)
    late = a_schedule(Cadence.DAILY, due_at=due_at)
    assert late.is_due(MONDAY_NOON)
    due = late.due_after(MONDAY_NOON)
    assert due is not None
    assert due > MONDAY_NOON


def test_an_account_has_one_schedule_for_each_currency() -> None:
    assert schedule_id(SHOP, "CNY") == schedule_id(SHOP, "CNY")
    assert len({schedule_id(SHOP, "CNY"), schedule_id(SHOP, "USD"), schedule_id(uuid7(), "CNY")}) == 3
