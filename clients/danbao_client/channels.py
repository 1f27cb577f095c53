"""Connections to a core: over TLS, or without it where nobody is in between."""

import ipaddress
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import grpc

Pem: TypeAlias = bytes | str | PathLike[str]
"""PEM itself as bytes, or the path of a file of it."""

_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # else all channels to one address share a connection
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),  # a core is called from inside; a proxy in the environment is for elsewhere
)


_HOST_AND_PORT: Final = re.compile(r"(\[[^\[\]\s]+\]|[^:/\[\]\s]+):\d{1,5}")
_OTHER_ADDRESSES: Final = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:", "xds:")


class Tls(NamedTuple):
    """What a client trusts, and how it shows itself. Files are read once, when the client is made."""

    root_certificates: Pem | None = None
    """The authorities of which one signed the core's certificate; None trusts those that this machine usually trusts."""
    client_certificate: tuple[Pem, Pem] | None = None
    """A certificate chain and its private key, for a core that asks for them (mTLS)."""


def open_channels(
    address: str, count: int = 1, *, tls: Tls | bool = False, insecure: bool = False
) -> Sequence[grpc.aio.Channel]:
    """So many channels to one address; see `Danbao.connect`. Raises ValueError, and OSError for a file that cannot be read."""
    if not is_address(address):
        raise ValueError(f"{address!r} is not HOST:PORT, as in 127.0.0.1:50051 or [::1]:50051; it has no http:// before it")
    if tls is not False:
        if insecure:
            raise ValueError("tls and insecure exclude each other")
        credentials = _credentials(Tls() if tls is True else tls)
        return [grpc.aio.secure_channel(address, credentials, options=_OPTIONS) for _ in range(count)]
    if not insecure and not is_local(address):
        raise ValueError(
            f"{address} is not on this machine, and without TLS anybody in between could read the key: pass tls, "
            "or insecure=True where the network itself is trusted"
        )
    return [grpc.aio.insecure_channel(address, options=_OPTIONS) for _ in range(count)]


def is_address(address: str) -> bool:
    """Whether it is HOST:PORT, or another kind of address that gRPC knows by its beginning."""
    return bool(_HOST_AND_PORT.fullmatch(address)) or address.startswith(_OTHER_ADDRESSES)


def is_local(address: str) -> bool:
    """Whether what is sent to an address never leaves this machine."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    roots = None if tls.root_certificates is None else _pem("root_certificates", tls.root_certificates)
    if tls.client_certificate is None:
        return grpc.ssl_channel_credentials(roots)
    chain, key = (_pem("client_certificate", part) for part in tls.client_certificate)
    return grpc.ssl_channel_credentials(roots, private_key=key, certificate_chain=chain)


def _pem(name: str, given: Pem) -> bytes:
    """The PEM; gRPC itself takes anything and then fails every call for a reason that it does not tell."""
    pem = given if isinstance(given, bytes) else Path(given).read_bytes()
    if b"-----BEGIN " not in pem:
        raise ValueError(f"{name} must be PEM" + ("" if isinstance(given, bytes) else f", and {given} is not"))
    return pem
