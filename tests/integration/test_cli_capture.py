"""A capture of real packets, made by dumpcap: as tshark has it, and as the one who answered counted."""

import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.sip_capture import answered as answered_call
from tests.fakes.sip_capture import pcap, sip

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        shutil.which("tshark") is None or shutil.which("dumpcap") is None,
        reason="no tshark or dumpcap on PATH",
    ),
]

PACKETS = 120
FRAME = 0.02
ROW = re.compile(
    r"\s*\S+\s+\S+\s+(?P<source>\S+)\s+(?P<source_port>\d+)\s+(?P<to>\S+)\s+(?P<to_port>\d+)"
    r"\s+(?P<ssrc>0x\S+)\s+.+?\s+(?P<packets>\d+)\s+(?P<lost>-?\d+) \(\S+%\)(?:\s+[\d.]+){4}"
    r"\s+(?P<mean>[\d.]+)\s+(?P<most>[\d.]+)"
)


@dataclass(frozen=True)
class Way:
    """How a stream is sent."""

    ssrc: int
    first: int
    lost: float = 0.0
    twice: int = 0
    swapped: int = 0
    events: bool = False


@contextmanager
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 0))
        yield end


def speak(end: socket.socket, to: tuple[str, int], way: Way) -> None:
    """Send PACKETS packets, one every FRAME and up to 5 ms late, and do to them what is asked for."""
    chance = random.Random(way.ssrc)
    begin, held = time.monotonic(), b""
    for number in range(PACKETS):
        is_event = way.events and 60 <= number < 66
        stamp = (60 if is_event else number) * 160
        head = struct.pack(
            "!BBHII", 0x80, 101 if is_event else 8, (way.first + number) & 0xFFFF, stamp, way.ssrc
        )
        packet = head + bytes(4 if is_event else 160)
        time.sleep(max(0.0, begin + number * FRAME + chance.random() * 0.005 - time.monotonic()))
        if 0 < number < PACKETS - 1 and chance.random() < way.lost:
            continue
        if way.swapped and number % 40 == way.swapped:
            held = packet
            continue
        end.sendto(packet, to)
        if held:
            end.sendto(held, to)
            held = b""
        if way.twice and number % 40 == way.twice:
            end.sendto(packet, to)


def dialtone(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dialtone", "capture", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def recorded(path: Path, ports: list[int], act: Callable[[], object], *more: str) -> dict[str, Any]:
    """Record these ports while something happens on them; return what the command makes of it."""
    named = [part for port in ports for part in ("--port", str(port))]

    def once_it_records() -> None:
        patience = time.monotonic() + 30
        while time.monotonic() < patience and not (path.exists() and path.stat().st_size):
            time.sleep(0.05)
        act()

    after = threading.Thread(target=once_it_records)
    after.start()
    said = dialtone(
        "live", path, *named, "--for", "6s", "--interface", "lo", "--analyze", "--format", "json", *more
    )
    after.join()
    if "permission" in said.stderr:
        pytest.skip("no right to record packets")
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def by_tshark(path: Path) -> dict[tuple[str, str, str], re.Match[str]]:
    said = subprocess.run(
        ["tshark", "-r", str(path), "-o", "rtp.heuristic_rtp:TRUE", "-q", "-z", "rtp,streams"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    rows = filter(None, map(ROW.match, said.splitlines()))
    return {
        (f"{r['source']}:{r['source_port']}", f"{r['to']}:{r['to_port']}", r["ssrc"].lower()): r for r in rows
    }


def test_streams_are_as_tshark_has_them_but_where_the_guide_says(tmp_path: Path) -> None:
    ways = [
        Way(0x11, 100),
        Way(0x12, 65_480, lost=0.1),
        Way(0x13, 7, swapped=20, lost=0.02),
        Way(0x14, 500, twice=10, lost=0.05),
        Way(0x15, 900, events=True, lost=0.03),
    ]
    path = tmp_path / "real.pcap"
    with udp() as near, udp() as far:
        to = far.getsockname()

        def act() -> None:
            speakers = [threading.Thread(target=speak, args=(near, to, way)) for way in ways]
            for speaker in speakers:
                speaker.start()
            for speaker in speakers:
                speaker.join()

        report = recorded(path, [to[1]], act)
    ours = {(one["source"], one["destination"], one["ssrc"]): one for one in report["streams"]}
    theirs = by_tshark(path)
    assert len(ours) == len(ways)
    assert ours.keys() == theirs.keys()
    for key, row in theirs.items():
        one, way = ours[key], next(way for way in ways if f"0x{way.ssrc:08x}" == key[2])
        assert one["packets"] == int(row["packets"])
        assert one["lost"] - one["duplicates"] == int(row["lost"])
        assert one["duplicates"] == (3 if way.twice else 0)
        assert one["events"] <= 6
        if way.events:  # tshark takes their timestamps for voice's
            assert one["jitter_max"] * 1000 < float(row["most"])
        elif not way.twice:
            assert one["jitter"] * 1000 == pytest.approx(float(row["mean"]), abs=0.01)
            assert one["jitter_max"] * 1000 == pytest.approx(float(row["most"]), abs=0.01)


def test_ratios_are_those_of_the_one_who_answered(tmp_path: Path) -> None:
    statuses = ["200", "486", "503", "302", "404", "200", "480", "408", "200", "603"]
    answered: Counter[str] = Counter()
    with udp() as phone, udp() as server:
        to, own = server.getsockname(), phone.getsockname()

        def act() -> None:
            for number, status in enumerate(statuses):
                same: dict[str, Any] = {"call_id": f"real-{number}", "branch": f"z9hG4bK{number}"}
                phone.sendto(sip(0, "INVITE", **same).data, to)
                server.recv(4096)
                server.sendto(sip(0, "100", to_tag="b", **same).data, own)
                server.sendto(sip(0, status, to_tag="b", **same).data, own)
                answered[status] += 1
                phone.sendto(sip(0, "ACK", "1 ACK", to_tag="b", **same).data, to)
                server.recv(4096)
                if status == "200":
                    phone.sendto(sip(0, "BYE", "2 BYE", to_tag="b", **same).data, to)
                    server.recv(4096)
                    server.sendto(sip(0, "200", "2 BYE", to_tag="b", **same).data, own)

        report = recorded(tmp_path / "calls.pcap", [to[1]], act)
    counts = report["figures"]["counts"]
    assert counts["invite"] == len(statuses)
    assert counts["invite_200"] == counts["session_complete"] == answered["200"]
    assert counts["invite_3xx"] == answered["302"]
    assert counts["invite_end_user"] == sum(answered[status] for status in ("480", "486", "600", "603"))
    assert counts["invite_ineffective"] == sum(answered[status] for status in ("408", "500", "503", "504"))
    assert report["figures"]["ratios"]["ser"] == pytest.approx(3 / 9)
    assert report["figures"]["times"]["sdd"]["count"] == 3
    assert [call["ending"] for call in report["calls"]].count("answered") == 3


def test_a_file_that_is_no_capture_is_refused_with_words_and_code_3(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no packets here, and no magic number either")
    for said in (dialtone("analyze", path), dialtone("analyze", tmp_path / "missing.pcap")):
        assert said.returncode == 3
        assert said.stdout == ""
        assert said.stderr.startswith("dialtone: ")
        assert "Traceback" not in said.stderr


def test_one_call_is_picked_and_written_for_its_owner_alone(tmp_path: Path) -> None:
    path, page = tmp_path / "two.pcap", tmp_path / "one.html"
    path.write_bytes(pcap([*answered_call(0, "call-one"), *answered_call(20, "call-two")]))
    said = dialtone("analyze", path, "--call", "call-two", "--format", "html", "--output", page)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    assert "call-two" in page.read_text()
    assert "call-one" not in page.read_text().partition("</style>")[2]
    assert page.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [page, path]
    wrong = dialtone("analyze", path, "--call", "third")
    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert "no call in" in wrong.stderr


def test_the_capture_itself_is_never_written_over(tmp_path: Path) -> None:
    path, link = tmp_path / "one.pcap", tmp_path / "link.pcap"
    path.write_bytes(pcap(answered_call(0, "one")))
    link.symlink_to(path)
    before = path.read_bytes()
    for output in (path, link, tmp_path / "." / "one.pcap"):
        said = dialtone("analyze", path, "--output", output)
        assert said.returncode == 3
        assert "is the capture itself" in said.stderr
    assert path.read_bytes() == before


def test_a_pipe_is_written_to_and_a_link_leads_to_its_file(tmp_path: Path) -> None:
    path, pipe = tmp_path / "one.pcap", tmp_path / "pipe"
    aim, link = tmp_path / "report.txt", tmp_path / "link.txt"
    path.write_bytes(pcap(answered_call(0, "one")))
    os.mkfifo(pipe)
    aim.write_text("old")
    link.symlink_to(aim)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert dialtone("analyze", path, "--output", pipe).returncode == 0
    reader.join(10)
    assert "one.pcap" in read[0]
    assert pipe.is_fifo()
    assert dialtone("analyze", path, "--output", link).returncode == 0
    assert link.is_symlink()
    assert "one.pcap" in aim.read_text()


def test_an_output_without_a_folder_is_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "now.pcap"
    output = tmp_path / "no" / "where.txt"
    said = dialtone("live", "--port", "5060", "--for", "60s", path, "--analyze", "--output", output)
    assert said.returncode == 3
    assert "there is no folder" in said.stderr
    assert not path.exists()
