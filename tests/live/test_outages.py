"""Servers that die: who is said to be down, what the probes say, and that nobody else is blamed."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Final

import pytest

from dialtone.model import Flow
from tests.fakes.webhook_receiver import WebhookReceiver, receiving
from tests.integration.service import dialtone
from tests.live.figures import until_equal, until_right
from tests.live.programs import killed, stopped
from tests.live.stage import ACME, Stage, staged
from tests.live.watched import Watched, watching

pytestmark = pytest.mark.live

_ALL_UP: Final = {"sip1": 1.0, "pbx1": 1.0, "db1": 1.0, "db2": 1.0}
_TWO_ROUNDS: Final = 30.0
"""Seconds within which every tenant is probed twice, with patience for a slow machine."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A whole lab, shared by the tests of this module: each heals what it broke."""
    with staged(tmp_path_factory.mktemp("outages")) as ready:
        yield ready


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    """Whom the service tells."""
    async with receiving() as listening:
        yield listening


async def _all_told(receiver: WebhookReceiver, status: str, wanted: set[tuple[str, str]]) -> None:
    """Wait until exactly these alerts, by rule and subject (node or tenant), came with that status."""

    async def told() -> set[tuple[str, str]]:
        return {
            (alert["labels"]["alertname"], alert["labels"].get("node") or alert["labels"]["tenant"])
            for body in receiver.bodies
            for alert in body["alerts"]
            if alert["status"] == status
        }

    await until_equal(told, wanted)


async def _every_node_up(watched: Watched) -> None:
    async def up() -> dict[str, float]:
        return (await watched.metrics()).by("node", "dialtone_up")

    await until_equal(up, _ALL_UP)


async def _every_tenant(watched: Watched, stage: Stage, flow: Flow, ends: str, times: int = 1) -> None:
    """Wait until the probes that begin from now on ended so, at least so often for every tenant."""
    since = datetime.now(UTC)

    async def ended() -> dict[str, list[str]]:
        found = await watched.ends(flow, since)
        return {tenant: ended for tenant, ended in found.items() if len(ended) >= times}

    found = await until_right(ended, lambda seen: set(seen) == set(stage.clients), _TWO_ROUNDS)
    assert {end for ends in found.values() for end in ends} == {ends}, found


async def test_a_front_that_is_killed_is_a_timeout_for_every_tenant_until_it_is_back(
    stage: Stage, receiver: WebhookReceiver
) -> None:
    broken = {("NodeDown", "sip1"), *(("ProbeFailing", client) for client in stage.clients)}
    config = stage.config("front", webhook=f"{receiver.url}/hook")
    async with watching(config) as watched:
        await _every_tenant(watched, stage, Flow.CALL, "pass")
        async with killed(stage.state.root, stage.front):
            await _every_tenant(watched, stage, Flow.CALL, "fail timeout", times=2)
            await _every_tenant(watched, stage, Flow.REGISTER, "fail timeout")
            await _all_told(receiver, "firing", broken)
            figures = await watched.metrics()
            assert figures.by("node", "dialtone_up") == {**_ALL_UP, "sip1": 0.0}
            # Withdrawn: what was read last is no news any more, and 0 calls would be a lie.
            assert figures.by("tenant", "opensips_tenant_dialogs") == {}
            by_hand = await dialtone("probe", "call", config, "--tenant", ACME, "--engine", "sippy")
            assert by_hand.code == 2, by_hand
            assert "FAIL timeout" in by_hand.out
        await _every_node_up(watched)
        await _every_tenant(watched, stage, Flow.CALL, "pass")
        await _every_tenant(watched, stage, Flow.REGISTER, "pass")
        await _all_told(receiver, "resolved", broken)
        assert await watched.firing() == set()


async def test_an_asterisk_that_is_stopped_is_down_alone_and_phones_call_each_other_all_the_same(
    stage: Stage, receiver: WebhookReceiver
) -> None:
    down = {("NodeDown", "pbx1")}
    async with watching(stage.config("pbx", webhook=f"{receiver.url}/hook")) as watched:
        await _every_tenant(watched, stage, Flow.CALL, "pass")
        async with stopped(stage.state.root, "asterisk"):
            await _all_told(receiver, "firing", down)
            await _every_tenant(watched, stage, Flow.CALL, "pass", times=2)
            figures = await watched.metrics()
            assert figures.by("node", "dialtone_up") == {**_ALL_UP, "pbx1": 0.0}
            assert figures.by("tenant", "asterisk_tenant_calls") == {}
            assert set(figures.by("tenant", "opensips_tenant_dialogs")) >= set(stage.clients)
            assert await watched.firing() == down
        await _every_node_up(watched)
        await _all_told(receiver, "resolved", down)
        await _all_told(receiver, "firing", down)


async def test_probe_ends_with_the_codes_of_schedulers(stage: Stage) -> None:
    config = stage.config("probe")
    words = ("--tenant", ACME, "--engine", "sippy")
    passed = await dialtone("probe", "call", config, *words)
    assert passed.code == 0, passed
    assert "PASS" in passed.out
    assert all(timing in passed.out for timing in ("SRD", "PDD", "SDD", "SDT"))
    assert "INVITE" in passed.out

    accounts = config.with_name("wrong.csv")
    rows = (stage.state.root / "accounts.csv").read_text().splitlines()
    accounts.write_text("\n".join([rows[0], *(f"{row.rpartition(',')[0]},not-it" for row in rows[1:])]))
    accounts.chmod(0o600)
    wrong = config.with_name("wrong.yaml")
    wrong.write_text(config.read_text().replace("accounts.csv", accounts.name))
    refused = await dialtone("probe", "call", wrong, *words)
    assert refused.code == 2, refused
    assert "FAIL auth" in refused.out
    assert "not-it" not in refused.out + refused.err

    broken = config.with_name("broken.yaml")
    broken.write_text(config.read_text() + "nodess: []\n")
    unusable = await dialtone("probe", "call", broken, *words)
    assert unusable.code == 3, unusable
    assert "nodess" in unusable.err
