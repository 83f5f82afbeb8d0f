"""The tenants that a statement of the operator's lists."""

import pytest

from collectors.mysql import MysqlTenants
from collectors.mysql.tenants import DOMAINS
from dialtone.model import MAX_DISCOVERED, CollectError, CollectFailure, Database, DomainsFound, Secret
from tests.fakes.mysql import HANG_UP, SILENCE, Answer, FakeMysql, Ok, Refusal, Result

READ_ONLY = "SET SESSION TRANSACTION READ ONLY"


def a_server(rows: Answer, **answers: Answer) -> FakeMysql:
    return FakeMysql({READ_ONLY: Ok(), DOMAINS: rows} | answers)


def of(*names: str | None) -> Result:
    return Result([{"domain": name} for name in names])


def source(server: FakeMysql, *, sql: str = DOMAINS, deadline: float = 5.0) -> MysqlTenants:
    database = Database(server.endpoint, "opensips", "dialtone", Secret("s3cr3t"))
    return MysqlTenants(database, deadline=deadline, sql=sql)


async def failure_of(asked: MysqlTenants) -> CollectError:
    with pytest.raises(CollectError) as raised:
        await asked.domains()
    assert "s3cr3t" not in str(raised.value)
    return raised.value


async def test_the_domain_table_is_read_by_a_session_that_can_not_write() -> None:
    server = a_server(of("Acme.example", "192.0.2.1", None, "beta.example", "acme.example."))
    async with server.running():
        assert await source(server).domains() == DomainsFound(("acme.example", "beta.example"), 2)
        await server.left.wait()
    assert server.statements == [READ_ONLY, DOMAINS]
    assert server.goodbyes == 1
    assert b"opensips" in server.logins[0]


async def test_the_operators_own_statement_is_sent_as_it_is_written() -> None:
    sql = "select name from customers where sip = 1"
    server = FakeMysql({READ_ONLY: Ok(), sql: Result([{"name": "acme.example"}])})
    async with server.running():
        assert (await source(server, sql=sql).domains()).domains == ("acme.example",)
    assert server.statements == [READ_ONLY, sql]


@pytest.mark.parametrize("answer", [Refusal(1227, "not you"), Result([{"x": "1"}])])
async def test_a_server_that_does_not_lock_the_session_is_asked_nothing(answer: Answer) -> None:
    server = FakeMysql({READ_ONLY: answer, DOMAINS: of("acme.example")})
    async with server.running():
        await failure_of(source(server))
    assert server.statements == [READ_ONLY]


@pytest.mark.parametrize("code", [1044, 1142, 1143])
async def test_an_account_that_may_not_read_is_told_to_have_select_and_no_replication(code: int) -> None:
    async with a_server(Refusal(code, "SELECT command denied")).running() as server:
        error = await failure_of(source(server))
    assert error.failure is CollectFailure.DENIED
    assert error.detail.endswith("(grant SELECT on the tables)")


async def test_a_table_without_rows_lists_nothing() -> None:
    async with a_server(Result([])).running() as server:
        assert await source(server).domains() == DomainsFound(())


@pytest.mark.parametrize(
    ("rows", "failure"),
    [
        (Result([{"domain": "acme.example", "id": "1"}]), CollectFailure.PROTOCOL),
        (Refusal(1146, "Table 'opensips.domain' doesn't exist"), CollectFailure.SERVER),
        (Refusal(1142, "SELECT command denied"), CollectFailure.DENIED),
        (Ok(), CollectFailure.PROTOCOL),
        (HANG_UP, CollectFailure.CONNECT),
        (Result([{"domain": "a.example"}] * (MAX_DISCOVERED + 1)), CollectFailure.TOO_LARGE),
        (Result([{"domain": "x" * 50_000}], endless=True), CollectFailure.TOO_LARGE),
    ],
)
async def test_what_is_no_list_of_domains_gives_a_reason(rows: Answer, failure: CollectFailure) -> None:
    async with a_server(rows).running() as server:
        assert (await failure_of(source(server, deadline=30.0))).failure is failure


async def test_a_server_that_falls_silent_is_given_up_at_the_deadline() -> None:
    async with a_server(SILENCE).running() as server:
        error = await failure_of(source(server, deadline=0.2))
    assert error.failure is CollectFailure.SERVER
