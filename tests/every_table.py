"""Every row type of the core: importing the modules declares their tables."""

from danbao_core import (
    accounts,
    disputes,
    fundings,
    ledger,
    payments,
    payouts,
    proposals,
    reconciliation,
    sandbox,
    service_keys,
    trail,
)
from danbao_core.engine import requests, rows
from danbao_core.news import rows as news
from danbao_core.notifications import deliveries, endpoints
from danbao_core.people import attempts, challenges, devices, erasing, identity, instruments, messages, person, sessions

PEOPLE = (attempts, challenges, devices, erasing, identity, instruments, messages, person, sessions)
NOTIFICATIONS = (deliveries, endpoints, news)
MODULES = (
    accounts,
    disputes,
    fundings,
    ledger,
    payments,
    payouts,
    proposals,
    reconciliation,
    requests,
    sandbox,
    service_keys,
    trail,
    *NOTIFICATIONS,
    *PEOPLE,
)

READINGS = {name: row_type for name, row_type in rows.TABLES.items() if row_type.table.reading is not None}
"""What is read out of other tables, and is none itself."""

TABLES = {name: row_type for name, row_type in rows.TABLES.items() if name not in READINGS}

__all__ = ["MODULES", "READINGS", "TABLES"]
