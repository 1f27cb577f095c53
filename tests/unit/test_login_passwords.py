"""Argon2 off the loop: how many at once, how many wait, and what is refused."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from danbao_core.people import login_passwords
from danbao_core.people.login_passwords import AT_ONCE, MOST_WAITING, LoginPasswords
from danbao_core.people_errors import PasswordsBusy, PasswordTooCommon


@pytest.fixture
def passwords() -> Iterator[LoginPasswords]:
    made = LoginPasswords()
    yield made
    made.close()


async def test_a_password_is_stored_as_argon2id_and_verified(passwords: LoginPasswords) -> None:
    stored = await passwords.hashed("tangerine-umbrella-42")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.is_right(stored, "tangerine-umbrella-42")
    assert not await passwords.is_right(stored, "tangerine-umbrella-43")
    assert await passwords.hashed("tangerine-umbrella-42") != stored


async def test_nobodys_password_is_never_right(passwords: LoginPasswords) -> None:
    assert not await passwords.is_right("", "")
    assert not await passwords.is_right("", "tangerine-umbrella-42")


@pytest.mark.parametrize("password", ["password", "12345678", "Password1", "1qaz2wsx", "88888888", "qq123456"])
async def test_what_is_tried_first_is_refused(passwords: LoginPasswords, password: str) -> None:
    with pytest.raises(PasswordTooCommon):
        await passwords.hashed(password)


async def test_no_password_takes_long_to_look_at(passwords: LoginPasswords) -> None:
    began = time.process_time()
    await passwords.hashed(4 * "4@8({[<369&!1/|0$5+7%2")
    assert time.process_time() - began < 2
    with pytest.raises(PasswordTooCommon):
        await passwords.hashed(4 * "1234567890!@#$%^&*()")


async def test_what_others_know_of_a_person_is_refused(passwords: LoginPasswords) -> None:
    await passwords.hashed("8613912345077x")
    with pytest.raises(PasswordTooCommon):
        await passwords.hashed("8613912345077x", "8613912345077")


async def test_few_work_at_once_and_who_comes_when_a_hundred_wait_is_turned_away(
    passwords: LoginPasswords, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, lock = threading.Event(), threading.Lock()
    inside, most = 0, 0

    class Slow:
        def verify(self, stored: str, password: str) -> bool:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            go_on.wait(30)
            with lock:
                inside -= 1
            return True

    monkeypatch.setattr(login_passwords, "_HASHER", Slow())
    waiting = [asyncio.create_task(passwords.is_right("x", "y")) for _ in range(AT_ONCE + MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusy) as refused:
        await passwords.is_right("x", "y")
    assert refused.value.retry_after_seconds
    waiting[-1].cancel()  # who leaves makes no room: the thread will work for them all the same
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusy):
        await passwords.is_right("x", "y")
    go_on.set()
    assert await asyncio.gather(*waiting[:-1]) == [True] * (AT_ONCE + MOST_WAITING - 1)
    assert most == AT_ONCE
    assert await passwords.is_right("x", "y")
