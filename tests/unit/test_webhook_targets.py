"""To which addresses a live core sends webhooks."""

import ipaddress

import pytest

from danbao_core.notification_errors import WebhookUrlRefused
from danbao_core.notifications.targets import is_public, must_be_a_target

PUBLIC = ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]

NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::10.0.0.1",
    "64:ff9b:1:a00:0:100:808:808",  # 10.0.0.1, as a prefix of 48 bits holds it
    "64:ff9b:1::8.8.8.8",
    "2001:db8::1",
    "2001::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    ["https://shop.example/hook", "https://shop.example:8443/hook?a=b", "https://8.8.8.8/", "https://[2606:4700:4700::1111]/x"],
)
def test_targets_of_a_live_core(url: str) -> None:
    must_be_a_target(url, sandbox=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hook",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://localhost/hook",
        "https://intranet/hook",
        "https://127.1/hook",
        "https://0x7f.1/hook",
    ],
)
def test_what_only_a_sandbox_calls(url: str) -> None:
    must_be_a_target(url, sandbox=True)
    with pytest.raises(WebhookUrlRefused):
        must_be_a_target(url, sandbox=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https:///hook",
        "https://user@shop.example/",
        "https://user:password@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:0/",
        "https://shop.example:99999/",
        "https://[::1/",
    ],
)
def test_what_no_core_calls(url: str) -> None:
    for sandbox in (True, False):
        with pytest.raises(WebhookUrlRefused):
            must_be_a_target(url, sandbox=sandbox)
