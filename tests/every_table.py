"""Every row type of the core: importing the modules declares their tables."""

from danbao_core import accounts, fundings, ledger, payments, sandbox, service_keys, trail
from danbao_core.engine import requests
from danbao_core.engine.rows import TABLES

MODULES = (accounts, fundings, ledger, payments, requests, sandbox, service_keys, trail)

__all__ = ["MODULES", "TABLES"]
