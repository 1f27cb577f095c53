"""Asking for a challenge, within the decision that comes upon the need of one.

Codes by SMS are counted where they are sent: those that a device of the account's asks for by that device, all others by the
number, so that a stranger who has codes sent to somebody's phone neither uses up nor replaces those of the owner. In the same
way wrong codes are counted by account where a session asks, and where nobody has shown a token by the number; by account and
device where that is a login on a device that the account knows.
"""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from danbao_core.clock import shanghai_day, shanghai_midnight
from danbao_core.engine import Draft, Key, Origin, Row, table
from danbao_core.keyring import Keyring, Use
from danbao_core.money import Money
from danbao_core.people import attempts
from danbao_core.people.attempts import AttemptKind, Attempts, Rule, attempts_key, by_account
from danbao_core.people.challenges import LIFETIME, Challenge, FactorKind, Purpose
from danbao_core.people.messages import Channel, Letter, letter, letter_by
from danbao_core.people.person import Person
from danbao_core.people_errors import FactorLocked, FactorMissing, TooManyCodes

WRONG_CODES: Final = Rule(most=10, lock=timedelta(hours=3))
"""How many wrong codes of a day, over all challenges, lock what they are counted by, and for how long."""

SENT_A_DAY: Final = 10
PAUSE: Final = timedelta(minutes=1)
"""Between two codes by SMS."""


@table("newest_code", rank=43, key=("sent_by",))
class NewestCode(Row, frozen=True):
    """The challenge for which a code was sent last; those before it, counted alike, can no longer be answered."""

    sent_by: bytes
    """The kind and the subject of the counter of sent codes."""
    challenge_id: UUID
    version: int


class SmsCode(msgspec.Struct, frozen=True):
    """A code that a decision may come to send, hashed and sealed before it is made; by SMS, or to a new e-mail address."""

    code_hash: bytes
    """An HMAC over challenge and code, under `key_id`."""
    key_id: str
    letter: Letter
    phone_hash: bytes
    """The lookup of ("phone", number) or ("email", address)."""
    device: bytes = b""
    """Account and device, where the device is one that the account knows."""
    own_number: bool = True
    """Whether it goes to the number of that account."""

    @property
    def counters(self) -> list[tuple[AttemptKind, bytes]]:
        """By what it is counted: what a known device has sent to another's number, by both."""
        by_device = [(AttemptKind.SMS_ON_DEVICE, self.device)] if self.device else []
        by_number = [] if self.device and self.own_number else [(AttemptKind.SMS_TO_NUMBER, self.phone_hash)]
        return by_number + by_device

    @property
    def sent_by(self) -> bytes:
        """By what codes replace each other."""
        kind, subject = self.counters[0]
        return bytes([kind]) + subject


def new_sms_code(
    keyring: Keyring,
    challenge_id: UUID,
    phone: str,
    device: tuple[UUID, str] | None = None,
    *,
    own_number: bool = True,
    account_id: UUID | None = None,
    language: str = "",
) -> SmsCode:
    """A new code of six digits to a number in E.164; `device` is account and device where the account knows the device, and
    `own_number` whether the number is that account's. `account_id` says who is written to, where that is somebody with an
    account, and `language` in which language where the account does not say it."""
    code = f"{secrets.randbelow(1_000_000):06}"
    written = letter(keyring, phone, "code", code=code).of(account_id, language, good_for=LIFETIME)
    return _code(keyring, challenge_id, code, written, device, own_number=own_number)


def new_email_code(keyring: Keyring, challenge_id: UUID, address: str, device: tuple[UUID, str] | None, owner: UUID) -> SmsCode:
    """A new code of six digits to an e-mail address that an account's person says is theirs; `device` as in `new_sms_code`."""
    code = f"{secrets.randbelow(1_000_000):06}"
    written = letter_by(keyring, Channel.EMAIL, address, "code", code=code).of(owner, good_for=LIFETIME)
    return _code(keyring, challenge_id, code, written, device, own_number=False)


def _code(  # the facts of a code
    keyring: Keyring, challenge_id: UUID, code: str, written: Letter, device: tuple[UUID, str] | None, *, own_number: bool
) -> SmsCode:
    return SmsCode(
        code_hash=sms_hashes(keyring, challenge_id, code)[keyring.current.id],
        key_id=keyring.current.id,
        letter=written,
        phone_hash=written.address_hash,
        device=b"" if device is None else by_account(*device),
        own_number=own_number,
    )


def sms_hashes(keyring: Keyring, challenge_id: UUID, code: str) -> dict[str, bytes]:
    """What a code by SMS is stored as, by the key of the ring under which it may be."""
    return {key.id: key.mac(Use.CODE, "sms", challenge_id.bytes, code) for key in keyring}


def guesses_by(account_id: UUID | None, counted_by: bytes = b"") -> bytes:
    """By what wrong codes are counted: as it is given, else by account."""
    return counted_by or (b"" if account_id is None else by_account(account_id))


def asking_keys(account_id: UUID | None, sms: SmsCode | None, counted_by: bytes = b"") -> Iterable[Key]:
    """What `ask` needs beside the command's own rows; the arguments are those given to it."""
    if account_id is not None:
        yield Person.read_key(account_id)
    yield Attempts.read_key(AttemptKind.CODE, guesses_by(account_id, counted_by))
    if sms is not None:
        yield from (attempts_key(*counter) for counter in sms.counters)
        yield NewestCode.key(sms.sent_by)


def ask(  # noqa: PLR0913  # the facts of a challenge
    draft: Draft,
    challenge_id: UUID,
    origin: Origin,
    purpose: Purpose,
    factor: FactorKind,
    *,
    account_id: UUID | None,
    device_id: str = "",
    subject: str = "",
    amount: Money | None = None,
    bound_to: bytes,
    sms: SmsCode | None = None,
    details: bytes | None = None,
    counted_by: bytes = b"",
    deliver: bool = True,
) -> Challenge:
    """Puts a challenge into the draft, and the message with its code where it is one by SMS, and answers it.

    The challenge is answered in the session that asks, or where there is none without a token. Without a token `counted_by`
    counts wrong codes, the lookup of the number that was named or account and known device; it must be given, for a number that
    nobody has, too. `deliver=False` does all the same but send: the answer to somebody whose number is not known.

    Raises FactorLocked (`unlock_time`), FactorMissing, and TooManyCodes (`possible_from`).
    """
    guesses = guesses_by(account_id, counted_by)
    must_not_be_locked(draft, guesses)
    if factor is FactorKind.TOTP and account_id is not None:
        person = draft.get(Person, account_id)
        if person is None or person.totp_id is None:
            raise FactorMissing(factor=factor.name)
    if sms is not None:
        _count_sent(draft, sms, challenge_id)
        if deliver:
            draft.put(sms.letter.sent(draft.now))
    sent = sms if deliver else None
    challenge = Challenge(
        id=challenge_id,
        purpose=purpose,
        factor=factor,
        account_id=account_id,
        session_id=origin.session_id,
        device_id=device_id,
        subject=subject,
        currency="" if amount is None else amount.currency,
        amount_minor=0 if amount is None else amount.amount_minor,
        binding=bound_to,
        code_hash=None if sent is None else sent.code_hash,
        code_key_id="" if sent is None else sent.key_id,
        tries=0,
        answered_at=None,
        details=details,
        created_at=draft.now,
        expires_at=draft.now + LIFETIME,
        version=1,
        guesses_by=guesses,
        sent_by=b"" if sms is None else sms.sent_by,
    )
    draft.put(challenge)
    return challenge


def must_not_be_locked(draft: Draft, guesses: bytes) -> None:
    """Raises FactorLocked while codes that are counted by this may not be tried."""
    wrong = attempts.current(draft, AttemptKind.CODE, guesses)
    if wrong.locked(draft.now) and wrong.locked_until is not None:
        raise FactorLocked(unlock_time=wrong.locked_until.isoformat())


def _count_sent(draft: Draft, sms: SmsCode, challenge_id: UUID) -> None:
    now = draft.now
    for counter in sms.counters:
        sent = attempts.current(draft, *counter)
        if sent.count_at(now) >= SENT_A_DAY:
            raise TooManyCodes(possible_from=shanghai_midnight(shanghai_day(now) + 1).isoformat())
        if sent.version and now < sent.last_at + PAUSE:
            raise TooManyCodes(possible_from=(sent.last_at + PAUSE).isoformat())
        draft.put(sent.one_more(now))
    before = draft.get(NewestCode, sms.sent_by)
    draft.put(NewestCode(sms.sent_by, challenge_id, 1 if before is None else before.version + 1))
