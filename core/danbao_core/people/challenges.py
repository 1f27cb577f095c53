"""Challenges and approvals: a second factor shown for one thing, once.

What is approved is bound by a hash over all that matters of it (PSD2's dynamic linking): an approval of one payment, amount or
payee does not fit another.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from danbao_core.engine import Draft, Key, Origin, Row, table
from danbao_core.people.person import Person
from danbao_core.people_errors import ApprovalExpired, ApprovalMismatch, ApprovalNotFound, ApprovalRequired, ApprovalUsed

LIFETIME: Final = timedelta(minutes=5)
"""Of a challenge, and of an approval; business time."""

MOST_TRIES: Final = 5
"""Wrong codes that end a challenge."""


class Purpose(IntEnum):
    """What an approval is for; the numbers are those of the contract."""

    REGISTER = 1
    LOGIN = 2
    PAY = 3
    WITHDRAW = 4
    CHANGE_PASSWORD = 5
    RESET_PASSWORD = 6
    CHANGE_PHONE = 7
    CHANGE_FACTORS = 8
    CHANGE_EMAIL = 9


class FactorKind(IntEnum):
    """Something that a person has; the numbers are those of the contract."""

    SMS = 1
    TOTP = 2
    RECOVERY_CODE = 3
    EMAIL = 4
    """A code that is sent to an address, which shows that it is theirs, and nothing else."""


@table("challenge", rank=32, key=("id",))
class Challenge(Row, frozen=True):
    """What is to be answered before something is done."""

    id: UUID
    purpose: Purpose
    factor: FactorKind
    account_id: UUID | None
    """Whose; None for a registration, and for the answer to somebody whose number is not known."""
    session_id: UUID | None
    """The session that asked; None for those that are answered without a token."""
    device_id: str
    """The device of a registration or a login."""
    subject: str
    """What it approves, as a resource name; empty where it is about the person."""
    currency: str
    amount_minor: int
    """Zero where no money moves."""
    binding: bytes
    """What it approves, whole; see `binding`."""
    code_hash: bytes | None
    """An HMAC over id and the code that was sent, under `code_key_id`; None for TOTP, and where nothing was sent."""
    code_key_id: str
    tries: int
    """Wrong codes so far."""
    answered_at: datetime | None
    details: bytes | None
    """What a registration is to make, sealed in ("challenge", "details", id)."""
    created_at: datetime
    expires_at: datetime
    version: int
    guesses_by: bytes = b""
    """By what wrong codes are counted over all challenges."""
    sent_by: bytes = b""
    """By what the code that was sent is counted; the newest of these alone can be answered. Empty for TOTP."""

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"challenges/{self.id}"


@table("approval", rank=33, key=("id",))
class Approval(Row, frozen=True):
    """A challenge that was answered. Its id is the challenge's."""

    id: UUID
    purpose: Purpose
    factor: FactorKind
    account_id: UUID | None
    session_id: UUID | None
    device_id: str
    binding: bytes
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"approvals/{self.id}"


def binding(purpose: Purpose, *facts: object) -> bytes:
    """What is approved, as a hash over the purpose and every fact that must not change."""
    each = [str(int(purpose)), *map(str, facts)]
    return hashlib.sha256(b"".join(len(text.encode()).to_bytes(4, "big") + text.encode() for text in each)).digest()


def approval_keys(approval_id: UUID | None) -> Iterable[Key]:
    """The approval, to be consumed; nothing where none was shown."""
    return () if approval_id is None else (Approval.key(approval_id),)


def consume(draft: Draft, approval_id: UUID, origin: Origin, purpose: Purpose, bound_to: bytes) -> Approval:
    """Uses an approval up, in the commit that does what it approves, and answers it.

    Raises ApprovalNotFound, also for one of another session; ApprovalUsed, ApprovalExpired, and ApprovalMismatch where it
    approves something else.
    """
    approval = draft.get(Approval, approval_id)
    if approval is None or approval.session_id != origin.session_id:
        raise ApprovalNotFound(approval=f"approvals/{approval_id}")
    if approval.used_at is not None:
        raise ApprovalUsed(approval=approval.name)
    if draft.now >= approval.expires_at:
        raise ApprovalExpired(approval=approval.name)
    if approval.purpose is not purpose or approval.binding != bound_to:
        raise ApprovalMismatch(approval=approval.name)
    used = approval.replace(used_at=draft.now, version=approval.version + 1)
    draft.put(used)
    return used


def personal_binding(purpose: Purpose, account_id: UUID) -> bytes:
    """What a challenge approves that is about the person and nothing else."""
    return binding(purpose, account_id)


def consume_own(draft: Draft, approval_id: UUID, origin: Origin, person: Person, purpose: Purpose) -> None:
    """Uses up an approval of a change of what protects the account.

    An authenticator in force is what approves it, or a recovery code: with the phone alone, whoever has got hold of the number
    would have the account. Raises what `consume` raises, and ApprovalRequired.
    """
    approval = consume(draft, approval_id, origin, purpose, personal_binding(purpose, person.account_id))
    if person.totp_id is not None and approval.factor is FactorKind.SMS:
        raise ApprovalRequired(factors="TOTP")
