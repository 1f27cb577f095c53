"""Mail by SMTP."""

import email.policy
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib

from danbao_core.clock import system_wall_clock
from danbao_core.notifications.port import NotTaken, RefusedForGood
from danbao_core.notifications.templates import Worded
from danbao_core.settings import is_loopback

TIMEOUT_SECONDS: Final = 30.0

_PORTS: Final = {"smtp": 587, "smtps": 465}

_ENCODED_WORD: Final = "=?"
"""What an encoded word begins with (RFC 2047). EmailMessage decodes those that it is given, line breaks in them included, and
writes them out as they then are: whoever chose a part of a title would write headers, and the text."""


class MailOutlet:
    """Sends each message over a connection of its own, with TLS from the start (smtps) or by STARTTLS (smtp), which only a
    server on this machine need not have."""

    def __init__(self, url: str, sender: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """`url` is smtp://user:password@host:port or smtps://…; `sender` the address in From."""
        parts = urlsplit(url)
        self._sender = sender
        self._client = {
            "hostname": parts.hostname,
            "port": parts.port or _PORTS[parts.scheme],
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "use_tls": parts.scheme == "smtps",
            "start_tls": _starts_tls(parts.scheme, parts.hostname or ""),
            "timeout": timeout_seconds,
        }

    async def send(self, message_id: UUID, address: str, worded: Worded) -> None:
        """See `Outlet.send`. The message's id is its `Message-ID`."""
        if _ENCODED_WORD in address:
            raise RefusedForGood("address")
        message = EmailMessage(email.policy.SMTP)
        message["From"], message["To"] = self._sender, address
        message["Subject"] = _one_line(worded.title)
        message["Date"] = system_wall_clock()
        message["Message-ID"] = f"<{message_id}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers it
        message.set_content(worded.text)
        try:
            await aiosmtplib.send(message, **self._client)  # type: ignore[arg-type]  # the keywords of one call
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refusal(error.recipients[0].code) from None
        except aiosmtplib.SMTPDataError as error:
            raise _refusal(error.code) from None
        except aiosmtplib.SMTPResponseException as error:  # greeting, login, sender: how we are set up, or its state
            raise NotTaken(f"SMTP {error.code}") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise NotTaken(type(error).__name__) from None


def _one_line(title: str) -> str:
    """A title as a header has it: one line, in which nothing is taken for an encoded word."""
    return " ".join(title.split()).replace(_ENCODED_WORD, "= ?")


def _starts_tls(scheme: str, host: str) -> bool | None:
    """Whether STARTTLS is asked for; None where it is used if it is offered."""
    if scheme == "smtps":
        return False
    return None if is_loopback(host) else True


def _refusal(code: int) -> Exception:
    return RefusedForGood(f"SMTP {code}") if 500 <= code < 600 else NotTaken(f"SMTP {code}")
