"""One request for every RPC of the contract, each as the contract wants it."""

from collections.abc import Iterator
from itertools import chain

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from danbao.v1 import (
    accounts_pb2,
    disputes_pb2,
    identity_pb2,
    notifications_pb2,
    operations_pb2,
    payments_pb2,
    payouts_pb2,
    sandbox_pb2,
    sessions_pb2,
    verification_pb2,
)
from tests.rpc_requests import (
    A_LOGIN_PASSWORD,
    UNKNOWN,
    a_batch,
    a_file,
    a_message,
    a_payment,
    a_request_id,
    a_settlement_file,
    a_statement,
    a_test_event,
    a_top_up,
    a_withdrawal,
    accept_offer,
    advance_clock,
    an_adjustment,
    an_endpoint,
    answer_challenge,
    answer_funding,
    appeal,
    approve,
    bind,
    cancel,
    capture,
    change_email,
    change_login_password,
    change_phone,
    close,
    complete,
    confirm,
    correct,
    create_account,
    create_key,
    decide,
    delete_endpoint,
    enable_endpoint,
    erase,
    escalate,
    extend,
    freeze,
    log_in,
    mark_read,
    money,
    open_dispute,
    open_wallet,
    pay,
    prefer,
    redeliver,
    refresh,
    refund,
    register,
    reject,
    reject_dispute,
    reset_password,
    revoke,
    revoke_all_sessions,
    revoke_session,
    rotate,
    rotate_secret,
    set_payment_password,
    set_payouts,
    set_plan,
    settle_difference,
    ship,
    start_reconciliation,
    start_reset,
    submit_evidence,
    the_bank,
    unbind,
    unfreeze,
    update_account,
    update_endpoint,
    verify,
    void,
    waive,
    withdraw_dispute,
)


def valid_requests() -> Iterator[Message]:
    """One request for every RPC, each as the contract wants it; nothing that they name exists."""
    ada, bob = f"accounts/{UNKNOWN}", f"accounts/{UNKNOWN[:-1]}0"
    payment, key, proposal = f"payments/{UNKNOWN}", f"serviceKeys/{UNKNOWN}", f"proposals/{UNKNOWN}"
    yield create_account("CNY")
    yield accounts_pb2.GetAccountRequest(name=ada)
    yield accounts_pb2.GetAccountByExternalIdRequest(external_id="ada")
    yield accounts_pb2.ListAccountsRequest(page_size=10)
    yield open_wallet(ada, "CNY")
    yield close(ada)
    yield accounts_pb2.ListBalancesRequest(name=ada)
    yield accounts_pb2.ListEntriesRequest(account=ada, currency_code="CNY")
    yield a_top_up(ada, 1)
    yield a_withdrawal(ada, 1)
    yield accounts_pb2.GetFundingRequest(name=f"fundings/{UNKNOWN}")
    yield accounts_pb2.ListFundingsRequest(account=ada)
    yield a_payment(ada, bob, 1, order_no="1", subject="x", expire_after=Duration(seconds=60), metadata={"a": "b"})
    yield payments_pb2.GetPaymentRequest(name=payment)
    yield payments_pb2.GetPaymentByOrderNoRequest(payee=ada, order_no="1")
    yield payments_pb2.ListPaymentsRequest(account=ada)
    yield pay(payment)
    yield ship(payment)
    yield correct(payment)
    yield extend(payment)
    yield confirm(payment)
    yield capture(payment, money(1))
    yield void(payment)
    yield cancel(payment)
    yield a_batch(a_payment(ada, bob, 1), a_payment(bob, ada, 1))
    yield a_message(a_payment(ada, bob, 1), a_payment(bob, ada, 1))
    yield create_key("payments.read", account=ada)
    yield operations_pb2.ListServiceKeysRequest()
    yield rotate(key, 60)
    yield revoke(key)
    yield an_adjustment("COMPENSATION", ada, 1)
    yield approve(proposal)
    yield reject(proposal)
    yield operations_pb2.GetProposalRequest(name=proposal)
    yield operations_pb2.ListProposalsRequest()
    yield operations_pb2.GetOpenItemRequest(name=f"openItems/{UNKNOWN}")
    yield operations_pb2.ListOpenItemsRequest()
    yield set_plan(ada, 100, Timestamp(seconds=221_845_392_000))
    yield operations_pb2.ListAuditEventsRequest(page_size=10)
    yield operations_pb2.ExplainPaymentRequest(name=payment)
    yield operations_pb2.AuditLedgerRequest()
    yield freeze(ada)
    yield unfreeze(ada)
    yield from valid_requests_of_sandboxes()
    yield from chain(valid_requests_of_notifications(), valid_requests_of_refunds(), valid_requests_of_payouts())
    yield from chain(valid_requests_of_people(), valid_requests_of_reconciliation(), valid_requests_of_disputes())


def valid_requests_of_sandboxes() -> Iterator[Message]:
    """One request for every RPC that only a sandbox has, as `valid_requests`, but for those about people."""
    yield advance_clock()
    yield sandbox_pb2.GetClockRequest()
    yield the_bank(sandbox_pb2.Bank.BEHAVIOUR_ACCEPT)
    yield answer_funding(f"fundings/{UNKNOWN}", accepted=True)


def valid_requests_of_refunds() -> Iterator[Message]:
    """One request for every RPC that is about refunds, as `valid_requests`."""
    payment = f"payments/{UNKNOWN}"
    yield refund(payment, 1, reason="x")
    yield payments_pb2.GetRefundRequest(name=f"{payment}/refunds/{UNKNOWN}")
    yield payments_pb2.ListRefundsRequest(account=f"accounts/{UNKNOWN}")


def valid_requests_of_reconciliation() -> Iterator[Message]:
    """Those of them that have to do with the bank's statements."""
    yield start_reconciliation("2026-01-31")
    yield operations_pb2.ListReconciliationsRequest()
    yield operations_pb2.ListReconciliationDifferencesRequest()
    yield settle_difference(f"differences/{UNKNOWN}")


def valid_requests_of_notifications() -> Iterator[Message]:
    """One request for every RPC that tells what happens, as `valid_requests`."""
    endpoint, delivery = f"webhookEndpoints/{UNKNOWN}", f"deliveries/{UNKNOWN}"
    yield payments_pb2.WatchPaymentsRequest(account=f"accounts/{UNKNOWN}", payment=f"payments/{UNKNOWN}", cursor="beginning")
    yield an_endpoint("https://shop.example/hook", "payment.*", account=f"accounts/{UNKNOWN}", description="of a shop")
    yield notifications_pb2.GetWebhookEndpointRequest(name=endpoint)
    yield notifications_pb2.ListWebhookEndpointsRequest(account=f"accounts/{UNKNOWN}")
    yield update_endpoint(endpoint, url="https://shop.example/hook", topics=["*"], description="x", unordered=True)
    yield delete_endpoint(endpoint)
    yield rotate_secret(endpoint)
    yield enable_endpoint(endpoint)
    yield a_test_event(endpoint)
    yield notifications_pb2.GetDeliveryRequest(name=delivery)
    yield notifications_pb2.ListDeliveriesRequest(webhook_endpoint=endpoint)
    yield redeliver(delivery)
    account = f"accounts/{UNKNOWN}"
    yield notifications_pb2.GetPreferencesRequest(account=account)
    yield prefer(account, 1, 1, 2)
    yield notifications_pb2.ListInboxMessagesRequest(account=account)
    yield notifications_pb2.GetUnreadCountRequest(account=account)
    yield mark_read(account, f"{account}/inboxMessages/{UNKNOWN}")


def valid_requests_of_people() -> Iterator[Message]:
    """One request for every RPC that is about people, as `valid_requests`."""
    ada = f"accounts/{UNKNOWN}"
    phone, approval, factor = "+8613900000000", f"approvals/{UNKNOWN}", f"factors/{UNKNOWN}"
    challenge = verification_pb2.CreateChallengeRequest
    yield register(phone)
    yield log_in(phone)
    yield complete(approval)
    yield refresh(f"dbr_{'0' * 32}_0_{'0' * 64}")
    yield sessions_pb2.ListSessionsRequest()
    yield revoke_session(f"sessions/{UNKNOWN}")
    yield revoke_all_sessions()
    yield set_payment_password("280463")
    yield change_login_password(A_LOGIN_PASSWORD, "violet-typewriter-77", approval)
    yield start_reset(phone)
    yield reset_password(approval, "violet-typewriter-77")
    yield change_phone(approval, phone)
    yield change_email("ada@example.com", approval)
    yield update_account(ada, "fr")
    yield verification_pb2.EnrollTotpRequest(request_id=a_request_id(), label="an app")
    yield verification_pb2.ConfirmTotpRequest(request_id=a_request_id(), name=factor, code="000000")
    yield verification_pb2.ListFactorsRequest()
    yield verification_pb2.RemoveFactorRequest(request_id=a_request_id(), name=factor, approval=approval)
    yield verification_pb2.CreateRecoveryCodesRequest(request_id=a_request_id(), approval=approval)
    yield challenge(
        request_id=a_request_id(), change_factors=challenge.ChangeFactorsPurpose(), factor=verification_pb2.Factor.KIND_SMS
    )
    yield answer_challenge(f"challenges/{UNKNOWN}", "000000")
    yield verify(ada)
    yield identity_pb2.GetIdentityRequest(account=ada)
    yield bind(ada)
    yield identity_pb2.ListInstrumentsRequest(account=ada)
    yield unbind(f"instruments/{UNKNOWN}")
    yield identity_pb2.ExportPersonalDataRequest(account=ada)
    yield erase(ada)
    yield identity_pb2.GetLimitsRequest(account=ada, currency_code="CNY")
    yield sandbox_pb2.ListSentMessagesRequest(address=phone)


def valid_requests_of_payouts() -> Iterator[Message]:
    """One request for every RPC that is about statements and payouts, as `valid_requests`."""
    yield a_statement(f"accounts/{UNKNOWN}")
    yield set_payouts(f"accounts/{UNKNOWN}")
    yield payouts_pb2.GetPayoutScheduleRequest(account=f"accounts/{UNKNOWN}", currency_code="CNY")
    yield payouts_pb2.GetPayoutRequest(name=f"payouts/{UNKNOWN}")
    yield payouts_pb2.ListPayoutsRequest(account=f"accounts/{UNKNOWN}")
    yield payouts_pb2.GetSettlementReportRequest(name=f"payouts/{UNKNOWN}")
    yield a_settlement_file(f"payouts/{UNKNOWN}")


def valid_requests_of_disputes() -> Iterator[Message]:
    """One request for every RPC that is about disputes, as `valid_requests`."""
    dispute, party = f"disputes/{UNKNOWN}", disputes_pb2.Dispute.PARTY_BUYER
    yield open_dispute(f"payments/{UNKNOWN}", 1)
    yield disputes_pb2.GetDisputeRequest(name=dispute)
    yield disputes_pb2.ListDisputesRequest(account=f"accounts/{UNKNOWN}")
    yield disputes_pb2.ListDisputeStepsRequest(dispute=dispute)
    yield reject_dispute(dispute)
    yield accept_offer(dispute)
    yield escalate(dispute)
    yield withdraw_dispute(dispute)
    yield submit_evidence(dispute, party=party, file=a_file())
    yield disputes_pb2.GetEvidenceRequest(name=f"{dispute}/evidence/{UNKNOWN}")
    yield disputes_pb2.ListEvidenceRequest(dispute=dispute)
    yield decide(dispute, 1)
    yield appeal(dispute, party=party)
    yield waive(dispute, party=party)
    yield disputes_pb2.WatchDisputesRequest(account=f"accounts/{UNKNOWN}", dispute=dispute, cursor="beginning")
