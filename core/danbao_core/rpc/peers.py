"""Whose address a call comes from: the connection's, or the one that a proxy of ours names.

Behind a proxy all callers would be one: who calls without a token would share one rate, and the books would name the proxy.
"""

import ipaddress
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FORWARDED_FOR: Final = "x-forwarded-for"


def networks_of(text: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas. Raises ValueError for what is none."""
    return tuple(ipaddress.ip_network(each.strip()) for each in text.split(",") if each.strip())


class Peers:
    """Tells who calls; the proxies are trusted with the last address of `x-forwarded-for`, which is the one they added."""

    def __init__(self, proxies: tuple[Network, ...]) -> None:
        self._proxies = proxies

    def of(self, context: Any) -> str:
        """The address that a call comes from, in gRPC's spelling; of a caller behind a proxy the port is 0."""
        peer: str = context.peer()
        if not self._proxies or not self._is_proxy(peer):
            return peer
        return _forwarded(context.invocation_metadata() or ()) or peer

    def _is_proxy(self, peer: str) -> bool:
        address = _address(unquote(peer.partition(":")[2]).rpartition(":")[0].strip("[]"))
        return address is not None and any(address in network for network in self._proxies)


def _forwarded(metadata: Iterable[tuple[str, Any]]) -> str:
    """The address that the proxy added; empty where there is none."""
    named = [value for key, value in metadata if key == FORWARDED_FOR and isinstance(value, str)]
    address = _address(named[-1].rpartition(",")[2].strip()) if named else None
    if address is None:
        return ""
    return f"ipv4:{address}:0" if address.version == 4 else f"ipv6:%5B{address}%5D:0"


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
