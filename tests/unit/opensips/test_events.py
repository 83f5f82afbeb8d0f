"""Events of every recorded version, and datagrams that are none."""

import json
from pathlib import Path

import pytest

from collectors.opensips.events import EVENTS, Event, EventKind, PassedOver, parse_event
from tests.unit.opensips.conftest import DATA

AOR = "2001@acme.ntek.example.net"
URI = "sip:2001@127.0.0.1:5599"
CALL_ID = "2001-acme.ntek.example.net-lab"


def datagram(version: str, name: str) -> bytes:
    """Return the exact bytes of a recorded datagram."""
    suffix = "txt" if version in ("1.11", "2.4") else "json"
    return Path(DATA / version / f"events-{name}.{suffix}").read_bytes()


def notification(name: str = "E_UL_CONTACT_INSERT", **params: object) -> bytes:
    values = {"domain": "location", "aor": AOR, "uri": URI, "callid": CALL_ID, "cseq": 1} | params
    return json.dumps({"jsonrpc": "2.0", "method": name, "params": values}).encode()


@pytest.mark.parametrize("version", ["1.11", "2.4", "3.6.8", "4.0.1"])
def test_an_address_that_comes_and_one_that_goes_are_read_of_every_version(version: str) -> None:
    came = parse_event(datagram(version, "E_UL_AOR_INSERT-1"))
    assert came == Event(EventKind.AOR_INSERT, "1001@acme.ntek.example.net")
    assert parse_event(datagram(version, "E_UL_AOR_DELETE-1")) == Event(EventKind.AOR_DELETE, AOR)


@pytest.mark.parametrize(
    ("version", "cseq"), [("2.4", 774041170), ("3.6.8", 774041225), ("4.0.1", 774041222)]
)
def test_a_contact_is_read_of_every_version_that_tells_of_contacts(version: str, cseq: int) -> None:
    updated = parse_event(datagram(version, "E_UL_CONTACT_UPDATE-1"))
    assert updated == Event(EventKind.CONTACT_UPDATE, AOR, URI, CALL_ID, cseq)
    deleted = parse_event(datagram(version, "E_UL_CONTACT_DELETE-1"))
    assert deleted == Event(EventKind.CONTACT_DELETE, AOR, URI, CALL_ID, cseq)
    inserted = parse_event(datagram(version, "E_UL_CONTACT_INSERT-1"))
    assert isinstance(inserted, Event)
    assert (inserted.kind, inserted.cseq) == (EventKind.CONTACT_INSERT, 2)
    assert 1795394580 < inserted.expires < 1795394600


@pytest.mark.parametrize("version", ["1.11", "2.4", "3.6.8", "4.0.1"])
def test_an_event_of_another_module_is_passed_over(version: str) -> None:
    assert parse_event(datagram(version, "E_PIKE_BLOCKED-1")) is PassedOver.OTHER


def test_an_event_of_another_table_is_passed_over() -> None:
    assert parse_event(notification(domain="trunks")) is PassedOver.OTHER


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 100,
        b"{" * 60_000,
        b"[" * 60_000,
        b'{"method": 1, "params": {}}',
        b'{"method": "E_UL_AOR_INSERT"}',
        b'{"method": "E_UL_AOR_INSERT", "params": [1]}',
        notification(aor=""),
        notification(aor=7),
        notification(aor="a" * 513),
        notification(uri=None),
        notification(uri="s" * 4097),
        notification(callid=[1]),
        notification(cseq="1e9"),
        notification(cseq=True),
        notification(cseq="9" * 5000),
        b"E_UL_AOR_INSERT",
        b"E_UL_AOR_INSERT\naor:2001@acme\n\n",
        b"E_UL_CONTACT_DELETE\naor::2001@acme\nuri::sip:a@b\ncallid::x\ncseq::-\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_a_datagram_of_nonsense_is_malformed_and_nothing_worse(raw: bytes) -> None:
    assert parse_event(raw) is PassedOver.MALFORMED


@pytest.mark.parametrize("expires", [None, "soon", -1.5, [1], "9" * 5000])
def test_a_contact_whose_end_is_not_said_is_read_all_the_same(expires: object) -> None:
    event = parse_event(notification(expires=expires))
    assert isinstance(event, Event)
    assert event.expires == 0


def test_bytes_that_are_no_text_stay_the_same_contact() -> None:
    raw = notification(uri="sip:X@h").replace(b"X", b"\xff\xfe")
    event = parse_event(raw)
    assert isinstance(event, Event)
    assert event == parse_event(raw)


def test_the_events_that_are_subscribed_to_are_those_of_usrloc() -> None:
    assert list(EVENTS) == [
        "E_UL_AOR_INSERT",
        "E_UL_AOR_DELETE",
        "E_UL_CONTACT_INSERT",
        "E_UL_CONTACT_UPDATE",
        "E_UL_CONTACT_DELETE",
    ]
