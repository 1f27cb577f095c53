"""Proposals, and the open items that they settle."""

from typing import Any

from danbao.v1 import operations_pb2
from danbao_core.accounts import Purpose
from danbao_core.bank.ways import Ways
from danbao_core.engine import Origin
from danbao_core.ledger import OpenItem
from danbao_core.proposals import (
    Adjustment,
    ApproveProposal,
    CreateProposal,
    FactorRecovery,
    FeePayout,
    Grant,
    OpenItemSettlement,
    Proposal,
    RejectProposal,
    Side,
    Terms,
)
from danbao_core.rpc.convert.parts import id_of, money, money_of, optional_id_of, timestamp


def create_proposal(request: operations_pb2.CreateProposalRequest, origin: Origin) -> CreateProposal:
    """The command for a request."""
    return CreateProposal(origin=origin, terms=_terms_of(request), reason=request.reason)


def approve_proposal(request: operations_pb2.ApproveProposalRequest, origin: Origin, ways: Ways) -> ApproveProposal:
    """The command for a request."""
    return ApproveProposal(origin=origin, proposal_id=id_of(request.name), ways=ways)


def reject_proposal(request: operations_pb2.RejectProposalRequest, origin: Origin) -> RejectProposal:
    """The command for a request."""
    return RejectProposal(origin=origin, proposal_id=id_of(request.name))


def proposal(row: Proposal) -> operations_pb2.Proposal:
    """The resource for a row."""
    return operations_pb2.Proposal(
        name=row.name,
        state=operations_pb2.Proposal.State.ValueType(row.state),
        reason=row.reason,
        proposer=f"serviceKeys/{row.proposer_key_id}",
        decider=f"serviceKeys/{row.decider_key_id}" if row.decider_key_id else "",
        create_time=timestamp(row.created_at),
        expire_time=timestamp(row.due_at),
        decide_time=timestamp(row.decided_at),
        **_terms(row.parsed_terms),
    )


def open_item(row: OpenItem) -> operations_pb2.OpenItem:
    """The resource for a row."""
    return operations_pb2.OpenItem(
        name=row.name,
        state=operations_pb2.OpenItem.State.ValueType(row.state),
        account=f"accounts/{row.account_id}",
        amount=money(row.amount_minor, row.currency),
        journal=f"journals/{row.journal_id}",
        settlement_journal=f"journals/{row.settled_by}" if row.settled_by else "",
        create_time=timestamp(row.created_at),
        settle_time=timestamp(row.settled_at),
    )


def _terms_of(request: operations_pb2.CreateProposalRequest) -> Terms:
    match request.WhichOneof("terms"):
        case "adjustment":
            wanted = request.adjustment
            return Adjustment(debit=_side_of(wanted.debit), credit=_side_of(wanted.credit), amount=money_of(wanted.amount))
        case "grant":
            return Grant(key_id=id_of(request.grant.service_key), scopes=tuple(sorted(request.grant.scopes)))
        case "factor_recovery":
            return FactorRecovery(account_id=id_of(request.factor_recovery.account))
        case "fee_payout":
            payout = request.fee_payout
            return FeePayout(
                account_id=id_of(payout.account),
                amount=money_of(payout.amount),
                instrument_id=optional_id_of(payout.instrument),
            )
        case _:
            settlement = request.open_item_settlement
            return OpenItemSettlement(open_item_id=id_of(settlement.open_item), credit=_side_of(settlement.credit))


def _terms(terms: Terms) -> dict[str, Any]:
    match terms:
        case Adjustment(debit, credit, amount):
            adjustment = operations_pb2.Adjustment(
                debit=_side(debit), credit=_side(credit), amount=money(amount.amount_minor, amount.currency)
            )
            return {"adjustment": adjustment}
        case Grant(key_id, scopes):
            return {"grant": operations_pb2.Grant(service_key=f"serviceKeys/{key_id}", scopes=scopes)}
        case OpenItemSettlement(open_item_id, credit):
            settlement = operations_pb2.OpenItemSettlement(open_item=f"openItems/{open_item_id}", credit=_side(credit))
            return {"open_item_settlement": settlement}
        case FeePayout(account_id, amount, instrument_id):
            payout = operations_pb2.FeePayout(
                account=f"accounts/{account_id}",
                amount=money(amount.amount_minor, amount.currency),
                instrument=f"instruments/{instrument_id}" if instrument_id else "",
            )
            return {"fee_payout": payout}
        case FactorRecovery(account_id):
            return {"factor_recovery": operations_pb2.FactorRecovery(account=f"accounts/{account_id}")}


def _side_of(message: operations_pb2.AdjustmentSide) -> Side:
    if message.WhichOneof("side") == "account":
        return Side(Purpose.AVAILABLE, id_of(message.account))
    return Side(Purpose(message.platform_balance))


def _side(side: Side) -> operations_pb2.AdjustmentSide:
    if side.account_id is not None:
        return operations_pb2.AdjustmentSide(account=f"accounts/{side.account_id}")
    return operations_pb2.AdjustmentSide(platform_balance=operations_pb2.AdjustmentSide.PlatformBalance.ValueType(side.purpose))
