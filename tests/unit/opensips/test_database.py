"""The tables of an OpenSIPS, asked for over a socket that speaks MySQL's protocol."""

import re
from collections.abc import Awaitable, Callable, Mapping

import pytest

from collectors.mysqlclient import RefusedError
from collectors.opensips.database import (
    CENSUS,
    CENSUS_BY_DATE,
    CONTACTS,
    CONTACTS_BY_DATE,
    EXPIRES_KIND,
    PRESENTITIES,
    STATEMENTS,
    WATCHERS,
    ContactRow,
    Registered,
    Tables,
    TablesSession,
)
from dialtone.model import CollectError, CollectFailure, Database, Secret
from tests.fakes.mysql import Answer, FakeMysql, Refusal, Result

INT: Mapping[str, Answer] = {EXPIRES_KIND: Result([{"kind": "int"}])}
ACME = "acme.ntek.example.net"


def database(server: FakeMysql) -> Database:
    return Database(server.endpoint, "opensips", "dialtone", Secret("sesame"))


def row(**changes: str | None) -> dict[str, str | None]:
    return {
        "username": "1001",
        "domain": ACME,
        "contact": "sip:1001@127.0.0.1",
        "callid": "c1",
        "cseq": "1",
        "gone": "0",
    } | changes


async def contacts(*rows: Mapping[str, str | None], kind: str = "int") -> list[ContactRow]:
    statement = CONTACTS_BY_DATE if kind == "datetime" else CONTACTS
    answers = {EXPIRES_KIND: Result([{"kind": kind}]), statement: Result(rows)}
    async with FakeMysql(answers).running() as server, Tables(database(server)).session() as session:
        return [one async for one in session.contacts()]


def test_every_statement_only_reads() -> None:
    assert len(STATEMENTS) == 7
    for statement in STATEMENTS:
        assert statement.startswith("SELECT ")
        words = re.sub("'[^']*'", "", statement)
        assert not re.search(r";|--|/\*|\b(INSERT|UPDATE|DELETE|INTO|FOR|LOCK|SLEEP)\b", words), statement


async def test_contacts_are_read_with_their_hosts_in_lower_case() -> None:
    found = await contacts(row(domain="ACME.ntek.example.net"), row(gone="1", cseq="-1"))
    assert found == [
        ContactRow(ACME, "1001", "sip:1001@127.0.0.1", "c1", 1, is_gone=False),
        ContactRow(ACME, "1001", "sip:1001@127.0.0.1", "c1", 2**32 - 1, is_gone=True),
    ]


async def test_addresses_without_a_domain_have_none() -> None:
    """Of use_domain=0, where the domain is NULL or empty."""
    found = await contacts(row(domain=None), row(domain=""))
    assert [(one.host, one.user) for one in found] == [("", "1001")] * 2


async def test_a_table_with_dates_is_asked_by_dates() -> None:
    assert len(await contacts(row(), kind="datetime")) == 1


@pytest.mark.parametrize("cseq", [None, "", "1.5", "many", "9" * 21])
async def test_a_row_with_no_number_where_one_must_be_fails_by_name(cseq: str | None) -> None:
    with pytest.raises(CollectError) as caught:
        await contacts(row(cseq=cseq))
    assert caught.value.failure is CollectFailure.PROTOCOL


@pytest.mark.parametrize("column", list(row()))
async def test_a_row_without_a_column_fails_by_name(column: str) -> None:
    lacking = {name: value for name, value in row().items() if name != column}
    with pytest.raises(CollectError, match=f"no column {column}") as caught:
        await contacts(lacking)
    assert caught.value.failure is CollectFailure.PROTOCOL


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        (EXPIRES_KIND, TablesSession.census),
        (CENSUS, TablesSession.census),
        (PRESENTITIES, TablesSession.presentities),
        (WATCHERS, TablesSession.watchers),
    ],
)
async def test_other_tables_without_a_column_fail_by_name(
    statement: str, read: Callable[[TablesSession], Awaitable[object]]
) -> None:
    answers = {**INT, statement: Result([{"something": "else"}])}
    async with FakeMysql(answers).running() as server:
        with pytest.raises(CollectError, match="no column"):
            async with Tables(database(server)).session() as session:
                await read(session)


async def test_a_row_of_more_than_64_kib_is_not_read() -> None:
    with pytest.raises(CollectError, match="64 KiB in one row") as caught:
        await contacts(row(), row(contact="s" * 65_000, callid="c" * 1000))
    assert caught.value.failure is CollectFailure.TOO_LARGE
    assert len(await contacts(row(contact="s" * 60_000))) == 1


@pytest.mark.parametrize(("kind", "statement"), [("int", CENSUS), ("datetime", CENSUS_BY_DATE)])
async def test_a_census_counts_by_domain(kind: str, statement: str) -> None:
    rows: list[dict[str, str | None]] = [
        {"domain": ACME, "aors": "2", "contacts": "3"},
        {"domain": None, "aors": "1", "contacts": "1"},
    ]
    answers = {EXPIRES_KIND: Result([{"kind": kind}]), statement: Result(rows)}
    async with FakeMysql(answers).running() as server, Tables(database(server)).session() as session:
        assert await session.census() == {ACME: Registered(2, 3), "": Registered(1, 1)}


async def test_a_database_without_the_table_says_so() -> None:
    async with FakeMysql({EXPIRES_KIND: Result([])}).running() as server:
        with pytest.raises(CollectError, match="no table `location`"):
            async with Tables(database(server)).session() as session:
                await session.census()


async def test_presence_is_counted_by_domain_and_event() -> None:
    answers = {
        PRESENTITIES: Result([{"domain": ACME, "event": "dialog", "number": "4"}]),
        WATCHERS: Result(
            [
                {"domain": ACME, "event": "dialog", "number": "2"},
                {"domain": f"sip:{ACME}", "event": "dialog", "number": "1"},
            ]
        ),
    }
    async with FakeMysql(answers).running() as server, Tables(database(server)).session() as session:
        assert await session.presentities() == {(ACME, "dialog"): 4}
        assert await session.watchers() == {(ACME, "dialog"): 3}


async def test_a_presence_table_that_is_not_there_is_no_error_and_one_that_is_forbidden_is() -> None:
    answers = {PRESENTITIES: Refusal(1146), WATCHERS: Refusal(1142)}
    async with FakeMysql(answers).running() as server, Tables(database(server)).session() as session:
        assert await session.presentities() is None
        with pytest.raises(RefusedError):
            await session.watchers()
