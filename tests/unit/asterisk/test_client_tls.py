"""The AMI client over TLS: whom it trusts, and what it says where it does not."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collectors.asterisk.client import AmiClient
from dialtone.model import CollectError, CollectFailure, Secret, TlsPlan
from tests.fakes import ami
from tests.fakes.ami import FakeAmi
from tests.fakes.certificates import Certificates
from tests.fakes.clock import FakeClock
from tests.unit.asterisk.asking import channels
from tests.unit.asterisk.conftest import recorded
from tests.unit.asterisk.test_client import until

REPLIES = {name: recorded("22.10.1", name) for name in ("CoreShowChannels", "CoreStatus")}
PATIENT = 20.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return an authority of our own."""
    return Certificates(tmp_path_factory.mktemp("ca"))


@contextlib.asynccontextmanager
async def served(context: ssl.SSLContext | None) -> AsyncIterator[FakeAmi]:
    """Run a server with 14 channels."""
    async with FakeAmi(dict(REPLIES), tls=context).running() as running:
        yield running


def client_of(
    server: FakeAmi, plan: TlsPlan | None, endpoint: str = "", clock: FakeClock | None = None
) -> AmiClient:
    """Return a client of it that trusts by a plan."""
    return AmiClient(
        endpoint or f"tls://127.0.0.1:{server.port}",
        "dialtone",
        Secret("geheim"),
        deadline=PATIENT,
        tls=plan,
        clock=clock,
    )


async def failing(client: AmiClient) -> CollectError:
    """Return the error of a poll."""
    with pytest.raises(CollectError) as caught:
        await channels(client)
    assert "geheim" not in str(caught.value)
    return caught.value


async def test_a_poll_over_tls_is_a_poll(certificates: Certificates) -> None:
    async with served(certificates.server("127.0.0.1")) as server:
        client = client_of(server, certificates.plan())
        assert len(await channels(client)) == 14
        await client.aclose()
        assert server.names[-1] == "Logoff"


async def test_the_name_that_the_certificate_must_say_can_be_given(certificates: Certificates) -> None:
    async with served(certificates.server("pbx.example")) as server:
        client = client_of(server, certificates.plan(name="pbx.example"))
        assert len(await channels(client)) == 14
        await client.aclose()


@pytest.mark.parametrize(
    ("names", "name", "expired", "says"),
    [
        (
            ["pbx.example", "10.0.0.6"],
            None,
            False,
            "wrong name.; expected 127.0.0.1: .* tls: {name: NAME}; the .* is for pbx.example, 10.0.0.6$",
        ),
        (["pbx.example"], "other.example", False, "another name .wrong name.; expected other.example"),
        (
            [f"pbx{number}.example" for number in range(40)],
            "other.example",
            False,
            "is for pbx0.example, .*pbx4.example and 35 more$",
        ),
        (["127.0.0.1"], None, True, "has expired"),
    ],
)
async def test_a_certificate_that_is_not_right_is_a_failure_of_tls_that_says_why(
    certificates: Certificates, names: list[str], name: str | None, expired: bool, says: str
) -> None:
    async with served(certificates.server(*names, expired=expired)) as server:
        error = await failing(client_of(server, certificates.plan(name=name)))
        assert error.failure is CollectFailure.TLS
        assert server.names == []
        with pytest.raises(CollectError, match=says):
            raise error


@pytest.mark.parametrize("plan", [None, TlsPlan()])
async def test_a_certificate_of_nobody_that_is_trusted_is_refused_unless_told_otherwise(
    certificates: Certificates, plan: TlsPlan | None
) -> None:
    async with served(certificates.server("127.0.0.1")) as server:
        error = await failing(client_of(server, plan))
        assert error.failure is CollectFailure.TLS
        assert "unknown CA: put the CA's certificate into a file and write tls: {ca: FILE}" in error.detail
        client = client_of(server, TlsPlan(verify=False))
        assert len(await channels(client)) == 14
        await client.aclose()


async def test_a_plain_port_is_named(certificates: Certificates) -> None:
    async with served(None) as server:
        error = await failing(client_of(server, certificates.plan()))
        assert error.failure is CollectFailure.TLS
        assert "does not speak TLS" in error.detail


async def test_a_tls_port_that_is_asked_in_clear_is_hinted_at(
    certificates: Certificates, clock: FakeClock
) -> None:
    async with served(certificates.server("127.0.0.1")) as server:
        client = client_of(server, None, f"tcp://127.0.0.1:{server.port}", clock)
        asked = asyncio.ensure_future(channels(client))
        await until(lambda: client._reached)
        await clock.advance(PATIENT / 2)
        with pytest.raises(CollectError, match=r"no greeting came: is this .* TLS \(tls://\)") as caught:
            await asked
        assert caught.value.failure is CollectFailure.TIMEOUT


async def test_a_server_that_hangs_up_in_the_handshake_is_a_failure_of_tls(
    certificates: Certificates,
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        endpoint = f"tls://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = AmiClient(endpoint, "dialtone", Secret("geheim"), deadline=PATIENT, tls=certificates.plan())
        error = await failing(client)
        assert error.failure is CollectFailure.TLS
        assert "broke off the handshake" in error.detail


async def test_a_server_that_is_silent_in_the_handshake_is_told_before_the_polls_deadline(
    certificates: Certificates, clock: FakeClock
) -> None:
    came = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        came.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        endpoint = f"tls://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = AmiClient(
            endpoint, "dialtone", Secret("geheim"), deadline=PATIENT, tls=certificates.plan(), clock=clock
        )
        asked = asyncio.ensure_future(channels(client))
        await came.wait()
        await clock.advance(PATIENT / 2)
        with pytest.raises(CollectError, match=r"connected, but no TLS handshake came: .*tcp://") as caught:
            await asked
        assert caught.value.failure is CollectFailure.TIMEOUT


async def test_a_server_that_says_nothing_behind_the_handshake_has_sent_no_greeting(
    certificates: Certificates, clock: FakeClock
) -> None:
    async with served(certificates.server("127.0.0.1")) as server:
        server.manners["banner"] = ami.silent
        client = client_of(server, certificates.plan(), clock=clock)
        asked = asyncio.ensure_future(channels(client))
        await until(lambda: client._connection is not None and client._connection.made)
        await clock.advance(PATIENT / 2)
        with pytest.raises(CollectError, match=r"no greeting came: .* HTTP \(https://\)") as caught:
            await asked
        assert caught.value.failure is CollectFailure.TIMEOUT


@pytest.mark.parametrize(("content", "says"), [(None, "No such file"), ("nothing", "holds no certificate")])
async def test_a_file_of_authorities_that_cannot_be_used_is_named(
    certificates: Certificates, tmp_path: Path, content: str | None, says: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    async with served(certificates.server("127.0.0.1")) as server:
        error = await failing(client_of(server, TlsPlan(ca=str(file))))
        assert error.failure is CollectFailure.TLS
        assert says in error.detail
        assert str(file) in error.detail
        assert server.connections == 0


async def test_without_a_challenge_the_password_goes_to_a_verified_server_alone(
    certificates: Certificates,
) -> None:
    async with served(certificates.server("127.0.0.1")) as server:
        server.has_challenge = False
        client = client_of(server, certificates.plan())
        assert len(await channels(client)) == 14
        await client.aclose()
        server.actions.clear()
        error = await failing(client_of(server, certificates.plan(verify=False)))
        assert error.failure is CollectFailure.AUTH
        assert "geheim" not in repr(server.actions)


@pytest.mark.parametrize("manner", [ami.in_small_pieces, ami.with_strange_lines])
async def test_pieces_and_strange_lines_are_nothing_special_over_tls(
    certificates: Certificates, manner: ami.Manner
) -> None:
    async with served(certificates.server("127.0.0.1")) as server:
        server.manners["CoreShowChannels"] = manner
        client = client_of(server, certificates.plan())
        assert len(await channels(client)) == 14
        await client.aclose()


async def test_a_connection_cut_over_tls_is_a_failure_to_connect_and_the_next_poll_is_well(
    certificates: Certificates,
) -> None:
    async with served(certificates.server("127.0.0.1")) as server:
        client = client_of(server, certificates.plan())
        server.manners["CoreShowChannels"] = ami.cut_in_the_middle
        assert (await failing(client)).failure is CollectFailure.CONNECT
        server.manners.clear()
        assert len(await channels(client)) == 14
        await client.aclose()
