"""What a person shows for moving money: the payment password and, where the amount asks for it, a second factor."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec

from danbao_core.engine import Draft, Key, Origin
from danbao_core.errors import Refusal
from danbao_core.money import Money
from danbao_core.people.challenges import Approval, FactorKind, Purpose, approval_keys, consume
from danbao_core.people.passwords import PaymentProof, must_show_payment_password, payment_keys
from danbao_core.people.person import person_of
from danbao_core.people.spending import FACTORS, Proof, proof_needed
from danbao_core.people_errors import ApprovalRequired


class Proofs(msgspec.Struct, frozen=True):
    """What a caller has shown."""

    password: PaymentProof | None = None
    approval_id: UUID | None = None


NO_PROOFS: Final = Proofs()


def proof_keys(origin: Origin, proofs: Proofs) -> Iterable[Key]:
    """What `must_show_password` and `must_approve` need; nothing where no person asks."""
    if origin.session_id is not None and origin.account_id is not None:
        yield from payment_keys(origin.account_id)
        yield from approval_keys(proofs.approval_id)


def must_show_password(draft: Draft, origin: Origin, account_id: UUID, proofs: Proofs) -> Refusal | None:
    """Checks the payment password of a person; see `passwords.must_show_payment_password`."""
    return must_show_payment_password(draft, origin, person_of(draft, account_id), proofs.password)


def must_approve(draft: Draft, origin: Origin, account_id: UUID, proofs: Proofs, wanted: "Wanted") -> None:
    """Uses up the approval that was shown, and asks for one where the amount needs it.

    Raises ApprovalRequired (`factors`), LimitExceeded, RowNeeded, and what `challenges.consume` raises.
    """
    needed = proof_needed(draft, account_id, wanted.amount, withdrawing=wanted.purpose is Purpose.WITHDRAW)
    approval = None
    if proofs.approval_id is not None:
        approval = consume(draft, proofs.approval_id, origin, wanted.purpose, wanted.bound_to)
    if needed is not Proof.PASSWORD and not _satisfies(approval, needed):
        raise ApprovalRequired(factors=FACTORS[needed])


class Wanted(msgspec.Struct, frozen=True):
    """What is to be approved."""

    purpose: Purpose
    bound_to: bytes
    amount: Money


def _satisfies(approval: Approval | None, needed: Proof) -> bool:
    return approval is not None and (needed is not Proof.TOTP or approval.factor is not FactorKind.SMS)
