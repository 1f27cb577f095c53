"""The machine of `payments_machine.py`, on decisions alone (many runs) and on a real engine (few). `make model` goes on."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.cores import InMemory, on_engine
from tests.property.disputes_machine import DISPUTE_STEPS, DISPUTED
from tests.property.payments_model import ENDS, REFUNDED, STEPS
from tests.shared_postgres import SharedServer

_QUIET = list(HealthCheck)


def test_payments_do_what_the_model_says() -> None:
    """The runs are the same ones every time, so that what they come by is no matter of luck."""
    run_state_machine_as_test(
        InMemory,
        settings=settings(
            max_examples=130, stateful_step_count=60, deadline=None, suppress_health_check=_QUIET, derandomize=True
        ),
    )
    assert InMemory.granted >= STEPS | DISPUTE_STEPS, "else nothing was checked of what was never granted"
    assert InMemory.ended >= ENDS, "nor of what never ended well"
    assert InMemory.went_back >= REFUNDED | DISPUTED, "nor of what never went back"


def test_a_real_engine_does_what_the_model_says(postgres: SharedServer) -> None:
    run_state_machine_as_test(
        on_engine(postgres),
        settings=settings(max_examples=8, stateful_step_count=30, deadline=None, suppress_health_check=_QUIET),
    )
