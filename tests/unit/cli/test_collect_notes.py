"""What `dialtone collect` says beside the figures."""

from datetime import UTC, datetime

import pytest

from dialtone.cli.collect import _print_tables
from dialtone.model import Catalog, Node, NodeKind, NodeState, Reading


def test_the_domains_that_nobody_configured_are_named_under_their_server(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    names = ", ".join(f"d{number:02}.example" for number in range(20)) + " and 980 more"
    state = NodeState(
        Node("sip1", NodeKind.OPENSIPS, "http://127.0.0.1/mi"),
        up=True,
        since=now,
        polled_at=now,
        duration=0.01,
        read_at=now,
        reading=Reading((), {"version": "4.0.1", "unknown domains": names}),
    )
    _print_tables([state], Catalog([]))
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("sip1 opensips up")
    assert f"unknown domains: {names}" in said
