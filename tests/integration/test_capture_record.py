"""Recording from the loopback interface by the real dumpcap, and reading what was recorded."""

import os
import resource
import shutil
import socket
import stat
from pathlib import Path

import anyio
import pytest

from synthetic.capture.file import CaptureError
from synthetic.capture.live import record
from synthetic.capture.reading import read_capture
from synthetic.capture.records import RtpPacket, SipPacket
from tests.fakes import captures

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dumpcap") is None, reason="no dumpcap on PATH"),
    pytest.mark.skipif(os.geteuid() != 0, reason="recording needs root"),
]


async def talk(to: int, other: int) -> None:
    """Send SIP and media to one port, and to another one what nobody asked for, until cancelled."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for n in range(100_000):
            sender.sendto(captures.sip(body="x" * 3000) if n % 2 else captures.rtp(n), ("127.0.0.1", to))
            sender.sendto(captures.rtp(n, ssrc=0xBAD), ("127.0.0.1", other))
            await anyio.sleep(0.02)


@pytest.fixture
def ports() -> tuple[int, int]:
    """Return two ports that nobody else sends to."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


async def test_only_the_named_ports_are_recorded_for_the_given_time(
    tmp_path: Path, ports: tuple[int, int]
) -> None:
    path = tmp_path / "file.pcap"
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(talk, *ports)
            recorded = await record("lo", [ports[0]], 1.5, path)
            group.cancel_scope.cancel()
        async with read_capture(path) as reading:
            records = [each async for batch in reading for each in batch]
    assert recorded.packets == reading.read.packets > 20
    assert recorded.bytes == path.stat().st_size
    assert {each.destination for each in records} == {("127.0.0.1", ports[0])}
    assert {type(each) for each in records} == {SipPacket, RtpPacket}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_recording_that_is_called_off_leaves_a_whole_file(
    tmp_path: Path, ports: tuple[int, int]
) -> None:
    path = tmp_path / "file.pcap"
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(talk, *ports)
            with anyio.move_on_after(2):
                await record("lo", [ports[0]], 600.0, path)
            group.cancel_scope.cancel()
        async with read_capture(path) as reading:
            async for _ in reading:
                pass
    assert reading.read.packets > 5
    assert reading.read.problems == ()


async def test_a_recording_ends_when_its_file_is_full(tmp_path: Path, ports: tuple[int, int]) -> None:
    path = tmp_path / "file.pcap"
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(talk, *ports)
            recorded = await record("lo", [ports[0]], 25.0, path, max_bytes=10_000)
            group.cancel_scope.cancel()
    assert 5_000 < recorded.bytes < 20_000


async def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    path.write_text("mine")
    with pytest.raises(CaptureError, match="is there already"):
        await record("lo", [5060], 1.0, path)
    assert path.read_text() == "mine"


async def test_where_nobody_may_write_nothing_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="can't be written"):
        await record("lo", [5060], 1.0, tmp_path / "absent" / "file.pcap")


async def test_a_full_disk_is_told_with_what_there_is(tmp_path: Path, ports: tuple[int, int]) -> None:
    path = tmp_path / "file.pcap"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(talk, *ports)
                with pytest.raises(CaptureError, match=r"disk was full .* bytes are in"):
                    await record("lo", [ports[0]], 20.0, path)
                group.cancel_scope.cancel()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.stat().st_size > 5_000
