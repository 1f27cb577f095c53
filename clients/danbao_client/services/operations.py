"""`danbao.operations`. Written by `make protos`: change the protos, not this file."""

from __future__ import annotations

from collections.abc import Sequence

from danbao.v1 import accounts_pb2, operations_pb2
from danbao_client.pages import Pages
from danbao_client.rpc import Rpc
from danbao_client.service import Service
from danbao_client.values import AnyTime, request_of


class Operations(Service):
    """What operators do: service keys, what merchants pay, freezing accounts, what takes two of them, who did what, and the
    audit of the books.

    Two operators: adjustments of the books, scopes that reach into every wallet, payouts of fees and the settlement of open
    items are proposed by one and carried out when another approves. Another is one whose key descends from another first
    key: keys that one operator made, or that those keys made, count as the same. First keys are made on the machine itself
    (`danbao keys create`).
    """

    descriptor = operations_pb2.DESCRIPTOR.services_by_name["OperationsService"]

    CreateServiceKey: Rpc[operations_pb2.CreateServiceKeyRequest, operations_pb2.CreateServiceKeyResponse]
    ListServiceKeys: Rpc[operations_pb2.ListServiceKeysRequest, operations_pb2.ListServiceKeysResponse]
    RotateServiceKey: Rpc[operations_pb2.RotateServiceKeyRequest, operations_pb2.RotateServiceKeyResponse]
    RevokeServiceKey: Rpc[operations_pb2.RevokeServiceKeyRequest, operations_pb2.ServiceKey]
    CreateProposal: Rpc[operations_pb2.CreateProposalRequest, operations_pb2.Proposal]
    ApproveProposal: Rpc[operations_pb2.ApproveProposalRequest, operations_pb2.Proposal]
    RejectProposal: Rpc[operations_pb2.RejectProposalRequest, operations_pb2.Proposal]
    GetProposal: Rpc[operations_pb2.GetProposalRequest, operations_pb2.Proposal]
    ListProposals: Rpc[operations_pb2.ListProposalsRequest, operations_pb2.ListProposalsResponse]
    GetOpenItem: Rpc[operations_pb2.GetOpenItemRequest, operations_pb2.OpenItem]
    ListOpenItems: Rpc[operations_pb2.ListOpenItemsRequest, operations_pb2.ListOpenItemsResponse]
    StartReconciliation: Rpc[operations_pb2.StartReconciliationRequest, operations_pb2.Reconciliation]
    ListReconciliations: Rpc[operations_pb2.ListReconciliationsRequest, operations_pb2.ListReconciliationsResponse]
    ListReconciliationDifferences: Rpc[
        operations_pb2.ListReconciliationDifferencesRequest, operations_pb2.ListReconciliationDifferencesResponse
    ]
    SettleDifference: Rpc[operations_pb2.SettleDifferenceRequest, operations_pb2.ReconciliationDifference]
    SetMerchantPlan: Rpc[operations_pb2.SetMerchantPlanRequest, accounts_pb2.Account]
    ListAuditEvents: Rpc[operations_pb2.ListAuditEventsRequest, operations_pb2.ListAuditEventsResponse]
    ExplainPayment: Rpc[operations_pb2.ExplainPaymentRequest, operations_pb2.ExplainPaymentResponse]
    AuditLedger: Rpc[operations_pb2.AuditLedgerRequest, operations_pb2.AuditLedgerResponse]
    FreezeAccount: Rpc[operations_pb2.FreezeAccountRequest, accounts_pb2.Account]
    UnfreezeAccount: Rpc[operations_pb2.UnfreezeAccountRequest, accounts_pb2.Account]

    async def create_service_key(
        self,
        *,
        service: str,
        scopes: Sequence[str],
        account: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> operations_pb2.CreateServiceKeyResponse:
        """Makes a service key. Its token is answered once; a repeat is refused with SECRET_ALREADY_SHOWN.

        - `service`: The calling service: 1 to 64 of a-z, 0-9, dot, dash and underscore.
        - `scopes`: What the key may do: 1 to 32 of the scopes that RPCs declare, `payments.pay`, `payments.pay_any`,
          `fundings.withdraw_any` and `disputes.supervise`; an unknown one is refused with SCOPE_UNKNOWN. The two that reach
          into every wallet take two operators (SCOPE_NEEDS_GRANT): make the key without them and propose to grant them.
        - `account`: `accounts/{uuid}` to bind the key to; empty for a key that acts for any account. A key with
          `operations`, `sandbox`, `disputes.decide` or `disputes.supervise` is bound to none (SCOPE_NOT_BINDABLE).
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            operations_pb2.CreateServiceKeyRequest,
            service=service,
            scopes=scopes,
            account=account,
            request_id=request_id,
        )
        return await self.CreateServiceKey(request, deadline_seconds=deadline_seconds)

    def list_service_keys(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        deadline_seconds: float | None = None,
    ) -> Pages[operations_pb2.ListServiceKeysResponse, operations_pb2.ServiceKey]:
        """Lists service keys, revoked ones included, newest first; see "Lists" at the head of common.proto.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        """
        request = request_of(
            operations_pb2.ListServiceKeysRequest,
            page_size=page_size,
            page_token=page_token,
        )
        return Pages(self.ListServiceKeys, request, "service_keys", deadline_seconds)

    async def rotate_service_key(
        self,
        name: str,
        *,
        grace_seconds: int = 0,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> operations_pb2.RotateServiceKeyResponse:
        """Gives a key a new secret. Only an operator whose key descends from the same first key may (KEY_OF_ANOTHER_OPERATOR):
        others revoke it and make another. The old one works for `grace` more, so that callers can be moved over without a
        pause. The token is answered once; a repeat is refused with SECRET_ALREADY_SHOWN.

        - `name`: `serviceKeys/{uuid}`.
        - `grace_seconds`: How long the old secret still works, in seconds: 0 (not at all) to 2,592,000 (30 days).
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            operations_pb2.RotateServiceKeyRequest,
            name=name,
            grace_seconds=grace_seconds,
            request_id=request_id,
        )
        return await self.RotateServiceKey(request, deadline_seconds=deadline_seconds)

    async def revoke_service_key(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> operations_pb2.ServiceKey:
        """Ends a key: from the answer on it changes nothing any more. Revoking a revoked key changes nothing.

        - `name`: `serviceKeys/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            operations_pb2.RevokeServiceKeyRequest,
            name=name,
            request_id=request_id,
        )
        return await self.RevokeServiceKey(request, deadline_seconds=deadline_seconds)

    async def create_proposal(
        self,
        *,
        reason: str,
        adjustment: operations_pb2.Adjustment | None = None,
        grant: operations_pb2.Grant | None = None,
        open_item_settlement: operations_pb2.OpenItemSettlement | None = None,
        factor_recovery: operations_pb2.FactorRecovery | None = None,
        fee_payout: operations_pb2.FeePayout | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> operations_pb2.Proposal:
        """Proposes something that takes two operators; nothing changes yet. A proposal that is impossible now (an account that
        is closed, a key that is revoked) is refused at once.

        - `reason`: Why: 1 to 256 characters without control characters. It is written down with what is done.
        - `adjustment`: Money to be moved.
        - `grant`: Scopes to be given.
        - `open_item_settlement`: An open item to be settled.
        - `factor_recovery`: Factors to be removed.
        - `fee_payout`: Fees to be paid out.
        - `request_id`: Makes a retry safe, for ever; see the head of common.proto. Left out, the client makes one, and
          keeps it when it sends the request again.
        """
        request = request_of(
            operations_pb2.CreateProposalRequest,
            reason=reason,
            adjustment=adjustment,
            grant=grant,
            open_item_settlement=open_item_settlement,
            factor_recovery=factor_recovery,
            fee_payout=fee_payout,
            request_id=request_id,
        )
        return await self.CreateProposal(request, deadline_seconds=deadline_seconds)

    async def approve_proposal(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> operations_pb2.Proposal:
        """Approves a proposal and carries it out in the same commit. Refused with SECOND_OPERATOR_NEEDED for keys that descend
        from the same first key as the proposer's, with PROPOSAL_NOT_PENDING where it was decided or has expired, and with
        the reason why it is impossible (INSUFFICIENT_FUNDS of the fund for losses, ACCOUNT_CLOSED, ...), which leaves it
        pending.

        - `name`: `proposals/{uuid}`.
        - `request_id`: Makes a retry safe, for ever; see the head of common.proto. Left out, the client makes one, and
          keeps it when it sends the request again.
        """
        request = request_of(
            operations_pb2.ApproveProposalRequest,
            name=name,
            request_id=request_id,
        )
        return await self.ApproveProposal(request, deadline_seconds=deadline_seconds)

    async def reject_proposal(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> operations_pb2.Proposal:
        """Ends a proposal without carrying it out; its proposer may do so, too.

        - `name`: `proposals/{uuid}`.
        - `request_id`: Makes a retry safe, for ever; see the head of common.proto. Left out, the client makes one, and
          keeps it when it sends the request again.
        """
        request = request_of(
            operations_pb2.RejectProposalRequest,
            name=name,
            request_id=request_id,
        )
        return await self.RejectProposal(request, deadline_seconds=deadline_seconds)

    async def get_proposal(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> operations_pb2.Proposal:
        """Answers one proposal.

        - `name`: `proposals/{uuid}`.
        """
        request = request_of(
            operations_pb2.GetProposalRequest,
            name=name,
        )
        return await self.GetProposal(request, deadline_seconds=deadline_seconds)

    def list_proposals(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        states: Sequence[operations_pb2.Proposal.State.ValueType] = (),
        deadline_seconds: float | None = None,
    ) -> Pages[operations_pb2.ListProposalsResponse, operations_pb2.Proposal]:
        """Lists proposals, newest first; see "Lists" at the head of common.proto.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `states`: Only proposals in these states; in any where none is named.
        """
        request = request_of(
            operations_pb2.ListProposalsRequest,
            page_size=page_size,
            page_token=page_token,
            states=states,
        )
        return Pages(self.ListProposals, request, "proposals", deadline_seconds)

    async def get_open_item(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> operations_pb2.OpenItem:
        """Answers one open item.

        - `name`: `openItems/{uuid}`.
        """
        request = request_of(
            operations_pb2.GetOpenItemRequest,
            name=name,
        )
        return await self.GetOpenItem(request, deadline_seconds=deadline_seconds)

    def list_open_items(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        states: Sequence[operations_pb2.OpenItem.State.ValueType] = (),
        deadline_seconds: float | None = None,
    ) -> Pages[operations_pb2.ListOpenItemsResponse, operations_pb2.OpenItem]:
        """Lists open items, newest first; see "Lists" at the head of common.proto.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `states`: Only items in these states; in any where none is named.
        """
        request = request_of(
            operations_pb2.ListOpenItemsRequest,
            page_size=page_size,
            page_token=page_token,
            states=states,
        )
        return Pages(self.ListOpenItems, request, "open_items", deadline_seconds)

    async def start_reconciliation(
        self,
        *,
        day: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> operations_pb2.Reconciliation:
        """Asks for a day to be reconciled: the worker fetches the bank's statement and matches it with what is booked to
        BANK_CLEARING. Days that are over are reconciled by themselves, one after another; asked for again, a day is
        reconciled again, which settles what has been booked meanwhile and finds nothing twice; one that is being reconciled
        then is done once more afterwards. So what STATE_DONE shows after the call is of a statement that was fetched after
        it. A core without a bank leaves the day waiting. Refused with DAY_NOT_OVER.

        - `day`: The day in Asia/Shanghai, as YYYY-MM-DD, from 1970-01-01 on; it must be over (DAY_NOT_OVER).
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            operations_pb2.StartReconciliationRequest,
            day=day,
            request_id=request_id,
        )
        return await self.StartReconciliation(request, deadline_seconds=deadline_seconds)

    def list_reconciliations(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        deadline_seconds: float | None = None,
    ) -> Pages[operations_pb2.ListReconciliationsResponse, operations_pb2.Reconciliation]:
        """Lists days that were reconciled or are to be, newest first; see "Lists" at the head of common.proto.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        """
        request = request_of(
            operations_pb2.ListReconciliationsRequest,
            page_size=page_size,
            page_token=page_token,
        )
        return Pages(self.ListReconciliations, request, "reconciliations", deadline_seconds)

    def list_reconciliation_differences(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        states: Sequence[operations_pb2.ReconciliationDifference.State.ValueType] = (),
        deadline_seconds: float | None = None,
    ) -> Pages[operations_pb2.ListReconciliationDifferencesResponse, operations_pb2.ReconciliationDifference]:
        """Lists differences between the bank's statements and the books, those of the newest transfers first; see "Lists" at
        the head of common.proto.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `states`: Only differences in these states; in any where none is named.
        """
        request = request_of(
            operations_pb2.ListReconciliationDifferencesRequest,
            page_size=page_size,
            page_token=page_token,
            states=states,
        )
        return Pages(self.ListReconciliationDifferences, request, "differences", deadline_seconds)

    async def settle_difference(
        self,
        name: str,
        *,
        note: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> operations_pb2.ReconciliationDifference:
        """Says what an open difference comes from. It moves no money: what has to be put right in the books takes an
        adjustment. Refused with DIFFERENCE_NOT_FOUND, and with DIFFERENCE_EXPLAINED where it is explained.

        - `name`: `differences/{uuid}`.
        - `note`: What it comes from: 1 to 256 characters without control characters.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            operations_pb2.SettleDifferenceRequest,
            name=name,
            note=note,
            request_id=request_id,
        )
        return await self.SettleDifference(request, deadline_seconds=deadline_seconds)

    async def set_merchant_plan(
        self,
        *,
        account: str,
        fee_bps: int | None = None,
        effective_time: AnyTime | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Account:
        """Sets what the platform keeps of payments to a merchant, from now or from a later moment on. Payments keep the fee
        with which they were made. At most one change lies ahead: whatever is set replaces it. Refused with NOT_A_MERCHANT
        for a person, with ACCOUNT_CLOSED for an account that is closed, and with EFFECTIVE_TIME_PAST for a moment that is
        over.

        - `account`: `accounts/{uuid}` of the merchant.
        - `fee_bps`: The fee in basis points, 0 to 10,000 (all of it); unset for the fee that the policy gives every
          merchant.
        - `effective_time`: Since when (business time, up to the year 9000, to the microsecond); unset for now.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            operations_pb2.SetMerchantPlanRequest,
            account=account,
            fee_bps=fee_bps,
            effective_time=effective_time,
            request_id=request_id,
        )
        return await self.SetMerchantPlan(request, deadline_seconds=deadline_seconds)

    def list_audit_events(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        subject: str = "",
        caller: str = "",
        method: str = "",
        created_from: AnyTime | None = None,
        created_before: AnyTime | None = None,
        deadline_seconds: float | None = None,
    ) -> Pages[operations_pb2.ListAuditEventsResponse, operations_pb2.AuditEvent]:
        """Lists who did what, newest first; see "Lists" at the head of common.proto. A page may be empty although more follow:
        it looks at 5,000 events at most, of which those of a caller, a method or a time may be none.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `subject`: Only what was done to this resource, such as `payments/{uuid}` or `serviceKeys/{uuid}`. Empty for
          everything.
        - `caller`: Only what this caller did, as events show it. Empty for everybody.
        - `method`: Only what was done by this method, as events show it. Empty for any.
        - `created_from`: Only what was done at that moment or later (business time, from 1970 to the year 9000, to the
          microsecond).
        - `created_before`: Only what was done before that moment (business time, from 1970 to the year 9000, to the
          microsecond).
        """
        request = request_of(
            operations_pb2.ListAuditEventsRequest,
            page_size=page_size,
            page_token=page_token,
            subject=subject,
            caller=caller,
            method=method,
            created_from=created_from,
            created_before=created_before,
        )
        return Pages(self.ListAuditEvents, request, "audit_events", deadline_seconds)

    async def explain_payment(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> operations_pb2.ExplainPaymentResponse:
        """Tells all that is known of one payment, in order of time: who did what, every journal with its entries, every event,
        every approval, its refunds and disputes, what is set aside for it now, and what time will bring about. It changes
        nothing, timers that are due included. Refused with PAYMENT_NOT_FOUND.

        - `name`: `payments/{uuid}`.
        """
        request = request_of(
            operations_pb2.ExplainPaymentRequest,
            name=name,
        )
        return await self.ExplainPayment(request, deadline_seconds=deadline_seconds)

    async def audit_ledger(
        self,
        *,
        deadline_seconds: float | None = None,
    ) -> operations_pb2.AuditLedgerResponse:
        """Checks the ledger invariants on one snapshot of the whole database."""
        request = request_of(operations_pb2.AuditLedgerRequest)
        return await self.AuditLedger(request, deadline_seconds=deadline_seconds)

    async def freeze_account(
        self,
        name: str,
        *,
        reason: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Account:
        """Freezes an account: from the answer on, what its owner starts is refused with ACCOUNT_FROZEN; see Account.State.
        Freezing a frozen account changes nothing, a closed one is refused with ACCOUNT_CLOSED.

        - `name`: `accounts/{uuid}`.
        - `reason`: Why: 1 to 256 characters without control characters. Kept with the audit event.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            operations_pb2.FreezeAccountRequest,
            name=name,
            reason=reason,
            request_id=request_id,
        )
        return await self.FreezeAccount(request, deadline_seconds=deadline_seconds)

    async def unfreeze_account(
        self,
        name: str,
        *,
        reason: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Account:
        """Ends the freeze of an account. Unfreezing an account that is not frozen changes nothing, a closed one is refused
        with ACCOUNT_CLOSED.

        - `name`: `accounts/{uuid}`.
        - `reason`: Why: 1 to 256 characters without control characters. Kept with the audit event.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            operations_pb2.UnfreezeAccountRequest,
            name=name,
            reason=reason,
            request_id=request_id,
        )
        return await self.UnfreezeAccount(request, deadline_seconds=deadline_seconds)
