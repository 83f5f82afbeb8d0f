"""`dialtone serve` on a pair of databases that breaks: what is wrong, since when, and whose data it is."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from lab.base import LabContext
from lab.mysql.flavour import Flavour, missing
from lab.mysql.plan import active_passive
from lab.mysql.stage import Stage, staged, workshop
from tests.fakes.webhook_receiver import WebhookReceiver, receiving
from tests.integration.service import (
    ACME,
    BOLT,
    PLATFORM,
    Service,
    serving,
    until,
    write_config,
    write_private,
)

_MISSING: Final = missing(Flavour.MARIADB)
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(_MISSING), reason="; ".join(_MISSING)),
]

NTEK: Final = f"ntek.{PLATFORM}"
CORA: Final = f"cora.{NTEK}"
"""A tenant whose data is elsewhere."""
TOKENS: Final = {"ops": PLATFORM, "acme": ACME, "cora": CORA}
NAME: Final = "registrar"
ALERT: Final = {"alertname": "ReplicationBroken", "topology": NAME, "node": "db2"}
SOON: Final = 10.0
"""Seconds for a poll or two of each second and a message, on a busy machine."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[LabContext]:
    with workshop(tmp_path / "lab") as context:
        yield context


def token(name: str) -> str:
    return f"token-of-{name}-0123456789"


def a_config(folder: Path, stage: Stage, receiver: WebhookReceiver) -> Path:
    """Write a configuration for the pair, polled each second, that holds the data of two tenants of three."""
    folder.mkdir()
    (folder / "secrets").mkdir()
    write_private(folder / "secrets" / stage.secret, stage.passwords.watcher)
    for name in TOKENS:
        write_private(folder / name, token(name))
    return write_config(
        folder,
        tenants=[{"domain": domain} for domain in (NTEK, ACME, BOLT, CORA)],
        nodes=[dict(node) | {"interval": "1s", "timeout": "0.9s"} for node in stage.nodes],
        topologies=[dict(stage.topology) | {"tenants": [ACME, BOLT]}],
        access={"tokens": [{"name": n, "scope": s, "token": {"file": n}} for n, s in TOKENS.items()]},
        alerts={"receivers": [{"name": "ops", "url": receiver.url}]},
    )


class Reader:
    """What a service says of the pair, asked by those who may."""

    def __init__(self, service: Service, receiver: WebhookReceiver) -> None:
        self.service = service
        self._receiver = receiver

    async def topology(self) -> dict[str, Any]:
        """The one topology, as the platform sees it."""
        (found,) = (await self.service.api("/topologies", token=token("ops")))["items"]
        assert isinstance(found, dict)
        return found

    async def known(self) -> bool:
        """Whether both servers were read, both channels run, and nothing is wrong nor suspected to be."""
        items = (await self.service.api("/topologies", token=token("ops")))["items"]
        return any(
            all(member["up"] for member in one["members"])
            and sum(link["io_running"] and link["sql_running"] for link in one["links"]) == 2
            and not one["troubles"]
            for one in items
        )

    async def broken(self) -> list[dict[str, Any]]:
        """What is wrong for certain."""
        return [one for one in (await self.topology())["troubles"] if one["state"] == "bad"]

    async def impact(self, who: str, domain: str) -> list[dict[str, Any]]:
        """What somebody sees of the databases of a tenant."""
        tenant = await self.service.api(f"/tenants/{domain}", token=token(who))
        databases: list[dict[str, Any]] = tenant["databases"]
        return databases

    async def figures(self, metric: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The values of a metric of /metrics, by these labels."""
        status, page = await self.service.ask("/metrics", token=token("ops"))
        assert status == 200
        found = re.findall(rf"^{metric}{{(.*)}} (\S+)$", page, re.MULTILINE)
        by_name = [(dict(re.findall(r'(\w+)="([^"]*)"', text)), float(value)) for text, value in found]
        return {tuple(names[label] for label in labels): value for names, value in by_name}

    async def wrong(self) -> set[tuple[str, ...]]:
        """The troubles that /metrics names as being there."""
        found = await self.figures("mysql_topology_trouble", "trouble", "node", "channel")
        assert found, "all checks are there, fine ones too"
        return {about for about, value in found.items() if value}

    def alerts(self, status: str) -> list[dict[str, Any]]:
        """The alerts that came with this status, whatever they are about."""
        alerts = [alert for body in self._receiver.bodies for alert in body["alerts"]]
        return [alert for alert in alerts if alert["status"] == status]


async def test_a_stopped_sql_thread_is_said_with_its_tenants_and_since_when_until_it_runs_again(
    shop: LabContext, tmp_path: Path
) -> None:
    async with (
        receiving() as receiver,
        staged(shop, active_passive(name=NAME)) as stage,
        serving(a_config(tmp_path / "config", stage, receiver)) as service,
    ):
        reader = Reader(service, receiver)
        await until("both servers are read and fine", reader.known)
        assert not await reader.wrong()
        assert await reader.impact("acme", ACME) == [{"topology": NAME, "impact": "none"}]
        before = datetime.fromisoformat((await reader.topology())["at"])
        await stage["db2"].sql("STOP REPLICA SQL_THREAD")
        (trouble,) = await until("the API says that it is broken", reader.broken, seconds=SOON)
        await _said_to_the_platform(reader, trouble, before)
        await _said_to_tenants(reader, stage)

        async def told() -> list[dict[str, Any]]:
            return reader.alerts("firing")

        (fired,) = await until("the webhook", told, seconds=SOON)
        assert ALERT.items() <= fired["labels"].items()
        assert fired["annotations"]["tenants"] == f"2 tenants: {ACME}, {BOLT}"
        assert "sql-stopped" in fired["annotations"]["description"]
        await stage["db2"].sql("START REPLICA SQL_THREAD")

        async def ended() -> list[dict[str, Any]]:
            return reader.alerts("resolved")

        (resolved,) = await until("the webhook of its end", ended, seconds=SOON)
        assert resolved["fingerprint"] == fired["fingerprint"]
        assert resolved["startsAt"] == fired["startsAt"] < resolved["endsAt"]
        await until("the pair is fine again", reader.known, seconds=SOON)
        assert not await reader.wrong()
        assert set((await reader.figures("mysql_topology_tenant_impact", "tenant")).values()) == {0.0}
        assert await reader.impact("acme", ACME) == [{"topology": NAME, "impact": "none"}]
        assert len(reader.alerts("firing")) == len(reader.alerts("resolved")) == 1
        assert await service.stop() == 0
        log = service.log.read_text()
    assert stage.passwords.watcher not in log + json.dumps(receiver.bodies)
    assert "token-of-" not in log
    assert "Traceback" not in log


async def _said_to_the_platform(reader: Reader, trouble: dict[str, Any], before: datetime) -> None:
    assert (trouble["trouble"], trouble["node"], trouble["impact"]) == ("sql-stopped", "db2", "exposed")
    since, at = (datetime.fromisoformat(text) for text in (trouble["since"], (await reader.topology())["at"]))
    assert before <= since <= at < since + timedelta(seconds=SOON)
    whole = await reader.service.api(f"/topologies/{NAME}", token=token("ops"))
    assert (whole["impact"], whole["tenants"], whole["tenants_count"]) == ("exposed", [ACME, BOLT], 2)
    assert [one["trouble"] for one in whole["troubles"]] == ["sql-stopped"]
    assert {(link["replica"], link["sql_running"]) for link in whole["links"]} == {
        ("db1", True),
        ("db2", False),
    }
    # The exposition may follow the board by a poll, but not by more.
    named = {("sql-stopped", "db2", trouble["channel"])}

    async def exposed() -> bool:
        return await reader.wrong() == named

    await until("/metrics names it and nothing else", exposed, seconds=SOON)
    assert await reader.figures("mysql_topology_impact", "topology") == {(NAME,): 1.0}
    assert await reader.figures("mysql_topology_tenant_impact", "topology", "tenant", "reseller") == {
        (NAME, ACME, NTEK): 1.0,
        (NAME, BOLT, NTEK): 1.0,
    }


async def _said_to_tenants(reader: Reader, stage: Stage) -> None:
    """A tenant learns what its own databases do to it, and nothing of servers, nor of other tenants."""
    assert await reader.impact("acme", ACME) == [{"topology": NAME, "impact": "exposed"}]
    assert await reader.impact("ops", BOLT) == [{"topology": NAME, "impact": "exposed"}]
    assert await reader.impact("cora", CORA) == await reader.impact("ops", CORA) == []
    service = reader.service
    hidden = [BOLT, CORA, "db1", "db2", "sql-stopped", *(server.address for server in stage.servers)]
    for path in (
        *("/", "/api/v1/status", "/api/v1/tenants", f"/api/v1/tenants/{ACME}", "/api/v1/alerts"),
        *("/api/v1/nodes", "/api/v1/topologies", "/api/v1/results"),
    ):
        status, body = await service.ask(path, token=token("acme"))
        assert status == 200, path
        assert [word for word in hidden if word in body] == [], path
    for path, expected in (
        (f"/api/v1/topologies/{NAME}", 404),
        (f"/api/v1/tenants/{BOLT}", 404),
        ("/api/v1/nodes/db2", 404),
        ("/metrics", 403),
    ):
        assert (await service.ask(path, token=token("acme")))[0] == expected, path
    assert NAME not in (await service.ask("/api/v1/tenants", token=token("cora")))[1]
