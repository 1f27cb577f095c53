"""Whose address a call comes from, where proxies stand in between."""

from typing import Any

import pytest

from danbao_core.rpc.peers import Peers, networks_of
from danbao_core.settings import SettingsError, load

PROXY = "ipv4:10.0.0.2:40000"


class Context:
    """What gRPC says of a call."""

    def __init__(self, peer: str, *forwarded: str) -> None:
        self._peer = peer
        self._forwarded = forwarded

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> Any:
        return (("authorization", "Bearer"), *(("x-forwarded-for", each) for each in self._forwarded))


@pytest.mark.parametrize(
    ("peer", "forwarded", "told"),
    [
        (PROXY, ["192.0.2.1"], "ipv4:192.0.2.1:0"),
        (PROXY, ["203.0.113.9, 192.0.2.1"], "ipv4:192.0.2.1:0"),
        (PROXY, ["203.0.113.9", "192.0.2.1"], "ipv4:192.0.2.1:0"),
        (PROXY, ["2001:db8::7"], "ipv6:%5B2001:db8::7%5D:0"),
        ("ipv6:%5Bfd00::2%5D:40000", ["192.0.2.1"], "ipv4:192.0.2.1:0"),
        (PROXY, [], PROXY),
        (PROXY, ["unknown"], PROXY),
        ("ipv4:10.0.1.2:40000", ["192.0.2.1"], "ipv4:10.0.1.2:40000"),
        ("unix:", ["192.0.2.1"], "unix:"),
    ],
)
def test_only_proxies_are_believed_and_only_the_last_address(peer: str, forwarded: list[str], told: str) -> None:
    assert Peers(networks_of("10.0.0.0/24, fd00::2")).of(Context(peer, *forwarded)) == told


def test_without_proxies_nobody_is_believed() -> None:
    assert Peers(networks_of("")).of(Context(PROXY, "192.0.2.1")) == PROXY


@pytest.mark.parametrize("proxies", ["proxy.example.com", "10.0.0.1/24", "10.0.0.0/24;10.0.1.0/24"])
def test_what_is_no_network_is_refused_by_name(proxies: str) -> None:
    with pytest.raises(SettingsError, match=r"^DANBAO_PROXIES: must be addresses or networks"):
        load(database_url="postgresql:///danbao", hash_key="5a" * 32, proxies=proxies)
