"""Accounts, their wallets, and what may be done with them."""

from danbao_core.accounts.balances import Balance, Purpose, balance_id, platform_balance_id
from danbao_core.accounts.commands import CloseAccount, CreateAccount, OpenWallet, UpdateAccount
from danbao_core.accounts.freezing import FreezeAccount, UnfreezeAccount
from danbao_core.accounts.plans import SetMerchantPlan
from danbao_core.accounts.rows import (
    PLATFORM_ID,
    Account,
    AccountKind,
    AccountRef,
    AccountState,
    account_of,
    active_account,
)

__all__ = [
    "PLATFORM_ID",
    "Account",
    "AccountKind",
    "AccountRef",
    "AccountState",
    "Balance",
    "CloseAccount",
    "CreateAccount",
    "FreezeAccount",
    "OpenWallet",
    "Purpose",
    "SetMerchantPlan",
    "UnfreezeAccount",
    "UpdateAccount",
    "account_of",
    "active_account",
    "balance_id",
    "platform_balance_id",
]
