"""Each statistic of a real OpenSIPS is exported exactly once, with its value and kind."""

import json
import socket
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.fakes.mi import FakeMi
from tests.integration.exposed import Page, Series
from tests.integration.opensips_server import fragment, free_port, opensips
from tests.integration.opensips_watch import ACME, NTEK, Watch, a_node
from tests.integration.service import until

pytestmark = [pytest.mark.integration, pytest.mark.opensips]

_SCRIPT: Final = """
socket=bin:127.0.0.1:{bin}
loadmodule "proto_bin.so"
loadmodule "registrar.so"
loadmodule "acc.so"
loadmodule "pike.so"
loadmodule "ratelimit.so"
loadmodule "topology_hiding.so"
loadmodule "nathelper.so"
loadmodule "clusterer.so"
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", 1)
modparam("clusterer", "my_node_info", "cluster_id=1, url=bin:127.0.0.1:{bin}")
modparam("statistics", "variable", "widgets")
modparam("statistics", "variable", "below")
modparam("statistics", "variable", "done")
{fragment}
startup_route {{
    update_stat("widgets", 5);
    update_stat("below", -1);
    update_stat("tenants:{tenant}_registers", 3);
    update_stat("tenants:stranger.example_registers", 4);
    update_stat("done", 1);
}}
route {{
    exit;
}}
"""
BELOW_ZERO: Final = {"script:below"}
"""All that is left out: counters that a script took below zero, 2^64 less something to OpenSIPS."""
_PERCENT: Final = "load:"
"""The group whose statistics are percents; they are exported as ratios."""
_FIRST: Final = 1_000_000
"""Told of the first statistic, and a hundred more of each further one: also a hundredth of it is its own."""


async def raw(mi: str, method: str, **params: object) -> dict[str, Any]:
    """Ask the server as anybody could, and return the result."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.post(mi, json=request) as answer:
        result = json.loads(await answer.text())["result"]
        assert isinstance(result, dict)
        return result


async def all_of(mi: str) -> dict[str, float]:
    """Return get_statistics all."""
    return await raw(mi, "get_statistics", statistics=["all"])


async def where_each_is_shown(names: list[str], kinds: dict[str, str], version: object) -> dict[str, Series]:
    """Return the series of each statistic: found by its value alone, as each is told with one of its own."""
    told = {name: _FIRST + 100 * number for number, name in enumerate(names)}
    replies = {"get_statistics": told, "list_statistics": kinds, "version": version}
    bodies = {
        command: json.dumps({"jsonrpc": "2.0", "result": result}).encode()
        for command, result in replies.items()
    }
    async with FakeMi(bodies).running() as copy, Watch([a_node("sip1", copy.url)]).open() as watch:
        await watch.poll("sip1")
        page = watch.page()
    shown: dict[float, list[Series]] = {}
    for series, value in page.of("sip1").items():
        shown.setdefault(round(value, 6), []).append(series)
    found = {name: shown.pop(scaled(name, value), []) for name, value in told.items()}
    assert {name: series for name, series in found.items() if len(series) != 1} == {}
    assert not shown, "a series that is no statistic's"
    return {name: series for name, (series,) in found.items()}


def scaled(name: str, value: float) -> float:
    """Return what a statistic is exported as."""
    return round(value / 100 if name.startswith(_PERCENT) and "processes" not in name else value, 6)


async def test_each_statistic_is_exported_exactly_once_with_its_value_and_kind(tmp_path: Path) -> None:
    values = {"fragment": fragment(), "tenant": ACME, "bin": free_port(socket.SOCK_STREAM)}
    with opensips(tmp_path, _SCRIPT, values) as server:

        async def started() -> bool:
            return (await all_of(server.mi)).get("script:done") == 1

        await until("the script's own statistics are there", started)
        async with Watch([a_node("sip1", server.mi)]).open() as watch:
            await watch.poll("sip1")  # what the first poll does to the server is done
            before = await all_of(server.mi)
            state = await watch.poll("sip1")
            page = watch.page()
            after = await all_of(server.mi)
        kinds = await raw(server.mi, "list_statistics")
        version = await raw(server.mi, "version")
    assert state.up, state.detail
    assert set(before) == set(after) == set(kinds)
    assert {name for name, value in before.items() if value >= 2**63} == BELOW_ZERO

    wanted = [name for name in before if name not in BELOW_ZERO]
    series = await where_each_is_shown(wanted, {name: str(kinds[name]) for name in wanted}, version)
    assert len(set(series.values())) == len(wanted) > 100
    for name in wanted:
        assert_value(page, name, series[name], before[name], after[name])
        counts = page.kinds[series[name].metric] == "counter"
        assert counts == (kinds[name] == "incremental"), f"{name} is {kinds[name]}"
    steady = [name for name in wanted if before[name] == after[name]]
    assert len(steady) > 0.8 * len(wanted), "too many moved to say anything"
    metrics = {one.metric for one in series.values()}
    assert {one for one in page.of("sip1") if one.metric in metrics} == set(series.values())
    assert "below" not in str([one for one in page.values if one.has(group="script")])
    events = page.by("tenant", "opensips_tenant_events_total", event="registers")
    assert events == {ACME: 3, "_unknown": 4}
    assert page.one("opensips_tenant_events_total", tenant=ACME, reseller=NTEK) == 3


def assert_value(page: Page, name: str, series: Series, before: float, after: float) -> None:
    """What is shown of a statistic is what the server says; where it moved, a counter is in between."""
    shown = page.values[series]
    low, high = sorted((scaled(name, before), scaled(name, after)))
    if low == high or page.kinds[series.metric] == "counter":
        assert low <= round(shown, 6) <= high, name
