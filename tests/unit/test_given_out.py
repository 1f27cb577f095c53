"""What a leader remembers of what it has given out."""

from uuid import UUID

from danbao_workers.sweep import GivenOut
from danbao_workers.work import Due

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


def due(*ids: UUID, mark: int = 1) -> list[Due]:
    return [Due(each, mark, 0.0) for each in ids]


def test_what_is_given_out_is_not_given_out_again_at_once() -> None:
    given_out = GivenOut(30.0)
    assert given_out.fresh(due(ONE, TWO), 100.0, 10) == [ONE, TWO]
    assert given_out.fresh(due(ONE, TWO, THREE), 129.9, 10) == [THREE]


def test_what_is_still_due_after_the_time_is_given_out_again() -> None:
    given_out = GivenOut(30.0)
    given_out.fresh(due(ONE), 100.0, 10)
    assert given_out.fresh(due(ONE), 130.0, 10) == [ONE]
    assert given_out.fresh(due(ONE), 159.9, 10) == []


def test_another_mark_is_other_work() -> None:
    given_out = GivenOut(30.0)
    given_out.fresh(due(ONE), 100.0, 10)
    assert given_out.fresh(due(ONE, mark=2), 100.5, 10) == [ONE]


def test_what_was_done_is_forgotten_and_may_be_due_anew() -> None:
    given_out = GivenOut(30.0)
    given_out.fresh(due(ONE, TWO), 100.0, 10)
    given_out.fresh(due(TWO), 101.0, 10)
    assert len(given_out) == 1
    assert given_out.fresh(due(ONE, TWO), 102.0, 10) == [ONE]


def test_what_there_is_no_room_for_waits_and_is_not_taken_for_given_out() -> None:
    given_out = GivenOut(30.0)
    assert given_out.fresh(due(ONE, TWO, THREE), 100.0, 1) == [ONE]
    assert given_out.fresh(due(ONE, TWO, THREE), 101.0, 1) == [TWO]
    assert given_out.fresh(due(ONE, TWO, THREE), 102.0, 0) == []
    assert given_out.fresh(due(ONE, TWO, THREE), 103.0, 5) == [THREE]


def test_when_the_jobs_are_lost_all_is_given_out_again() -> None:
    given_out = GivenOut(30.0)
    given_out.fresh(due(ONE, TWO), 100.0, 10)
    given_out.forget()
    assert given_out.fresh(due(ONE, TWO), 100.1, 10) == [ONE, TWO]
