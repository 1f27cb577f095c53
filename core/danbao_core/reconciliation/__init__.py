"""The bank's statements against BANK_CLEARING, day by day: rows.py is what is kept, commands.py how it changes, running.py a
day from the statement to the differences.
"""

from danbao_core.reconciliation.commands import SettleDifference, StartReconciliation
from danbao_core.reconciliation.lists import list_differences, list_reconciliations
from danbao_core.reconciliation.rows import Difference, DifferenceKind, DifferenceState, Reconciliation, ReconciliationState
from danbao_core.reconciliation.running import DayResult, next_day, pending_days, reconcile

__all__ = [
    "DayResult",
    "Difference",
    "DifferenceKind",
    "DifferenceState",
    "Reconciliation",
    "ReconciliationState",
    "SettleDifference",
    "StartReconciliation",
    "list_differences",
    "list_reconciliations",
    "next_day",
    "pending_days",
    "reconcile",
]
