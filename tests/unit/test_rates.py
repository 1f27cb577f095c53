"""Token buckets: how often a caller may call."""

from uuid import UUID

import pytest

from danbao_core.people_errors import CallsTooFrequent
from danbao_core.rpc.call import NOBODY, Caller
from danbao_core.rpc.rates import Buckets, Rate, Rates, network_of

SHOP = Caller(id="service:shop", label="shop", key_id=UUID(int=1))
ADA = Caller(id="account:ada", label="person", session_id=UUID(int=2))
PEER = "ipv4:192.0.2.1:5000"
RATES = Rates(services=Rate(10.0, 5.0), people=Rate(1.0, 2.0), public=Rate(0.5, 1.0))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_buckets(most: int = 100) -> tuple[Buckets, Clock]:
    clock = Clock()
    return Buckets(RATES, clock, most), clock


def taken(buckets: Buckets, caller: Caller, times: int, method: str = "A/B", peer: str = PEER) -> float | None:
    """After so many calls that must be let through: the wait that the next one is told; None where it is let through, too."""
    for _ in range(times):
        buckets.take(caller, method, peer)
    try:
        buckets.take(caller, method, peer)
    except CallsTooFrequent as refusal:
        return refusal.retry_after_seconds
    return None


@pytest.mark.parametrize(("caller", "times", "wait"), [(SHOP, 5, 0.1), (ADA, 2, 1.0), (NOBODY, 1, 2.0)])
def test_each_kind_of_caller_has_a_burst_and_is_told_when_to_come_back(caller: Caller, times: int, wait: float) -> None:
    buckets, _ = a_buckets()
    assert taken(buckets, caller, times) == pytest.approx(wait)


def test_what_was_taken_comes_back_with_time_and_no_further_than_the_burst() -> None:
    buckets, clock = a_buckets()
    assert taken(buckets, ADA, 2)
    clock.now += 1.0
    assert taken(buckets, ADA, 1)
    clock.now += 1000.0
    assert taken(buckets, ADA, 2)


def test_refused_calls_take_nothing() -> None:
    buckets, clock = a_buckets()
    for _ in range(10):
        taken(buckets, ADA, 0)
    clock.now += 1.0
    buckets.take(ADA, "A/B", PEER)


def test_methods_and_callers_are_counted_apart() -> None:
    buckets, _ = a_buckets()
    assert taken(buckets, NOBODY, 1)
    buckets.take(NOBODY, "A/C", PEER)
    buckets.take(NOBODY, "A/B", "ipv4:192.0.2.2:5000")
    buckets.take(ADA, "A/B", PEER)


def test_another_port_is_nobody_else() -> None:
    buckets, _ = a_buckets()
    buckets.take(NOBODY, "A/B", PEER)
    with pytest.raises(CallsTooFrequent):
        buckets.take(NOBODY, "A/B", "ipv4:192.0.2.1:5001")


def test_no_more_buckets_are_kept_than_allowed_and_the_oldest_go_first() -> None:
    buckets, _ = a_buckets(most=10)
    for host in range(20):
        buckets.take(NOBODY, "A/B", f"ipv4:192.0.2.{host}:5000")
        assert len(buckets) <= 10
    with pytest.raises(CallsTooFrequent):
        buckets.take(NOBODY, "A/B", "ipv4:192.0.2.19:5000")
    buckets.take(NOBODY, "A/B", "ipv4:192.0.2.0:5000")


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("ipv4:127.0.0.1:50000", "127.0.0.1"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:50000", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2::9]:50000", "2001:db8:1:2::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50000", "fe80::/64"),
        ("unix:/run/danbao.sock", "unix:/run/danbao.sock"),
        ("unix:", "unix:"),
    ],
)
def test_who_an_address_belongs_to(peer: str, network: str) -> None:
    assert network_of(peer) == network
