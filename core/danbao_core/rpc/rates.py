"""How often a caller may call: a token bucket for each caller and method, in this process's memory.

It keeps one caller from taking the server from all others. What is worth guessing (passwords, codes, messages sent) is counted
in the database for all processes; this is not.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import unquote

from danbao_core.people_errors import CallsTooFrequent

MOST_BUCKETS: Final = 50_000
"""About 10 MiB. Beyond that, who has not called for longest is forgotten, and begins with a full bucket again."""

_IPV6_NETWORK_BITS: Final = 64
"""So much of an address one customer of a provider has for themselves."""


class Rate(NamedTuple):
    """So many calls a second in the long run, and so many at once."""

    per_second: float
    burst: float


class Rates(NamedTuple):
    """How often each kind of caller may call each method."""

    services: Rate
    people: Rate
    public: Rate
    """Without a token, by the address that the calls come from."""


class Buckets:
    """What is left to each caller. One event loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST_BUCKETS) -> None:
        """`clock` counts seconds and never goes back."""
        self._clock = clock
        self._most = most
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, caller: str, method: str, rate: Rate) -> None:
        """Counts one call. Raises CallsTooFrequent, which says when the next one is possible."""
        now, place = self._clock(), (caller, method)
        left, at = self._left.get(place, (rate.burst, now))
        left = min(rate.burst, left + (now - at) * rate.per_second)
        enough = left >= 1
        self._left[place] = (left - 1 if enough else left, now)
        self._left.move_to_end(place)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        if not enough:
            refusal = CallsTooFrequent(method=method)
            refusal.retry_after_seconds = (1 - left) / rate.per_second
            raise refusal


def network_of(peer: str) -> str:
    """Who calls from an address, as gRPC names it: without the port, and of IPv6 the network alone."""
    kind, _, rest = peer.partition(":")
    if kind != "ipv6":
        return rest.rpartition(":")[0] if kind == "ipv4" else peer
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        return str(ipaddress.ip_network((host, _IPV6_NETWORK_BITS), strict=False))
    except ValueError:
        return host
