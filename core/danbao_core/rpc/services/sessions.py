"""Sessions of people: registering, logging in, and ending what was begun."""

from typing import TYPE_CHECKING, Any, Final

import msgspec

from danbao.v1 import sessions_pb2, sessions_pb2_grpc, verification_pb2
from danbao_core import sql
from danbao_core.engine import Origin
from danbao_core.engine.reads import fetch_row, fetch_rows
from danbao_core.errors import SecretAlreadyShown, TokenInvalid
from danbao_core.ids import uuid7
from danbao_core.people.asking import new_sms_code
from danbao_core.people.challenges import Approval, Challenge, FactorKind, Purpose
from danbao_core.people.devices import Device
from danbao_core.people.keeping_sessions import RefreshSession, RevokeAllSessions, RevokeSession
from danbao_core.people.logging_in import CompleteLogin, LogIn
from danbao_core.people.messages import letter
from danbao_core.people.phones import phone_of
from danbao_core.people.registering import CompleteRegistration, Register, RegistrationDetails
from danbao_core.people.sessions import RefreshToken, Session, access_token
from danbao_core.people_errors import ApprovalMismatch, ApprovalNotFound
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.services.desk import Desk, Known, public_origin

if TYPE_CHECKING:
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]

_DETAILS: Final = "details"


class Sessions(sessions_pb2_grpc.SessionServiceServicer):
    """Sessions of people: registering, logging in, and ending what was begun."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # --- Without a token ---

    async def RegisterPerson(
        self, request: sessions_pb2.RegisterPersonRequest, context: "_Context"
    ) -> verification_pb2.Challenge:
        desk, keyring = self._desk, self._desk.keyring
        desk.must_send()
        phone = phone_of(request.phone)
        stored = await desk.login_passwords.hashed(request.login_password, phone[1:], request.display_name)
        hashes, challenge_id = desk.lookups(phone), uuid7()
        details = RegistrationDetails(phone, stored, request.display_name, tuple(request.currency_codes), request.language)
        command = Register(
            id=challenge_id,
            origin=public_origin(f"phone:{hashes[0].hex()}"),
            phone_hashes=hashes,
            currencies=details.currencies,
            device_id=request.device_id,
            sms=new_sms_code(keyring, challenge_id, phone, language=request.language),
            known=letter(keyring, phone, "already_registered"),
            details=keyring.seal(msgspec.json.encode(details).decode(), "challenge", _DETAILS, challenge_id),
        )
        return convert.challenge(await calls.submit(desk.engine, command))

    async def CreateSession(
        self, request: sessions_pb2.CreateSessionRequest, context: "_Context"
    ) -> sessions_pb2.CreateSessionResponse:
        desk = self._desk
        desk.must_send()
        known = await desk.known(phone_of(request.phone))
        outcome = await calls.submit(desk.engine, await self._login(request, known))
        if outcome.challenge is not None:
            return sessions_pb2.CreateSessionResponse(challenge=convert.challenge(outcome.challenge))
        assert outcome.session is not None  # or it was refused
        return sessions_pb2.CreateSessionResponse(tokens=self._shown_once(outcome.session))

    async def _login(self, request: sessions_pb2.CreateSessionRequest, known: Known) -> LogIn:
        desk, person, command_id = self._desk, known.person, uuid7()
        account_id = None if person is None else person.account_id
        device = None if account_id is None else await fetch_row(desk.pool, Device, account_id, request.device_id)
        device_known = device is not None and person is not None and device.epoch == person.session_epoch
        by = known.hashes[0].hex()
        sms = None
        if account_id is not None:
            place = (account_id, request.device_id) if device_known else None
            sms = new_sms_code(desk.keyring, command_id, known.phone, place, account_id=account_id)
        return LogIn(
            id=command_id,
            origin=public_origin(f"phone:{by}"),
            phone_hashes=known.hashes,
            account_id=account_id,
            device_id=request.device_id,
            device_known=device_known,
            epoch=0 if person is None else person.session_epoch,
            proof=await desk.login_proof(person, request.login_password, by),
            factor=_preferred(FactorKind(request.factor)) if request.factor else None,
            sms=sms,
        )

    async def CompleteSession(
        self, request: sessions_pb2.CompleteSessionRequest, context: "_Context"
    ) -> sessions_pb2.SessionTokens:
        desk, approval_id = self._desk, convert.id_of(request.approval)
        approval = await fetch_row(desk.pool, Approval, approval_id)
        if approval is None or approval.session_id is not None:
            raise ApprovalNotFound(approval=request.approval)
        origin = public_origin(f"challenge:{approval_id}")
        match approval.purpose:
            case Purpose.REGISTER:
                command: CompleteRegistration | CompleteLogin = await self._registration(approval, request, origin)
            case Purpose.LOGIN:
                command = await self._approved_login(approval, request, origin)
            case _:
                raise ApprovalMismatch(approval=approval.name)
        return self._shown_once(await calls.submit(desk.engine, command))

    async def _registration(
        self, approval: Approval, request: sessions_pb2.CompleteSessionRequest, origin: Origin
    ) -> CompleteRegistration:
        desk, keyring = self._desk, self._desk.keyring
        challenge = await fetch_row(desk.pool, Challenge, approval.id)
        if challenge is None or challenge.details is None:
            raise ApprovalNotFound(approval=approval.name)
        opened = keyring.open(challenge.details, "challenge", _DETAILS, challenge.id)
        details, account_id = msgspec.json.decode(opened, type=RegistrationDetails), uuid7()
        return CompleteRegistration(
            origin=origin,
            approval_id=approval.id,
            device_id=request.device_id,
            account_id=account_id,
            phone_hashes=desk.lookups(details.phone),
            phone=keyring.seal(details.phone, "person", "phone", account_id),
            login_password=details.login_password,
            display_name=details.display_name,
            currencies=details.currencies,
            language=details.language,
        )

    async def _approved_login(
        self, approval: Approval, request: sessions_pb2.CompleteSessionRequest, origin: Origin
    ) -> CompleteLogin:
        if approval.account_id is None:
            raise ApprovalNotFound(approval=approval.name)
        person = await self._desk.person(approval.account_id)
        return CompleteLogin(
            origin=origin,
            approval_id=approval.id,
            account_id=approval.account_id,
            device_id=request.device_id,
            letter=self._desk.letter_to(person, "new_device"),
        )

    async def RefreshSession(
        self, request: sessions_pb2.RefreshSessionRequest, context: "_Context"
    ) -> sessions_pb2.SessionTokens:
        token = RefreshToken.parse(request.refresh_token)
        if not token.made_by(self._desk.keyring):
            raise TokenInvalid
        origin = msgspec.structs.replace(public_origin(f"session:{token.session_id}"), request_id="", content=b"")
        command = RefreshSession(
            origin=origin, session_id=token.session_id, generation=token.generation, request_id=request.request_id
        )
        refreshed = await calls.submit(self._desk.engine, command)
        if refreshed.repeated:
            calls.mark_replayed()
        return self._tokens(refreshed.session)

    # --- In a session ---

    async def ListSessions(
        self, request: sessions_pb2.ListSessionsRequest, context: "_Context"
    ) -> sessions_pb2.ListSessionsResponse:
        _, current = await self._desk.caller()
        text, now = sql.load("danbao_core.people", "list_sessions"), calls.current().received_at
        rows = await fetch_rows(self._desk.pool, Session, text, current.account_id, now)
        return sessions_pb2.ListSessionsResponse(sessions=[convert.session(row, current.id) for row in rows])

    async def RevokeSession(self, request: sessions_pb2.RevokeSessionRequest, context: "_Context") -> sessions_pb2.Session:
        origin = calls.current().origin
        command = RevokeSession(origin=origin, session_id=convert.id_of(request.name))
        session = await calls.submit(self._desk.engine, command)
        self._desk.authenticator.forget_account(session.account_id)
        return convert.session(session, origin.session_id)

    async def RevokeAllSessions(
        self, request: sessions_pb2.RevokeAllSessionsRequest, context: "_Context"
    ) -> sessions_pb2.RevokeAllSessionsResponse:
        origin = calls.current().origin
        await calls.submit(self._desk.engine, RevokeAllSessions(origin=origin))
        if origin.account_id is not None:
            self._desk.authenticator.forget_account(origin.account_id)
        return sessions_pb2.RevokeAllSessionsResponse()

    # --- Tokens ---

    def _shown_once(self, session: Session) -> sessions_pb2.SessionTokens:
        """The tokens of a session that the current call began. Raises SecretAlreadyShown for a repeat."""
        if calls.current().seen.replayed:
            raise SecretAlreadyShown(session=session.name)
        return self._tokens(session)

    def _tokens(self, session: Session) -> sessions_pb2.SessionTokens:
        keyring = self._desk.keyring
        access, expires_at = access_token(keyring, session, calls.current().received_at)
        return sessions_pb2.SessionTokens(
            session=convert.session(session, session.id),
            account=f"accounts/{session.account_id}",
            access_token=access,
            access_expire_time=convert.timestamp(expires_at),
            refresh_token=str(RefreshToken.of(keyring.current, session.id, session.generation)),
        )


def _preferred(factor: FactorKind) -> FactorKind:
    """The factor of a challenge; a recovery code answers those for TOTP."""
    return FactorKind.TOTP if factor is FactorKind.RECOVERY_CODE else factor
