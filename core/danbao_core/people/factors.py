"""Second factors that a person enrols: an authenticator (TOTP, RFC 6238), and the recovery codes that stand in for it.

A code is good in its own step of 30 seconds and in the one before and after, by wall time; the last step that was accepted is
kept, so that a code is accepted once, and none older than that, wherever clocks go.
"""

import hmac
import secrets
from datetime import datetime
from enum import IntEnum
from typing import Final
from uuid import UUID

import pyotp

from danbao_core.engine import Row, table
from danbao_core.keyring import Keyring, Use
from danbao_core.people.challenges import FactorKind

STEP_SECONDS: Final = 30
DIGITS: Final = 6
DRIFT_STEPS: Final = 1
"""How many steps an authenticator's clock may be off."""

RECOVERY_CODES: Final = 10
_ALPHABET: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""Without characters that look alike."""
_RECOVERY_LENGTH: Final = 10


class FactorState(IntEnum):
    """Whether it works; the numbers are those of the contract."""

    PENDING = 1
    ACTIVE = 2
    REMOVED = 3


@table("factor", rank=41, key=("id",))
class Factor(Row, frozen=True):
    """An authenticator. The one in force is named by its person (`Person.totp_id`)."""

    id: UUID
    account_id: UUID
    kind: FactorKind
    state: FactorState
    secret: bytes | None
    """Base32, sealed in ("factor", "secret", id); None once it is removed."""
    label: str
    last_step: int
    """The last time step of which a code was accepted."""
    recovery_generation: int
    """How often recovery codes were made for it; those of the last time stand in for it."""
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"factors/{self.id}"


@table("recovery_code", rank=42, key=("factor_id", "code_hash"))
class RecoveryCode(Row, frozen=True):
    """A code that stands in for a TOTP code, once."""

    factor_id: UUID
    code_hash: bytes
    """An HMAC over factor and code."""
    generation: int
    """With which it was made."""
    used_at: datetime | None
    created_at: datetime
    version: int


# --- TOTP -------------------------------------------------------------------------------------------------------------------


def new_secret() -> str:
    """A secret of 160 bits in base32."""
    return pyotp.random_base32()


def code_of_step(secret: str, step: int) -> str:
    """The code that a secret in base32 makes of a counter (RFC 4226), which for TOTP is the time step (RFC 6238)."""
    return pyotp.HOTP(secret, digits=DIGITS).at(step)


def step_at(at: datetime) -> int:
    """The time step of a moment."""
    return int(at.timestamp()) // STEP_SECONDS


def matching_step(secret: str, code: str, at: datetime) -> int | None:
    """The newest time step about a moment whose code this is; None where it is of none of them."""
    now, found = step_at(at), None
    for step in range(max(0, now - DRIFT_STEPS), now + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_of_step(secret, step).encode(), code.encode()):
            found = step
    return found


def otpauth_uri(secret: str, name: str) -> str:
    """What authenticators read: the secret, whose it is and what it is for."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Danbao")


# --- Recovery codes ---------------------------------------------------------------------------------------------------------


def new_recovery_codes() -> list[str]:
    """Ten codes of 49 random bits, in two groups."""
    return [_grouped("".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_LENGTH))) for _ in range(RECOVERY_CODES)]


def recovery_hashes(keyring: Keyring, factor_id: UUID, code: str) -> list[bytes]:
    """What a recovery code may be stored as, under any key of the ring, that of the key in force first."""
    plain = code.replace("-", "").upper()
    return [key.mac(Use.CODE, "recovery", factor_id.bytes, plain) for key in keyring]


def is_recovery_code(code: str) -> bool:
    """Whether what was typed in has the form of a recovery code, which no other code has."""
    return len(code.replace("-", "")) == _RECOVERY_LENGTH


def _grouped(code: str) -> str:
    middle = len(code) // 2
    return f"{code[:middle]}-{code[middle:]}"
