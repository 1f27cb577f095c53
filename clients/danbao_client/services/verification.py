"""`danbao.verification`. Written by `make protos`: change the protos, not this file."""

from __future__ import annotations

from danbao.v1 import verification_pb2
from danbao_client.pages import Pages
from danbao_client.rpc import Rpc
from danbao_client.service import Service
from danbao_client.values import request_of


class Verification(Service):
    """Second factors, and the challenges by which a person approves one thing with one of them.

    A challenge is bound to what it approves (PSD2 calls it dynamic linking): the payment, its payer, payee, amount and
    currency; the instrument and amount of a withdrawal. Its answer is an approval, which is good once, for 5 minutes, in
    the session that asked for it; it is consumed in the commit that does what it approves, and does not fit anything else
    (APPROVAL_MISMATCH).
    """

    descriptor = verification_pb2.DESCRIPTOR.services_by_name["VerificationService"]

    EnrollTotp: Rpc[verification_pb2.EnrollTotpRequest, verification_pb2.EnrollTotpResponse]
    ConfirmTotp: Rpc[verification_pb2.ConfirmTotpRequest, verification_pb2.Factor]
    ListFactors: Rpc[verification_pb2.ListFactorsRequest, verification_pb2.ListFactorsResponse]
    RemoveFactor: Rpc[verification_pb2.RemoveFactorRequest, verification_pb2.Factor]
    CreateRecoveryCodes: Rpc[verification_pb2.CreateRecoveryCodesRequest, verification_pb2.CreateRecoveryCodesResponse]
    CreateChallenge: Rpc[verification_pb2.CreateChallengeRequest, verification_pb2.Challenge]
    AnswerChallenge: Rpc[verification_pb2.AnswerChallengeRequest, verification_pb2.Approval]

    async def enroll_totp(
        self,
        *,
        label: str = "",
        approval: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> verification_pb2.EnrollTotpResponse:
        """Makes a TOTP factor (RFC 6238: SHA-1, 6 digits, 30 seconds), which works once ConfirmTotp has seen a code of it, and
        then takes the place of the one before with its recovery codes. Needs an approval by TOTP or a recovery code where
        there is an active TOTP factor (APPROVAL_REQUIRED). The secret is shown once (SECRET_ALREADY_SHOWN).

        - `label`: What the person calls the authenticator.
        - `approval`: `approvals/{uuid}` for PURPOSE_CHANGE_FACTORS, where there is an active TOTP factor.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            verification_pb2.EnrollTotpRequest,
            label=label,
            approval=approval,
            request_id=request_id,
        )
        return await self.EnrollTotp(request, deadline_seconds=deadline_seconds)

    async def confirm_totp(
        self,
        name: str,
        *,
        code: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> verification_pb2.Factor:
        """Shows that the authenticator has the secret. Refused with CODE_WRONG, with FACTOR_LOCKED after ten wrong codes in a
        day, and with APPROVAL_REQUIRED where there is an active TOTP factor and a factor, the phone or a password changed
        since EnrollTotp: that is to be called again. Withdrawals and transfers to new payees rest for 24 hours after it.

        - `name`: `factors/{uuid}`, pending.
        - `code`: A code that the authenticator shows now.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            verification_pb2.ConfirmTotpRequest,
            name=name,
            code=code,
            request_id=request_id,
        )
        return await self.ConfirmTotp(request, deadline_seconds=deadline_seconds)

    def list_factors(
        self,
        *,
        deadline_seconds: float | None = None,
    ) -> Pages[verification_pb2.ListFactorsResponse, verification_pb2.Factor]:
        """Lists the caller's factors: the phone, the e-mail address where one is confirmed, and what has been enrolled and not
        removed.
        """
        request = request_of(verification_pb2.ListFactorsRequest)
        return Pages(self.ListFactors, request, "factors", deadline_seconds)

    async def remove_factor(
        self,
        name: str,
        *,
        approval: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> verification_pb2.Factor:
        """Removes a TOTP factor and its recovery codes. Needs an approval, by TOTP or a recovery code where there is an active
        TOTP factor (APPROVAL_REQUIRED); withdrawals and transfers to new payees rest for 24 hours after it. Who has lost
        all of them asks the operators (FactorRecovery).

        - `name`: `factors/{uuid}`.
        - `approval`: `approvals/{uuid}` for PURPOSE_CHANGE_FACTORS.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            verification_pb2.RemoveFactorRequest,
            name=name,
            approval=approval,
            request_id=request_id,
        )
        return await self.RemoveFactor(request, deadline_seconds=deadline_seconds)

    async def create_recovery_codes(
        self,
        *,
        approval: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> verification_pb2.CreateRecoveryCodesResponse:
        """Makes ten recovery codes, each of which stands in for a TOTP code once; those made before stop working. Needs an
        active TOTP factor and an approval by it. They are shown once (SECRET_ALREADY_SHOWN).

        - `approval`: `approvals/{uuid}` for PURPOSE_CHANGE_FACTORS.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            verification_pb2.CreateRecoveryCodesRequest,
            approval=approval,
            request_id=request_id,
        )
        return await self.CreateRecoveryCodes(request, deadline_seconds=deadline_seconds)

    async def create_challenge(
        self,
        *,
        pay: verification_pb2.CreateChallengeRequest.PayPurpose | None = None,
        withdraw: verification_pb2.CreateChallengeRequest.WithdrawPurpose | None = None,
        change_password: verification_pb2.CreateChallengeRequest.ChangePasswordPurpose | None = None,
        change_phone: verification_pb2.CreateChallengeRequest.ChangePhonePurpose | None = None,
        change_factors: verification_pb2.CreateChallengeRequest.ChangeFactorsPurpose | None = None,
        change_email: verification_pb2.CreateChallengeRequest.ChangeEmailPurpose | None = None,
        factor: verification_pb2.Factor.Kind.ValueType | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> verification_pb2.Challenge:
        """Asks for a challenge for what the caller wants to approve. By SMS, a code goes to the phone: at most one a minute
        and ten a day (TOO_MANY_CODES, with metadata `possible_from`), and a newer one replaces those before.

        - `pay`: Paying a payment of which the caller is the payer.
        - `withdraw`: Withdrawing.
        - `change_password`: Changing a password.
        - `change_phone`: Changing the phone number.
        - `change_factors`: Enrolling or removing a factor, or making recovery codes.
        - `change_email`: Changing the e-mail address.
        - `factor`: With which factor: KIND_SMS or KIND_TOTP; KIND_EMAIL for `change_email`, and for nothing else.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            verification_pb2.CreateChallengeRequest,
            pay=pay,
            withdraw=withdraw,
            change_password=change_password,
            change_phone=change_phone,
            change_factors=change_factors,
            change_email=change_email,
            factor=factor,
            request_id=request_id,
        )
        return await self.CreateChallenge(request, deadline_seconds=deadline_seconds)

    async def answer_challenge(
        self,
        name: str,
        *,
        code: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> verification_pb2.Approval:
        """Answers a challenge. Refused with CODE_WRONG (metadata `attempts_left`), CODE_EXPIRED when the time or the attempts
        are over, and FACTOR_LOCKED for 3 hours after ten wrong codes in a day over all challenges. A wrong code counts
        once, however often the same request is repeated. Challenges of a session are answered in that session; those of
        registrations, logins and resets without a token.

        - `name`: `challenges/{uuid}`.
        - `code`: What the person typed in: 6 digits, or a recovery code.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            verification_pb2.AnswerChallengeRequest,
            name=name,
            code=code,
            request_id=request_id,
        )
        return await self.AnswerChallenge(request, deadline_seconds=deadline_seconds)
