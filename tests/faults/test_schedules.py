"""What the fault harness injects follows from the seed alone."""

from itertools import pairwise

from tests.faults.harness.schedule import LINKS, PROCESSES, Fault, days_after, schedule_of

DEFAULT_SEEDS = (18, 42, 64)
"""Those of `test_faults.py`."""


def test_a_seed_always_gives_the_same_schedule() -> None:
    assert schedule_of(7) == schedule_of(7)
    assert schedule_of(7) != schedule_of(8)
    assert [str(each) for each in schedule_of(18, 2)] == [
        "after 20 calls: postgres: a rival locks rows the other way round, for 45 calls or 1.3 s",
        "after 95 calls: sandbox: the sandbox's clock jumps, by 1.0 days",
    ]


def test_a_longer_schedule_begins_like_a_shorter_one_and_repeats_nothing_before_all_came() -> None:
    long = schedule_of(3, 2 * len(Fault))
    assert long[:6] == schedule_of(3)
    assert {each.fault for each in long[: len(Fault)]} == {each.fault for each in long[len(Fault) :]} == set(Fault)


def test_faults_come_one_after_another() -> None:
    for seed in range(200):
        schedule = schedule_of(seed)
        for before, after in pairwise(schedule):
            assert after.after_calls > before.after_calls
            assert 0 <= before.most_seconds <= 13


def test_two_hundred_seeds_reach_every_process_and_link_with_every_fault() -> None:
    met = {(each.fault, each.target) for seed in range(200) for each in schedule_of(seed)}
    assert {target for fault, target in met if fault is Fault.KILL} == set(PROCESSES)
    assert {target for fault, target in met if fault is Fault.PAUSE} == set(PROCESSES)
    assert {target for fault, target in met if fault is Fault.BLACK_HOLE} == set(LINKS)
    assert {fault for fault, _ in met} == set(Fault)


def test_the_seeds_of_the_default_tests_inject_every_kind_and_last_no_longer_than_they_need() -> None:
    schedule = [each for seed in DEFAULT_SEEDS for each in schedule_of(seed)]
    assert {each.fault for each in schedule} == set(Fault)
    assert all(each.most_seconds < 2 for each in schedule)
    assert {days_after(seed) for seed in DEFAULT_SEEDS} == {33, 420}
