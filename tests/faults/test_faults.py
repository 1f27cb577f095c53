"""Three seeds of the fault harness on one stack; `make faults SEEDS=200` runs as many as one likes."""

from tests.faults.harness.run import run
from tests.faults.harness.stack import a_stack
from tests.faults.test_schedules import DEFAULT_SEEDS


async def test_whatever_fails_what_was_acknowledged_is_booked_once_and_told() -> None:
    async with a_stack() as stack:
        for seed in DEFAULT_SEEDS:
            outcome = await run(stack, seed)
            assert not outcome.breaches, f"{outcome}\n" + "\n".join(map(str, outcome.schedule))
            assert len(outcome.left_out) < 3, outcome.left_out
            assert outcome.acknowledged > 100, "else the test shows little"
            assert outcome.webhooks > 100, "nor was much told"
