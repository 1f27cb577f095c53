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
from danbao_core.rpc.call import NOBODY, Caller
from danbao_core.settings import Settings

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

    @classmethod
    def of(cls, settings: Settings) -> "Rates":
        """As they are configured."""
        return cls(
            services=Rate(settings.calls_per_second, max(1.0, settings.calls_per_second)),
            people=Rate(settings.person_calls_per_second, max(1.0, 10 * settings.person_calls_per_second)),
            public=Rate(settings.public_calls_per_second, max(1.0, 10 * settings.public_calls_per_second)),
        )


class Buckets:
    """What is left to each caller. One event loop only."""

    def __init__(self, rates: Rates, clock: Callable[[], float] = time.monotonic, most: int = MOST_BUCKETS) -> None:
        """`clock` counts seconds and never goes back."""
        self._rates = rates
        self._clock = clock
        self._most = most
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, caller: Caller, method: str, peer: str) -> None:
        """Counts one call. Raises CallsTooFrequent, which says when the next one is possible."""
        if caller is NOBODY:
            self._take(network_of(peer), method, self._rates.public)
        else:
            self._take(caller.id, method, self._rates.people if caller.session_id else self._rates.services)

    def _take(self, who: str, method: str, rate: Rate) -> None:
        now, place = self._clock(), (who, method)
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
