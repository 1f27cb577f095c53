"""Disputes: `lifecycle.py` has the tables of what may happen, `schedule.py` what time brings about, `steps.py` what a step
does, `settling.py` the money; `opening.py`, `commands.py` and `evidence.py` who asks for it.
"""

from danbao_core.disputes.commands import (
    AcceptDispute,
    AcceptOffer,
    AppealDispute,
    CatchUpDispute,
    DecideDispute,
    EscalateDispute,
    OfferSettlement,
    PayCompensation,
    RejectDispute,
    WaiveAppeal,
    WithdrawDispute,
)
from danbao_core.disputes.evidence import SubmitEvidence
from danbao_core.disputes.lifecycle import DisputeCloseReason, DisputeEvent, DisputeState, Outcome, Party, Reason
from danbao_core.disputes.opening import OpenDispute
from danbao_core.disputes.rows import Dispute, Evidence, EvidenceFile, Step

__all__ = [
    "AcceptDispute",
    "AcceptOffer",
    "AppealDispute",
    "CatchUpDispute",
    "DecideDispute",
    "Dispute",
    "DisputeCloseReason",
    "DisputeEvent",
    "DisputeState",
    "EscalateDispute",
    "Evidence",
    "EvidenceFile",
    "OfferSettlement",
    "OpenDispute",
    "Outcome",
    "Party",
    "PayCompensation",
    "Reason",
    "RejectDispute",
    "Step",
    "SubmitEvidence",
    "WaiveAppeal",
    "WithdrawDispute",
]
