"""Addresses as a configuration writes them."""

import re

import pytest

from dialtone.config import addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8888/mi",
        "https://sip1.example:8888/mi",
        "http://127.0.0.1:8888/json",
        "udp://127.0.0.1:8080",
        "udp://[::1]:8080",
        "unix:///run/opensips/mi.sock",
        "fifo:///run/opensips/fifo",
        "fifo:///run/opensips/fifo?replies=/run/opensips",
    ],
)
def test_an_opensips_is_asked_over_whatever_it_has(url: str) -> None:
    assert addresses.mi_url(url) == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("tcp://127.0.0.1:8888", "must start with http"),
        ("127.0.0.1:8888/mi", "must start with http"),
        ("udp://127.0.0.1", "names no port"),
        ("udp://127.0.0.1:99999", "is not a URL"),
        ("udp://127.0.0.1:8080/mi", "take out what follows"),
        ("unix://run/mi.sock", "three slashes"),
        ("unix:///run/opensips/", "must name a file"),
        (f"unix:///{'x' * 120}", "over 107 bytes"),
        ("unix:///run/mi.sock?replies=/tmp", "replies=/FOLDER"),
        ("fifo:///run/fifo?reply=/tmp", "replies=/FOLDER"),
        ("http://mon:geheim@127.0.0.1/mi", "holds a password"),
        ("http://127.0.0.1/mi?x=1", "must end with the path"),
    ],
)
def test_an_mi_address_that_is_none_says_how_to_write_it(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        addresses.mi_url(url)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "means"),
    [
        ("tcp://pbx1.example", "tcp://pbx1.example:5038"),
        ("tls://pbx1.example", "tls://pbx1.example:5039"),
        ("tls://[::1]:5040/", "tls://[::1]:5040"),
        ("http://127.0.0.1:8088", "http://127.0.0.1:8088/rawman"),
        ("http://127.0.0.1:8088/rawman/", "http://127.0.0.1:8088/rawman"),
        ("https://[::1]:8089/asterisk/rawman", "https://[::1]:8089/asterisk/rawman"),
        ("https://PBX1.example", "https://pbx1.example:443/rawman"),
        ("http://pbx1.example/", "http://pbx1.example:80/rawman"),
    ],
)
def test_an_asterisk_is_asked_by_ami_or_ajam_each_with_tls_or_without(url: str, means: str) -> None:
    assert addresses.ami_url(url) == means


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("udp://127.0.0.1:5038", "must start with tcp:// or tls:// or http:// or https://"),
        ("tls://127.0.0.1:5039/rawman", "must end with the port"),
        ("http://127.0.0.1:8088/rawman?action=login", "must end with the path"),
        ("http://127.0.0.1:8088/rawman#x", "must end with the path"),
        ("http://127.0.0.1:8088/mxml", "must lead to rawman; write http://HOST:PORT/rawman"),
        ("https://pbx/asterisk/manager", "https://HOST:PORT/PREFIX/rawman"),
        ("https://pbx/asterisk", "must lead to rawman"),
        ("http://pbx/geheim", "must lead to rawman"),
        ("http://pbx/rawman/x", "must lead to rawman"),
        ("http://pbx/arawman", "must lead to rawman"),
        ("http://mon:geheim@127.0.0.1:8088/rawman", "holds a password"),
        ("http://mon@127.0.0.1:8088/rawman", "holds a user name"),
        ("http://:8088/rawman", "names no host"),
    ],
)
def test_an_address_of_a_manager_that_is_none_says_how_to_write_it(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        addresses.ami_url(url)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("url", ["udp://127.0.0.1:5490", "udp://mon.example:5490", "unix:///run/dialtone/ev"])
def test_events_come_over_udp_or_a_unix_socket(url: str) -> None:
    assert addresses.events_url(url) == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:5490", "must start with udp"),
        ("udp://127.0.0.1", "names no port"),
        ("udp://127.0.0.1:0", "its port is 0; write udp://HOST:PORT with one from 1 to 65535"),
        ("udp://127.0.0.1 :5490", "has a blank in it"),
        ("udp://[::1]:5490", "is IPv6"),
        ("udp://0.0.0.0:5490", "all our addresses"),
        ("udp://127.0.0.1:5490/x", "take out what follows"),
        ("udp://mon:geheim@127.0.0.1:5490", "holds a password"),
        ("unix://run/ev", "three slashes"),
        ("unix:///run/e,v", "has a comma"),
        (f"unix:///{'x' * 120}", "over 107 bytes"),
        (5490, "must start with udp"),
    ],
)
def test_an_address_for_events_that_is_none_says_how_to_write_it(url: object, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        addresses.events_url(url)
    assert "geheim" not in str(caught.value)


def test_a_database_is_a_server_a_name_and_a_user() -> None:
    found = addresses.DatabaseDsn("mysql://dial%40tone@db.example/opensips")
    assert (found.endpoint, found.name) == ("mysql://db.example:3306", "opensips")
    assert found.username == "dial@tone"


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("postgres://dialtone@127.0.0.1/opensips", "must start with mysql"),
        ("mysql://127.0.0.1/opensips", "names no user"),
        ("mysql://dialtone@127.0.0.1", "names no database"),
        ("mysql://dialtone@127.0.0.1/", "names no database"),
        ("mysql://dialtone@127.0.0.1/a/b", "other characters than letters"),
        ("mysql://dialtone@127.0.0.1/a`b", "other characters than letters"),
        ("mysql://dialtone:geheim@127.0.0.1/opensips", "holds a password"),
    ],
)
def test_a_database_that_is_none_says_how_to_write_it(dsn: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        addresses.DatabaseDsn(dsn)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ("", "names no database"),
        ("open-sips`", "its database has a name of other characters"),
        ("open-sips`;drop", "its database has a name of other characters"),
        ("open sips", "has a blank in it"),
        ("x" * 65, "more than 64"),
    ],
)
def test_a_database_with_a_name_that_none_has_is_told_so(database: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        addresses.DatabaseDsn(f"mysql://dialtone@db.example/{database}")
    assert "names no host" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("udp://localhost:5490", "udp://127.0.0.1:5490", True),
        ("udp://127.1:5490", "udp://127.0.0.1:5490", True),
        ("unix:///run//dialtone/./ev", "unix:///run/dialtone/ev", True),
        ("udp://127.0.0.2:5490", "udp://127.0.0.1:5490", False),
        ("udp://127.0.0.1:5491", "udp://127.0.0.1:5490", False),
        ("udp://mon.example:5490", "udp://127.0.0.1:5490", False),
    ],
)
def test_two_addresses_for_events_of_one_place_are_known_for_it(one: str, other: str, is_same: bool) -> None:
    places = [addresses.events_place(addresses.events_url(url)) for url in (one, other)]
    assert (places[0] == places[1]) is is_same
