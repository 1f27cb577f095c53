"""Configuration, by environment variables that begin with DANBAO_; a wrong one is refused by name at start."""

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import pydantic
from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[^:\[\]\s]+):\d{1,5}")
_BANK_URL = re.compile(r"https?://(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.\-]+)(:\d{1,5})?(/[A-Za-z0-9._~/\-]*)?")

_OF_THE_COMMAND_LINE: Final = frozenset(
    {"DANBAO_ADDRESS", "DANBAO_KEY", "DANBAO_TLS_CA", "DANBAO_TLS_CLIENT_CERT", "DANBAO_TLS_CLIENT_KEY"}
)
"""By which commands find a core; no setting of a server, and no mistake in its environment."""


class Mode(StrEnum):
    """What a database is for; it is written into it and never changes."""

    LIVE = "live"
    SANDBOX = "sandbox"


class SettingsError(Exception):
    """A setting is missing or wrong; the message names its variable."""


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text) or int(text.rpartition(":")[2]) > 65535:
        raise ValueError("must be HOST:PORT, as in 127.0.0.1:50051 or [::1]:50051")
    return text


def _address_or_nothing(text: str) -> str:
    return text and _address(text)


def _networks(text: str) -> str:
    try:
        for each in filter(None, map(str.strip, text.split(","))):
            ipaddress.ip_network(each)
    except ValueError:
        raise ValueError("must be addresses or networks, separated by commas, as in 10.0.0.7,10.1.0.0/24") from None
    return text


def _bank_url(text: str) -> str:
    """Without user, query or fragment, so that nothing secret is in it and paths can be put behind it."""
    if text and not _BANK_URL.fullmatch(text):
        raise ValueError("must be https://HOST[:PORT][/PATH], as in https://bank.example.com/danbao")
    return text


def _hash_key(text: pydantic.SecretStr) -> pydantic.SecretStr:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.get_secret_value()):
        raise ValueError("must be 64 hexadecimal digits (32 random bytes), as `openssl rand -hex 32` prints")
    return text


def _channel_url(*schemes: str) -> Callable[[pydantic.SecretStr], pydantic.SecretStr]:
    """Checks a URL that may hold a password, so that no message of ours quotes it."""

    def check(url: pydantic.SecretStr) -> pydantic.SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError("is no URL") from None
        if parts.scheme not in schemes or not host:
            raise ValueError(f"must be a URL that begins with {' or '.join(f'{each}://' for each in schemes)} and a host")
        if parts.scheme == "http" and not is_loopback(host):
            raise ValueError("must be https:// where another machine is meant: messages hold codes and numbers")
        return url

    return check


class Settings(BaseSettings):
    """What a server or a worker needs to know."""

    model_config = SettingsConfigDict(env_prefix="DANBAO_", extra="ignore", env_ignore_empty=True)

    mode: Mode = Field(Mode.LIVE, description="`live`, or `sandbox` for a core whose money and time are play.")
    database_url: str = Field(
        description="The database, as in postgresql://user@host/danbao or postgresql://user@/danbao?host=/folder/of/socket.",
        pattern=r"^postgres(ql)?://",
    )
    valkey_url: str = Field(
        "redis://127.0.0.1:6379",
        description="Where the worker's queue is: redis://, rediss:// or unix://.",
        pattern=r"^(redis|rediss|unix)://",
    )
    listen: Annotated[str, AfterValidator(_address)] = Field(
        "127.0.0.1:50051", description="The address to serve on. Loopback only, unless there is TLS or `insecure` is set."
    )
    tls_cert: Path | None = Field(None, description="The server's certificate and its chain (PEM): serve with TLS.")
    tls_key: Path | None = Field(None, description="The private key of that certificate (PEM).")
    tls_client_ca: Path | None = Field(
        None, description="The authorities (PEM) one of which must have signed the certificate of every client (mTLS)."
    )
    insecure: bool = Field(False, description="Serve without TLS on an address that other machines can reach.")
    reuse_port: bool = Field(False, description="Share the address with other server processes (SO_REUSEPORT).")
    hash_key: Annotated[pydantic.SecretStr, AfterValidator(_hash_key)] = Field(
        description="64 hexadecimal digits, the same for every process and for good: the key under which requests are hashed."
    )
    keyring_file: Path | None = Field(
        None, description="Dated keys for what is secret in the database (TOML, see keyring.py); without it, the hash key."
    )
    policy_file: Path | None = Field(None, description="Dated rates and periods (TOML); the built-in ones without it.")
    bank_url: Annotated[str, AfterValidator(_bank_url)] = Field(
        "", description="The bank that moves money of and to cards: https://...; a sandbox's may be http:// on loopback."
    )
    bank_key: pydantic.SecretStr = Field(pydantic.SecretStr(""), description="The key that the bank is shown.")
    batch_max: int = Field(256, ge=1, le=4096, description="Most commands in one commit.")
    queue_max: int = Field(
        4096,
        ge=1,
        le=1_000_000,
        description="Most commands that wait; more are answered RESOURCE_EXHAUSTED, streams are held up at half of it.",
    )
    pool_size: int = Field(4, ge=1, le=100, description="Database connections for reads; commands and keys have their own.")
    connections_max: int = Field(
        500, ge=1, le=100_000, description="Most connections of callers, for each process; each takes a file descriptor."
    )
    request_retention_days: int = Field(30, ge=1, le=3650, description="How long a request_id is remembered.")
    calls_per_second: float = Field(
        10_000.0,
        gt=0,
        le=1_000_000,
        description="How often a service may call a method, for each process; a second's worth at once.",
    )
    person_calls_per_second: float = Field(
        50.0,
        gt=0,
        le=1_000_000,
        description="How often a person may call a method, for each process; ten seconds' worth at once.",
    )
    public_calls_per_second: float = Field(
        50.0,
        gt=0,
        le=1_000_000,
        description="How often an address may call a method without a token, for each process; ten seconds' worth at once.",
    )
    proxies: Annotated[str, AfterValidator(_networks)] = Field(
        "", description="Addresses and networks of proxies that are believed from whom their calls come (x-forwarded-for)."
    )
    stream_idle_seconds: float = Field(
        300.0, gt=0, le=86_400, description="How long a stream may stay without a message, or an answer without being read."
    )
    watch_heartbeat_seconds: float = Field(
        15.0, gt=0, le=3600, description="How often one who watches gets a sign of life while nothing happens."
    )
    drain_seconds: float = Field(
        10.0, ge=0, le=3600, description="Time for running calls to end once the process is asked to stop."
    )
    log_level: str = Field("info", description="debug, info, warning or error.", pattern="^(debug|info|warning|error)$")

    metrics_listen: Annotated[str, AfterValidator(_address_or_nothing)] = Field(
        "", description="The address of /metrics for Prometheus; nothing: none."
    )
    sms_url: Annotated[pydantic.SecretStr, AfterValidator(_channel_url("https", "http"))] | None = Field(
        None, description="Where short messages are posted: the URL of an HTTP gateway (see notifications/sms_gateway.py)."
    )
    sms_key: pydantic.SecretStr = Field(pydantic.SecretStr(""), description="The gateway's key, sent as a bearer token.")
    smpp_url: Annotated[pydantic.SecretStr, AfterValidator(_channel_url("smpp", "smpps"))] | None = Field(
        None, description="A message centre for short messages: smpp://system_id:password@host:port, smpps:// for TLS."
    )
    sms_sender: str = Field(
        "",
        description="What phones show as the sender of messages by SMPP: a number of digits, or up to 11 letters.",
        pattern=r"^([0-9]{0,20}|[A-Za-z0-9 ]{1,11})$",
    )
    smtp_url: Annotated[pydantic.SecretStr, AfterValidator(_channel_url("smtp", "smtps"))] | None = Field(
        None, description="Where mail is handed in: smtp://user:password@host:port (STARTTLS), smtps:// for TLS at once."
    )
    mail_from: str = Field("", description="The address from which mail comes.", pattern=r"^(|[^@\s<>]+@[^@\s<>]+)$")
    traces: str = Field(
        "",
        description="Where spans of sampled calls go: otlp=http://HOST:4318 or file=PATH; nothing: there are none.",
        pattern=r"^(|otlp=https?://.+|file=.+)$",
    )

    @property
    def hash_key_bytes(self) -> bytes:
        return bytes.fromhex(self.hash_key.get_secret_value())

    @property
    def sends_messages(self) -> bool:
        """Whether people can be reached by phone; a sandbox keeps what it would send."""
        return self.mode is Mode.SANDBOX or self.sms_url is not None or self.smpp_url is not None

    @property
    def sends_mail(self) -> bool:
        """Whether people can be reached by e-mail."""
        return self.mode is Mode.SANDBOX or self.smtp_url is not None

    @property
    def has_tls(self) -> bool:
        return self.tls_cert is not None

    @pydantic.model_validator(mode="after")
    def _tls_is_whole(self) -> "Settings":
        if self.tls_cert is not None and self.tls_key is None:
            raise ValueError("DANBAO_TLS_KEY: is not set, and DANBAO_TLS_CERT is of no use without its private key: set both")
        if self.tls_key is not None and self.tls_cert is None:
            raise ValueError("DANBAO_TLS_CERT: is not set, and DANBAO_TLS_KEY is of no use without its certificate: set both")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("DANBAO_TLS_CLIENT_CA: clients show certificates over TLS only: set DANBAO_TLS_CERT, too")
        return self

    @pydantic.model_validator(mode="after")
    def _bank_is_whole(self) -> "Settings":
        if self.bank_url and not self.bank_key.get_secret_value():
            raise ValueError("DANBAO_BANK_KEY: is not set, and the bank at DANBAO_BANK_URL asks for it: set both")
        if self.bank_url.startswith("http://") and not (self.mode is Mode.SANDBOX and is_loopback(_host_of(self.bank_url))):
            raise ValueError(
                "DANBAO_BANK_URL: must begin with https://; without TLS only a sandbox asks a bank, on a loopback address"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _channels_are_whole(self) -> "Settings":
        if self.sms_url is not None and self.smpp_url is not None:
            raise ValueError(
                "DANBAO_SMPP_URL: there is DANBAO_SMS_URL, too, and each message goes one way: leave one of them out"
            )
        if self.smtp_url is not None and not self.mail_from:
            raise ValueError("DANBAO_MAIL_FROM: is not set, and DANBAO_SMTP_URL needs an address from which mail comes")
        return self

    @pydantic.model_validator(mode="after")
    def _reachable_only_on_purpose(self) -> "Settings":
        host = self.listen.rpartition(":")[0].strip("[]")
        if not self.has_tls and not self.insecure and not is_loopback(host):
            raise ValueError(
                f"DANBAO_LISTEN: {self.listen} can be reached from other machines and there is no TLS: set DANBAO_TLS_CERT and "
                "DANBAO_TLS_KEY, or listen on a loopback address, or set DANBAO_INSECURE=true where something in front has TLS"
            )
        return self


def _host_of(bank_url: str) -> str:
    found = _BANK_URL.fullmatch(bank_url)
    return found["host"].strip("[]") if found else ""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, spelt as one of its own addresses or as localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load(**given: Any) -> Settings:
    """The settings of this process; `given` ones win over the environment. Raises SettingsError that names each wrong one."""
    _refuse_unknown(os.environ)
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except pydantic.ValidationError as error:
        raise SettingsError("; ".join(_in_words(each) for each in error.errors())) from None


def _refuse_unknown(environment: Iterable[str]) -> None:
    """A mistyped variable would otherwise be a default in silence."""
    known = {f"DANBAO_{name.upper()}" for name in Settings.model_fields} | _OF_THE_COMMAND_LINE
    for name in environment:
        if name.startswith("DANBAO_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise SettingsError(f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else ""))


def _in_words(error: Any) -> str:
    if not error["loc"]:
        return str(error["msg"]).removeprefix("Value error, ")
    variable = f"DANBAO_{str(error['loc'][0]).upper()}"
    if error["type"] == "missing":
        return f"{variable} is not set: {Settings.model_fields[str(error['loc'][0])].description}"
    return f"{variable}: {str(error['msg']).removeprefix('Value error, ')}"
