"""The second story that `danbao demo` tells: a person with a phone, over gRPC alone, as a mobile backend would."""

import secrets
import time
from collections.abc import Callable
from typing import Final

import pyotp
from stdnum.cn import ric

from danbao.v1.accounts_pb2 import Account
from danbao.v1.identity_pb2 import Identity
from danbao.v1.verification_pb2 import CreateChallengeRequest, Factor
from danbao_client import ApprovalRequired, Danbao, Money
from danbao_core.cli.output import CommandFailed
from danbao_core.cli.story import CURRENCY, Step, Told

_TOP_UP_MINOR: Final = 5_000_00
_PRICE_MINOR: Final = 3_000_00
_PAYMENT_PASSWORD: Final = "271828"  # noqa: S105  # of somebody who is made up
_REAL_NAME: Final = "林晓"
_CARD_NUMBER: Final = "6212345678900000003"
"""A number that no bank has given out, with the right check digit."""
_CHANNELS: Final = (
    Identity.CHANNEL_PUBLIC_SECURITY,
    Identity.CHANNEL_BANK,
    Identity.CHANNEL_CARRIER,
)
_TOTP_SECONDS: Final = 30


class Journey(Told):
    """A person registers, proves who they are, enrols an authenticator and buys something dear. With a phone of their own each
    time, so that it can be told again on the same core."""

    def __init__(self, danbao: Danbao, on_step: Callable[[Step], None]) -> None:
        super().__init__(danbao, on_step)
        self._person = danbao.with_token("")
        self._phone = f"+86138{secrets.randbelow(10**8):08}"
        self._number = _some_number()
        self.secrets = [self._phone, self._number, _REAL_NAME, _CARD_NUMBER]
        """What the person gave away or was given, of which nothing may stand anywhere in clear."""
        self.digits = [_PAYMENT_PASSWORD]
        """The same of six digits, which by themselves may stand in any number."""

    async def tell(self) -> None:
        """From a phone number to a confirmed purchase. Raises DanbaoError and CommandFailed."""
        self._seller = await self._account(Account.KIND_MERCHANT, "Camera House")
        await self._register()
        await self._prove_identity()
        authenticator = await self._enrol()
        await self._buy(authenticator)

    async def _register(self) -> None:
        password = secrets.token_urlsafe(12)
        self.secrets.append(password)
        challenge = await self._person.sessions.register_person(
            phone=self._phone,
            login_password=password,
            display_name="Lin Xiao",
            currency_codes=[CURRENCY],
            device_id="phone-of-lin-xiao",
        )
        approval = await self._answered(challenge.name, await self._code_on_the_phone())
        tokens = await self._person.sessions.complete(approval=approval, device_id="phone-of-lin-xiao")
        self._person = self._danbao.with_token(tokens.access_token)
        self._buyer = tokens.account
        await self._person.accounts.set_payment_password(payment_password=_PAYMENT_PASSWORD, login_password=password)
        await self._step("A person registers", "With the code that came to the phone; an access token is good for ten minutes.")

    async def _prove_identity(self) -> None:
        identity = Identity()
        for channel in _CHANNELS:
            identity = await self._person.accounts.verify_identity(
                account=self._buyer,
                channel=channel,
                real_name=_REAL_NAME,
                document=Identity.DOCUMENT_RESIDENT_ID,
                number=self._number,
            )
        await self._step(
            f"Three channels confirm that it is {identity.real_name}, {identity.number}",
            "That is level II: 100,000 yuan a year. What is stored of it is encrypted, and shown masked.",
        )
        card = await self._person.accounts.bind_instrument(
            account=self._buyer, card_number=_CARD_NUMBER, payment_password=_PAYMENT_PASSWORD
        )
        await self._person.accounts.top_up(account=self._buyer, amount=Money.of_minor(_TOP_UP_MINOR, CURRENCY))
        self._topped_up_minor = _TOP_UP_MINOR
        await self._step(
            f"They bind the card that ends in {card.last_four}, and top up", "Its number went to the bank and is not kept."
        )

    async def _enrol(self) -> pyotp.TOTP:
        enrolled = await self._person.verification.enroll_totp(label="Authenticator")
        authenticator = pyotp.TOTP(enrolled.secret)
        self.secrets.append(enrolled.secret)
        await self._person.verification.confirm_totp(
            enrolled.factor.name, code=authenticator.at(int(time.time()) - _TOTP_SECONDS)
        )
        await self._step("They enrol an authenticator", "By the QR code, an SVG picture; a code works once.")
        return authenticator

    async def _buy(self, authenticator: pyotp.TOTP) -> None:
        name = await self._order("CAMERA-1", "A camera", _PRICE_MINOR)
        payments = self._person.payments
        try:
            await payments.pay(name, payment_password=_PAYMENT_PASSWORD)
        except ApprovalRequired as refused:
            factors = refused.metadata["factors"].replace(",", " or ")
        else:
            raise CommandFailed("NOT_REFUSED", "3,000 yuan went through on a payment password alone.")
        await self._step(
            f"They buy a camera: the payment password alone is refused, {factors} would do",
            "Over 1,000 yuan a day it takes a second factor. Nothing moved; the payment waits.",
        )
        challenge = await self._person.verification.create_challenge(
            pay=CreateChallengeRequest.PayPurpose(payment=name), factor=Factor.KIND_TOTP
        )
        approval = await self._answered(challenge.name, authenticator.now())
        await payments.pay(name, payment_password=_PAYMENT_PASSWORD, approval=approval)
        await self._step(
            "They approve it with the authenticator, and pay",
            "The approval is of this payment, payee and amount; it was used up in the commit that moved the money.",
        )
        await self._ship(name, "SF0000000000003")
        await payments.confirm(name, payment_password=_PAYMENT_PASSWORD)
        await self._step("The camera arrives, and they confirm", "The money leaves escrow for the seller, less the fee.")

    async def _answered(self, challenge: str, code: str) -> str:
        """The approval for a challenge."""
        approval = await self._person.verification.answer_challenge(challenge, code=code)
        return approval.name

    async def _code_on_the_phone(self) -> str:
        sent = [message async for message in self._danbao.sandbox.list_sent_messages(address=self._phone)]
        code = sent[0].parameters["code"]
        self.digits.append(code)
        return code


def _some_number() -> str:
    """The number of an identity card of nobody: a district of Beijing, a birthday, and the check character of GB 11643."""
    number = f"11010519900307{secrets.randbelow(1000):03}"
    return number + ric.calc_check_digit(f"{number}0")  # it leaves the last one out
