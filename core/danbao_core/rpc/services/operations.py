"""Service keys, merchants' plans, freezing accounts, what takes two operators, who did what, and the audit of the books."""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from danbao.v1 import accounts_pb2, operations_pb2, operations_pb2_grpc
from danbao_core import sql
from danbao_core.audit import audit
from danbao_core.bank.ways import Ways
from danbao_core.engine import Engine
from danbao_core.engine.reads import fetch_row, fetch_rows
from danbao_core.errors import OpenItemNotFound, PaymentNotFound, ProposalNotFound, SecretAlreadyShown
from danbao_core.explaining import explain
from danbao_core.history import list_facts
from danbao_core.ids import AFTER_ALL, uuid7
from danbao_core.ledger import OpenItem, OpenItemState, list_open_items
from danbao_core.people.messages import Letter
from danbao_core.proposals import FactorRecovery, Grant, Proposal, ProposalState
from danbao_core.proposals.lists import list_proposals
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.paging import Pages, place_of
from danbao_core.rpc.services.desk import Desk
from danbao_core.rpc.services.reconciliation import Reconciliations
from danbao_core.server_role import AS_SERVER
from danbao_core.service_keys import ServiceKey, Token

if TYPE_CHECKING:
    import asyncpg
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]
    _Pool = asyncpg.Pool[Any]


class Operations(Reconciliations, operations_pb2_grpc.OperationsServiceServicer):
    """Service keys, merchants' plans, freezing accounts, what takes two operators, who did what, and the audit of the books."""

    def __init__(self, engine: Engine, pool: "_Pool", pages: Pages, desk: Desk, database_url: str, ways: Ways) -> None:
        self._engine = engine
        self._pool = pool
        self._pages = pages
        self._desk = desk
        self._authenticator = desk.authenticator
        self._database_url = database_url
        self._ways = ways
        self._auditing = asyncio.Lock()  # an audit takes the memory of a whole database's worth of hashing: one at a time

    async def CreateServiceKey(
        self, request: operations_pb2.CreateServiceKeyRequest, context: "_Context"
    ) -> operations_pb2.CreateServiceKeyResponse:
        token = Token.new(uuid7())
        key = await self._once(convert.create_service_key(request, calls.current().origin, token))
        return operations_pb2.CreateServiceKeyResponse(service_key=convert.service_key(key), token=str(token))

    async def ListServiceKeys(
        self, request: operations_pb2.ListServiceKeysRequest, context: "_Context"
    ) -> operations_pb2.ListServiceKeysResponse:
        page = self._pages.page(calls.current(), request)
        text = sql.load("danbao_core", "list_service_keys")
        rows = await fetch_rows(self._pool, ServiceKey, text, page.before_id or AFTER_ALL, page.reach)
        keys, token = page.show(rows, convert.service_key, place_of)
        return operations_pb2.ListServiceKeysResponse(service_keys=keys, next_page_token=token)

    async def RotateServiceKey(
        self, request: operations_pb2.RotateServiceKeyRequest, context: "_Context"
    ) -> operations_pb2.RotateServiceKeyResponse:
        token = Token.new(convert.id_of(request.name))
        key = await self._once(convert.rotate_service_key(request, calls.current().origin, token))
        self._authenticator.forget(key.id)
        return operations_pb2.RotateServiceKeyResponse(service_key=convert.service_key(key), token=str(token))

    async def RevokeServiceKey(
        self, request: operations_pb2.RevokeServiceKeyRequest, context: "_Context"
    ) -> operations_pb2.ServiceKey:
        command = convert.revoke_service_key(request, calls.current().origin)
        key = await calls.submit(self._engine, command)
        self._authenticator.forget(key.id)
        return convert.service_key(key)

    async def CreateProposal(
        self, request: operations_pb2.CreateProposalRequest, context: "_Context"
    ) -> operations_pb2.Proposal:
        command = convert.create_proposal(request, calls.current().origin)
        if isinstance(command.terms, FactorRecovery):
            command = msgspec.structs.replace(command, letter=await self._letter(command.terms, "factor_recovery_proposed"))
        return convert.proposal(await calls.submit(self._engine, command))

    async def ApproveProposal(
        self, request: operations_pb2.ApproveProposalRequest, context: "_Context"
    ) -> operations_pb2.Proposal:
        command = convert.approve_proposal(request, calls.current().origin, self._ways)
        proposed = await fetch_row(self._pool, Proposal, command.proposal_id)
        if proposed is not None and isinstance(terms := proposed.parsed_terms, FactorRecovery):
            command = msgspec.structs.replace(command, letter=await self._letter(terms, "factor_recovery_done"))
        proposal = await calls.submit(self._engine, command)
        if isinstance(granted := proposal.parsed_terms, Grant):
            self._authenticator.forget(granted.key_id)
        return convert.proposal(proposal)

    async def RejectProposal(
        self, request: operations_pb2.RejectProposalRequest, context: "_Context"
    ) -> operations_pb2.Proposal:
        command = convert.reject_proposal(request, calls.current().origin)
        return convert.proposal(await calls.submit(self._engine, command))

    async def GetProposal(self, request: operations_pb2.GetProposalRequest, context: "_Context") -> operations_pb2.Proposal:
        proposal = await fetch_row(self._pool, Proposal, convert.id_of(request.name))
        if proposal is None:
            raise ProposalNotFound(proposal=request.name)
        return convert.proposal(proposal)

    async def ListProposals(
        self, request: operations_pb2.ListProposalsRequest, context: "_Context"
    ) -> operations_pb2.ListProposalsResponse:
        page = self._pages.page(calls.current(), request)
        states = [ProposalState(state) for state in request.states]
        found = await list_proposals(self._pool, states, before=page.before_id, limit=page.reach)
        proposals, token = page.show_found(found, convert.proposal)
        return operations_pb2.ListProposalsResponse(proposals=proposals, next_page_token=token)

    async def GetOpenItem(self, request: operations_pb2.GetOpenItemRequest, context: "_Context") -> operations_pb2.OpenItem:
        item = await fetch_row(self._pool, OpenItem, convert.id_of(request.name))
        if item is None:
            raise OpenItemNotFound(open_item=request.name)
        return convert.open_item(item)

    async def ListOpenItems(
        self, request: operations_pb2.ListOpenItemsRequest, context: "_Context"
    ) -> operations_pb2.ListOpenItemsResponse:
        page = self._pages.page(calls.current(), request)
        states = [OpenItemState(state) for state in request.states]
        found = await list_open_items(self._pool, states, before=page.before_id, limit=page.reach)
        items, token = page.show_found(found, convert.open_item)
        return operations_pb2.ListOpenItemsResponse(open_items=items, next_page_token=token)

    async def SetMerchantPlan(
        self, request: operations_pb2.SetMerchantPlanRequest, context: "_Context"
    ) -> accounts_pb2.Account:
        command = convert.set_merchant_plan(request, calls.current().origin)
        return convert.account(await calls.submit(self._engine, command))

    async def ListAuditEvents(
        self, request: operations_pb2.ListAuditEventsRequest, context: "_Context"
    ) -> operations_pb2.ListAuditEventsResponse:
        page = self._pages.page(calls.current(), request)
        found = await list_facts(self._pool, convert.fact_filter(request), before=page.before_id, limit=page.reach)
        events, token = page.show_found(found, convert.audit_event)
        return operations_pb2.ListAuditEventsResponse(audit_events=events, next_page_token=token)

    async def ExplainPayment(
        self, request: operations_pb2.ExplainPaymentRequest, context: "_Context"
    ) -> operations_pb2.ExplainPaymentResponse:
        explanation = await explain(self._pool, convert.id_of(request.name))
        if explanation is None:
            raise PaymentNotFound(payment=request.name)
        return convert.explanation(explanation)

    async def AuditLedger(
        self, request: operations_pb2.AuditLedgerRequest, context: "_Context"
    ) -> operations_pb2.AuditLedgerResponse:
        async with self._auditing:
            return convert.audit_checks(await audit(self._database_url, settings=AS_SERVER))

    async def FreezeAccount(self, request: operations_pb2.FreezeAccountRequest, context: "_Context") -> accounts_pb2.Account:
        command = convert.freeze_account(request, calls.current().origin)
        return convert.account(await calls.submit(self._engine, command))

    async def UnfreezeAccount(
        self, request: operations_pb2.UnfreezeAccountRequest, context: "_Context"
    ) -> accounts_pb2.Account:
        command = convert.unfreeze_account(request, calls.current().origin)
        return convert.account(await calls.submit(self._engine, command))

    async def _letter(self, terms: FactorRecovery, template: str) -> Letter | None:
        """What tells the person. Raises PersonNotFound."""
        return self._desk.letter_to(await self._desk.person(terms.account_id), template)

    async def _once(self, command: Any) -> ServiceKey:
        """Carries out a command whose answer shows a secret, which no repeat may."""
        call = calls.current()
        answer = await self._engine.submit(command, timeout_seconds=call.remaining_seconds)
        if answer.replayed:
            raise SecretAlreadyShown(service_key=f"serviceKeys/{answer.result.id}")
        key: ServiceKey = answer.result
        return key
