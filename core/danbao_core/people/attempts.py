"""Counted attempts: what may be tried a few times a day, and is then locked for a while.

The counters are rows that are locked and written in the commit of each attempt, so two hundred parallel guesses count as two
hundred, in whichever processes they arrive and whatever dies between them. Days are those of Asia/Shanghai in business time.
"""

import hmac
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from danbao_core.clock import shanghai_day
from danbao_core.engine import Draft, Key, Origin, Row, table


class AttemptKind(IntEnum):
    """What is counted."""

    LOGIN = 1
    """Wrong login passwords by the phone's lookup hash, whether or not there is such an account."""
    LOGIN_ON_DEVICE = 2
    """Wrong login passwords by account and a device that it knows."""
    PAYMENT_PASSWORD = 3
    """Wrong payment passwords by account."""
    CODE = 4
    """Wrong codes by account, over all challenges."""
    SMS_TO_NUMBER = 5
    """Codes sent, by the phone's lookup hash."""
    SMS_ON_DEVICE = 6
    """Codes sent, by account and device."""


class Rule(NamedTuple):
    """How many in a day, and what follows."""

    most: int
    lock: timedelta


@table("attempts", rank=31, key=("kind", "subject"))
class Attempts(Row, frozen=True):
    """How often something was tried on a day."""

    kind: AttemptKind
    subject: bytes
    day: int
    """Days since 1970-01-01 in Asia/Shanghai."""
    count: int
    """On that day, those while it was locked, too."""
    locked_until: datetime | None
    last_at: datetime
    version: int

    def locked(self, now: datetime) -> bool:
        """Whether it is locked at a time."""
        return self.locked_until is not None and now < self.locked_until

    def count_at(self, now: datetime) -> int:
        """How many there were on the day of a time, or on a later one, before the clock went back."""
        return self.count if self.day >= shanghai_day(now) else 0

    def one_more(self, now: datetime) -> "Attempts":
        """Itself after one more."""
        day = max(self.day, shanghai_day(now))
        return self.replace(day=day, count=self.count_at(now) + 1, last_at=now, version=self.version + 1)


@table("attempt", rank=29, key=("subject", "request_id"))
class Attempt(Row, frozen=True):
    """An attempt that was counted, so that the same request with the same credential is not counted again."""

    subject: bytes
    """The kind and the subject of its counter."""
    request_id: str
    credential: bytes
    """A keyed hash of what was tried."""
    created_at: datetime


def attempts_key(kind: AttemptKind, subject: bytes) -> Key:
    """The counter, to be changed."""
    return Attempts.key(kind, subject)


def counted_as(kind: AttemptKind, subject: bytes) -> bytes:
    """What the attempts of a counter are remembered by."""
    return bytes([kind]) + subject


def current(draft: Draft, kind: AttemptKind, subject: bytes) -> Attempts:
    """The counter as it is, or a new one that counts nothing yet."""
    found = draft.get(Attempts, kind, subject)
    return found or Attempts(kind, subject, shanghai_day(draft.now), 0, None, draft.now, 0)


def counted(attempts: Attempts, now: datetime, rule: Rule) -> Attempts:
    """The counter after one more attempt. The one that reaches the rule's number locks, and when the lock has ended every
    further one of that day; what is tried while it is locked makes the lock no longer."""
    after = attempts.one_more(now)
    locks = after.count >= rule.most and not attempts.locked(now)
    return after.replace(locked_until=now + rule.lock) if locks else after


class Counted(NamedTuple):
    """What became of a counter."""

    attempts: Attempts
    just_locked: bool
    """Whether this very attempt locked it."""


def count_once(draft: Draft, origin: Origin, kind: AttemptKind, subject: bytes, credential: bytes, rule: Rule) -> Counted:
    """Counts an attempt into the draft, unless the same request tried the same before.

    For commands that name the counter among their keys (`attempts_key`). `credential` is a keyed hash of what was tried. With
    another credential the request is counted again, and so is every repeat of that: only the first one is remembered.
    """
    before = current(draft, kind, subject)
    if not origin.request_id:
        remembered = None
    else:
        remembered = draft.need(Attempt, (place := counted_as(kind, subject)), origin.request_id)
        if remembered is None:
            draft.put(Attempt(place, origin.request_id, credential, draft.now))
    if remembered is not None and hmac.compare_digest(remembered.credential, credential):
        return Counted(before, just_locked=False)
    after = counted(before, draft.now, rule)
    draft.put(after)
    return Counted(after, just_locked=after.locked(draft.now) and not before.locked(draft.now))


def clear(draft: Draft, kind: AttemptKind, subject: bytes) -> None:
    """Forgets what was counted, after a success."""
    attempts = draft.get(Attempts, kind, subject)
    if attempts is not None and (attempts.count or attempts.locked_until is not None):
        draft.put(cleared(attempts, draft.now))


def cleared(attempts: Attempts, now: datetime) -> Attempts:
    """The counter after a success."""
    return attempts.replace(count=0, locked_until=None, last_at=now, version=attempts.version + 1)


def by_account(account_id: UUID, device_id: str = "") -> bytes:
    """What a counter by account (and device) is found by."""
    return account_id.bytes + device_id.encode()
