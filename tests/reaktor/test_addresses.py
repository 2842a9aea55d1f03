"""Addresses: one client, one spelling; nobody but our own proxies is believed."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaktor.addresses import address_group, client_address, normalise

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@given(addresses, st.text(max_size=60))
def test_what_an_untrusted_peer_says_is_not_read(peer, header):
    expected = normalise(peer)
    if not any(ipaddress.ip_address(expected) in network for network in PROXIES):
        assert client_address(peer, header, PROXIES) == expected


@given(st.text(max_size=40), addresses)
def test_what_a_client_puts_before_our_proxys_entry_is_not_read(junk, client):
    if not any(ipaddress.ip_address(normalise(client)) in network for network in PROXIES):
        assert client_address("10.1.2.3", f"{junk},{client}", PROXIES) == normalise(client)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "10.0.0.1"),
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ('"[2001:db8::7]:4711"', "2001:db8::7"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, unknown", "10.0.0.1"),
        ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
    ],
)
def test_the_header_is_read_from_the_right_through_our_own_proxies(header, expected):
    assert client_address("10.0.0.1", header, PROXIES) == expected


def test_one_client_is_one_address_however_its_socket_spells_it():
    assert normalise("::ffff:192.0.2.1") == normalise("192.0.2.1") == "192.0.2.1"
    assert normalise("fe80::1%eth0") == "fe80::1"
    assert normalise("2001:DB8:0::1") == "2001:db8::1"


def test_limits_take_one_ipv6_site_as_one_address():
    assert address_group("2001:db8:1:2:aaaa::1") == address_group("2001:db8:1:2:bbbb::2")
    assert address_group("2001:db8:1:2::1") != address_group("2001:db8:1:3::1")
    assert address_group("192.0.2.1") != address_group("192.0.2.2")
