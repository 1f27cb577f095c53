"""Second factors, challenges and approvals."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

import msgspec
import segno

from danbao.v1 import verification_pb2, verification_pb2_grpc
from danbao_core import sql
from danbao_core.accounts import Account
from danbao_core.engine.reads import fetch_row, fetch_rows
from danbao_core.errors import FieldInvalid, SecretAlreadyShown, Violation
from danbao_core.fundings import AskToWithdraw
from danbao_core.ids import uuid7
from danbao_core.payments.approving import AskToPay
from danbao_core.people.answering import AnswerChallenge, code_for, code_shown
from danbao_core.people.asking import new_email_code, new_sms_code
from danbao_core.people.challenges import FactorKind, Purpose, binding, personal_binding
from danbao_core.people.changing import email_binding
from danbao_core.people.devices import Device
from danbao_core.people.emails import email_of
from danbao_core.people.enrolment import (
    ConfirmTotp,
    CreateRecoveryCodes,
    EnrollTotp,
    RemoveFactor,
    owner_of,
)
from danbao_core.people.factors import Factor, FactorState, new_recovery_codes, new_secret, otpauth_uri, recovery_hashes
from danbao_core.people.masks import mask_email, mask_phone
from danbao_core.people.person import Person
from danbao_core.people.phones import phone_of
from danbao_core.people.requesting import AskForChange
from danbao_core.people.requesting import CreateChallenge as AskCommand
from danbao_core.people_errors import FactorMissing, FactorNotFound
from danbao_core.rpc import call as calls
from danbao_core.rpc import convert
from danbao_core.rpc.convert import verification as convert_verification
from danbao_core.rpc.convert.parts import optional_id_of
from danbao_core.rpc.services.desk import Desk

if TYPE_CHECKING:
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]

_CHANGES = {"change_password": Purpose.CHANGE_PASSWORD, "change_factors": Purpose.CHANGE_FACTORS}


class Verification(verification_pb2_grpc.VerificationServiceServicer):
    """Second factors, challenges and approvals.

    Codes and secrets are hashed and sealed here, before a decision is made, and never stored otherwise.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._engine = desk.engine
        self._pool = desk.pool
        self._keyring = desk.keyring

    async def EnrollTotp(
        self, request: verification_pb2.EnrollTotpRequest, context: "_Context"
    ) -> verification_pb2.EnrollTotpResponse:
        factor_id, secret, origin = uuid7(), new_secret(), calls.current().origin
        command = EnrollTotp(
            origin=origin,
            id=factor_id,
            sealed_secret=self._keyring.seal(secret, "factor", "secret", factor_id),
            label=request.label,
            approval_id=optional_id_of(request.approval),
        )
        factor: Factor = await self._once(command)
        account = await fetch_row(self._pool, Account, owner_of(origin))
        uri = otpauth_uri(secret, request.label or ("" if account is None else account.display_name) or "Danbao")
        picture = BytesIO()
        segno.make(uri, error="m").save(picture, kind="svg", xmldecl=False)
        return verification_pb2.EnrollTotpResponse(
            factor=convert_verification.factor(factor),
            secret=secret,
            otpauth_uri=uri,
            qr_svg=picture.getvalue().decode(),
        )

    async def ConfirmTotp(self, request: verification_pb2.ConfirmTotpRequest, context: "_Context") -> verification_pb2.Factor:
        call = calls.current()
        factor = await fetch_row(self._pool, Factor, convert.id_of(request.name))
        if factor is None or factor.account_id != owner_of(call.origin):
            raise FactorNotFound(factor=request.name)
        command = ConfirmTotp(
            origin=call.origin,
            factor_id=factor.id,
            shown=code_for(self._keyring, factor.id, factor, request.code, call.received_at),
            letter=self._desk.letter_to((await self._desk.caller())[0], "factor_added"),
        )
        return convert_verification.factor(await calls.submit(self._engine, command))

    async def ListFactors(
        self, request: verification_pb2.ListFactorsRequest, context: "_Context"
    ) -> verification_pb2.ListFactorsResponse:
        person, _ = await self._desk.caller()
        phone = self._desk.phone_of(person)
        text = sql.load("danbao_core.people", "list_factors")
        rows = await fetch_rows(self._pool, Factor, text, person.account_id)
        factors = [convert_verification.phone_factor(mask_phone(phone))] if phone else []
        if email := self._desk.email_of(person):
            factors.append(convert_verification.email_factor(mask_email(email)))
        for row in rows:
            factors.append(convert_verification.factor(row))
            if row.state is FactorState.ACTIVE and row.recovery_generation:
                (count,) = await self._pool.fetch(
                    sql.load("danbao_core.people", "count_recovery_codes"), row.id, row.recovery_generation
                )
                factors.append(convert_verification.recovery_factor(row, count["left"]))
        return verification_pb2.ListFactorsResponse(factors=factors)

    async def RemoveFactor(self, request: verification_pb2.RemoveFactorRequest, context: "_Context") -> verification_pb2.Factor:
        command = RemoveFactor(
            origin=calls.current().origin,
            factor_id=convert.id_of(request.name),
            approval_id=convert.id_of(request.approval),
            letter=self._desk.letter_to((await self._desk.caller())[0], "factor_removed"),
        )
        return convert_verification.factor(await calls.submit(self._engine, command))

    async def CreateRecoveryCodes(
        self, request: verification_pb2.CreateRecoveryCodesRequest, context: "_Context"
    ) -> verification_pb2.CreateRecoveryCodesResponse:
        (person, _), codes = await self._desk.caller(), new_recovery_codes()
        if person.totp_id is None:
            raise FactorMissing(factor=FactorKind.TOTP.name)
        command = CreateRecoveryCodes(
            origin=calls.current().origin,
            factor_id=person.totp_id,
            code_hashes=tuple(recovery_hashes(self._keyring, person.totp_id, code)[0] for code in codes),
            approval_id=convert.id_of(request.approval),
            letter=self._desk.letter_to(person, "recovery_codes_made"),
        )
        await self._once(command)
        return verification_pb2.CreateRecoveryCodesResponse(codes=codes)

    async def CreateChallenge(
        self, request: verification_pb2.CreateChallengeRequest, context: "_Context"
    ) -> verification_pb2.Challenge:
        command = await self._asking(request)
        return convert_verification.challenge(await calls.submit(self._engine, command))

    async def AnswerChallenge(
        self, request: verification_pb2.AnswerChallengeRequest, context: "_Context"
    ) -> verification_pb2.Approval:
        call = calls.current()
        origin, challenge_id = call.origin, convert.id_of(request.name)
        if origin.public:  # whoever has the challenge owns the request ids
            origin = msgspec.structs.replace(origin, caller=f"challenge:{challenge_id}")
        _, shown = await code_shown(self._pool, self._keyring, challenge_id, request.code, call.received_at)
        command = AnswerChallenge(origin=origin, challenge_id=challenge_id, shown=shown)
        return convert_verification.approval(await calls.submit(self._engine, command))

    # --- Challenges ---

    async def _asking(self, request: verification_pb2.CreateChallengeRequest) -> AskCommand:
        """The command for a request."""
        person, session = await self._desk.caller()
        factor, subject = FactorKind(request.factor), request.WhichOneof("subject")
        if (factor is FactorKind.EMAIL) != (subject == "change_email"):
            raise FieldInvalid([Violation("factor", "must be KIND_EMAIL for change_email, and only for it")])
        new_phone = phone_of(request.change_phone.phone) if subject == "change_phone" else ""
        if new_phone and factor is not FactorKind.SMS:
            raise FieldInvalid([Violation("factor", "must be KIND_SMS: the code shows that the new number is theirs")])
        challenge_id = uuid7()
        facts: dict[str, Any] = {
            "origin": calls.current().origin,
            "id": challenge_id,
            "factor": factor,
            "device_id": session.device_id,
            "sms": None,
        }
        if subject == "change_email":
            self._desk.must_mail()
            address, device = email_of(request.change_email.email), await self._known_device(person, session.device_id)
            facts["sms"] = new_email_code(self._keyring, challenge_id, address, device, person.account_id)
            bound_to = email_binding(person.account_id, self._keyring.lookup("email", address))
            return AskForChange(**facts, purpose=Purpose.CHANGE_EMAIL, bound_to=bound_to)
        if factor is FactorKind.SMS:
            self._desk.must_send()
            phone = new_phone or self._desk.phone_of(person)
            if phone is None:
                raise FactorMissing(factor=factor.name)
            device = await self._known_device(person, session.device_id)
            facts["sms"] = new_sms_code(
                self._keyring, challenge_id, phone, device, own_number=not new_phone, account_id=person.account_id
            )
        if subject == "pay":
            return AskToPay(**facts, payment_id=convert.id_of(request.pay.payment))
        if subject == "withdraw":
            wanted = request.withdraw
            instrument_id, amount = convert.id_of(wanted.instrument), convert.money_of(wanted.amount)
            return AskToWithdraw(**facts, instrument_id=instrument_id, amount=amount)
        if subject == "change_phone":
            number = self._keyring.lookup("phone", new_phone).hex()
            bound_to = binding(Purpose.CHANGE_PHONE, person.account_id, number)
            return AskForChange(**facts, purpose=Purpose.CHANGE_PHONE, bound_to=bound_to)
        purpose = _CHANGES[str(subject)]
        return AskForChange(**facts, purpose=purpose, bound_to=personal_binding(purpose, person.account_id))

    async def _known_device(self, person: Person, device_id: str) -> tuple[Any, str] | None:
        """Account and device, where the account knows the device."""
        device = await fetch_row(self._pool, Device, person.account_id, device_id)
        return (person.account_id, device_id) if device is not None and device.epoch == person.session_epoch else None

    # --- Secrets ---

    async def _once(self, command: Any) -> Any:
        """Carries out a command whose answer shows a secret, which no repeat may."""
        call = calls.current()
        answer = await self._engine.submit(command, timeout_seconds=call.remaining_seconds)
        if answer.replayed:
            raise SecretAlreadyShown(factor=f"factors/{answer.result.id}")
        return answer.result
