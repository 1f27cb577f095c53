"""Between the contract and the domain: the only module that knows both."""

import json
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import accounts_pb2, common_pb2, operations_pb2, payments_pb2, sandbox_pb2
from danbao_core.accounts import Account, AccountKind, CloseAccount, CreateAccount, OpenWallet
from danbao_core.engine import Json, Origin
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.fundings import Funding, TopUp
from danbao_core.ids import uuid_of
from danbao_core.money import Money
from danbao_core.payments import (
    CancelPayment,
    ConfirmPayment,
    CreatePayment,
    Mode,
    Payment,
    PayPayment,
    Shipment,
    ShipmentMethod,
    ShipPayment,
)
from danbao_core.sandbox import AdvanceClock, ClockReading
from danbao_core.service_keys import CreateServiceKey, RevokeServiceKey, RotateServiceKey, ServiceKey, Token

# --- Parts ------------------------------------------------------------------------------------------------------------------


def id_of(name: str) -> UUID:
    """The id in a resource name that the contract's rules have let pass."""
    return uuid_of(name.partition("/")[2])


def timestamp(at: datetime | None) -> Timestamp | None:
    """A Timestamp; None stays None, which leaves a field unset."""
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message


def money(amount_minor: int, currency: str) -> common_pb2.Money:
    """Money as the contract has it."""
    return common_pb2.Money(amount_minor=amount_minor, currency_code=currency)


def _money(message: common_pb2.Money) -> Money:
    return Money(message.amount_minor, message.currency_code)


def _whole_seconds(field: str, duration: Duration) -> int:
    if duration.nanos:
        raise FieldInvalid([Violation(field, "must be whole seconds")])
    return duration.seconds


# --- Accounts ---------------------------------------------------------------------------------------------------------------


def create_account(request: accounts_pb2.CreateAccountRequest, origin: Origin) -> CreateAccount:
    """The command for a request."""
    return CreateAccount(
        origin=origin,
        kind=AccountKind(request.kind),
        display_name=request.display_name,
        currencies=tuple(request.currency_codes),
    )


def open_wallet(request: accounts_pb2.OpenWalletRequest, origin: Origin) -> OpenWallet:
    """The command for a request."""
    return OpenWallet(origin=origin, account_id=id_of(request.name), currency=request.currency_code)


def close_account(request: accounts_pb2.CloseAccountRequest, origin: Origin) -> CloseAccount:
    """The command for a request."""
    return CloseAccount(origin=origin, account_id=id_of(request.name))


def top_up(request: accounts_pb2.TopUpRequest, origin: Origin) -> TopUp:
    """The command for a request."""
    return TopUp(origin=origin, account_id=id_of(request.account), amount=_money(request.amount))


def account(row: Account) -> accounts_pb2.Account:
    """The resource for a row."""
    return accounts_pb2.Account(
        name=row.name,
        kind=accounts_pb2.Account.Kind.ValueType(row.kind),
        state=accounts_pb2.Account.State.ValueType(row.state),
        display_name=row.display_name,
        currency_codes=row.currencies.split(),
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
    )


def funding(row: Funding) -> accounts_pb2.Funding:
    """The resource for a row."""
    return accounts_pb2.Funding(
        name=f"fundings/{row.id}",
        kind=accounts_pb2.Funding.Kind.ValueType(row.kind),
        state=accounts_pb2.Funding.State.ValueType(row.state),
        account=f"accounts/{row.account_id}",
        amount=money(row.amount_minor, row.currency),
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
    )


# --- Payments ---------------------------------------------------------------------------------------------------------------


def create_payment(request: payments_pb2.CreatePaymentRequest, origin: Origin) -> CreatePayment:
    """The command for a request."""
    return CreatePayment(
        origin=origin,
        payer_id=id_of(request.payer),
        payee_id=id_of(request.payee),
        amount=_money(request.amount),
        mode=Mode(request.mode or Mode.ESCROW),
        order_no=request.order_no,
        subject=request.subject,
        metadata=Json(json.dumps(dict(request.metadata), ensure_ascii=False, sort_keys=True))
        if request.metadata
        else Json("{}"),
        expire_after_seconds=(
            _whole_seconds("expire_after", request.expire_after) if request.HasField("expire_after") else None
        ),
        pay=request.pay,
    )


def pay_payment(request: payments_pb2.PayPaymentRequest, origin: Origin) -> PayPayment:
    """The command for a request."""
    return PayPayment(origin=origin, payment_id=id_of(request.name))


def ship_payment(request: payments_pb2.ShipPaymentRequest, origin: Origin) -> ShipPayment:
    """The command for a request."""
    shipment = Shipment(
        method=ShipmentMethod(request.shipment.method),
        carrier=request.shipment.carrier,
        tracking_no=request.shipment.tracking_no,
    )
    return ShipPayment(origin=origin, payment_id=id_of(request.name), shipment=shipment)


def confirm_payment(request: payments_pb2.ConfirmPaymentRequest, origin: Origin) -> ConfirmPayment:
    """The command for a request."""
    return ConfirmPayment(origin=origin, payment_id=id_of(request.name))


def cancel_payment(request: payments_pb2.CancelPaymentRequest, origin: Origin) -> CancelPayment:
    """The command for a request."""
    return CancelPayment(origin=origin, payment_id=id_of(request.name))


def payment(row: Payment) -> payments_pb2.Payment:
    """The resource for a row."""
    message = payments_pb2.Payment(
        name=row.name,
        payer=f"accounts/{row.payer_id}",
        payee=f"accounts/{row.payee_id}",
        amount=money(row.amount_minor, row.currency),
        fee=money(row.fee_minor, row.currency),
        mode=payments_pb2.Payment.Mode.ValueType(row.mode),
        state=payments_pb2.Payment.State.ValueType(row.state),
        order_no=row.order_no,
        subject=row.subject,
        held=money(row.held_minor, row.currency),
        released=money(row.released_minor, row.currency),
        returned=money(row.returned_minor, row.currency),
        due_event=payments_pb2.Payment.DueEvent.ValueType(row.due_event or 0),
        due_time=timestamp(row.due_at),
        close_reason=payments_pb2.Payment.CloseReason.ValueType(row.close_reason),
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
        pay_time=timestamp(row.paid_at),
        ship_time=timestamp(row.shipped_at),
        success_time=timestamp(row.succeeded_at),
        close_time=timestamp(row.closed_at),
    )
    if row.metadata != "{}":
        message.metadata.update(json.loads(row.metadata))
    if row.shipment_method:
        message.shipment.method = payments_pb2.Shipment.Method.ValueType(row.shipment_method)
        message.shipment.carrier = row.carrier
        message.shipment.tracking_no = row.tracking_no
    return message


# --- Operations -------------------------------------------------------------------------------------------------------------


def create_service_key(request: operations_pb2.CreateServiceKeyRequest, origin: Origin, token: Token) -> CreateServiceKey:
    """The command for a request; the key gets the token's id."""
    return CreateServiceKey(
        origin=origin,
        id=token.key_id,
        service=request.service,
        scopes=frozenset(request.scopes),
        secret_hash=token.secret_hash,
        account_id=id_of(request.account) if request.account else None,
    )


def rotate_service_key(request: operations_pb2.RotateServiceKeyRequest, origin: Origin, token: Token) -> RotateServiceKey:
    """The command for a request."""
    return RotateServiceKey(
        origin=origin, key_id=token.key_id, secret_hash=token.secret_hash, grace_seconds=request.grace_seconds
    )


def revoke_service_key(request: operations_pb2.RevokeServiceKeyRequest, origin: Origin) -> RevokeServiceKey:
    """The command for a request."""
    return RevokeServiceKey(origin=origin, key_id=id_of(request.name))


def service_key(row: ServiceKey) -> operations_pb2.ServiceKey:
    """The resource for a row."""
    return operations_pb2.ServiceKey(
        name=f"serviceKeys/{row.id}",
        service=row.service,
        scopes=row.scopes.split(),
        account=f"accounts/{row.account_id}" if row.account_id else "",
        state=operations_pb2.ServiceKey.State.ValueType(row.state),
        create_time=timestamp(row.created_at),
        rotate_time=timestamp(row.rotated_at),
        old_secret_expire_time=timestamp(row.old_secret_expires_at),
        revoke_time=timestamp(row.revoked_at),
    )


def audit_checks(checks: Iterable[tuple[str, str | None]]) -> operations_pb2.AuditLedgerResponse:
    """The audit's checks: each invariant's name and its first breach, None where it holds."""
    messages = [
        operations_pb2.AuditCheck(invariant=invariant, holds=breach is None, breach=breach or "")
        for invariant, breach in checks
    ]
    return operations_pb2.AuditLedgerResponse(holds=all(message.holds for message in messages), checks=messages)


# --- Sandbox ----------------------------------------------------------------------------------------------------------------


def advance_clock(request: sandbox_pb2.AdvanceClockRequest, origin: Origin) -> AdvanceClock:
    """The command for a request."""
    return AdvanceClock(origin=origin, by_seconds=_whole_seconds("by", request.by))


def clock(reading: ClockReading) -> sandbox_pb2.Clock:
    """The message for a reading."""
    return sandbox_pb2.Clock(time=timestamp(reading.time), offset=Duration(seconds=reading.offset_seconds))
