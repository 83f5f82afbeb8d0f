"""Heartbeats: a writer a node, beside the service and never in it."""

from collections.abc import Sequence
from typing import Final

import anyio
import structlog

from collectors.mysql.heartbeat import Heart, setup_sql
from dialtone.config import Settings
from dialtone.model import Node
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.stop import run_until_signal

_GRACE: Final = 5.0

_log = structlog.get_logger(__name__)


async def beat(settings: Settings, nodes: Sequence[Node]) -> None:
    """Write the heartbeats of these nodes until SIGTERM, SIGINT or SIGHUP. Each must have a writer."""
    clock = SystemClock()
    writers = [(node, settings.heartbeats[node.name]) for node in nodes]
    hearts = [Heart(node, writer.username, writer.secret, clock) for node, writer in writers]

    async def beat_all() -> None:
        _log.info("writing heartbeats", nodes=[node.name for node in nodes])
        async with anyio.create_task_group() as tasks:
            for heart in hearts:
                tasks.start_soon(heart.run)

    await run_until_signal(beat_all, grace=_GRACE)


def heartbeat_sql(settings: Settings, nodes: Sequence[Node]) -> str:
    """Return the SQL that makes what these nodes' heartbeats need; what several need alike stands once."""
    texts: dict[str, list[str]] = {}
    for node in nodes:
        writer = settings.heartbeats[node.name].username
        text = setup_sql(node.options["heartbeat"], writer, node.username or "")
        texts.setdefault(text, []).append(node.name)
    return "\n".join(f"-- For {', '.join(names)}.\n{text}" for text, names in texts.items())
