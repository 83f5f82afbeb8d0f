"""A server of a stage as a node, with the account that watches."""

from dialtone.model import Node, NodeKind, Secret
from lab.mysql.replication import HEARTBEAT_TABLE, WATCHER
from lab.mysql.stage import Stage


def node_of(stage: Stage, name: str, *, timeout: float = 2.0) -> Node:
    """Return a server as dialtone.yaml would give it; both times are in seconds."""
    return Node(
        name,
        NodeKind.MYSQL,
        f"mysql://{stage[name].address}",
        username=WATCHER,
        secret=Secret(stage.passwords.watcher),
        interval=2 * timeout,
        timeout=timeout,
        options={"heartbeat": HEARTBEAT_TABLE, "heartbeat_every": str(stage.plan.wishes.beat)},
    )
