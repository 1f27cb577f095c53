"""The machine of `payments_machine.py`, on decisions alone (many runs) and on a real engine (few). `make model` goes on."""

from collections.abc import Iterator
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.cores import InMemory, on_engine
from tests.property.creation_machine import TOGETHER
from tests.property.disputes_machine import DISPUTE_STEPS, DISPUTED
from tests.property.fundings_machine import FUNDED, FUNDING_STEPS
from tests.property.payments_model import ENDS, REFUNDED, STEPS
from tests.property.payouts_machine import PAID_OUT, PAYOUT_STEPS
from tests.property.people_machine import PEOPLES_STEPS, SHOWN
from tests.shared_postgres import SharedServer

_QUIET = list(HealthCheck)
_ROUNDS: Final = 16
"""At most; mostly six or seven do."""

EVERY_STEP: Final = STEPS | DISPUTE_STEPS | FUNDING_STEPS | PAYOUT_STEPS | PEOPLES_STEPS
EVERY_END: Final = ENDS | TOGETHER | REFUNDED | DISPUTED | FUNDED | PAID_OUT | SHOWN


def _not_seen() -> Iterator[object]:
    """What no run has come by yet."""
    yield from EVERY_STEP - InMemory.granted
    yield from EVERY_END - InMemory.ended - InMemory.went_back


def test_payments_do_what_the_model_says() -> None:
    """In rounds, until there was a run of everything: of what was never granted, and never came about, nothing is checked.

    The runs follow from the name of the machine and from constants in the code, so the same code has the same ones.
    """
    for number in range(_ROUNDS):
        run_state_machine_as_test(
            type(f"InMemory{number}", (InMemory,), {}),
            settings=settings(
                max_examples=40, stateful_step_count=60, deadline=None, suppress_health_check=_QUIET, derandomize=True
            ),
        )
        if not list(_not_seen()):
            break
    assert not list(_not_seen())


def test_a_real_engine_does_what_the_model_says(postgres: SharedServer) -> None:
    run_state_machine_as_test(
        on_engine(postgres),
        settings=settings(max_examples=8, stateful_step_count=30, deadline=None, suppress_health_check=_QUIET),
    )
