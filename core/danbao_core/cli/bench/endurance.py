"""What a server process holds in memory while it makes payments by the million."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from danbao_core.cli.bench import jobs
from danbao_core.cli.bench.contenders import STREAMS
from danbao_core.cli.bench.figures import MEMORY_GOAL_MEBIBYTES
from danbao_core.cli.bench.processes import resident_mebibytes

if TYPE_CHECKING:
    from danbao_core.cli.bench.stack import Stack

SAMPLES: Final = 20
"""Taken on the way, evenly, besides the one before the first payment."""

_HALF: Final = SAMPLES // 2


class Sample(NamedTuple):
    """The resident memory of the server process after so many payments."""

    payments: int
    mebibytes: float


class Endurance(NamedTuple):
    """What was found."""

    samples: list[Sample]
    seconds: float
    """Of making the payments."""

    @property
    def mebibytes(self) -> float:
        """What it held at last."""
        return self.samples[-1].mebibytes

    @property
    def growth_mebibytes(self) -> float:
        """By how much it held more at last than when half of the payments had been made."""
        return self.mebibytes - self.samples[_HALF].mebibytes

    def as_dict(self) -> dict[str, Any]:
        """For the file: memory in mebibytes, by the number of payments."""
        return {
            "payments": self.samples[-1].payments,
            "seconds": round(self.seconds, 1),
            "mebibytes": round(self.mebibytes, 1),
            "growth_of_second_half": round(self.growth_mebibytes, 1),
            "goal": MEMORY_GOAL_MEBIBYTES,
            "samples": [[payments, round(mebibytes, 1)] for payments, mebibytes in self.samples],
        }

    @property
    def in_words(self) -> str:
        """A line for the terminal."""
        return (
            f"After {self.samples[-1].payments:,} payments in bulk the server process holds {self.mebibytes:.0f} MiB (goal: "
            f"{MEMORY_GOAL_MEBIBYTES:g} at most), at first {self.samples[0].mebibytes:.0f}; in the second half of them it grew "
            f"by {self.growth_mebibytes:.1f}."
        )


async def endure(stack: "Stack", count: int, on_sample: Callable[[Sample], None]) -> Endurance:
    """Makes so many payments in bulk through a new server process; `on_sample` is told on the way. Raises CommandFailed."""
    samples: list[Sample] = []
    seconds = 0.0

    def sample(done: int, pid: int) -> None:
        samples.append(Sample(done, resident_mebibytes(pid)))
        on_sample(samples[-1])

    async with stack.a_server() as server:
        sample(0, server.child.pid)
        for number in range(1, SAMPLES + 1):
            done, end = samples[-1].payments, count * number // SAMPLES
            measured = await stack.load.ask(jobs.Bulk([server.address], STREAMS, count=end - done), jobs.Measured)
            seconds += measured.seconds
            sample(end, server.child.pid)
    return Endurance(samples, seconds)
