"""The address that the servers share: checked, proved free, and held.

gRPC sets SO_REUSEPORT, so two unrelated servers would share a port in silence. A bind without it
proves the port free; then a bound socket that never listens holds it while the servers, which have
SO_REUSEPORT, listen.
"""

import errno
import ipaddress
import re
import socket
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType

from danbao_core.embedded import StartError

_WRITTEN = re.compile(r"(?:\[(?P<ipv6>[^\]]+)\]|(?P<host>[^:\[\]\s]+)):(?P<port>\d{1,5})", re.ASCII)


@dataclass(frozen=True)
class ListenAddress:
    """A loopback address with its port; port 0 stands for any that is free."""

    family: socket.AddressFamily
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "ListenAddress":
        """Reads `HOST:PORT`, `[IPV6]:PORT` or `localhost:PORT`.

        Raises ValueError for anything else, and for an address that other machines can reach: a
        sandbox has no TLS.
        """
        written = _WRITTEN.fullmatch(text.strip())
        if written is None or int(written["port"]) > 65535:
            raise ValueError(f"{text!r} is not HOST:PORT, as in 127.0.0.1:50051, localhost:0 or [::1]:50051.")
        host = written["ipv6"] or written["host"]
        try:
            found = socket.getaddrinfo(host, int(written["port"]), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ValueError(f"The host {host!r} is not known: {error}.") from error
        hosts = [(family, str(address[0])) for family, _, _, _, address in found]
        if not all(ipaddress.ip_address(address).is_loopback for _, address in hosts):
            raise ValueError(
                f"{text!r} can be reached from other machines, and a sandbox has no TLS. Listen on 127.0.0.1, ::1 or localhost."
            )
        # IPv4 first: every client of `localhost` tries it.
        family, address = min(hosts, key=lambda found: found[0] != socket.AF_INET)
        return cls(socket.AddressFamily(family), address, int(written["port"]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if self.family == socket.AF_INET6 else self.host
        return f"{host}:{self.port}"


class HeldPort:
    """The port, ours from construction to `close`. Raises StartError when it is taken."""

    def __init__(self, wanted: ListenAddress) -> None:
        with closing(_bound(wanted, socket.SO_REUSEADDR)) as probe:
            port = int(probe.getsockname()[1])
        self.address = ListenAddress(wanted.family, wanted.host, port)
        self._socket = _hold(self.address)

    def __enter__(self) -> "HeldPort":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the port back."""
        self._socket.close()


def _hold(address: ListenAddress) -> socket.socket:
    """Without SO_REUSEADDR, so that another supervisor's probe fails while nobody listens yet.

    Only connections of another program that linger in TIME_WAIT can be in the way of that; they do
    no harm.
    """
    try:
        return _bound(address, socket.SO_REUSEPORT)
    except StartError:
        return _bound(address, socket.SO_REUSEPORT, socket.SO_REUSEADDR)


def _bound(address: ListenAddress, *options: int) -> socket.socket:
    bound = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind((address.host, address.port))
    except OSError as error:
        bound.close()
        raise StartError(_why(address, error)) from error
    return bound


def _why(address: ListenAddress, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"{address} is in use by another program. "
                f"Stop that, or choose another with --listen (localhost:0 takes any free port)."
            )
        case errno.EACCES:
            return f"No right to listen on {address}. Choose a port from 1024 on with --listen."
        case _:
            return f"Cannot listen on {address}: {error.strerror}. Choose another with --listen."
