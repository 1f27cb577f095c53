"""The ids under which the client sends requests."""

import time
from uuid import RFC_4122, UUID

import pytest

from danbao_client.request_ids import fresh_request_id


def test_they_are_uuids_of_version_7_and_hold_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = UUID(fresh_request_id())
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_later_ones_sort_after_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (1, 2, 1_000, 1_800_000_000_000, 1_800_000_000_001):
        monkeypatch.setattr(time, "time_ns", lambda at=milliseconds: at * 1_000_000)
        made.append(fresh_request_id())
    assert made == sorted(made)


def test_no_two_are_the_same() -> None:
    assert len({fresh_request_id() for _ in range(10_000)}) == 10_000
