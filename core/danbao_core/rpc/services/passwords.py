"""What protects a person's account: its passwords and its phone number."""

from typing import TYPE_CHECKING, Any, Final, NoReturn

from danbao.v1 import accounts_pb2_grpc, identity_pb2, verification_pb2
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.ids import uuid7
from danbao_core.keyring import Keyring, Use
from danbao_core.people.asking import new_sms_code
from danbao_core.people.challenges import Approval, FactorKind, Purpose
from danbao_core.people.changing import (
    ChangeEmail,
    ChangeLoginPassword,
    ChangePaymentPassword,
    ChangePhone,
    SetPaymentPassword,
)
from danbao_core.people.emails import email_of
from danbao_core.people.masks import mask_email, mask_phone
from danbao_core.people.messages import Channel, letter, letter_by
from danbao_core.people.passwords import lock_letter, new_payment_password, payment_proof
from danbao_core.people.person import Person
from danbao_core.people.phones import phone_of
from danbao_core.people.resetting import ResetPassword, StartReset
from danbao_core.people_errors import ApprovalMismatch, ApprovalNotFound
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.convert.parts import optional_id_of
from danbao_core.rpc.services.desk import Desk, public_origin

if TYPE_CHECKING:
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]

_LOGIN: Final = identity_pb2.PASSWORD_KIND_LOGIN
_LEAST_CHARACTERS: Final = 8
_DIGITS: Final = 6
_TOTP_SHARE: Final = 4
"""One in so many numbers that nobody has is answered as if an authenticator were enrolled, always the same ones: so the factor
of an answer does not tell that somebody has the number."""


class Passwords(accounts_pb2_grpc.AccountServiceServicer):
    """What protects a person's account: its passwords and its phone number. Part of the service of accounts."""

    _desk: Desk

    async def SetPaymentPassword(
        self, request: identity_pb2.SetPaymentPasswordRequest, context: "_Context"
    ) -> identity_pb2.PasswordChange:
        desk = self._desk
        desk.must_send()
        person, session = await desk.caller()
        command = SetPaymentPassword(
            origin=calls.current().origin,
            device_id=session.device_id,
            letter=desk.letter_to(person, "password_set", password="payment"),  # noqa: S106  # which one
            proof=await desk.login_proof(person, request.login_password, str(person.account_id)),
            new=new_payment_password(desk.keyring, person.account_id, request.payment_password),
        )
        return convert.password_change(await calls.submit(desk.engine, command))

    async def ChangePassword(
        self, request: identity_pb2.ChangePasswordRequest, context: "_Context"
    ) -> identity_pb2.PasswordChange:
        _must_fit(request.kind, "new_password", request.new_password)
        desk = self._desk
        desk.must_send()
        person, session = await desk.caller()
        if request.kind != _LOGIN:
            return await self._change_payment_password(request, person, session.device_id)
        own = self._own_words(person)
        command = ChangeLoginPassword(
            origin=calls.current().origin,
            device_id=session.device_id,
            letter=desk.letter_to(person, "password_changed", password="login"),  # noqa: S106  # which one
            proof=await desk.login_proof(person, request.old_password, str(person.account_id)),
            approval_id=convert.id_of(request.approval),
            new=await desk.login_passwords.hashed(request.new_password, *own),
        )
        changed = await calls.submit(desk.engine, command)
        desk.authenticator.forget_account(person.account_id)
        return convert.password_change(changed)

    async def _change_payment_password(
        self, request: identity_pb2.ChangePasswordRequest, person: Person, device_id: str
    ) -> identity_pb2.PasswordChange:
        _must_fit(request.kind, "old_password", request.old_password)
        desk = self._desk
        proof = payment_proof(desk.keyring, person, request.old_password)
        assert proof is not None  # the contract's rules let no empty one pass
        command = ChangePaymentPassword(
            origin=calls.current().origin,
            device_id=device_id,
            letter=desk.letter_to(person, "password_changed", password="payment"),  # noqa: S106  # which one
            proof=proof,
            approval_id=convert.id_of(request.approval),
            new=new_payment_password(desk.keyring, person.account_id, request.new_password),
        )
        return convert.password_change(await calls.submit(desk.engine, command))

    async def StartPasswordReset(
        self, request: identity_pb2.StartPasswordResetRequest, context: "_Context"
    ) -> verification_pb2.Challenge:
        desk, challenge_id = self._desk, uuid7()
        desk.must_send()
        known = await desk.known(phone_of(request.phone))
        person = known.person
        account_id = None if person is None else person.account_id
        enrolled = looks_enrolled(desk.keyring, known.phone) if person is None else person.totp_id is not None
        command = StartReset(
            id=challenge_id,
            origin=public_origin(f"phone:{known.hashes[0].hex()}"),
            phone_hashes=known.hashes,
            account_id=account_id,
            factor=FactorKind.TOTP if enrolled else FactorKind.SMS,
            sms=None if enrolled else new_sms_code(desk.keyring, challenge_id, known.phone, account_id=account_id),
        )
        return convert.challenge(await calls.submit(desk.engine, command))

    async def ResetPassword(
        self, request: identity_pb2.ResetPasswordRequest, context: "_Context"
    ) -> identity_pb2.PasswordChange:
        _must_fit(request.kind, "new_password", request.new_password)
        desk, approval_id = self._desk, convert.id_of(request.approval)
        desk.must_send()
        approval = await fetch_row(desk.pool, Approval, approval_id)
        if approval is None or approval.session_id is not None:
            raise ApprovalNotFound(approval=request.approval)
        if approval.purpose is not Purpose.RESET_PASSWORD or approval.account_id is None:
            raise ApprovalMismatch(approval=approval.name)
        person = await desk.person(approval.account_id)
        phone, which = desk.phone_of(person), "login" if request.kind == _LOGIN else "payment"
        number = f"{int(person.document)}:{request.number}"
        command = ResetPassword(
            origin=public_origin(f"challenge:{approval_id}"),
            account_id=person.account_id,
            approval_id=approval_id,
            new=(
                await desk.login_passwords.hashed(request.new_password, *self._own_words(person))
                if request.kind == _LOGIN
                else new_payment_password(desk.keyring, person.account_id, request.new_password)
            ),
            number_hashes=tuple(desk.keyring.lookups("number", number)) if request.number else (),
            credential=desk.credential("number", str(person.account_id), request.number),
            phone_hash=desk.keyring.lookup("phone", phone or ""),
            letter=desk.letter_to(person, "password_reset", password=which),
            lock_letter=lock_letter(desk.keyring, person, which),
        )
        changed = await calls.submit(desk.engine, command)
        desk.authenticator.forget_account(person.account_id)
        return convert.password_change(changed)

    async def ChangePhone(self, request: identity_pb2.ChangePhoneRequest, context: "_Context") -> identity_pb2.PhoneChange:
        desk, phone = self._desk, phone_of(request.phone)
        desk.must_send()
        person, session = await desk.caller()
        old = desk.phone_of(person)
        command = ChangePhone(
            origin=calls.current().origin,
            device_id=session.device_id,
            letter=desk.letter_to(person, "phone_changed", phone=mask_phone(phone)),
            proof=await desk.login_proof(person, request.login_password, str(person.account_id)),
            approval_id=convert.id_of(request.approval),
            factor_approval_id=optional_id_of(request.factor_approval),
            old_hashes=() if old is None else desk.lookups(old),
            new_hashes=desk.lookups(phone),
            phone=desk.keyring.seal(phone, "person", "phone", person.account_id),
            welcome=letter(desk.keyring, phone, "phone_changed", phone=mask_phone(phone)).of(person.account_id),
        )
        await calls.submit(desk.engine, command)
        return identity_pb2.PhoneChange(phone=mask_phone(phone))

    async def ChangeEmail(self, request: identity_pb2.ChangeEmailRequest, context: "_Context") -> identity_pb2.EmailChange:
        desk, keyring = self._desk, self._desk.keyring
        person, session = await desk.caller()
        address, before = email_of(request.email) if request.email else "", desk.email_of(person)
        told = ("email_changed", {"email": mask_email(address)}) if address else ("email_removed", {})
        farewell = None
        if before is not None:
            farewell = letter_by(keyring, Channel.EMAIL, before, told[0], **told[1]).of(person.account_id)
        command = ChangeEmail(
            origin=calls.current().origin,
            device_id=session.device_id,
            letter=desk.letter_to(person, told[0], **told[1]),
            proof=await desk.login_proof(person, request.login_password, str(person.account_id)),
            approval_id=optional_id_of(request.approval),
            email_hash=keyring.lookup("email", address) if address else b"",
            email=keyring.seal(address, "person", "email", person.account_id) if address else None,
            seen=person.email,
            farewell=farewell,
        )
        await calls.submit(desk.engine, command)
        return identity_pb2.EmailChange(email=mask_email(address) if address else "")

    def _own_words(self, person: Person) -> tuple[str, ...]:
        """What others know of a person, which is no password."""
        phone = self._desk.phone_of(person)
        return () if phone is None else (phone[1:],)


def looks_enrolled(keyring: Keyring, phone: str) -> bool:
    """Whether a number that nobody has is answered as if an authenticator were enrolled."""
    return keyring.current.mac(Use.LOOKUP, "decoy", phone)[0] % _TOTP_SHARE == 0


def _must_fit(kind: "identity_pb2.PasswordKind.ValueType", field: str, password: str) -> None:
    """Raises FieldInvalid where a password has not the form of its kind."""
    if kind == _LOGIN and len(password) < _LEAST_CHARACTERS:
        _refuse(field, f"must be at least {_LEAST_CHARACTERS} characters")
    if kind != _LOGIN and not (len(password) == _DIGITS and password.isascii() and password.isdigit()):
        _refuse(field, f"must be {_DIGITS} digits")


def _refuse(field: str, description: str) -> NoReturn:
    raise FieldInvalid([Violation(field, description)])
