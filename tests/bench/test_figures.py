"""The statistics of the bench: spreads, and ratios of figures taken in the same round."""

import pytest

from danbao_core.cli.bench.figures import CONTENDERS, MEMORY_GOAL_MEBIBYTES, RULES, Ratio, Rule, Spread, ratios, spread

AT_LEAST = Rule("up", "up", "unary", "echo", first_mark=0.4, goal=0.75)
AT_MOST = Rule("down", "down", "single", "pgbench_single", first_mark=4.0, goal=2.5, at_most=True)


def test_a_spread_is_the_median_between_the_smallest_and_the_largest() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(median=2.0, min=1.0, max=3.0)
    assert spread([4.0, 1.0, 2.0, 3.0]).median == 2.5
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0)


def test_there_is_no_spread_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_each_round_is_divided_by_itself_so_that_a_slow_round_leaves_its_ratio_alone() -> None:
    figures = {"unary": [400.0, 40.0, 600.0], "echo": [1000.0, 100.0, 1000.0]}
    (ratio,) = ratios(figures, cores=2)
    assert ratio.rule.name == "unary_to_echo"
    assert ratio.per_round == (0.4, 0.4, 0.6)
    assert ratio.spread.median == 0.4  # that of the medians would be the same; that of the means, 0.5, would not


def test_the_median_is_that_of_the_ratios_not_the_ratio_of_the_medians() -> None:
    (ratio,) = ratios({"bulk": [1.0, 10.0, 100.0], "pgbench": [1.0, 100.0, 10.0]}, cores=2)
    assert ratio.per_round == (1.0, 0.1, 10.0)
    assert ratio.spread == Spread(1.0, 0.1, 10.0)


def test_a_ratio_needs_both_of_its_sides() -> None:
    assert ratios({"unary": [1.0], "pgbench": [1.0]}, cores=2) == []
    found = ratios({name: [1.0] for name in CONTENDERS}, cores=2)
    assert [ratio.rule.name for ratio in found] == [rule.name for rule in RULES]


def test_rounds_of_different_numbers_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios({"unary": [1.0, 2.0], "echo": [1.0]}, cores=2)


@pytest.mark.parametrize(("cores", "goal"), [(2, None), (4, 1.6), (8, 1.6)])
def test_two_processes_have_a_goal_only_where_there_are_cores_for_them(cores: int, goal: float | None) -> None:
    (ratio,) = ratios({"bulk": [1.0], "bulk_two": [1.5]}, cores)
    assert ratio.rule.name == "two_processes_to_one"
    assert ratio.rule.goal == goal


def test_a_mark_is_met_from_its_own_side() -> None:
    assert Ratio(AT_LEAST, (0.4, 0.3, 0.5)).meets(0.4)
    assert not Ratio(AT_LEAST, (0.39,)).meets(0.4)
    assert Ratio(AT_MOST, (4.0, 9.0, 3.0)).meets(4.0)
    assert not Ratio(AT_MOST, (4.1,)).meets(4.0)


def test_marks_and_goals_are_those_that_were_set() -> None:
    marks = {rule.name: (rule.first_mark, rule.goal, rule.at_most) for rule in RULES}
    assert marks == {
        "unary_to_echo": (0.4, 0.75, False),
        "bulk_to_pgbench": (1.5, 3.0, False),
        "hot_to_spread": (0.9, 0.95, False),
        "single_p50_to_pgbench": (4.0, 2.5, True),
        "two_processes_to_one": (None, 1.6, False),
        "stored_to_empty": (None, 0.9, False),
    }
    goals = {name: contender.goal for name, contender in CONTENDERS.items() if contender.goal is not None}
    assert goals == {"cold_start": 5.0}
    assert MEMORY_GOAL_MEBIBYTES == 200


def test_a_ratio_is_of_like_with_like() -> None:
    assert all(CONTENDERS[rule.over].unit == CONTENDERS[rule.under].unit for rule in RULES)
