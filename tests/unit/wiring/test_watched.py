"""Which alerts of an earlier run go on after a restart with another configuration."""

import json
from pathlib import Path

import pytest

from dialtone.config import load
from dialtone.wiring.parts import build_rules
from dialtone.wiring.service import _Service
from tests.fakes.alerts import alert
from tests.fakes.store import BreakableStore


@pytest.mark.parametrize(
    ("topology", "node", "watched"),
    [
        ("main", None, True),
        # A server that stands alone has alerts as a node.
        ("db3", None, False),
        ("cdr", None, False),
        ("db1", None, False),
        ("main", "db1", True),
        # Of a node that is in another topology now the next judgement says what became of it.
        ("cdr", "db1", True),
        ("main", "db9", False),
        (None, "db9", False),
        (None, "sip1", True),
        # It was a database, and is none any more.
        ("main", "sip1", False),
    ],
)
async def test_an_alert_goes_on_while_its_node_or_else_its_topology_is_configured(
    tmp_path: Path, topology: str | None, node: str | None, watched: bool
) -> None:
    nodes = [
        {"name": name, "kind": "mysql", "dsn": f"mysql://dialtone@{name}.example"}
        for name in ("db1", "db2", "db3")
    ]
    nodes.append({"name": "sip1", "kind": "opensips", "mi": "http://127.0.0.1:8888/mi"})
    document = {
        "location": "mtl1",
        "platform": {"domain": "example.net"},
        "nodes": nodes,
        "topologies": [{"name": "main", "kind": "active-passive", "nodes": ["db1", "db2"]}],
    }
    (tmp_path / "dialtone.yaml").write_text(json.dumps(document))
    settings = load(tmp_path / "dialtone.yaml", environ={})
    service = _Service(settings, BreakableStore(), build_rules(settings))
    assert service._is_watched(alert(topology=topology, node=node)) is watched
