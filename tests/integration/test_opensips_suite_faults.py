"""A real OpenSIPS that hangs, that restarts, and that comes back as another version."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from dialtone.model import CollectFailure
from tests.fakes.mi import FakeMi
from tests.fakes.mi_process import recorded
from tests.integration.exposed import Page
from tests.integration.hanging import assert_a_hung_server_harms_nobody
from tests.integration.opensips_server import Ports, Program, fragment, installed, opensips
from tests.integration.opensips_watch import ACME, ShiftedClock, Watch, a_node

pytestmark = [pytest.mark.integration, pytest.mark.opensips]

OTHER: Final = "DIALTONE_OTHER_OPENSIPS"
"""The environment variable that may name a second program, of another version."""
_SCRIPT: Final = """
modparam("statistics", "variable", "steps")
{fragment}
startup_route {{
    update_stat("steps", {steps});
    update_stat("tenants:{tenant}_registers", {steps});
}}
route {{
    exit;
}}
"""


async def test_a_real_server_that_is_stopped_harms_nobody(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    with ExitStack() as stack:
        servers = []
        for folder in folders:
            folder.mkdir()
            values = {"fragment": fragment(), "tenant": ACME, "steps": 1}
            servers.append(stack.enter_context(opensips(folder, _SCRIPT, values)))
        async with FakeMi(recorded("4.0.1")).running() as fake:
            await assert_a_hung_server_harms_nobody(servers[0], [servers[1].mi, fake.url])


@pytest.fixture(params=["itself", "another"])
def following(request: pytest.FixtureRequest) -> Iterator[Program]:
    """Return the program that follows the one on PATH at its address: itself, or one of another version."""
    if request.param == "itself":
        yield installed()
        return
    if not (path := os.environ.get(OTHER)):
        pytest.skip(f"{OTHER} names no second program")
    yield installed(path)


async def test_a_server_restarted_counts_anew_and_shows_no_false_figure(
    following: Program, tmp_path: Path
) -> None:
    ports, clock = Ports.free(), ShiftedClock()
    async with Watch([a_node("sip1", f"http://127.0.0.1:{ports.http}/mi")], clock).open() as watch:

        async def polled(program: Program, folder: str, counted: int) -> tuple[Page, str]:
            (tmp_path / folder).mkdir()
            values = {"fragment": fragment(), "tenant": ACME, "steps": counted}
            with opensips(tmp_path / folder, _SCRIPT, values, program=program, ports=ports):
                for _ in range(3):
                    state = await watch.poll("sip1")
                    assert state.up, state.detail
                    assert state.reading is not None
                    assert steps(watch.page()) == (counted, counted)
                    version = state.reading.info["version"]
                return watch.page(), version

        before, version = await polled(installed(), "first", 1_000)
        down = await watch.poll("sip1")
        assert (down.up, down.failure) == (False, CollectFailure.CONNECT)
        assert watch.page().one("dialtone_up", node="sip1") == 0
        clock.set_forward(60)  # the first one would be up for a minute now
        after, later = await polled(following, "second", 7)
    assert (version == later) == (following.path == installed().path)
    uptime = after.one("opensips_uptime_seconds")
    assert uptime is not None
    assert uptime < 60
    for name, kind in before.kinds.items():
        assert after.kinds.get(name, kind) == kind, name
    negative = {series for series, value in after.of("sip1").items() if value < 0}
    assert not negative


def steps(page: Page) -> tuple[float | None, float | None]:
    """Return a counter of the script, and one of a tenant."""
    return (
        page.one("opensips_statistic_total", group="script", name="steps"),
        page.one("opensips_tenant_events_total", tenant=ACME, event="registers"),
    )
