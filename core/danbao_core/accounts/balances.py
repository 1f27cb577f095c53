"""Balances: what an account holds in one currency for one purpose."""

import hashlib
from enum import IntEnum
from functools import lru_cache
from typing import Final
from uuid import UUID

from danbao_core.accounts.rows import PLATFORM_ID
from danbao_core.engine import Row, table
from danbao_core.errors import AmountOverflow, InsufficientFunds
from danbao_core.ids import uuid_of
from danbao_core.money import MAX_AMOUNT_MINOR, MIN_AMOUNT_MINOR


class Purpose(IntEnum):
    """What the money of a balance is for."""

    AVAILABLE = 1
    """The owner can spend it."""
    HELD = 2
    """Set aside for what is under way."""
    RECEIVABLE = 3
    """What the owner owes, as a negative amount."""
    ESCROW = 11
    """Platform: paid, not yet released."""
    FEES = 12
    """Platform: earned."""
    BANK_CLEARING = 13
    """Platform: money outside; the mirror image of what came in."""
    COMPENSATION = 14
    """Platform: the fund that covers losses. One balance, not striped, because it must not go below zero."""
    SUSPENSE = 15
    """Platform: money whose owner cannot take it."""


WALLET: Final = {
    Purpose.AVAILABLE: 0,
    Purpose.HELD: 0,
    Purpose.RECEIVABLE: -MAX_AMOUNT_MINOR,
}
"""The balances of a wallet, and under which amount each may not go."""

_RECEIVABLE: Final = Purpose.RECEIVABLE  # a name of the module: Python 3.11 takes far longer for an enum's member
_FLOORS: Final = {**WALLET, Purpose.COMPENSATION: 0}


@table("balance", rank=50, key=("id",))
class Balance(Row, frozen=True):
    """What one account holds in one currency for one purpose, in minor units.

    The platform's balances are striped (but for COMPENSATION): every engine moves its own stripe, and only the sum over the
    stripes means something.
    """

    id: UUID
    account_id: UUID
    currency: str
    purpose: Purpose
    stripe: int
    amount_minor: int
    floor_minor: int
    version: int
    """How many entries it has."""

    def moved(self, by_minor: int) -> "Balance":
        """Itself after one more entry. Raises InsufficientFunds or AmountOverflow."""
        amount_minor = self.amount_minor + by_minor
        lowest_minor = self.floor_minor if self.purpose is _RECEIVABLE else MIN_AMOUNT_MINOR
        if amount_minor > MAX_AMOUNT_MINOR or amount_minor < lowest_minor:
            raise AmountOverflow
        if amount_minor < self.floor_minor and by_minor < 0:
            raise InsufficientFunds(currency=self.currency)
        if self.purpose is _RECEIVABLE and amount_minor > 0:
            raise ValueError("what an account owes is never more than repaid")
        return self.replace(amount_minor=amount_minor, version=self.version + 1)


@lru_cache(maxsize=16_384)
def balance_id(account_id: UUID, currency: str, purpose: Purpose, stripe: int = 0) -> UUID:
    """A balance's id (a UUIDv8) follows from what it is: no look-up is needed, and two engines make the same one."""
    facts = b"%b%b%d.%d" % (account_id.bytes, currency.encode(), purpose, stripe)
    digest = bytearray(hashlib.blake2b(facts, digest_size=16).digest())
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return uuid_of(bytes(digest))


def platform_balance_id(currency: str, purpose: Purpose, stripe: int) -> UUID:
    """The id of one stripe of a platform balance."""
    return balance_id(PLATFORM_ID, currency, purpose, stripe)


def new_balance(account_id: UUID, currency: str, purpose: Purpose, stripe: int = 0) -> Balance:
    """An empty balance without entries."""
    return Balance(
        id=balance_id(account_id, currency, purpose, stripe),
        account_id=account_id,
        currency=currency,
        purpose=purpose,
        stripe=stripe,
        amount_minor=0,
        floor_minor=_FLOORS.get(purpose, MIN_AMOUNT_MINOR),
        version=0,
    )


def new_wallet(account_id: UUID, currency: str) -> list[Balance]:
    """The empty balances of a wallet."""
    return [new_balance(account_id, currency, purpose) for purpose in WALLET]
