"""The days that a statement is about."""

import calendar
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from danbao_core.clock import shanghai_midnight

MOST_DAYS: Final = 366


class Period(NamedTuple):
    """Days in Asia/Shanghai, both included."""

    first_day: date
    last_day: date

    @classmethod
    def of_month(cls, month: str) -> "Period":
        """A whole month, "2026-10". Raises ValueError for what is none."""
        first = date.fromisoformat(f"{month}-01")
        return cls(first, first.replace(day=calendar.monthrange(first.year, first.month)[1])).checked()

    @classmethod
    def of_days(cls, first_day: str, last_day: str) -> "Period":
        """From one day to another, "2026-10-01". Raises ValueError for what is no day, an end before its beginning, or more
        than MOST_DAYS."""
        return cls(date.fromisoformat(first_day), date.fromisoformat(last_day)).checked()

    def checked(self) -> "Period":
        """Itself. Raises ValueError."""
        days = (self.last_day - self.first_day).days + 1
        if not 1 <= days <= MOST_DAYS:
            raise ValueError(f"must be 1 to {MOST_DAYS} days, in their order")
        if self.last_day == date.max:
            raise ValueError("is beyond the calendar")
        return self

    @property
    def begins_at(self) -> datetime:
        """The first moment of it."""
        return _midnight(self.first_day)

    @property
    def ends_at(self) -> datetime:
        """The first moment after it."""
        return _midnight(self.last_day + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return shanghai_midnight(day.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal())
