"""The client's errors: one class for each reason of the core, no more and no less."""

import copy
import importlib
import pickle
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import grpc
import pytest
from google.rpc import status_pb2

import danbao.v1
import danbao_client
import danbao_core
from danbao.v1 import payments_pb2
from danbao_client import DanbaoError, FieldInvalid, InsufficientFunds, OrderNoTaken
from danbao_core import errors
from danbao_core.rpc.status import status_of
from tests.unit.test_errors import an_example

for module in pkgutil.iter_modules(danbao_core.__path__):
    if module.name.endswith("errors"):
        importlib.import_module(f"danbao_core.{module.name}")


Kind = TypeVar("Kind")


def all_below(kind: type[Kind]) -> set[type[Kind]]:
    found = set(kind.__subclasses__())
    for child in kind.__subclasses__():
        found |= all_below(child)
    return found


def named_rules() -> set[str]:
    """The contract's own rules whose name is a reason."""
    text = "".join(path.read_text() for path in Path(danbao.v1.__path__[0]).glob("*.proto"))
    return {name.upper() for name in re.findall(r'^ *id: "([a-z_]+)"$', text, re.MULTILINE)}


REFUSALS = [each for each in all_below(errors.Refusal) if each.__module__.startswith("danbao_core.")]


def raised_for(status: status_pb2.Status) -> DanbaoError:
    return DanbaoError.of_result(payments_pb2.PaymentResult(request_id="mine", status=status))


def test_every_reason_has_its_class_and_no_class_is_left_over() -> None:
    of_core = {refusal.reason: refusal.__name__ for refusal in REFUSALS} | {reason: _camel(reason) for reason in named_rules()}
    of_client = {each.reason: each.__name__ for each in all_below(DanbaoError) if each.__module__.startswith("danbao_client")}
    assert of_client == of_core, "run `make protos`, which writes the client's errors from the core's"
    for name in of_core.values():
        assert getattr(danbao_client, name) is getattr(danbao_client.errors, name)


def _camel(reason: str) -> str:
    return "".join(word.capitalize() for word in reason.split("_"))


def test_a_refusal_is_raised_as_the_class_of_its_reason() -> None:
    for refusal in REFUSALS:
        error = raised_for(status_of(an_example(refusal)))
        assert type(error).__name__ == refusal.__name__
        assert (type(error).__doc__ or "").startswith(refusal.message)
        assert (error.reason, error.request_id) == (refusal.reason, "mine")


def test_it_reads_well_in_except() -> None:
    with pytest.raises(InsufficientFunds) as caught:
        raise raised_for(status_of(errors.InsufficientFunds()))
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_fields_that_break_a_rule_are_told_as_such_whatever_the_rules_name() -> None:
    violation = errors.Violation("amount", "must be small", "RULE_OF_TOMORROW")
    error = raised_for(status_of(errors.FieldInvalid([violation], reason="RULE_OF_TOMORROW")))
    assert type(error) is FieldInvalid
    assert error.reason == "RULE_OF_TOMORROW"
    assert issubclass(danbao_client.AmountNotPositive, FieldInvalid)


def test_a_reason_of_tomorrow_is_told_by_its_name() -> None:
    class ReasonOfTomorrow(errors.Refusal):
        """Nobody knows yet."""

        kind = errors.Kind.PRECONDITION

    error = raised_for(status_of(ReasonOfTomorrow()))
    assert type(error) is DanbaoError
    assert error.reason == "REASON_OF_TOMORROW"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_it_crosses_processes_with_all_that_it_tells(again: Callable[[DanbaoError], DanbaoError]) -> None:
    error = raised_for(status_of(errors.OrderNoTaken("payments/1", "A-1")))
    error.unanswered = (payments_pb2.CreatePaymentRequest(request_id="mine"),)
    error.add_note("while selling")
    found = again(error)
    assert type(found) is OrderNoTaken
    assert (str(found), found.args) == (str(error), error.args)
    assert vars(found) == vars(error)
