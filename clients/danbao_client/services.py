"""The services of the contract, with the types of their RPCs.

What a service has is found in its descriptor; the annotations are for readers and type checkers, and a test holds them to it.
"""

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

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
    statements_pb2,
    verification_pb2,
)
from danbao_client.rpc import CallSettings, Rpc, StreamRpc, Stubs, WatchRpc


class Service:
    """One service: an attribute for each RPC, under the contract's name."""

    descriptor: ClassVar[ServiceDescriptor]

    def __init__(self, stubs: Stubs, settings: CallSettings) -> None:
        for method in self.descriptor.methods:
            kind = StreamRpc if method.client_streaming else WatchRpc if method.server_streaming else Rpc
            setattr(self, method.name, kind(stubs, method, settings))


class Accounts(Service):
    """Accounts, their wallets, the money that comes in from outside or goes out, and the people behind them."""

    descriptor = accounts_pb2.DESCRIPTOR.services_by_name["AccountService"]

    CreateAccount: Rpc[accounts_pb2.CreateAccountRequest, accounts_pb2.Account]
    GetAccount: Rpc[accounts_pb2.GetAccountRequest, accounts_pb2.Account]
    GetAccountByExternalId: Rpc[accounts_pb2.GetAccountByExternalIdRequest, accounts_pb2.Account]
    ListAccounts: Rpc[accounts_pb2.ListAccountsRequest, accounts_pb2.ListAccountsResponse]
    UpdateAccount: Rpc[accounts_pb2.UpdateAccountRequest, accounts_pb2.Account]
    OpenWallet: Rpc[accounts_pb2.OpenWalletRequest, accounts_pb2.Account]
    CloseAccount: Rpc[accounts_pb2.CloseAccountRequest, accounts_pb2.Account]
    ListBalances: Rpc[accounts_pb2.ListBalancesRequest, accounts_pb2.ListBalancesResponse]
    ListEntries: Rpc[accounts_pb2.ListEntriesRequest, accounts_pb2.ListEntriesResponse]
    ExportStatement: WatchRpc[statements_pb2.ExportStatementRequest, statements_pb2.FileChunk]
    TopUp: Rpc[accounts_pb2.TopUpRequest, accounts_pb2.Funding]
    Withdraw: Rpc[accounts_pb2.WithdrawRequest, accounts_pb2.Funding]
    GetFunding: Rpc[accounts_pb2.GetFundingRequest, accounts_pb2.Funding]
    ListFundings: Rpc[accounts_pb2.ListFundingsRequest, accounts_pb2.ListFundingsResponse]
    VerifyIdentity: Rpc[identity_pb2.VerifyIdentityRequest, identity_pb2.Identity]
    GetIdentity: Rpc[identity_pb2.GetIdentityRequest, identity_pb2.Identity]
    BindInstrument: Rpc[identity_pb2.BindInstrumentRequest, identity_pb2.Instrument]
    ListInstruments: Rpc[identity_pb2.ListInstrumentsRequest, identity_pb2.ListInstrumentsResponse]
    UnbindInstrument: Rpc[identity_pb2.UnbindInstrumentRequest, identity_pb2.Instrument]
    GetLimits: Rpc[identity_pb2.GetLimitsRequest, identity_pb2.GetLimitsResponse]
    ExportPersonalData: Rpc[identity_pb2.ExportPersonalDataRequest, identity_pb2.PersonalData]
    ErasePersonalData: Rpc[identity_pb2.ErasePersonalDataRequest, accounts_pb2.Account]
    SetPaymentPassword: Rpc[identity_pb2.SetPaymentPasswordRequest, identity_pb2.PasswordChange]
    ChangePassword: Rpc[identity_pb2.ChangePasswordRequest, identity_pb2.PasswordChange]
    StartPasswordReset: Rpc[identity_pb2.StartPasswordResetRequest, verification_pb2.Challenge]
    ResetPassword: Rpc[identity_pb2.ResetPasswordRequest, identity_pb2.PasswordChange]
    ChangePhone: Rpc[identity_pb2.ChangePhoneRequest, identity_pb2.PhoneChange]
    ChangeEmail: Rpc[identity_pb2.ChangeEmailRequest, identity_pb2.EmailChange]


class Payments(Service):
    """Payments from one account to another: at once, through escrow, or authorized and captured."""

    descriptor = payments_pb2.DESCRIPTOR.services_by_name["PaymentService"]

    CreatePayment: Rpc[payments_pb2.CreatePaymentRequest, payments_pb2.Payment]
    GetPayment: Rpc[payments_pb2.GetPaymentRequest, payments_pb2.Payment]
    GetPaymentByOrderNo: Rpc[payments_pb2.GetPaymentByOrderNoRequest, payments_pb2.Payment]
    ListPayments: Rpc[payments_pb2.ListPaymentsRequest, payments_pb2.ListPaymentsResponse]
    PayPayment: Rpc[payments_pb2.PayPaymentRequest, payments_pb2.Payment]
    ShipPayment: Rpc[payments_pb2.ShipPaymentRequest, payments_pb2.Payment]
    CorrectShipment: Rpc[payments_pb2.CorrectShipmentRequest, payments_pb2.Payment]
    ExtendConfirmation: Rpc[payments_pb2.ExtendConfirmationRequest, payments_pb2.Payment]
    ConfirmPayment: Rpc[payments_pb2.ConfirmPaymentRequest, payments_pb2.Payment]
    CapturePayment: Rpc[payments_pb2.CapturePaymentRequest, payments_pb2.Payment]
    VoidPayment: Rpc[payments_pb2.VoidPaymentRequest, payments_pb2.Payment]
    CancelPayment: Rpc[payments_pb2.CancelPaymentRequest, payments_pb2.Payment]
    CreateRefund: Rpc[payments_pb2.CreateRefundRequest, payments_pb2.Refund]
    GetRefund: Rpc[payments_pb2.GetRefundRequest, payments_pb2.Refund]
    ListRefunds: Rpc[payments_pb2.ListRefundsRequest, payments_pb2.ListRefundsResponse]
    BatchCreatePayments: Rpc[payments_pb2.BatchCreatePaymentsRequest, payments_pb2.BatchCreatePaymentsResponse]
    StreamPayments: StreamRpc[payments_pb2.StreamPaymentsRequest, payments_pb2.StreamPaymentsResponse]
    WatchPayments: WatchRpc[payments_pb2.WatchPaymentsRequest, payments_pb2.WatchPaymentsResponse]


class Disputes(Service):
    """Who gets the money of a payment when buyer and seller disagree: from complaint to final award."""

    descriptor = disputes_pb2.DESCRIPTOR.services_by_name["DisputeService"]

    OpenDispute: Rpc[disputes_pb2.OpenDisputeRequest, disputes_pb2.Dispute]
    GetDispute: Rpc[disputes_pb2.GetDisputeRequest, disputes_pb2.Dispute]
    ListDisputes: Rpc[disputes_pb2.ListDisputesRequest, disputes_pb2.ListDisputesResponse]
    ListDisputeSteps: Rpc[disputes_pb2.ListDisputeStepsRequest, disputes_pb2.ListDisputeStepsResponse]
    RespondDispute: Rpc[disputes_pb2.RespondDisputeRequest, disputes_pb2.Dispute]
    AcceptOffer: Rpc[disputes_pb2.AcceptOfferRequest, disputes_pb2.Dispute]
    EscalateDispute: Rpc[disputes_pb2.EscalateDisputeRequest, disputes_pb2.Dispute]
    WithdrawDispute: Rpc[disputes_pb2.WithdrawDisputeRequest, disputes_pb2.Dispute]
    SubmitEvidence: Rpc[disputes_pb2.SubmitEvidenceRequest, disputes_pb2.Evidence]
    GetEvidence: Rpc[disputes_pb2.GetEvidenceRequest, disputes_pb2.Evidence]
    ListEvidence: Rpc[disputes_pb2.ListEvidenceRequest, disputes_pb2.ListEvidenceResponse]
    DecideDispute: Rpc[disputes_pb2.DecideDisputeRequest, disputes_pb2.Dispute]
    AppealDispute: Rpc[disputes_pb2.AppealDisputeRequest, disputes_pb2.Dispute]
    WaiveAppeal: Rpc[disputes_pb2.WaiveAppealRequest, disputes_pb2.Dispute]
    WatchDisputes: WatchRpc[disputes_pb2.WatchDisputesRequest, disputes_pb2.WatchDisputesResponse]


class Notifications(Service):
    """Webhook endpoints, and what is delivered to them; what people are told."""

    descriptor = notifications_pb2.DESCRIPTOR.services_by_name["NotificationService"]

    CreateWebhookEndpoint: Rpc[notifications_pb2.CreateWebhookEndpointRequest, notifications_pb2.CreateWebhookEndpointResponse]
    GetWebhookEndpoint: Rpc[notifications_pb2.GetWebhookEndpointRequest, notifications_pb2.WebhookEndpoint]
    ListWebhookEndpoints: Rpc[notifications_pb2.ListWebhookEndpointsRequest, notifications_pb2.ListWebhookEndpointsResponse]
    UpdateWebhookEndpoint: Rpc[notifications_pb2.UpdateWebhookEndpointRequest, notifications_pb2.WebhookEndpoint]
    DeleteWebhookEndpoint: Rpc[notifications_pb2.DeleteWebhookEndpointRequest, notifications_pb2.WebhookEndpoint]
    RotateWebhookSecret: Rpc[notifications_pb2.RotateWebhookSecretRequest, notifications_pb2.RotateWebhookSecretResponse]
    EnableWebhookEndpoint: Rpc[notifications_pb2.EnableWebhookEndpointRequest, notifications_pb2.WebhookEndpoint]
    SendTestEvent: Rpc[notifications_pb2.SendTestEventRequest, notifications_pb2.SendTestEventResponse]
    GetDelivery: Rpc[notifications_pb2.GetDeliveryRequest, notifications_pb2.Delivery]
    ListDeliveries: Rpc[notifications_pb2.ListDeliveriesRequest, notifications_pb2.ListDeliveriesResponse]
    Redeliver: Rpc[notifications_pb2.RedeliverRequest, notifications_pb2.Delivery]
    GetPreferences: Rpc[notifications_pb2.GetPreferencesRequest, notifications_pb2.Preferences]
    UpdatePreferences: Rpc[notifications_pb2.UpdatePreferencesRequest, notifications_pb2.Preferences]
    ListInboxMessages: Rpc[notifications_pb2.ListInboxMessagesRequest, notifications_pb2.ListInboxMessagesResponse]
    GetUnreadCount: Rpc[notifications_pb2.GetUnreadCountRequest, notifications_pb2.UnreadCount]
    MarkInboxMessagesRead: Rpc[notifications_pb2.MarkInboxMessagesReadRequest, notifications_pb2.MarkInboxMessagesReadResponse]


class Payouts(Service):
    """When merchants are paid out, and what each payout is made of."""

    descriptor = payouts_pb2.DESCRIPTOR.services_by_name["PayoutService"]

    SetPayoutSchedule: Rpc[payouts_pb2.SetPayoutScheduleRequest, payouts_pb2.PayoutSchedule]
    GetPayoutSchedule: Rpc[payouts_pb2.GetPayoutScheduleRequest, payouts_pb2.PayoutSchedule]
    GetPayout: Rpc[payouts_pb2.GetPayoutRequest, payouts_pb2.Payout]
    ListPayouts: Rpc[payouts_pb2.ListPayoutsRequest, payouts_pb2.ListPayoutsResponse]
    GetSettlementReport: Rpc[payouts_pb2.GetSettlementReportRequest, payouts_pb2.SettlementReport]
    ExportSettlementReport: WatchRpc[payouts_pb2.ExportSettlementReportRequest, statements_pb2.FileChunk]


class Operations(Service):
    """Service keys, merchants' plans, freezing accounts, what takes two operators, who did what, and the audit of the books."""

    descriptor = operations_pb2.DESCRIPTOR.services_by_name["OperationsService"]

    CreateServiceKey: Rpc[operations_pb2.CreateServiceKeyRequest, operations_pb2.CreateServiceKeyResponse]
    ListServiceKeys: Rpc[operations_pb2.ListServiceKeysRequest, operations_pb2.ListServiceKeysResponse]
    RotateServiceKey: Rpc[operations_pb2.RotateServiceKeyRequest, operations_pb2.RotateServiceKeyResponse]
    RevokeServiceKey: Rpc[operations_pb2.RevokeServiceKeyRequest, operations_pb2.ServiceKey]
    CreateProposal: Rpc[operations_pb2.CreateProposalRequest, operations_pb2.Proposal]
    ApproveProposal: Rpc[operations_pb2.ApproveProposalRequest, operations_pb2.Proposal]
    RejectProposal: Rpc[operations_pb2.RejectProposalRequest, operations_pb2.Proposal]
    GetProposal: Rpc[operations_pb2.GetProposalRequest, operations_pb2.Proposal]
    ListProposals: Rpc[operations_pb2.ListProposalsRequest, operations_pb2.ListProposalsResponse]
    GetOpenItem: Rpc[operations_pb2.GetOpenItemRequest, operations_pb2.OpenItem]
    ListOpenItems: Rpc[operations_pb2.ListOpenItemsRequest, operations_pb2.ListOpenItemsResponse]
    StartReconciliation: Rpc[operations_pb2.StartReconciliationRequest, operations_pb2.Reconciliation]
    ListReconciliations: Rpc[operations_pb2.ListReconciliationsRequest, operations_pb2.ListReconciliationsResponse]
    ListReconciliationDifferences: Rpc[
        operations_pb2.ListReconciliationDifferencesRequest, operations_pb2.ListReconciliationDifferencesResponse
    ]
    SettleDifference: Rpc[operations_pb2.SettleDifferenceRequest, operations_pb2.ReconciliationDifference]
    SetMerchantPlan: Rpc[operations_pb2.SetMerchantPlanRequest, accounts_pb2.Account]
    ListAuditEvents: Rpc[operations_pb2.ListAuditEventsRequest, operations_pb2.ListAuditEventsResponse]
    ExplainPayment: Rpc[operations_pb2.ExplainPaymentRequest, operations_pb2.ExplainPaymentResponse]
    AuditLedger: Rpc[operations_pb2.AuditLedgerRequest, operations_pb2.AuditLedgerResponse]
    FreezeAccount: Rpc[operations_pb2.FreezeAccountRequest, accounts_pb2.Account]
    UnfreezeAccount: Rpc[operations_pb2.UnfreezeAccountRequest, accounts_pb2.Account]


class Sessions(Service):
    """How people register, log in, and end what they have begun."""

    descriptor = sessions_pb2.DESCRIPTOR.services_by_name["SessionService"]

    RegisterPerson: Rpc[sessions_pb2.RegisterPersonRequest, verification_pb2.Challenge]
    CreateSession: Rpc[sessions_pb2.CreateSessionRequest, sessions_pb2.CreateSessionResponse]
    CompleteSession: Rpc[sessions_pb2.CompleteSessionRequest, sessions_pb2.SessionTokens]
    RefreshSession: Rpc[sessions_pb2.RefreshSessionRequest, sessions_pb2.SessionTokens]
    ListSessions: Rpc[sessions_pb2.ListSessionsRequest, sessions_pb2.ListSessionsResponse]
    RevokeSession: Rpc[sessions_pb2.RevokeSessionRequest, sessions_pb2.Session]
    RevokeAllSessions: Rpc[sessions_pb2.RevokeAllSessionsRequest, sessions_pb2.RevokeAllSessionsResponse]


class Verification(Service):
    """Second factors, and the challenges by which a person approves one thing with one of them."""

    descriptor = verification_pb2.DESCRIPTOR.services_by_name["VerificationService"]

    EnrollTotp: Rpc[verification_pb2.EnrollTotpRequest, verification_pb2.EnrollTotpResponse]
    ConfirmTotp: Rpc[verification_pb2.ConfirmTotpRequest, verification_pb2.Factor]
    ListFactors: Rpc[verification_pb2.ListFactorsRequest, verification_pb2.ListFactorsResponse]
    RemoveFactor: Rpc[verification_pb2.RemoveFactorRequest, verification_pb2.Factor]
    CreateRecoveryCodes: Rpc[verification_pb2.CreateRecoveryCodesRequest, verification_pb2.CreateRecoveryCodesResponse]
    CreateChallenge: Rpc[verification_pb2.CreateChallengeRequest, verification_pb2.Challenge]
    AnswerChallenge: Rpc[verification_pb2.AnswerChallengeRequest, verification_pb2.Approval]


class Sandbox(Service):
    """What only a sandbox has; a live core refuses it."""

    descriptor = sandbox_pb2.DESCRIPTOR.services_by_name["SandboxService"]

    AdvanceClock: Rpc[sandbox_pb2.AdvanceClockRequest, sandbox_pb2.Clock]
    GetClock: Rpc[sandbox_pb2.GetClockRequest, sandbox_pb2.Clock]
    SetBankBehaviour: Rpc[sandbox_pb2.SetBankBehaviourRequest, sandbox_pb2.Bank]
    AnswerFunding: Rpc[sandbox_pb2.AnswerFundingRequest, accounts_pb2.Funding]
    ListSentMessages: Rpc[sandbox_pb2.ListSentMessagesRequest, sandbox_pb2.ListSentMessagesResponse]
