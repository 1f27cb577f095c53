"""What takes two operators: one proposes it, with a reason, another approves it, and in that commit it is done."""

from danbao_core.proposals.commands import ApproveProposal, CreateProposal, RejectProposal
from danbao_core.proposals.fee_payouts import FeePayout
from danbao_core.proposals.rows import Proposal, ProposalState
from danbao_core.proposals.terms import Adjustment, FactorRecovery, Grant, OpenItemSettlement, Side, Terms

__all__ = [
    "Adjustment",
    "ApproveProposal",
    "CreateProposal",
    "FactorRecovery",
    "FeePayout",
    "Grant",
    "OpenItemSettlement",
    "Proposal",
    "ProposalState",
    "RejectProposal",
    "Side",
    "Terms",
]
