"""Where a core sends webhooks to: public https hosts, and in a sandbox anywhere.

Names are looked up once, when a connection is made, and the connection goes to an address that was checked: a name that changes
its mind (DNS rebinding) leads nowhere.
"""

import ipaddress
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from danbao_core.notification_errors import WebhookUrlRefused

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""The prefix behind which IPv4 addresses are reached, in the last four bytes (RFC 6052)."""

_NAT64_OF_A_NETWORK: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
"""Prefixes behind which they are reached within one network; where in it they stand is that network's matter (RFC 8215)."""

_6TO4: Final = ipaddress.IPv6Network("2002::/16")


def must_be_a_target(url: str, *, sandbox: bool) -> None:
    """Raises WebhookUrlRefused for a URL that cannot be one; where its name leads is looked at when it is called."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = parts.port
    except ValueError:
        raise WebhookUrlRefused(problem="it is no URL") from None
    if not host or port == 0:
        raise WebhookUrlRefused(problem="it names no host")
    if parts.username is not None or parts.password is not None or "#" in url:
        raise WebhookUrlRefused(problem="it has a user, a password or a fragment")
    if sandbox:
        return
    if parts.scheme != "https":
        raise WebhookUrlRefused(problem="it is not https")
    if (address := literal(parts)) is not None and not is_public(address):
        raise WebhookUrlRefused(problem="its address is not public")
    if address is None and ("." not in host.rstrip(".") or host.rstrip(".").rpartition(".")[2].isdigit()):
        raise WebhookUrlRefused(problem="its name is not public")


def literal(parts: SplitResult) -> IPv4Address | IPv6Address | None:
    """The address that stands in a URL in place of a name, if one does."""
    try:
        return ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether everybody can reach it, and so whatever address it wraps."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        wrapped = _wrapped(address)
        if wrapped is not None:
            return is_public(wrapped)
        if address.is_site_local or address in _6TO4 or address in _NAT64_OF_A_NETWORK:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that is reached by an IPv6 one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if int(address) >> 32 == 0:  # the IPv4-compatible addresses of old
        return IPv4Address(int(address))
    return None
