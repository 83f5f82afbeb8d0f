"""Session descriptions, certificates, lateness, what the wire knows."""

import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from dialtone.model import Failure, FailureCode
from dialtone.runtime.clock import SystemClock
from synthetic.agents.tls import client_context
from synthetic.agents.wirelog import MAX_BYTES, MAX_MESSAGES, Packet, WireLog
from synthetic.agents.worker import Worker
from synthetic.lateness import LatenessMeter
from synthetic.media.port import MediaPort
from synthetic.probes.base import FlowError
from synthetic.probes.runner import Report
from tests.fakes.certificates import Certificates


def test_a_description_names_a_port_that_is_really_bound() -> None:
    media = MediaPort("127.0.0.1")
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
            pytest.raises(OSError, match="in use"),
        ):
            other.bind(("127.0.0.1", media.port))
    finally:
        media.close()


def test_a_private_authority_may_leave_out_what_new_pythons_ask_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ssl.create_default_context

    def strict(**given: Any) -> ssl.SSLContext:
        context = made(**given)
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    context = client_context(Certificates(tmp_path).plan())
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_the_worst_lateness_is_that_of_the_probe_and_not_of_the_time_before() -> None:
    meter = LatenessMeter()
    meter.note(10.0, 0.5)
    meter.note(20.0, 0.15)
    meter.note(21.0, 0.001)
    assert meter.worst_since(5.0) == 0.5
    assert meter.worst_since(15.0) == 0.15
    assert meter.worst_since(20.5) == 0.0


def test_a_notify_that_did_not_come_is_told_with_what_the_wire_knows_of_it() -> None:
    wire = WireLog()
    wire.nonsense = 1
    wire.troubles["watcher"] = FlowError(FailureCode.CONNECT, "the connection to [::1]:5061 was closed")
    silent = Report(Failure(FailureCode.NO_NOTIFY, "no NOTIFY"), None, {}, (), 7.0)
    judged = Worker(SystemClock(), LatenessMeter())._judge(silent, wire, time.monotonic())
    assert judged.failure == Failure(
        FailureCode.NO_NOTIFY,
        "no NOTIFY; the connection to [::1]:5061 was closed; messages were received that are no valid SIP",
    )


@pytest.mark.parametrize(
    ("step", "lost"), [("caller INVITE", "caller"), ("callee BYE", "callee"), ("hold", "callee")]
)
def test_a_deadline_is_put_down_to_the_connection_of_the_phone_whose_step_it_was(
    step: str, lost: str
) -> None:
    wire = WireLog()
    wire.troubles["callee"] = FlowError(FailureCode.CONNECT, "the callee's connection was closed")
    wire.unfinished["caller"] = FlowError(FailureCode.TLS, "the caller's handshake was not finished")
    late = Report(Failure(FailureCode.TIMEOUT, f"{step}: not done 5 s after the start"), None, {}, (), 5.0)
    failure = Worker(SystemClock(), LatenessMeter())._judge(late, wire, time.monotonic()).failure
    assert failure is not None
    assert failure.code is {"caller": FailureCode.TLS, "callee": FailureCode.CONNECT}[lost]
    assert f"the {lost}'s" in failure.detail


def test_evidence_is_bounded_in_messages_and_in_bytes() -> None:
    def packet(size: int) -> Packet:
        return Packet(0.0, "phone", "received", ("127.0.0.1", 1), ("127.0.0.1", 2), b"x" * size, size)

    many, big = WireLog(), WireLog()
    for _ in range(MAX_MESSAGES * 2):
        many.add(packet(100))
        big.add(packet(8000))
    assert (len(many.packets), many.dropped) == (MAX_MESSAGES, MAX_MESSAGES)
    assert sum(len(kept.data) for kept in big.packets) <= MAX_BYTES
