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
