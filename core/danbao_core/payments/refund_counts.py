"""What a refund makes of its payment. Pure."""

from datetime import datetime
from uuid import UUID

from danbao_core.money import fee_minor
from danbao_core.payments.refund_rows import Refund, Source
from danbao_core.payments.rows import Payment


def fee_share(payment: Payment, amount_minor: int) -> int:
    """What of the fee goes back with so much more after the release.

    The shares of all refunds and awards together are fee * taken // released, so that the last leaves nothing of it. Where a
    refund failed in between, that sum may be off by the rounding; a share is never less than nothing or more than the refund.
    """
    refunded_minor = payment.refund_taken_minor + amount_minor
    in_all_minor = payment.fee_minor * refunded_minor // payment.released_minor
    return min(amount_minor, max(0, in_all_minor - payment.fee_returned_minor))


def reserved(payment: Payment, refund: Refund, at: datetime) -> Payment:
    """The payment after the refund was made."""
    return payment.replace(
        refund_reserved_minor=payment.refund_reserved_minor + refund.amount_minor,
        refund_count=payment.refund_count + 1,
        open_refunds=_ids([*payment.open_refund_ids, refund.id]),
        updated_at=at,
        version=payment.version + 1,
    )


def taken(payment: Payment, refund: Refund, at: datetime) -> Payment:
    """The payment after the payee's part of the refund was set aside."""
    return payment.replace(
        refund_taken_minor=payment.refund_taken_minor + refund.amount_minor,
        fee_returned_minor=payment.fee_returned_minor + refund.fee_share_minor,
        updated_at=at,
        version=payment.version + 1,
    )


def refunded(payment: Payment, refund: Refund, at: datetime) -> Payment:
    """The payment after the refund gave the money back."""
    of_escrow_minor = refund.amount_minor if refund.source is Source.ESCROW else 0
    return _without(payment, refund, at).replace(
        refunded_minor=payment.refunded_minor + refund.amount_minor,
        held_minor=payment.held_minor - of_escrow_minor,
        returned_minor=payment.returned_minor + of_escrow_minor,
    )


def given_up(payment: Payment, refund: Refund, at: datetime) -> Payment:
    """The payment after the refund failed; before its release, everything stays where it is."""
    return _without(payment, refund, at)


def released_instead(payment: Payment, refund: Refund, at: datetime) -> Payment:
    """The payment after a refund of what was held failed when the rest had been released: the payee gets it, too."""
    released_minor = payment.released_minor + refund.amount_minor
    return _without(payment, refund, at).replace(
        held_minor=payment.held_minor - refund.amount_minor,
        released_minor=released_minor,
        fee_minor=fee_minor(released_minor, payment.fee_bps),
    )


def returned_to_payee(payment: Payment, refund: Refund, at: datetime) -> Payment:
    """The payment after a refund failed for which the payee's part had been taken."""
    return _without(payment, refund, at).replace(
        refund_taken_minor=payment.refund_taken_minor - refund.amount_minor,
        fee_returned_minor=payment.fee_returned_minor - refund.fee_share_minor,
    )


def _without(payment: Payment, refund: Refund, at: datetime) -> Payment:
    return payment.replace(
        refund_reserved_minor=payment.refund_reserved_minor - refund.amount_minor,
        open_refunds=_ids([each for each in payment.open_refund_ids if each != refund.id]),
        updated_at=at,
        version=payment.version + 1,
    )


def _ids(refunds: list[UUID]) -> str:
    return " ".join(map(str, refunds))
