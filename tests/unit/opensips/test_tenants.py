"""The domain module's list over MI: what every generation sends, and what none should."""

import asyncio
import json
from collections.abc import Callable
from typing import Final

import pytest

from collectors.opensips import MiClient, OpensipsTenants
from collectors.opensips.client import READ_ONLY_COMMANDS
from collectors.opensips.tenants import parse_domains
from dialtone.model import MAX_DISCOVERED, CollectError, CollectFailure, DomainsFound
from tests.fakes.mi import FakeMi, http
from tests.fakes.mi_old import FakeMiJson
from tests.fakes.tenants import FakeSource
from tests.unit.opensips.conftest import recorded

RECORDED: Final = {
    "1.11": "live-domain_dump",
    "2.4": "live-domain_dump",
    "3.6.8": "live-domain_dump",
    "4.0.1": "idle-newname-domain-dump",
}
NAMED: Final = {"acme.ntek.example.net", "bd.ntek.example.net", "globex.modulis.example.net"}
NUMBERED: Final = {f"t{number:03}.ntek.example.net" for number in range(1, 201)}
TABLE: Final = DomainsFound(("of-the-table.example",))


def client(url: str, deadline: float = 5.0) -> MiClient:
    return MiClient(url, deadline=deadline)


def served(result: object) -> FakeMi:
    """Return a server that lists that."""
    return FakeMi({"domain_dump": json.dumps({"jsonrpc": "2.0", "result": result}).encode()})


def a_server(version: str) -> FakeMi | FakeMiJson:
    """Return a server with the recorded reply of that version."""
    reply = recorded(version, RECORDED[version])
    if version in ("1.11", "2.4"):
        return FakeMiJson({"domain_dump": reply}, silent=version == "1.11")
    return FakeMi({"domain:dump" if version == "4.0.1" else "domain_dump": reply})


@pytest.mark.parametrize("version", RECORDED)
async def test_the_domains_of_every_generation_are_read(version: str) -> None:
    async with a_server(version).running() as fake, client(fake.url) as mi:
        found = await OpensipsTenants(mi, deadline=5.0).domains()
    assert set(found.domains) == NAMED | NUMBERED
    assert len(found.domains) == 203
    assert found.left_out == 0


async def test_a_server_is_asked_for_what_reads_alone() -> None:
    fake = a_server("4.0.1")
    assert isinstance(fake, FakeMi)
    async with fake.running(), client(fake.url) as mi:
        source = OpensipsTenants(mi, deadline=5.0)
        await source.domains()
        await source.domains()
    asked = [json.loads(request)["method"] for request in fake.requests]
    assert asked == ["domain_dump", "domain:dump", "domain:dump"]  # the right name is remembered
    assert READ_ONLY_COMMANDS.issuperset(asked)


async def test_a_server_without_the_module_is_read_by_its_table_where_that_is_known() -> None:
    lacking = FakeMi({"domain_dump": recorded("4.0.1", "live-domain_dump")})
    async with lacking.running(), client(lacking.url) as mi:
        table = FakeSource(TABLE)
        source = OpensipsTenants(mi, deadline=5.0, table=table)
        assert await source.domains() == TABLE
        await source.aclose()
        assert table.closed
        with pytest.raises(
            CollectError, match="load it with db_mode 1, or give the node its `database`"
        ) as raised:
            await OpensipsTenants(mi, deadline=5.0).domains()
    assert raised.value.failure is CollectFailure.SERVER


@pytest.mark.parametrize("silent", [True, False])
async def test_an_old_server_without_the_module_lists_nothing_which_is_trouble(silent: bool) -> None:
    fake = FakeMiJson({}, silent=silent, lacking=frozenset({""}))
    async with fake.running(), client(fake.url) as mi:
        with pytest.raises(CollectError) as raised:
            await OpensipsTenants(mi, deadline=5.0).domains()
        assert raised.value.failure is CollectFailure.SERVER
        assert await OpensipsTenants(mi, deadline=5.0, table=FakeSource(TABLE)).domains() == TABLE


async def test_trouble_with_the_server_is_not_covered_up_by_its_table() -> None:
    fake = FakeMi({}, misbehave=lambda _: http(b"", "500 Internal Server Error"))
    async with fake.running(), client(fake.url) as mi:
        with pytest.raises(CollectError):
            await OpensipsTenants(mi, deadline=5.0, table=FakeSource(TABLE)).domains()


@pytest.mark.parametrize(
    "result",
    [
        *("OK", 7, None, True, [], {}, {"Domains": None}, {"Domains": {}}, {"Domains": "a.example"}),
        *({"domains": []}, {"Domains": ["a.example"]}, {"Domains": [{"name": "a.example"}, None]}),
        [{"name": "a.example"}],
    ],
)
def test_what_is_no_list_of_domains_is_refused(result: object) -> None:
    with pytest.raises(CollectError) as raised:
        parse_domains(result)
    assert raised.value.failure is CollectFailure.PROTOCOL


def test_a_row_that_names_nothing_is_left_out() -> None:
    rows = [{}, {"name": None}, {"name": ["a.example"]}, {"name": "192.0.2.1"}, {"name": "a.example", "x": 1}]
    assert parse_domains({"Domains": rows}) == DomainsFound(("a.example",), 4)
    assert parse_domains({"Domains": []}) == DomainsFound(())


def test_more_than_the_cap_is_too_much() -> None:
    with pytest.raises(CollectError) as raised:
        parse_domains({"Domains": [{"name": "a.example"}] * (MAX_DISCOVERED + 1)})
    assert raised.value.failure is CollectFailure.TOO_LARGE


Misbehaviour = Callable[[dict[str, object]], bytes | None]


@pytest.mark.parametrize(
    ("misbehave", "failure"),
    [
        (lambda _: None, CollectFailure.TIMEOUT),
        (lambda _: http(b"<html>no</html>"), CollectFailure.PROTOCOL),
        (lambda _: http(b'{"jsonrpc": "2.0", "result": {"Domains": [{"na'), CollectFailure.PROTOCOL),
        (lambda _: http(b"[" * 100_000), CollectFailure.PROTOCOL),
        (lambda _: http(b" " * (9 << 20)), CollectFailure.TOO_LARGE),
        (lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", CollectFailure.TIMEOUT),
        (lambda _: b"", CollectFailure.CONNECT),
    ],
)
async def test_a_server_that_misbehaves_gives_a_reason(
    misbehave: Misbehaviour, failure: CollectFailure
) -> None:
    fake = FakeMi({}, misbehave=misbehave)
    deadline = 0.2 if failure is CollectFailure.TIMEOUT else 5.0
    async with fake.running(), client(fake.url) as mi:
        with pytest.raises(CollectError) as raised:
            await OpensipsTenants(mi, deadline=deadline).domains()
    assert raised.value.failure is failure


async def test_a_list_that_never_comes_leaves_a_poll_its_turn() -> None:
    """The two have one client: what is given up holds nobody, and its late reply is nobody's."""
    asked = asyncio.Event()
    version = recorded("3.6.8", "live-version")

    def answer(request: dict[str, object]) -> bytes | None:
        if request["method"] == "domain_dump":
            asked.set()
            return None
        return http(json.dumps(json.loads(version) | {"id": request["id"]}).encode())

    fake = FakeMi({}, misbehave=answer)
    async with fake.running(), client(fake.url) as mi, asyncio.TaskGroup() as both:
        looking = both.create_task(_failure(OpensipsTenants(mi, deadline=0.2)))
        await asked.wait()
        polling = both.create_task(mi.version())
    assert looking.result() is CollectFailure.TIMEOUT
    assert polling.result() == {"Server": "OpenSIPS (3.6.8 (x86_64/linux))"}
    assert fake.most_in_flight == 1


async def _failure(source: OpensipsTenants) -> CollectFailure:
    with pytest.raises(CollectError) as raised:
        await source.domains()
    return raised.value.failure
