"""Login passwords: hashed with Argon2id (RFC 9106), off the event loop, and few at once.

A hash costs 19 MiB and some hundredths of a second (the least that OWASP advises), which makes guessing dear; so that strangers
cannot make it dear for us, two are made at once, a hundred wait, and who comes then is told to come back.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from danbao_core.people_errors import PasswordsBusy, PasswordTooCommon

AT_ONCE: Final = 2
MOST_WAITING: Final = 100

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

_NOBODYS: Final = "$argon2id$v=19$m=19456,t=2,p=1$ws1VpLqcLG4OubVeNQp0Dg$ggP+HlBRF0IxVkCLvStkbDdMyFlwPG7LQaTBYOI04G8"
"""Of a password that nobody knows: what is verified against where nobody has the number."""

_MOST_GUESSES_LOG10: Final = 6.0
"""What is found within a million guesses is common."""

_LOOKED_AT: Final = 72
"""So many characters say how common a password is; looking at more takes long."""

_STAND_INS: Final = frozenset("0123456789@({[<!|$+%")
"""Characters that stand in for letters, some for either of two: each one more can double the words to be looked for."""

_MOST_STAND_INS: Final = 8
_LOOKED_AT_OF_MANY: Final = 16
"""So many characters are looked at where there are more than that many of them: of 72 that would take ten seconds."""

T = TypeVar("T")


class LoginPasswords:
    """Hashes and verifies login passwords, in threads of its own. One event loop only; `close` it at the end."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="danbao-passwords")
        self._inside = 0

    async def hashed(self, password: str, *own: str) -> str:
        """A new password as it is stored. `own` are words of the person, such as the phone number, which others know.

        Raises PasswordTooCommon and PasswordsBusy.
        """
        return await self._in_a_thread(lambda: _hashed(password, own))

    async def is_right(self, stored: str, password: str) -> bool:
        """Whether a password is the stored one. Where nothing is stored it is none, which takes as long to find out.

        Raises PasswordsBusy.
        """
        return await self._in_a_thread(lambda: _is_right(stored or _NOBODYS, password) and bool(stored))

    def close(self) -> None:
        """Ends the threads; who waits is not answered."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_a_thread(self, work: Callable[[], T]) -> T:
        if self._inside >= AT_ONCE + MOST_WAITING:
            raise PasswordsBusy
        self._inside += 1
        try:
            running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        except BaseException:
            self._inside -= 1
            raise
        running.add_done_callback(self._leave)  # not when the caller leaves: the thread works on
        return await asyncio.shield(running)

    def _leave(self, _: "asyncio.Future[T]") -> None:
        self._inside -= 1


def _hashed(password: str, own: tuple[str, ...]) -> str:
    from zxcvbn import zxcvbn  # noqa: PLC0415  # 14 MiB of lists that wait for who registers

    looked_at = password[:_LOOKED_AT]
    if len(_STAND_INS.intersection(looked_at)) > _MOST_STAND_INS:
        looked_at = looked_at[:_LOOKED_AT_OF_MANY]
    guesses_log10 = zxcvbn(looked_at, user_inputs=list(own))["guesses_log10"]
    if guesses_log10 < _MOST_GUESSES_LOG10:
        raise PasswordTooCommon
    return _HASHER.hash(password)


def _is_right(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except VerificationError:
        return False
