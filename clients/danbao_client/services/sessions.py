"""`danbao.sessions`. Written by `make protos`: change the protos, not this file."""

from __future__ import annotations

from collections.abc import Sequence

from danbao.v1 import sessions_pb2, verification_pb2
from danbao_client.pages import Pages
from danbao_client.rpc import Rpc
from danbao_client.service import Service
from danbao_client.values import request_of


class Sessions(Service):
    """People: how they register, log in, and end what they have begun.

    A session gives two tokens. The access token, which is good for 10 minutes, is sent with every call; the refresh token,
    which is good once, buys the next pair. Tokens follow wall time, also in a sandbox. No call tells whether a phone number
    is known. The first four calls need no token, so send none with them: one that has run out would be refused.
    """

    descriptor = sessions_pb2.DESCRIPTOR.services_by_name["SessionService"]

    RegisterPerson: Rpc[sessions_pb2.RegisterPersonRequest, verification_pb2.Challenge]
    CreateSession: Rpc[sessions_pb2.CreateSessionRequest, sessions_pb2.CreateSessionResponse]
    CompleteSession: Rpc[sessions_pb2.CompleteSessionRequest, sessions_pb2.SessionTokens]
    RefreshSession: Rpc[sessions_pb2.RefreshSessionRequest, sessions_pb2.SessionTokens]
    ListSessions: Rpc[sessions_pb2.ListSessionsRequest, sessions_pb2.ListSessionsResponse]
    RevokeSession: Rpc[sessions_pb2.RevokeSessionRequest, sessions_pb2.Session]
    RevokeAllSessions: Rpc[sessions_pb2.RevokeAllSessionsRequest, sessions_pb2.RevokeAllSessionsResponse]

    async def register_person(
        self,
        *,
        phone: str,
        login_password: str,
        display_name: str,
        currency_codes: Sequence[str],
        device_id: str,
        language: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> verification_pb2.Challenge:
        """Begins to register a person, who gets an account of their own when they have shown, by the code that is sent to the
        phone, that the number is theirs: answer the challenge, then call CompleteSession with the approval. For a number
        that is known already the answer is the same, and the message to the phone says so instead of giving a code.

        - `phone`: The person's number in E.164, such as +8613800138000, at which messages arrive.
        - `login_password`: What the person logs in with: 8 to 256 characters, and none of the common ones
          (PASSWORD_TOO_COMMON).
        - `display_name`: Name shown to the other side of a payment.
        - `currency_codes`: ISO 4217 codes of the wallets to open, each once.
        - `device_id`: What the app calls the device that it runs on, the same at every login: known devices need no
          challenge unless a second factor is enrolled.
        - `language`: In which language the person is written to: `zh-CN`, `en`, `fr` or `es`; may be empty, see Account.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            sessions_pb2.RegisterPersonRequest,
            phone=phone,
            login_password=login_password,
            display_name=display_name,
            currency_codes=currency_codes,
            device_id=device_id,
            language=language,
            request_id=request_id,
        )
        return await self.RegisterPerson(request, deadline_seconds=deadline_seconds)

    async def create(
        self,
        *,
        phone: str,
        login_password: str,
        device_id: str,
        factor: verification_pb2.Factor.Kind.ValueType | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> sessions_pb2.CreateSessionResponse:
        """Logs in. Refused with PASSWORD_WRONG for a wrong password as for an unknown number, and with PASSWORD_LOCKED for 3
        hours after the third wrong attempt in a day; devices that the account knows have attempts of their own. On a device
        that the account does not know, or where a TOTP factor is enrolled, a challenge is answered instead of a session:
        answer it, then call CompleteSession with the approval.

        - `phone`: The person's number in E.164.
        - `login_password`: The login password.
        - `device_id`: What the app calls the device that it runs on, the same at every login: known devices need no
          challenge unless a second factor is enrolled.
        - `factor`: How the person would rather answer a challenge; left out, by SMS. Where an authenticator is in force it
          is TOTP in any case, which a recovery code answers, too.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            sessions_pb2.CreateSessionRequest,
            phone=phone,
            login_password=login_password,
            device_id=device_id,
            factor=factor,
            request_id=request_id,
        )
        return await self.CreateSession(request, deadline_seconds=deadline_seconds)

    async def complete(
        self,
        *,
        approval: str,
        device_id: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> sessions_pb2.SessionTokens:
        """Turns the approval of a registration's or a login's challenge into a session, once, from the device that began it.
        Where the account did not know the device, the person is told by a message, and withdrawals and transfers to new
        payees rest for 24 hours. An approval from before all sessions were ended is refused with APPROVAL_MISMATCH.

        - `approval`: `approvals/{uuid}`, as AnswerChallenge answered it.
        - `device_id`: What the app calls the device that it runs on, the same at every login: known devices need no
          challenge unless a second factor is enrolled.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            sessions_pb2.CompleteSessionRequest,
            approval=approval,
            device_id=device_id,
            request_id=request_id,
        )
        return await self.CompleteSession(request, deadline_seconds=deadline_seconds)

    async def refresh(
        self,
        *,
        refresh_token: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> sessions_pb2.SessionTokens:
        """Answers new tokens for a refresh token, which is spent by that. One that was spent before is refused with
        REFRESH_TOKEN_REUSED and ends the session, because a stranger may have it; but a repeat with the same request id,
        within a minute of the first call, is answered again.

        - `refresh_token`: The newest refresh token of the session.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            sessions_pb2.RefreshSessionRequest,
            refresh_token=refresh_token,
            request_id=request_id,
        )
        return await self.RefreshSession(request, deadline_seconds=deadline_seconds)

    def list(
        self,
        *,
        deadline_seconds: float | None = None,
    ) -> Pages[sessions_pb2.ListSessionsResponse, sessions_pb2.Session]:
        """Lists the caller's sessions that have not ended, newest first, 100 at most."""
        request = request_of(sessions_pb2.ListSessionsRequest)
        return Pages(self.ListSessions, request, "sessions", deadline_seconds)

    async def revoke(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> sessions_pb2.Session:
        """Ends one of the caller's sessions: what it asks for from now on is refused with SESSION_ENDED. Ending it again
        changes nothing.

        - `name`: `sessions/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            sessions_pb2.RevokeSessionRequest,
            name=name,
            request_id=request_id,
        )
        return await self.RevokeSession(request, deadline_seconds=deadline_seconds)

    async def revoke_all(
        self,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> sessions_pb2.RevokeAllSessionsResponse:
        """Ends all of the caller's sessions, this one too, and forgets the devices that the account knows.

        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            sessions_pb2.RevokeAllSessionsRequest,
            request_id=request_id,
        )
        return await self.RevokeAllSessions(request, deadline_seconds=deadline_seconds)
