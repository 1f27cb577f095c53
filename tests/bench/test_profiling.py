"""What is read of a server's profile and of its log."""

import cProfile
import json
from pathlib import Path

from danbao_core.cli.bench.profiling import engine_totals, top_functions


def busy(times: int) -> int:
    return sum(range(times))


def test_functions_come_by_their_own_time(tmp_path: Path) -> None:
    file = tmp_path / "a.profile"
    profile = cProfile.Profile()
    for _ in range(3):
        profile.runcall(busy, 50_000)
    profile.dump_stats(file)
    functions = top_functions(file)
    assert [function.own_seconds for function in functions] == sorted(
        (function.own_seconds for function in functions), reverse=True
    )
    (found,) = [function for function in functions if function.name.endswith(" busy")]
    assert found.calls == 3
    assert found.seconds >= found.own_seconds


def test_what_the_engine_did_is_in_the_last_words_of_a_server(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    lines = [{"event": "serving"}, {"event": "engine stopped", "phase_seconds": {"decide": 1.5}}, {"event": "ended"}]
    log.write_text("a warning of somebody's\n" + "\n".join(map(json.dumps, lines)) + "\n")
    assert engine_totals(log)["phase_seconds"] == {"decide": 1.5}
