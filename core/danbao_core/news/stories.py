"""Which events are worth telling people, and in which words: pure, from an event to what each side is told."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from danbao_core.news.rows import Category

TOP_UP: Final = 1
"""Of the kinds of a funding; the other one is a withdrawal."""

_AWAITING_PAYMENT: Final = 1


class Story(NamedTuple):
    """What somebody is told."""

    account_id: UUID
    category: Category
    template: str
    parameters: Mapping[str, str]
    subject: str
    """What it is about, as a resource name."""
    is_told_by_sms: bool = True
    """Whether it may go by short message; not where the command that brought it about has written one itself."""


# What stories need of each kind of thing; events of older and newer releases have it, too.


class _Payment(msgspec.Struct, frozen=True):
    id: UUID
    payer_id: UUID
    payee_id: UUID
    state: int
    currency: str
    amount_minor: int
    fee_minor: int
    released_minor: int
    order_no: str
    due_at: datetime | None
    paid_at: datetime | None

    @property
    def facts(self) -> dict[str, str]:
        return {"amount_minor": str(self.amount_minor), "currency": self.currency, "order": self.order_no or str(self.id)}

    def to(self, account_id: UUID, template: str, **facts: str) -> Story:
        return Story(account_id, Category.PAYMENTS, template, self.facts | facts, f"payments/{self.id}")


class _Dispute(msgspec.Struct, frozen=True):
    id: UUID
    buyer_id: UUID
    seller_id: UUID
    state: int
    currency: str
    amount_minor: int
    offer_minor: int | None
    award_buyer_minor: int | None
    close_reason: int
    paid_back_minor: int
    owed_minor: int
    compensated_minor: int
    respond_by: datetime | None

    @property
    def facts(self) -> dict[str, str]:
        known = {"amount_minor": str(self.amount_minor), "currency": self.currency}
        return known if self.respond_by is None else known | {"respond_time": _time(self.respond_by)}

    def to_buyer(self, template: str, **facts: str) -> Story:
        return Story(self.buyer_id, Category.DISPUTES, template, self.facts | facts, f"disputes/{self.id}")

    def to_seller(self, template: str, **facts: str) -> Story:
        return Story(self.seller_id, Category.DISPUTES, template, self.facts | facts, f"disputes/{self.id}")

    def to_both(self, template: str, **facts: str) -> Iterable[Story]:
        yield self.to_buyer(template, **facts)
        yield self.to_seller(template, **facts)


class _Refund(msgspec.Struct, frozen=True):
    id: UUID
    payment_id: UUID
    payer_id: UUID
    payee_id: UUID
    currency: str
    amount_minor: int


class _Funding(msgspec.Struct, frozen=True):
    id: UUID
    kind: int
    account_id: UUID
    currency: str
    amount_minor: int


class _OfAccount(msgspec.Struct, frozen=True):
    account_id: UUID


class _Endpoint(msgspec.Struct, frozen=True):
    id: UUID
    account_id: UUID | None
    disable_reason: int


def _created(payment: _Payment) -> Iterable[Story]:
    if payment.state == _AWAITING_PAYMENT:
        yield payment.to(payment.payer_id, "payment_created")


def _paid(payment: _Payment) -> Iterable[Story]:
    yield payment.to(payment.payer_id, "payment_sent")
    yield payment.to(payment.payee_id, "payment_received", ship_time=_time(payment.due_at))


def _authorized(payment: _Payment) -> Iterable[Story]:
    yield payment.to(payment.payer_id, "payment_authorized_payer")
    yield payment.to(payment.payee_id, "payment_authorized_payee")


def _shipped(payment: _Payment) -> Iterable[Story]:
    yield payment.to(payment.payer_id, "payment_shipped", confirm_time=_time(payment.due_at))


def _shipment_corrected(payment: _Payment) -> Iterable[Story]:
    yield payment.to(payment.payer_id, "payment_shipment_corrected")


def _confirmation_extended(payment: _Payment) -> Iterable[Story]:
    yield payment.to(payment.payee_id, "payment_confirmation_extended")


def _succeeded(payment: _Payment) -> Iterable[Story]:
    released = str(payment.released_minor)
    yield payment.to(payment.payer_id, "payment_succeeded_payer", amount_minor=released)
    yield payment.to(payment.payee_id, "payment_succeeded_payee", net_minor=str(payment.released_minor - payment.fee_minor))


def _closed(payment: _Payment) -> Iterable[Story]:
    yield payment.to(payment.payer_id, "payment_closed")
    if payment.paid_at is not None:
        yield payment.to(payment.payee_id, "payment_closed")


def _time(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()


_PAYMENTS: Final[dict[str, Callable[[_Payment], Iterable[Story]]]] = {
    "payment.created": _created,
    "payment.paid": _paid,
    "payment.authorized": _authorized,
    "payment.shipped": _shipped,
    "payment.shipment_corrected": _shipment_corrected,
    "payment.confirmation_extended": _confirmation_extended,
    "payment.succeeded": _succeeded,
    "payment.closed": _closed,
}


def _opened(dispute: _Dispute) -> Iterable[Story]:
    yield dispute.to_buyer("dispute_opened_buyer")
    yield dispute.to_seller("dispute_opened_seller")


def _rejected(dispute: _Dispute) -> Iterable[Story]:
    yield dispute.to_buyer("dispute_rejected_buyer")
    yield dispute.to_seller("dispute_rejected_seller")


def _offered(dispute: _Dispute) -> Iterable[Story]:
    offer = str(dispute.offer_minor or 0)
    yield dispute.to_buyer("dispute_offered_buyer", offer_minor=offer)
    yield dispute.to_seller("dispute_offered_seller", offer_minor=offer)


def _deadline_near(dispute: _Dispute) -> Iterable[Story]:
    """Told to whom it concerns: who loses what, where they let it pass."""
    match dispute.state:
        case 1:
            yield dispute.to_seller("dispute_deadline_seller")
        case 2:
            yield dispute.to_buyer("dispute_deadline_buyer")
        case 3:
            yield from dispute.to_both("dispute_deadline_evidence")
        case 4:
            yield from dispute.to_both("dispute_deadline_appeal")


def _decided(dispute: _Dispute) -> Iterable[Story]:
    yield from dispute.to_both("dispute_decided", award_minor=str(dispute.award_buyer_minor or 0))


def _settled(dispute: _Dispute) -> Iterable[Story]:
    facts = {"award_minor": str(dispute.paid_back_minor)}
    if dispute.compensated_minor:
        compensation = str(dispute.compensated_minor)
        yield dispute.to_buyer("dispute_settled_compensated", compensation_minor=compensation, **facts)
    else:
        yield dispute.to_buyer("dispute_settled", **facts)
    if dispute.owed_minor:
        yield dispute.to_seller("dispute_settled_owing", owed_minor=str(dispute.owed_minor), **facts)
    else:
        yield dispute.to_seller("dispute_settled", **facts)


def _dispute_closed(dispute: _Dispute) -> Iterable[Story]:
    yield from dispute.to_both("dispute_closed", dispute_close_reason=_CLOSE_REASONS.get(dispute.close_reason, "withdrawn"))


def _compensated(dispute: _Dispute) -> Iterable[Story]:
    yield dispute.to_buyer("dispute_compensated", compensation_minor=str(dispute.compensated_minor))


_CLOSE_REASONS: Final = {1: "withdrawn", 2: "silent"}

_DISPUTES: Final[dict[str, Callable[[_Dispute], Iterable[Story]]]] = {
    "dispute.opened": _opened,
    "dispute.rejected": _rejected,
    "dispute.offered": _offered,
    "dispute.escalated": lambda dispute: dispute.to_both("dispute_escalated"),
    "dispute.evidence_submitted": lambda dispute: dispute.to_both("dispute_evidence_submitted"),
    "dispute.deadline_near": _deadline_near,
    "dispute.evidence_closed": lambda dispute: dispute.to_both("dispute_evidence_closed"),
    "dispute.decided": _decided,
    "dispute.appealed": lambda dispute: dispute.to_both("dispute_appealed"),
    "dispute.waived": lambda dispute: dispute.to_both("dispute_waived"),
    "dispute.settled": _settled,
    "dispute.closed": _dispute_closed,
    "dispute.compensated": _compensated,
}
"""What is late in review concerns the platform's own people, who are told by its endpoints."""

_REFUNDS: Final = frozenset({"refund.created", "refund.awaiting_funds", "refund.succeeded", "refund.failed"})
_FUNDINGS: Final = frozenset({"funding.created", "funding.succeeded", "funding.failed", "funding.reversed"})

_WRITTEN: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "account.device_added": ("new_device", {}),
    "account.email_changed": ("email_replaced", {}),
    "account.factor_enrolled": ("factor_added", {}),
    "account.factor_removed": ("factor_removed", {}),
    "account.password_changed": ("password_changed", {"password": "login"}),
    "account.password_locked": ("password_locked", {"password": "any"}),
    "account.payment_password_changed": ("password_changed", {"password": "payment"}),
    "account.phone_changed": ("phone_replaced", {}),
    "account.recovery_codes_created": ("recovery_codes_made", {}),
}
"""What protects an account and is told by a message of the command's own, to the phone."""

_UNWRITTEN: Final[dict[str, str]] = {
    "account.frozen": "account_frozen",
    "account.identity_verified": "identity_verified",
    "account.instrument_bound": "instrument_bound",
    "account.instrument_unbound": "instrument_unbound",
    "account.sessions_ended": "sessions_ended",
    "account.unfrozen": "account_unfrozen",
}
"""What protects an account and is told by nobody else."""

_ENDPOINT_REASONS: Final = {1: "gone", 2: "failing"}


def stories_of(topic: str, payload: bytes) -> list[Story]:
    """What people are to be told of an event; nothing of topics that are no news to anybody.

    Raises msgspec.DecodeError for a payload that this release does not understand.
    """
    if topic in _PAYMENTS:
        return list(_PAYMENTS[topic](_decoded(payload, _Payment)))
    if topic in _DISPUTES:
        return list(_DISPUTES[topic](_decoded(payload, _Dispute)))
    if topic in _REFUNDS:
        return _of_refund(topic, _decoded(payload, _Refund))
    if topic in _FUNDINGS:
        return [_of_funding(topic, _decoded(payload, _Funding))]
    if topic in _WRITTEN or topic in _UNWRITTEN:
        return [_of_account(topic, _decoded(payload, _OfAccount).account_id)]
    if topic == "webhook_endpoint.disabled":
        return _of_endpoint(_decoded(payload, _Endpoint))
    return []


def _decoded(payload: bytes, subject: type[Any]) -> Any:
    return msgspec.msgpack.decode(payload, type=subject)


def _of_refund(topic: str, refund: _Refund) -> list[Story]:
    parameters = {"amount_minor": str(refund.amount_minor), "currency": refund.currency}
    subject = f"payments/{refund.payment_id}/refunds/{refund.id}"
    sides = (refund.payer_id, refund.payee_id)
    return [Story(side, Category.REFUNDS, topic.replace(".", "_"), parameters, subject) for side in sides]


def _of_funding(topic: str, funding: _Funding) -> Story:
    template = ("top_up" if funding.kind == TOP_UP else "withdrawal") + topic.replace("funding.", "_")
    parameters = {"amount_minor": str(funding.amount_minor), "currency": funding.currency}
    return Story(funding.account_id, Category.FUNDINGS, template, parameters, f"fundings/{funding.id}")


def _of_account(topic: str, account_id: UUID) -> Story:
    written = topic in _WRITTEN
    template, parameters = _WRITTEN[topic] if written else (_UNWRITTEN[topic], {})
    return Story(account_id, Category.SECURITY, template, parameters, f"accounts/{account_id}", is_told_by_sms=not written)


def _of_endpoint(endpoint: _Endpoint) -> list[Story]:
    if endpoint.account_id is None:
        return []
    parameters = {"endpoint_reason": _ENDPOINT_REASONS.get(endpoint.disable_reason, "failing")}
    subject = f"webhookEndpoints/{endpoint.id}"
    return [Story(endpoint.account_id, Category.SECURITY, "endpoint_disabled", parameters, subject)]
