"""messages.pcap as tshark reads it: SIP over IPv4 and IPv6, from any port, whatever it went over."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dialtone.model import Message
from synthetic.pcapfile import pcap

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark on PATH"),
]

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
REQUEST = (
    "{method} sip:acme.example SIP/2.0\r\nVia: SIP/2.0/{via} 127.0.0.1:40001;branch=z9hG4bK{n}\r\n"
    "From: <sip:100@acme.example>;tag=1\r\nTo: <sip:acme.example>\r\nCall-ID: c{n}\r\nCSeq: {n} {method}\r\n"
    "Authorization: Digest [redacted]\r\nContent-Length: 0\r\n\r\n"
)


def test_tshark_shows_every_message_with_its_method_time_and_ends(tmp_path: Path) -> None:
    ends = [
        ("127.0.0.1:40001", "127.0.0.1:5060", "UDP"),
        ("127.0.0.1:40001", "127.0.0.1:46543", "TCP"),
        ("[::1]:40001", "[::1]:5061", "TLS"),
    ]
    methods = ("OPTIONS", "REGISTER", "INVITE")
    messages = [
        Message(
            n * 0.25, "phone", "sent", source, to, via.lower(), REQUEST.format(method=method, via=via, n=n)
        )
        for n, (method, (source, to, via)) in enumerate(zip(methods, ends, strict=True), 1)
    ]
    path = tmp_path / "messages.pcap"
    path.write_bytes(pcap(messages, STARTED))
    fields = ("frame.time_epoch", "sip.Method", "ip.dst", "ipv6.dst", "udp.dstport", "udp.checksum.status")
    options = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    said = subprocess.run(
        ["tshark", "-r", str(path), *options, "-T", "fields", *(f"-e{field}" for field in fields)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    rows = [line.split("\t") for line in said.splitlines()]
    assert [row[1] for row in rows] == list(methods)
    assert [row[2] or row[3] for row in rows] == ["127.0.0.1", "127.0.0.1", "::1"]
    assert [row[4] for row in rows] == ["5060", "46543", "5061"]
    assert [row[5] for row in rows] in (["1"] * 3, ["Good"] * 3)
    assert [float(row[0]) - STARTED.timestamp() for row in rows] == pytest.approx([0.25, 0.5, 0.75])
