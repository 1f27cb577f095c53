"""Events: what they are about, whom they concern, and how they look to whoever is told."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from danbao.v1 import disputes_pb2, notifications_pb2, payments_pb2
from danbao_core.disputes import Dispute
from danbao_core.fundings import Funding
from danbao_core.ledger import OpenItem
from danbao_core.notifications.endpoints import WebhookEndpoint
from danbao_core.notifications.events import Event
from danbao_core.notifications.topics import kind_of
from danbao_core.payments import Payment, Refund
from danbao_core.payouts import Payout
from danbao_core.proposals import Proposal
from danbao_core.rpc.convert.accounts import funding
from danbao_core.rpc.convert.disputes import dispute
from danbao_core.rpc.convert.notifications import webhook_endpoint
from danbao_core.rpc.convert.payments import payment, put_payment
from danbao_core.rpc.convert.payouts import payout
from danbao_core.rpc.convert.proposals import open_item, proposal
from danbao_core.rpc.convert.refunds import refund
from danbao_core.trail import OfAccount

Parties = tuple[UUID | None, UUID | None]
"""The accounts that an event concerns; besides them, it is the platform's."""


class EventKind(NamedTuple):
    """What events of one kind are about."""

    subject: type[msgspec.Struct]
    """What is stored of it."""
    resource: Callable[[Any], Message]
    """How it looks in the contract."""
    parties: Callable[[Any], Parties]


def _security(fact: OfAccount) -> notifications_pb2.AccountSecurity:
    return notifications_pb2.AccountSecurity(account=f"accounts/{fact.account_id}")


def _of_the_platform(_: object) -> Parties:
    return None, None


KINDS: Final[dict[str, EventKind]] = {
    "account": EventKind(OfAccount, _security, lambda fact: (fact.account_id, None)),
    "dispute": EventKind(Dispute, dispute, lambda row: (row.seller_id, row.buyer_id)),
    "funding": EventKind(Funding, funding, lambda row: (row.account_id, None)),
    "open_item": EventKind(OpenItem, open_item, _of_the_platform),
    "payment": EventKind(Payment, payment, lambda row: (row.payee_id, row.payer_id)),
    "payout": EventKind(Payout, payout, lambda row: (row.account_id, None)),
    "proposal": EventKind(Proposal, proposal, _of_the_platform),
    "refund": EventKind(Refund, refund, lambda row: (row.payee_id, row.payer_id)),
    "webhook_endpoint": EventKind(WebhookEndpoint, webhook_endpoint, lambda row: (row.account_id, None)),
}
"""By the first word of their topics."""


def subject_of(topic: str, payload: bytes) -> Any:
    """What an event is about, as it was then. Raises KeyError or msgspec.DecodeError for what this release does not know."""
    return msgspec.msgpack.decode(payload, type=KINDS[kind_of(topic)].subject)


def parties_of(topic: str, payload: bytes) -> Parties:
    """Whom an event concerns. Raises what `subject_of` raises."""
    return KINDS[kind_of(topic)].parties(subject_of(topic, payload))


def resource_of(topic: str, payload: bytes) -> Message:
    """What an event is about, as the contract has it. Raises what `subject_of` raises."""
    return KINDS[kind_of(topic)].resource(subject_of(topic, payload))


def webhook_body(event_id: UUID, topic: str, payload: bytes, created_at: datetime) -> bytes:
    """What is sent to endpoints of an event, always the same bytes. Raises what `subject_of` raises."""
    return msgspec.json.encode(
        {
            "id": str(event_id),
            "type": topic,
            "timestamp": created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "data": MessageToDict(resource_of(topic, payload)),
        }
    )


def watched_payment(cursor: str, event: Event | None) -> payments_pb2.WatchPaymentsResponse:
    """One message of a watch, with an event or without. Raises what `subject_of` raises."""
    message = payments_pb2.WatchPaymentsResponse(cursor=cursor)
    if event is not None:
        message.event_id = str(event.id)
        message.topic = event.topic
        put_payment(subject_of(event.topic, event.payload), message.payment)
    return message


def watched_dispute(cursor: str, event: Event | None) -> disputes_pb2.WatchDisputesResponse:
    """One message of a watch, with an event or without. Raises what `subject_of` raises."""
    message = disputes_pb2.WatchDisputesResponse(cursor=cursor)
    if event is not None:
        message.event_id = str(event.id)
        message.topic = event.topic
        message.dispute.CopyFrom(dispute(subject_of(event.topic, event.payload)))
    return message
