"""Bank statements against the books."""

from danbao.v1 import operations_pb2
from danbao_core.bank.wire import day_name, day_of
from danbao_core.engine import Origin
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.reconciliation import Difference, Reconciliation, SettleDifference, StartReconciliation
from danbao_core.rpc.convert.parts import id_of, money, timestamp


def start_reconciliation(request: operations_pb2.StartReconciliationRequest, origin: Origin) -> StartReconciliation:
    """The command for a request. Raises FieldInvalid for a day that there is not, and for one before 1970."""
    try:
        day = day_of(request.day)
    except ValueError:
        day = -1
    if day < 0:
        raise FieldInvalid([Violation("day", "must be a day that there is, from 1970 on, as YYYY-MM-DD")])
    return StartReconciliation(origin=origin, day=day)


def settle_difference(request: operations_pb2.SettleDifferenceRequest, origin: Origin) -> SettleDifference:
    """The command for a request."""
    return SettleDifference(origin=origin, difference_id=id_of(request.name), note=request.note)


def reconciliation(row: Reconciliation) -> operations_pb2.Reconciliation:
    """The resource for a row."""
    return operations_pb2.Reconciliation(
        name=row.name,
        day=day_name(row.day),
        state=operations_pb2.Reconciliation.State.ValueType(row.state),
        lines=row.lines,
        entries=row.entries,
        differences=row.differences,
        create_time=timestamp(row.created_at),
        finish_time=timestamp(row.finished_at),
    )


def difference(row: Difference) -> operations_pb2.ReconciliationDifference:
    """The resource for a row."""
    return operations_pb2.ReconciliationDifference(
        name=row.name,
        kind=operations_pb2.ReconciliationDifference.Kind.ValueType(row.kind),
        state=operations_pb2.ReconciliationDifference.State.ValueType(row.state),
        day=day_name(row.day),
        transfer_id=str(row.transfer_id),
        movement=operations_pb2.ReconciliationDifference.Movement.ValueType(row.movement),
        here=None if row.here_minor is None else money(row.here_minor, row.currency),
        there=None if row.there_minor is None else money(row.there_minor, row.currency),
        create_time=timestamp(row.created_at),
        explain_time=timestamp(row.explained_at),
        explained_by=row.explained_by,
        note=row.note,
    )
