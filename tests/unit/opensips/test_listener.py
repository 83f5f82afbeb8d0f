"""The socket that events come to: who is heard, what is passed over, whose file is whose."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collectors.opensips.events import Event, PassedOver
from collectors.opensips.listener import Listener
from tests.unit.opensips.test_events import datagram, notification

LOCAL = "http://127.0.0.1:8888/mi"


class Heard(list[Event]):
    """Takes events; `hundred` is set by the hundredth."""

    def __init__(self) -> None:
        super().__init__()
        self.hundred = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.append(event)
        if len(self) == 100:
            self.hundred.set()


@pytest.fixture
async def udp() -> AsyncIterator[tuple[Listener, Heard]]:
    """Return a listener on a free port of loopback."""
    heard = Heard()
    listener = Listener("udp://127.0.0.1:0", heard)
    await listener.open()
    yield listener, heard
    listener.close()


def sent(listener: Listener, *raw: bytes, source: str = "127.0.0.1") -> None:
    """Send datagrams there, and have them read."""
    _, host, port = listener.for_server.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        for one in raw:
            sock.sendto(one, (host, int(port)))
    while listener.take_some():
        pass


async def test_events_are_taken_as_they_come(udp: tuple[Listener, Heard]) -> None:
    listener, heard = udp
    _, host, port = listener.for_server.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(100):
            sock.sendto(notification(), (host, int(port)))
    async with asyncio.timeout(10):
        await heard.hundred.wait()
    assert not sum(listener.passed_over.values())


async def test_nonsense_is_counted_and_the_next_event_is_taken(udp: tuple[Listener, Heard]) -> None:
    listener, heard = udp
    await listener.hear_only(LOCAL)
    sent(listener, b"\0" * 65000, b"{" * 60000, datagram("2.4", "E_PIKE_BLOCKED-1"), notification())
    assert len(heard) == 1
    assert listener.passed_over == {PassedOver.MALFORMED: 2, PassedOver.OTHER: 1, PassedOver.FOREIGN: 0}


async def test_a_datagram_longer_than_any_event_is_not_looked_into(udp: tuple[Listener, Heard]) -> None:
    listener, heard = udp
    sent(listener, notification(attr="x" * 9000), notification(attr="x" * 7000))
    assert len(heard) == 1
    assert listener.passed_over[PassedOver.MALFORMED] == 1


async def test_others_have_their_turn_after_some_datagrams_or_some_bytes(
    udp: tuple[Listener, Heard],
) -> None:
    listener, heard = udp
    _, host, port = listener.for_server.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(20):
            sock.sendto(notification(attr="x" * 7000), (host, int(port)))
        assert listener.take_some(), "there are more"
        assert len(heard) <= 10
        while listener.take_some():
            pass
        heard.clear()
        for _ in range(20):
            sock.sendto(b"{" * 60_000, (host, int(port)))
            sock.sendto(notification(), (host, int(port)))
        assert listener.take_some(), "what is thrown away counts as well"
        assert len(heard) <= 10
        other = asyncio.Event()
        asyncio.get_running_loop().call_soon(other.set)
        await listener.read()
    assert len(heard) == 20
    assert other.is_set()


async def test_who_is_not_the_node_is_not_heard(udp: tuple[Listener, Heard]) -> None:
    listener, heard = udp
    await listener.hear_only(LOCAL)
    sent(listener, notification(), source="127.0.0.2")
    assert not heard
    assert listener.passed_over[PassedOver.FOREIGN] == 1
    assert listener.stranger == "127.0.0.2"


async def test_a_node_elsewhere_is_heard_and_this_host_is_not(udp: tuple[Listener, Heard]) -> None:
    listener, heard = udp
    await listener.hear_only("udp://127.0.0.2:5000")
    listener.senders = frozenset({"127.0.0.2"})
    sent(listener, notification(), source="127.0.0.1")
    sent(listener, notification(), source="127.0.0.2")
    assert len(heard) == 1


async def test_a_name_that_does_not_resolve_leaves_the_senders_as_they_were(
    udp: tuple[Listener, Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, _ = udp
    await listener.hear_only(LOCAL)
    before = listener.senders

    async def fails(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fails)
    await listener.hear_only("http://sip1.example:8888/mi")
    assert listener.senders == before
    assert "127.0.0.1" in before


@pytest.mark.parametrize("endpoint", ["unix:///run/mi", "fifo:///run/fifo", LOCAL])
async def test_a_node_on_this_host_may_send_from_any_of_its_addresses(endpoint: str) -> None:
    listener = Listener("udp://127.0.0.3:0", Heard())
    await listener.open()
    await listener.hear_only(endpoint)
    listener.close()
    assert {"127.0.0.1", "127.0.0.3"} <= listener.senders


async def test_an_address_that_stands_for_all_of_ours_is_refused() -> None:
    listener = Listener("udp://0.0.0.0:5099", Heard())
    with pytest.raises(OSError, match="one address"):
        await listener.open()
    assert not listener.is_open


async def test_a_unix_socket_is_for_us_and_our_group_and_gone_when_closed(tmp_path: Path) -> None:
    path, heard = tmp_path / "ev", Heard()
    listener = Listener(f"unix://{path}", heard)
    await listener.open()
    assert listener.for_server == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(notification(), str(path))
    while listener.take_some():
        pass
    assert len(heard) == 1
    listener.close()
    assert not path.exists()
    listener.close()


async def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "ev"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
    listener = Listener(f"unix://{path}", Heard())
    await listener.open()
    assert listener.is_open
    listener.close()


async def test_a_socket_that_somebody_listens_at_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ev"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        listener = Listener(f"unix://{path}", Heard())
        with pytest.raises(OSError, match="somebody listens"):
            await listener.open()
        listener.close()
        assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
async def test_what_is_no_socket_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "ev", tmp_path / "other"
    other.write_text("mine")
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(other)
    listener = Listener(f"unix://{path}", Heard())
    with pytest.raises(OSError, match="no socket"):
        await listener.open()
    assert path.exists()
    assert other.read_text() == "mine"


async def test_a_file_that_took_our_sockets_place_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "ev"
    listener = Listener(f"unix://{path}", Heard())
    await listener.open()
    path.unlink()
    path.write_text("somebody else's")
    listener.close()
    assert path.read_text() == "somebody else's"
