"""Disputes, from complaint to final award."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from danbao.v1 import disputes_pb2, disputes_pb2_grpc
from danbao_core.dispute_errors import DisputeNotFound, EvidenceNotFound
from danbao_core.disputes import Dispute, Evidence, EvidenceFile
from danbao_core.disputes.lists import Place, list_by_deadline, list_disputes, list_evidence, list_steps
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import PaymentNotFound
from danbao_core.keyring import Keyring
from danbao_core.notification_errors import WatchesBusy
from danbao_core.notifications.events import EventFilter
from danbao_core.payments import Payment
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.paging import Pages, place_of
from danbao_core.rpc.services.files import UnderWay
from danbao_core.rpc.services.proofs import proofs_of
from danbao_core.rpc.services.visible import account_for_list, may_see_one_of
from danbao_core.rpc.watching import MOST_OF_A_CALLER, Watcher, Watching

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]


class Disputes(disputes_pb2_grpc.DisputeServiceServicer):
    """Disputes, from complaint to final award."""

    def __init__(self, engine: Engine, pool: "_Pool", pages: Pages, keyring: Keyring, watching: Watching) -> None:
        self._engine = engine
        self._pool = pool
        self._pages = pages
        self._keyring = keyring
        self._watching = watching
        self._watches = UnderWay(MOST_OF_A_CALLER, WatchesBusy)

    async def OpenDispute(self, request: disputes_pb2.OpenDisputeRequest, context: "_Context") -> disputes_pb2.Dispute:
        command = convert.open_dispute(request, calls.current().origin)
        return convert.dispute(await calls.submit(self._engine, command))

    async def GetDispute(self, request: disputes_pb2.GetDisputeRequest, context: "_Context") -> disputes_pb2.Dispute:
        return convert.dispute(await self._dispute(request.name))

    async def ListDisputes(
        self, request: disputes_pb2.ListDisputesRequest, context: "_Context"
    ) -> disputes_pb2.ListDisputesResponse:
        call = calls.current()
        page = self._pages.page(call, request)
        wanted = convert.dispute_filter(request, await account_for_list(self._pool, call.origin, request.account))
        if request.payment:
            await self._must_see_payment(request.payment)
        if request.order == disputes_pb2.ListDisputesRequest.ORDER_RESPOND_BY:
            after = None if page.place is None else Place.parse(page.place)
            queue = await list_by_deadline(self._pool, wanted, after=after, limit=page.reach)
            stopped_at = None if queue.stopped_at is None else str(queue.stopped_at)
            disputes, token = page.show(queue.rows, convert.dispute, lambda row: str(Place.of(row)), stopped_at)
        else:
            found = await list_disputes(self._pool, wanted, before=page.before_id, limit=page.reach)
            disputes, token = page.show_found(found, convert.dispute)
        return disputes_pb2.ListDisputesResponse(disputes=disputes, next_page_token=token)

    async def ListDisputeSteps(
        self, request: disputes_pb2.ListDisputeStepsRequest, context: "_Context"
    ) -> disputes_pb2.ListDisputeStepsResponse:
        call = calls.current()
        page = self._pages.page(call, request)
        dispute = await self._dispute(request.dispute)
        before = None if page.place is None else int(page.place)
        rows = await list_steps(self._pool, dispute.id, before=before, limit=page.reach)
        with_caller = call.origin.account_id is None
        steps, token = page.show(
            rows,
            lambda row: convert.dispute_step(row, dispute.currency, with_caller=with_caller),
            lambda row: str(row.version),
        )
        return disputes_pb2.ListDisputeStepsResponse(steps=steps, next_page_token=token)

    async def RespondDispute(self, request: disputes_pb2.RespondDisputeRequest, context: "_Context") -> disputes_pb2.Dispute:
        origin = calls.current().origin
        proofs = await proofs_of(self._pool, self._keyring, origin, request.payment_password)
        command = convert.respond_dispute(request, origin, proofs)
        return convert.dispute(await calls.submit(self._engine, command))

    async def AcceptOffer(self, request: disputes_pb2.AcceptOfferRequest, context: "_Context") -> disputes_pb2.Dispute:
        origin = calls.current().origin
        proofs = await proofs_of(self._pool, self._keyring, origin, request.payment_password)
        return convert.dispute(await calls.submit(self._engine, convert.accept_offer(request, origin, proofs)))

    async def EscalateDispute(self, request: disputes_pb2.EscalateDisputeRequest, context: "_Context") -> disputes_pb2.Dispute:
        command = convert.escalate_dispute(request, calls.current().origin)
        return convert.dispute(await calls.submit(self._engine, command))

    async def WithdrawDispute(self, request: disputes_pb2.WithdrawDisputeRequest, context: "_Context") -> disputes_pb2.Dispute:
        command = convert.withdraw_dispute(request, calls.current().origin)
        return convert.dispute(await calls.submit(self._engine, command))

    async def SubmitEvidence(self, request: disputes_pb2.SubmitEvidenceRequest, context: "_Context") -> disputes_pb2.Evidence:
        command = convert.submit_evidence(request, calls.current().origin)
        return convert.evidence(await calls.submit(self._engine, command))

    async def GetEvidence(self, request: disputes_pb2.GetEvidenceRequest, context: "_Context") -> disputes_pb2.Evidence:
        dispute_id, evidence_id = convert.evidence_ids(request.name)
        row = await fetch_row(self._pool, Evidence, evidence_id)
        dispute = await fetch_row(self._pool, Dispute, dispute_id)
        if row is None or dispute is None or row.dispute_id != dispute.id or not _may_see(dispute):
            raise EvidenceNotFound(evidence=request.name)
        file = await fetch_row(self._pool, EvidenceFile, row.id) if row.size_bytes else None
        return convert.evidence(row, b"" if file is None else file.content)

    async def ListEvidence(
        self, request: disputes_pb2.ListEvidenceRequest, context: "_Context"
    ) -> disputes_pb2.ListEvidenceResponse:
        page = self._pages.page(calls.current(), request)
        dispute = await self._dispute(request.dispute)
        rows = await list_evidence(self._pool, dispute.id, before=page.before_id, limit=page.reach)
        evidence, token = page.show(rows, convert.evidence, place_of)
        return disputes_pb2.ListEvidenceResponse(evidence=evidence, next_page_token=token)

    async def DecideDispute(self, request: disputes_pb2.DecideDisputeRequest, context: "_Context") -> disputes_pb2.Dispute:
        command = convert.decide_dispute(request, calls.current().origin)
        return convert.dispute(await calls.submit(self._engine, command))

    async def AppealDispute(self, request: disputes_pb2.AppealDisputeRequest, context: "_Context") -> disputes_pb2.Dispute:
        command = convert.appeal_dispute(request, calls.current().origin)
        return convert.dispute(await calls.submit(self._engine, command))

    async def WaiveAppeal(self, request: disputes_pb2.WaiveAppealRequest, context: "_Context") -> disputes_pb2.Dispute:
        command = convert.waive_appeal(request, calls.current().origin)
        return convert.dispute(await calls.submit(self._engine, command))

    async def WatchDisputes(
        self, request: disputes_pb2.WatchDisputesRequest, context: "_Context"
    ) -> AsyncIterator[disputes_pb2.WatchDisputesResponse]:
        call = calls.current()
        assert call.outlet is not None, "a watch has an outlet"
        account_id = await account_for_list(self._pool, call.origin, request.account)
        wanted = EventFilter(frozenset({"dispute"}), account_id=account_id)
        if request.dispute:
            dispute = await self._dispute(request.dispute)
            wanted = wanted._replace(ordering_id=dispute.payment_id, subject_id=dispute.id)
        with self._watches.one_of(call.caller.id):
            async with contextlib.aclosing(self._watching.watch(Watcher(wanted, call.outlet), request.cursor)) as told:
                async for seen in told:
                    yield convert.watched_dispute(seen.cursor, seen.event)

    async def _dispute(self, name: str) -> Dispute:
        """The dispute with this resource name. Raises DisputeNotFound, also for one that the caller may not see."""
        dispute = await fetch_row(self._pool, Dispute, convert.id_of(name))
        if dispute is None or not _may_see(dispute):
            raise DisputeNotFound(dispute=name)
        return dispute

    async def _must_see_payment(self, name: str) -> None:
        """Raises PaymentNotFound for a payment that there is not, or that the caller may not see."""
        payment = await fetch_row(self._pool, Payment, convert.id_of(name))
        if payment is None or not may_see_one_of(calls.current().origin, payment.payer_id, payment.payee_id):
            raise PaymentNotFound(payment=name)


def _may_see(dispute: Dispute) -> bool:
    """Whether a dispute is shown to the caller: each side its own, a key that is bound to no account all of them."""
    return may_see_one_of(calls.current().origin, dispute.buyer_id, dispute.seller_id)
