"""Factors, challenges, approvals and limits."""

from danbao.v1 import identity_pb2, verification_pb2
from danbao_core.people.challenges import MOST_TRIES, Approval, Challenge, FactorKind
from danbao_core.people.factors import Factor, FactorState
from danbao_core.people.spending import Cap
from danbao_core.rpc.convert.parts import money, timestamp

_Kind = verification_pb2.Factor.Kind
_State = verification_pb2.Factor.State


def factor(row: Factor) -> verification_pb2.Factor:
    """The resource for an authenticator."""
    return verification_pb2.Factor(
        name=row.name,
        kind=_Kind.ValueType(row.kind),
        state=_State.ValueType(row.state),
        label=row.label,
        create_time=timestamp(row.created_at),
    )


def phone_factor(masked: str) -> verification_pb2.Factor:
    """The phone, which is a factor by itself."""
    return verification_pb2.Factor(
        kind=_Kind.ValueType(FactorKind.SMS), state=_State.ValueType(FactorState.ACTIVE), label=masked
    )


def email_factor(masked: str) -> verification_pb2.Factor:
    """The e-mail address, which approves nothing but its own change."""
    return verification_pb2.Factor(
        kind=_Kind.ValueType(FactorKind.EMAIL), state=_State.ValueType(FactorState.ACTIVE), label=masked
    )


def recovery_factor(row: Factor, left: int) -> verification_pb2.Factor:
    """The recovery codes that stand in for an authenticator."""
    return verification_pb2.Factor(
        kind=_Kind.ValueType(FactorKind.RECOVERY_CODE),
        state=_State.ValueType(FactorState.ACTIVE),
        label=str(left),
        create_time=timestamp(row.created_at),
    )


def challenge(row: Challenge) -> verification_pb2.Challenge:
    """The resource for a row."""
    return verification_pb2.Challenge(
        name=row.name,
        purpose=verification_pb2.Challenge.Purpose.ValueType(row.purpose),
        factor=_Kind.ValueType(row.factor),
        subject=row.subject,
        amount=money(row.amount_minor, row.currency) if row.currency else None,
        expire_time=timestamp(row.expires_at),
        attempts_left=max(0, MOST_TRIES - row.tries),
    )


def approval(row: Approval) -> verification_pb2.Approval:
    """The resource for a row."""
    return verification_pb2.Approval(
        name=row.name,
        purpose=verification_pb2.Challenge.Purpose.ValueType(row.purpose),
        factor=_Kind.ValueType(row.factor),
        expire_time=timestamp(row.expires_at),
    )


def limit(cap: Cap, used_minor: int, currency: str) -> identity_pb2.Limit:
    """What of a cap is left."""
    return identity_pb2.Limit(
        period=identity_pb2.Limit.Period.ValueType(cap.period),
        proof=identity_pb2.Limit.Proof.ValueType(cap.proof),
        cap=money(cap.cap_minor, currency),
        used=money(used_minor, currency),
        left=money(max(0, cap.cap_minor - used_minor), currency),
    )
