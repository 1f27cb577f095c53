"""Codes of authenticators: the vectors of RFC 4226 and RFC 6238, and which steps are good."""

import base64
from datetime import UTC, datetime

import pytest

from danbao_core.ids import uuid7
from danbao_core.keyring import Keyring
from danbao_core.people.factors import (
    code_of_step,
    is_recovery_code,
    matching_step,
    new_recovery_codes,
    new_secret,
    otpauth_uri,
    recovery_hashes,
    step_at,
)

SECRET = base64.b32encode(b"12345678901234567890").decode()
NOW = datetime(2026, 11, 22, 12, 0, 7, tzinfo=UTC)


def test_counters_make_the_codes_of_rfc_4226() -> None:
    expected = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489"
    assert [code_of_step(SECRET, counter) for counter in range(10)] == expected.split()


@pytest.mark.parametrize(
    ("seconds", "eight_digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_times_make_the_codes_of_rfc_6238(seconds: int, eight_digits: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    code = eight_digits[-6:]  # a shorter code is the end of a longer one
    assert code_of_step(SECRET, step_at(at)) == code
    assert matching_step(SECRET, code, at) == step_at(at)


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_good_in_its_step_and_the_two_beside_it(steps: int, good: bool) -> None:
    step = step_at(NOW) + steps
    assert matching_step(SECRET, code_of_step(SECRET, step), NOW) == (step if good else None)


def test_the_first_steps_of_all_have_none_before_them() -> None:
    assert matching_step(SECRET, code_of_step(SECRET, 0), datetime(1970, 1, 1, tzinfo=UTC)) == 0


def test_a_uri_says_how_codes_are_made() -> None:
    secret = new_secret()
    assert otpauth_uri(secret, "Ada's phone") == f"otpauth://totp/Danbao:Ada%27s%20phone?secret={secret}&issuer=Danbao"


def test_recovery_codes_are_found_however_they_are_written() -> None:
    keyring, factor_id = Keyring({"0": b"5" * 32}), uuid7()
    codes = new_recovery_codes()
    assert len(set(codes)) == 10
    assert all(is_recovery_code(code) and is_recovery_code(code.replace("-", "").lower()) for code in codes)
    assert not is_recovery_code("123456")
    assert recovery_hashes(keyring, factor_id, codes[0]) == recovery_hashes(keyring, factor_id, codes[0].lower())
    assert recovery_hashes(keyring, factor_id, codes[0]) != recovery_hashes(keyring, uuid7(), codes[0])
