"""Requests as callers of the wire make them; tests change what they are about.

    refused = await caller.refused(changed(a_payment(payer, payee), order_no="7" * 65))

Each has a request id that was never used before.
"""

from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import (
    accounts_pb2,
    common_pb2,
    disputes_pb2,
    identity_pb2,
    notifications_pb2,
    operations_pb2,
    payments_pb2,
    payouts_pb2,
    sandbox_pb2,
    sessions_pb2,
    statements_pb2,
    verification_pb2,
)

METHODS: Final = {
    method.input_type.full_name: method
    for file in (
        accounts_pb2,
        disputes_pb2,
        notifications_pb2,
        operations_pb2,
        payments_pb2,
        payouts_pb2,
        sandbox_pb2,
        sessions_pb2,
        verification_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""Every RPC of the contract, by the message that asks for it."""

UNKNOWN: Final = "00000000-0000-7000-8000-0000000000ff"
"""The id of nothing."""


def a_request_id() -> str:
    """One that was never used before."""
    return uuid4().hex


def money(amount_minor: int, currency_code: str = "CNY") -> common_pb2.Money:
    return common_pb2.Money(amount_minor=amount_minor, currency_code=currency_code)


def shipment(**fields: Any) -> payments_pb2.Shipment:
    facts: dict[str, Any] = {"method": payments_pb2.Shipment.METHOD_EXPRESS, "carrier": "SF", "tracking_no": "SF1"} | fields
    return payments_pb2.Shipment(**facts)


def changed(request: Any, **fields: Any) -> Any:
    """The request with other values in some fields; None empties one."""
    copy = type(request)()
    copy.CopyFrom(request)
    for name, value in fields.items():
        copy.ClearField(name)
        if value is not None:
            copy.MergeFrom(type(request)(**{name: value}))
    return copy


# --- Accounts ---------------------------------------------------------------------------------------------------------------


def create_account(*currencies: str, merchant: bool = False, external_id: str = "") -> accounts_pb2.CreateAccountRequest:
    kind = accounts_pb2.Account.KIND_MERCHANT if merchant else accounts_pb2.Account.KIND_PERSONAL
    return accounts_pb2.CreateAccountRequest(
        request_id=a_request_id(), kind=kind, display_name="Ada", currency_codes=currencies, external_id=external_id
    )


def update_account(account: str, language: str) -> accounts_pb2.UpdateAccountRequest:
    return accounts_pb2.UpdateAccountRequest(
        request_id=a_request_id(), name=account, update_mask=FieldMask(paths=["language"]), language=language
    )


def open_wallet(account: str, currency: str) -> accounts_pb2.OpenWalletRequest:
    return accounts_pb2.OpenWalletRequest(request_id=a_request_id(), name=account, currency_code=currency)


def close(account: str) -> accounts_pb2.CloseAccountRequest:
    return accounts_pb2.CloseAccountRequest(request_id=a_request_id(), name=account)


def a_statement(account: str, **fields: Any) -> statements_pb2.ExportStatementRequest:
    """A request for a statement of CNY in October 2026, as CSV in English."""
    csv = statements_pb2.FILE_FORMAT_CSV
    facts: dict[str, Any] = {"currency_code": "CNY", "month": "2026-10", "format": csv, "language": "en"} | fields
    return statements_pb2.ExportStatementRequest(account=account, **facts)


def a_top_up(account: str, amount_minor: int, currency: str = "CNY") -> accounts_pb2.TopUpRequest:
    return accounts_pb2.TopUpRequest(request_id=a_request_id(), account=account, amount=money(amount_minor, currency))


def a_withdrawal(account: str, amount_minor: int, currency: str = "CNY") -> accounts_pb2.WithdrawRequest:
    return accounts_pb2.WithdrawRequest(request_id=a_request_id(), account=account, amount=money(amount_minor, currency))


# --- People -----------------------------------------------------------------------------------------------------------------


def verify(account: str, **fields: Any) -> identity_pb2.VerifyIdentityRequest:
    """A request to have the police confirm who Zhang San is."""
    facts: dict[str, Any] = {
        "channel": identity_pb2.Identity.CHANNEL_PUBLIC_SECURITY,
        "real_name": "张三",
        "document": identity_pb2.Identity.DOCUMENT_RESIDENT_ID,
        "number": "11010519491231002X",
    } | fields
    return identity_pb2.VerifyIdentityRequest(request_id=a_request_id(), account=account, **facts)


def bind(account: str, card_number: str = "6222021234567894567", **fields: Any) -> identity_pb2.BindInstrumentRequest:
    return identity_pb2.BindInstrumentRequest(request_id=a_request_id(), account=account, card_number=card_number, **fields)


def unbind(instrument: str) -> identity_pb2.UnbindInstrumentRequest:
    return identity_pb2.UnbindInstrumentRequest(request_id=a_request_id(), name=instrument)


def erase(account: str) -> identity_pb2.ErasePersonalDataRequest:
    return identity_pb2.ErasePersonalDataRequest(request_id=a_request_id(), account=account)


# --- Payments ---------------------------------------------------------------------------------------------------------------


def a_payment(payer: str, payee: str, amount_minor: int = 100, **fields: Any) -> payments_pb2.CreatePaymentRequest:
    """A request for a payment that is paid at once, unless `pay=False`."""
    facts: dict[str, Any] = {"request_id": a_request_id(), "amount": money(amount_minor), "pay": True} | fields
    return payments_pb2.CreatePaymentRequest(payer=payer, payee=payee, **facts)


def a_transfer(payer: str, payee: str, amount_minor: int = 100) -> payments_pb2.CreatePaymentRequest:
    """A request for a payment that reaches the payee at once."""
    return a_payment(payer, payee, amount_minor, mode=payments_pb2.Payment.MODE_INSTANT)


def pay(payment: str) -> payments_pb2.PayPaymentRequest:
    return payments_pb2.PayPaymentRequest(request_id=a_request_id(), name=payment)


def ship(payment: str) -> payments_pb2.ShipPaymentRequest:
    return payments_pb2.ShipPaymentRequest(request_id=a_request_id(), name=payment, shipment=shipment())


def correct(payment: str) -> payments_pb2.CorrectShipmentRequest:
    corrected = shipment(method=payments_pb2.Shipment.METHOD_PICK_UP)
    return payments_pb2.CorrectShipmentRequest(request_id=a_request_id(), name=payment, shipment=corrected)


def extend(payment: str) -> payments_pb2.ExtendConfirmationRequest:
    return payments_pb2.ExtendConfirmationRequest(request_id=a_request_id(), name=payment)


def confirm(payment: str) -> payments_pb2.ConfirmPaymentRequest:
    return payments_pb2.ConfirmPaymentRequest(request_id=a_request_id(), name=payment)


def an_authorization(payer: str, payee: str, amount_minor: int = 100, **fields: Any) -> payments_pb2.CreatePaymentRequest:
    """A request for a payment that is authorized at once, unless `pay=False`."""
    return a_payment(payer, payee, amount_minor, mode=payments_pb2.Payment.MODE_AUTHORIZATION, **fields)


def capture(payment: str, amount: common_pb2.Money | None = None) -> payments_pb2.CapturePaymentRequest:
    return payments_pb2.CapturePaymentRequest(request_id=a_request_id(), name=payment, amount=amount)


def void(payment: str) -> payments_pb2.VoidPaymentRequest:
    return payments_pb2.VoidPaymentRequest(request_id=a_request_id(), name=payment)


def cancel(payment: str) -> payments_pb2.CancelPaymentRequest:
    return payments_pb2.CancelPaymentRequest(request_id=a_request_id(), name=payment)


def refund(payment: str, amount_minor: int | None = None, **fields: Any) -> payments_pb2.CreateRefundRequest:
    """A request to give back all that is left of a payment, or so much."""
    amount = None if amount_minor is None else money(amount_minor, fields.pop("currency", "CNY"))
    return payments_pb2.CreateRefundRequest(request_id=a_request_id(), payment=payment, amount=amount, **fields)


def a_batch(*items: payments_pb2.CreatePaymentRequest) -> payments_pb2.BatchCreatePaymentsRequest:
    """A request for these payments together; their own request ids are taken out."""
    requests = [changed(item, request_id=None) for item in items]
    return payments_pb2.BatchCreatePaymentsRequest(request_id=a_request_id(), requests=requests)


def a_message(*items: payments_pb2.CreatePaymentRequest) -> payments_pb2.StreamPaymentsRequest:
    """One message of a stream."""
    return payments_pb2.StreamPaymentsRequest(requests=items)


# --- Operations -------------------------------------------------------------------------------------------------------------


def create_key(*scopes: str, account: str = "", service: str = "shop") -> operations_pb2.CreateServiceKeyRequest:
    return operations_pb2.CreateServiceKeyRequest(request_id=a_request_id(), service=service, scopes=scopes, account=account)


def rotate(key: str, grace_seconds: int = 0) -> operations_pb2.RotateServiceKeyRequest:
    return operations_pb2.RotateServiceKeyRequest(request_id=a_request_id(), name=key, grace_seconds=grace_seconds)


def revoke(key: str) -> operations_pb2.RevokeServiceKeyRequest:
    return operations_pb2.RevokeServiceKeyRequest(request_id=a_request_id(), name=key)


def an_adjustment(
    debit: str, credit: str, amount_minor: int = 100, currency: str = "CNY"
) -> operations_pb2.CreateProposalRequest:
    """A proposal to move money between sides: names of accounts, or of platform balances such as "FEES"."""
    terms = operations_pb2.Adjustment(debit=a_side(debit), credit=a_side(credit), amount=money(amount_minor, currency))
    return operations_pb2.CreateProposalRequest(request_id=a_request_id(), reason="a mistake", adjustment=terms)


def a_grant(key: str, *scopes: str) -> operations_pb2.CreateProposalRequest:
    """A proposal to give a key scopes; `payments.pay_any` where none is named."""
    terms = operations_pb2.Grant(service_key=key, scopes=scopes or ("payments.pay_any",))
    return operations_pb2.CreateProposalRequest(request_id=a_request_id(), reason="it pays for its users", grant=terms)


def a_fee_payout(account: str, amount_minor: int, card: str = "") -> operations_pb2.CreateProposalRequest:
    """A proposal to pay fees out, over the till where no card is named."""
    terms = operations_pb2.FeePayout(account=account, instrument=card, amount=money(amount_minor, "CNY"))
    return operations_pb2.CreateProposalRequest(request_id=a_request_id(), reason="the month is over", fee_payout=terms)


def a_settlement(open_item: str, credit: str) -> operations_pb2.CreateProposalRequest:
    """A proposal to give an open item's money to somebody."""
    terms = operations_pb2.OpenItemSettlement(open_item=open_item, credit=a_side(credit))
    return operations_pb2.CreateProposalRequest(request_id=a_request_id(), reason="found", open_item_settlement=terms)


def a_side(name: str) -> operations_pb2.AdjustmentSide:
    """An account, by its name, or a platform balance."""
    if name.startswith("accounts/"):
        return operations_pb2.AdjustmentSide(account=name)
    balance = operations_pb2.AdjustmentSide.PlatformBalance.Value(f"PLATFORM_BALANCE_{name}")
    return operations_pb2.AdjustmentSide(platform_balance=balance)


def approve(proposal: str) -> operations_pb2.ApproveProposalRequest:
    return operations_pb2.ApproveProposalRequest(request_id=a_request_id(), name=proposal)


def reject(proposal: str) -> operations_pb2.RejectProposalRequest:
    return operations_pb2.RejectProposalRequest(request_id=a_request_id(), name=proposal)


def freeze(account: str, reason: str = "a court order") -> operations_pb2.FreezeAccountRequest:
    return operations_pb2.FreezeAccountRequest(request_id=a_request_id(), name=account, reason=reason)


def unfreeze(account: str, reason: str = "it was lifted") -> operations_pb2.UnfreezeAccountRequest:
    return operations_pb2.UnfreezeAccountRequest(request_id=a_request_id(), name=account, reason=reason)


def the_bank(behaviour: sandbox_pb2.Bank.Behaviour.ValueType) -> sandbox_pb2.SetBankBehaviourRequest:
    return sandbox_pb2.SetBankBehaviourRequest(request_id=a_request_id(), behaviour=behaviour)


def answer_funding(funding: str, accepted: bool) -> sandbox_pb2.AnswerFundingRequest:
    return sandbox_pb2.AnswerFundingRequest(request_id=a_request_id(), name=funding, accepted=accepted)


def start_reconciliation(day: str) -> operations_pb2.StartReconciliationRequest:
    return operations_pb2.StartReconciliationRequest(request_id=a_request_id(), day=day)


def settle_difference(difference: str, note: str = "the bank's mistake") -> operations_pb2.SettleDifferenceRequest:
    return operations_pb2.SettleDifferenceRequest(request_id=a_request_id(), name=difference, note=note)


def set_plan(account: str, fee_bps: int | None = None, since: Timestamp | None = None) -> operations_pb2.SetMerchantPlanRequest:
    return operations_pb2.SetMerchantPlanRequest(
        request_id=a_request_id(), account=account, fee_bps=fee_bps, effective_time=since
    )


def advance_clock(seconds: int = 1) -> sandbox_pb2.AdvanceClockRequest:
    return sandbox_pb2.AdvanceClockRequest(request_id=a_request_id(), by=Duration(seconds=seconds))


# --- What they are for -------------------------------------------------------------------------------------------------------


def is_mutating(request: Message) -> bool:
    """Whether the RPC changes something, and so asks for a request id; on a stream its items do."""
    return "request_id" in request.DESCRIPTOR.fields_by_name


def named(request: Message) -> str:
    """The RPC that a request is for."""
    name: str = METHODS[request.DESCRIPTOR.full_name].name
    return name


def path_of(request: Message) -> str:
    """Where a request is sent."""
    method = METHODS[request.DESCRIPTOR.full_name]
    return f"/{method.containing_service.full_name}/{method.name}"


# --- People -----------------------------------------------------------------------------------------------------------------

DEVICE: Final = "an-app-on-a-phone"
A_LOGIN_PASSWORD: Final = "tangerine-umbrella-42"


def register(phone: str, **fields: Any) -> sessions_pb2.RegisterPersonRequest:
    facts: dict[str, Any] = {
        "request_id": a_request_id(),
        "login_password": A_LOGIN_PASSWORD,
        "display_name": "Ada",
        "currency_codes": ["CNY"],
        "device_id": DEVICE,
    } | fields
    return sessions_pb2.RegisterPersonRequest(phone=phone, **facts)


def log_in(phone: str, **fields: Any) -> sessions_pb2.CreateSessionRequest:
    facts: dict[str, Any] = {"request_id": a_request_id(), "login_password": A_LOGIN_PASSWORD, "device_id": DEVICE} | fields
    return sessions_pb2.CreateSessionRequest(phone=phone, **facts)


def complete(approval: str, device_id: str = DEVICE) -> sessions_pb2.CompleteSessionRequest:
    return sessions_pb2.CompleteSessionRequest(request_id=a_request_id(), approval=approval, device_id=device_id)


def refresh(refresh_token: str, **fields: Any) -> sessions_pb2.RefreshSessionRequest:
    facts: dict[str, Any] = {"request_id": a_request_id()} | fields
    return sessions_pb2.RefreshSessionRequest(refresh_token=refresh_token, **facts)


def revoke_session(session: str) -> sessions_pb2.RevokeSessionRequest:
    return sessions_pb2.RevokeSessionRequest(request_id=a_request_id(), name=session)


def revoke_all_sessions() -> sessions_pb2.RevokeAllSessionsRequest:
    return sessions_pb2.RevokeAllSessionsRequest(request_id=a_request_id())


def answer_challenge(challenge: str, code: str) -> verification_pb2.AnswerChallengeRequest:
    return verification_pb2.AnswerChallengeRequest(request_id=a_request_id(), name=challenge, code=code)


def set_payment_password(payment_password: str, **fields: Any) -> identity_pb2.SetPaymentPasswordRequest:
    facts: dict[str, Any] = {"request_id": a_request_id(), "login_password": A_LOGIN_PASSWORD} | fields
    return identity_pb2.SetPaymentPasswordRequest(payment_password=payment_password, **facts)


def change_login_password(old: str, new: str, approval: str) -> identity_pb2.ChangePasswordRequest:
    return identity_pb2.ChangePasswordRequest(
        request_id=a_request_id(),
        kind=identity_pb2.PASSWORD_KIND_LOGIN,
        old_password=old,
        new_password=new,
        approval=approval,
    )


def change_payment_password(old: str, new: str, approval: str) -> identity_pb2.ChangePasswordRequest:
    request: identity_pb2.ChangePasswordRequest = changed(
        change_login_password(old, new, approval), kind=identity_pb2.PASSWORD_KIND_PAYMENT
    )
    return request


def start_reset(phone: str) -> identity_pb2.StartPasswordResetRequest:
    return identity_pb2.StartPasswordResetRequest(request_id=a_request_id(), phone=phone)


def reset_password(approval: str, new: str, **fields: Any) -> identity_pb2.ResetPasswordRequest:
    facts: dict[str, Any] = {"request_id": a_request_id(), "kind": identity_pb2.PASSWORD_KIND_LOGIN} | fields
    return identity_pb2.ResetPasswordRequest(approval=approval, new_password=new, **facts)


def change_phone(approval: str, phone: str, **fields: Any) -> identity_pb2.ChangePhoneRequest:
    facts: dict[str, Any] = {"request_id": a_request_id(), "login_password": A_LOGIN_PASSWORD} | fields
    return identity_pb2.ChangePhoneRequest(approval=approval, phone=phone, **facts)


def change_email(email: str, approval: str, **fields: Any) -> identity_pb2.ChangeEmailRequest:
    facts: dict[str, Any] = {"request_id": a_request_id(), "login_password": A_LOGIN_PASSWORD} | fields
    return identity_pb2.ChangeEmailRequest(email=email, approval=approval, **facts)


# --- Webhooks ---------------------------------------------------------------------------------------------------------------


def an_endpoint(
    url: str = "http://127.0.0.1:9/hook", *topics: str, **fields: Any
) -> notifications_pb2.CreateWebhookEndpointRequest:
    facts: dict[str, Any] = {"request_id": a_request_id(), "topics": topics or ("*",)} | fields
    return notifications_pb2.CreateWebhookEndpointRequest(url=url, **facts)


def update_endpoint(name: str, **fields: Any) -> notifications_pb2.UpdateWebhookEndpointRequest:
    mask = FieldMask(paths=list(fields))
    return notifications_pb2.UpdateWebhookEndpointRequest(request_id=a_request_id(), name=name, update_mask=mask, **fields)


def delete_endpoint(name: str) -> notifications_pb2.DeleteWebhookEndpointRequest:
    return notifications_pb2.DeleteWebhookEndpointRequest(request_id=a_request_id(), name=name)


def rotate_secret(name: str) -> notifications_pb2.RotateWebhookSecretRequest:
    return notifications_pb2.RotateWebhookSecretRequest(request_id=a_request_id(), name=name)


def enable_endpoint(name: str) -> notifications_pb2.EnableWebhookEndpointRequest:
    return notifications_pb2.EnableWebhookEndpointRequest(request_id=a_request_id(), name=name)


def a_test_event(name: str) -> notifications_pb2.SendTestEventRequest:
    return notifications_pb2.SendTestEventRequest(request_id=a_request_id(), name=name)


def redeliver(name: str) -> notifications_pb2.RedeliverRequest:
    return notifications_pb2.RedeliverRequest(request_id=a_request_id(), name=name)


def prefer(account: str, category: int, *channels: int) -> notifications_pb2.UpdatePreferencesRequest:
    preference = notifications_pb2.Preferences.Preference(category=category, channels=channels)  # type: ignore[arg-type]
    return notifications_pb2.UpdatePreferencesRequest(request_id=a_request_id(), account=account, preferences=[preference])


def mark_read(account: str, *names: str) -> notifications_pb2.MarkInboxMessagesReadRequest:
    return notifications_pb2.MarkInboxMessagesReadRequest(request_id=a_request_id(), account=account, names=names)


# --- Statements and payouts -------------------------------------------------------------------------------------------------


def set_payouts(account: str, **fields: Any) -> payouts_pb2.SetPayoutScheduleRequest:
    """A request to pay out a merchant every day, from one cent on, over the till."""
    daily = payouts_pb2.PayoutSchedule.CADENCE_DAILY
    facts: dict[str, Any] = {"request_id": a_request_id(), "cadence": daily, "least": money(1)} | fields
    return payouts_pb2.SetPayoutScheduleRequest(account=account, **facts)


def a_settlement_file(payout: str, **fields: Any) -> payouts_pb2.ExportSettlementReportRequest:
    """A request for a settlement report as CSV in English."""
    facts: dict[str, Any] = {"format": statements_pb2.FILE_FORMAT_CSV, "language": "en"} | fields
    return payouts_pb2.ExportSettlementReportRequest(name=payout, **facts)


# --- Disputes ---------------------------------------------------------------------------------------------------------------


def open_dispute(payment: str, amount_minor: int | None = None, **fields: Any) -> disputes_pb2.OpenDisputeRequest:
    """A request to dispute all that is left of a payment, or so much, because nothing came."""
    facts: dict[str, Any] = {
        "request_id": a_request_id(),
        "reason": disputes_pb2.Dispute.REASON_NOT_RECEIVED,
        "amount": None if amount_minor is None else money(amount_minor),
        "text": "Nothing came.",
    } | fields
    return disputes_pb2.OpenDisputeRequest(payment=payment, **facts)


def accept_dispute(dispute: str, **fields: Any) -> disputes_pb2.RespondDisputeRequest:
    accept = disputes_pb2.RespondDisputeRequest.Accept()
    return disputes_pb2.RespondDisputeRequest(request_id=a_request_id(), name=dispute, accept=accept, **fields)


def reject_dispute(dispute: str, text: str = "It was delivered.") -> disputes_pb2.RespondDisputeRequest:
    rejected = disputes_pb2.RespondDisputeRequest.Reject(text=text)
    return disputes_pb2.RespondDisputeRequest(request_id=a_request_id(), name=dispute, reject=rejected)


def offer(dispute: str, amount_minor: int, text: str = "Half?", **fields: Any) -> disputes_pb2.RespondDisputeRequest:
    offered = disputes_pb2.RespondDisputeRequest.Offer(amount=money(amount_minor), text=text)
    return disputes_pb2.RespondDisputeRequest(request_id=a_request_id(), name=dispute, offer=offered, **fields)


def accept_offer(dispute: str, **fields: Any) -> disputes_pb2.AcceptOfferRequest:
    return disputes_pb2.AcceptOfferRequest(request_id=a_request_id(), name=dispute, **fields)


def escalate(dispute: str, text: str = "") -> disputes_pb2.EscalateDisputeRequest:
    return disputes_pb2.EscalateDisputeRequest(request_id=a_request_id(), name=dispute, text=text)


def withdraw_dispute(dispute: str, text: str = "") -> disputes_pb2.WithdrawDisputeRequest:
    return disputes_pb2.WithdrawDisputeRequest(request_id=a_request_id(), name=dispute, text=text)


def a_file(content: bytes = b"a photograph", **fields: Any) -> disputes_pb2.EvidenceFile:
    """A file with its SHA-256."""
    facts: dict[str, Any] = {"file_name": "parcel.png", "media_type": "image/png", "sha256": sha256(content).digest()} | fields
    return disputes_pb2.EvidenceFile(content=content, **facts)


def submit_evidence(dispute: str, text: str = "See yourself.", **fields: Any) -> disputes_pb2.SubmitEvidenceRequest:
    return disputes_pb2.SubmitEvidenceRequest(request_id=a_request_id(), dispute=dispute, text=text, **fields)


def decide(
    dispute: str, award_minor: int, text: str = "As the carrier says.", **fields: Any
) -> disputes_pb2.DecideDisputeRequest:
    return disputes_pb2.DecideDisputeRequest(
        request_id=a_request_id(), name=dispute, award=money(award_minor), text=text, **fields
    )


def appeal(dispute: str, text: str = "Look again.", **fields: Any) -> disputes_pb2.AppealDisputeRequest:
    return disputes_pb2.AppealDisputeRequest(request_id=a_request_id(), name=dispute, text=text, **fields)


def waive(dispute: str, **fields: Any) -> disputes_pb2.WaiveAppealRequest:
    return disputes_pb2.WaiveAppealRequest(request_id=a_request_id(), name=dispute, **fields)
