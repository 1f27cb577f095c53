"""The payment password: what is refused as common, how wrong ones are counted, and how it is locked and unlocked."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from danbao_core.engine import Book, Command, Decision, Draft, Key
from danbao_core.errors import Refusal, RetriesExhausted
from danbao_core.keyring import Keyring
from danbao_core.people.attempts import AttemptKind, Attempts
from danbao_core.people.messages import Message
from danbao_core.people.passwords import (
    PaymentProof,
    must_show_payment_password,
    new_payment_password,
    payment_keys,
    payment_proof,
)
from danbao_core.people.person import Document, IdentityLevel, Person, person_of
from danbao_core.people_errors import ApprovalRequired, PasswordLocked, PasswordMissing, PasswordTooCommon, PasswordWrong
from tests.builders import origin
from tests.memory_core import NOON, MemoryCore

KEYRING = Keyring({"old": b"o" * 32, "new": b"n" * 32})
ACCOUNT = UUID("00000000-0000-7000-8000-00000000000a")
RIGHT = "280463"


def a_person(pin: str = RIGHT) -> Person:
    stored = new_payment_password(KEYRING, ACCOUNT, pin) if pin else None
    return Person(
        account_id=ACCOUNT,
        phone=KEYRING.seal("+8613800138000", "person", "phone", ACCOUNT),
        login_password="",
        payment_password=stored and stored.mac,
        payment_salt=stored and stored.salt,
        payment_key_id=stored.key_id if stored else "",
        session_epoch=0,
        changed_at=None,
        level=IdentityLevel.NONE,
        channels="",
        document=Document.NONE,
        real_name=None,
        number=None,
        number_hash=None,
        created_at=NOON,
        updated_at=NOON,
        version=1,
    )


class Show(Command[PaymentProof], frozen=True):
    """A command that needs nothing but the payment password."""

    result_type = PaymentProof
    proof: PaymentProof | None

    def keys(self, book: Book) -> list[Key]:
        return list(payment_keys(ACCOUNT))

    def decide(self, book: Book) -> Decision[PaymentProof]:
        draft = Draft(book)
        refusal = must_show_payment_password(draft, self.origin, person_of(book, ACCOUNT), self.proof)
        return Decision(PaymentProof(b"", b"", b"", None), draft.changes, refusal)


class Guesser:
    """Shows payment passwords to a core that knows one person."""

    def __init__(self, pin: str = RIGHT) -> None:
        self.person = a_person(pin)
        self.core = MemoryCore([self.person])

    def shows(self, pin: str, **facts: Any) -> Refusal | None:
        """The refusal of a password, or None where it is right."""
        try:
            self.core.carry_out(Show(origin=origin(**facts), proof=payment_proof(KEYRING, self.person, pin)))
        except Refusal as refusal:
            return refusal
        return None

    @property
    def counted(self) -> int:
        (attempts,) = self.core.all(Attempts)
        assert attempts.kind is AttemptKind.PAYMENT_PASSWORD
        return attempts.count


@pytest.mark.parametrize("pin", ["000000", "777777", "123456", "654321", "789012", "210987"])
def test_common_payment_passwords_are_refused(pin: str) -> None:
    with pytest.raises(PasswordTooCommon):
        new_payment_password(KEYRING, ACCOUNT, pin)


@pytest.mark.parametrize("pin", ["280463", "112233", "135791", "100000"])
def test_other_payment_passwords_are_taken(pin: str) -> None:
    assert new_payment_password(KEYRING, ACCOUNT, pin).key_id == "new"


def test_the_same_password_is_stored_otherwise_each_time() -> None:
    first, second = (new_payment_password(KEYRING, ACCOUNT, RIGHT) for _ in range(2))
    assert first.salt != second.salt
    assert first.mac != second.mac


def test_a_right_password_changes_nothing() -> None:
    guesser = Guesser()
    assert guesser.shows(RIGHT) is None
    assert guesser.core.all(Attempts) == []


def test_a_password_that_was_set_under_an_older_key_is_right() -> None:
    guesser = Guesser()
    old = new_payment_password(Keyring({"old": b"o" * 32}), ACCOUNT, RIGHT)
    guesser.person = guesser.person.replace(payment_password=old.mac, payment_salt=old.salt, payment_key_id="old")
    guesser.core = MemoryCore([guesser.person])
    assert guesser.shows(RIGHT) is None


def test_none_shown_none_set_and_one_set_meanwhile_count_nothing() -> None:
    guesser = Guesser()
    refusal = guesser.shows("")
    assert isinstance(refusal, ApprovalRequired)
    assert refusal.metadata == {"factors": "PAYMENT_PASSWORD"}
    guesser.person = a_person("112233")
    assert isinstance(guesser.shows("112233"), RetriesExhausted)
    assert guesser.core.all(Attempts) == []
    assert isinstance(Guesser(pin="").shows(RIGHT), PasswordMissing)


def test_the_third_wrong_one_locks_for_three_hours_and_tells_the_person() -> None:
    guesser = Guesser()
    left = []
    for _ in range(3):
        refusal = guesser.shows("999999")
        assert isinstance(refusal, PasswordWrong)
        left.append(refusal.metadata["attempts_left"])
    assert left == ["2", "1", "0"]
    (message,) = guesser.core.all(Message)
    assert message.template == "password_locked"
    assert KEYRING.open(message.address, "message", "address", message.id) == "+8613800138000"
    refusal = guesser.shows(RIGHT)
    assert isinstance(refusal, PasswordLocked)
    assert refusal.metadata == {"unlock_time": (NOON + timedelta(hours=3)).isoformat()}
    guesser.core.advance(3 * 3600 - 1)
    assert isinstance(guesser.shows(RIGHT), PasswordLocked)
    guesser.core.advance(1)
    assert guesser.shows(RIGHT) is None
    assert len(guesser.core.all(Message)) == 1


def test_after_a_lock_every_further_wrong_one_of_the_day_locks_again() -> None:
    guesser = Guesser()
    guesser.core.now = NOON - timedelta(hours=11)  # so that the day goes on
    for _ in range(3):
        guesser.shows("999999")
    guesser.core.advance(3 * 3600)
    assert isinstance(guesser.shows("999999"), PasswordWrong)
    assert isinstance(guesser.shows(RIGHT), PasswordLocked)


def test_what_is_tried_while_it_is_locked_counts_and_is_told_nothing() -> None:
    guesser = Guesser()
    for _ in range(3):
        guesser.shows("999999")
    for pin in (RIGHT, "999999") * 5:
        assert isinstance(guesser.shows(pin), PasswordLocked)
    assert guesser.counted == 13


def test_a_right_one_forgets_the_wrong_ones() -> None:
    guesser = Guesser()
    for _ in range(2):
        guesser.shows("999999")
    assert guesser.shows(RIGHT) is None
    assert guesser.counted == 0


def test_the_next_day_in_shanghai_counts_anew() -> None:
    guesser = Guesser()
    guesser.core.now = NOON + timedelta(hours=3, minutes=59)  # one minute to midnight
    for _ in range(2):
        guesser.shows("999999")
    guesser.core.advance(60)
    refusal = guesser.shows("999999")
    assert isinstance(refusal, PasswordWrong)
    assert refusal.metadata["attempts_left"] == "2"


def test_a_clock_that_goes_back_over_midnight_forgets_none() -> None:
    guesser = Guesser()
    guesser.core.now = NOON + timedelta(hours=4, minutes=30)
    for _ in range(2):
        guesser.shows("999999")
    guesser.core.now -= timedelta(hours=1)
    refusal = guesser.shows("999999")
    assert isinstance(refusal, PasswordWrong)
    assert refusal.metadata["attempts_left"] == "0"
    assert isinstance(guesser.shows(RIGHT), PasswordLocked)


def test_the_retry_of_a_counted_request_is_not_counted_again() -> None:
    guesser = Guesser()
    for _ in range(5):
        refusal = guesser.shows("999999", request_id="one")
        assert isinstance(refusal, PasswordWrong)
        assert refusal.metadata["attempts_left"] == "2"
    assert guesser.counted == 1
    guesser.shows("888888", request_id="one")
    assert guesser.counted == 2
