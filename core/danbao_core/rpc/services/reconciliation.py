"""Bank statements against the books: that part of OperationsService."""

from typing import TYPE_CHECKING, Any

from danbao.v1 import operations_pb2
from danbao_core.engine import Engine
from danbao_core.reconciliation import DifferenceState, list_differences, list_reconciliations
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.paging import Pages, place_of

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]


class Reconciliations:
    """What OperationsService tells of reconciliations."""

    _engine: Engine
    _pool: "_Pool"
    _pages: Pages

    async def StartReconciliation(
        self, request: operations_pb2.StartReconciliationRequest, context: "_Context"
    ) -> operations_pb2.Reconciliation:
        command = convert.start_reconciliation(request, calls.current().origin)
        return convert.reconciliation(await calls.submit(self._engine, command))

    async def ListReconciliations(
        self, request: operations_pb2.ListReconciliationsRequest, context: "_Context"
    ) -> operations_pb2.ListReconciliationsResponse:
        page = self._pages.page(calls.current(), request)
        rows = await list_reconciliations(self._pool, before=page.before_id, limit=page.reach)
        days, token = page.show(rows, convert.reconciliation, place_of)
        return operations_pb2.ListReconciliationsResponse(reconciliations=days, next_page_token=token)

    async def ListReconciliationDifferences(
        self, request: operations_pb2.ListReconciliationDifferencesRequest, context: "_Context"
    ) -> operations_pb2.ListReconciliationDifferencesResponse:
        page = self._pages.page(calls.current(), request)
        states = [DifferenceState(state) for state in request.states]
        found = await list_differences(self._pool, states, before=page.before_id, limit=page.reach)
        differences, token = page.show_found(found, convert.difference)
        return operations_pb2.ListReconciliationDifferencesResponse(differences=differences, next_page_token=token)

    async def SettleDifference(
        self, request: operations_pb2.SettleDifferenceRequest, context: "_Context"
    ) -> operations_pb2.ReconciliationDifference:
        command = convert.settle_difference(request, calls.current().origin)
        return convert.difference(await calls.submit(self._engine, command))
