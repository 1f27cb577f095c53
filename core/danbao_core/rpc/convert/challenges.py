"""Challenges and approvals."""

from danbao.v1 import verification_pb2
from danbao_core.people.challenges import MOST_TRIES, Challenge
from danbao_core.rpc.convert.parts import money, timestamp


def challenge(row: Challenge) -> verification_pb2.Challenge:
    """The resource for a row."""
    return verification_pb2.Challenge(
        name=row.name,
        purpose=verification_pb2.Challenge.Purpose.ValueType(row.purpose),
        factor=verification_pb2.Factor.Kind.ValueType(row.factor),
        subject=row.subject,
        amount=money(row.amount_minor, row.currency) if row.currency else None,
        expire_time=timestamp(row.expires_at),
        attempts_left=MOST_TRIES - row.tries,
    )
