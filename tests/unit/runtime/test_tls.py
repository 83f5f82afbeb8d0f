"""Why a server is not trusted, in words that say what to mend."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialtone.model import TlsPlan
from dialtone.runtime.tls import client_context, why_not, why_not_there
from tests.fakes.certificates import Certificates

EXPECTED = "pbx1.example"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return an authority of our own."""
    return Certificates(tmp_path_factory.mktemp("ca"))


@contextlib.asynccontextmanager
async def served(context: ssl.SSLContext | None, heard: bytearray | None = None) -> AsyncIterator[int]:
    """Run a server that keeps what it is sent; return its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while got := await reader.read(100):
                if heard is not None:
                    heard.extend(got)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def refusal(port: int, plan: TlsPlan) -> Exception:
    """Return why there is no connection to a server that should be pbx1.example."""
    with pytest.raises(ssl.SSLError) as caught:
        await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, "127.0.0.1", port, ssl=client_context(plan), server_hostname=EXPECTED
        )
    return caught.value


async def test_a_wrong_certificate_is_told_with_its_names_and_nothing_is_sent(
    certificates: Certificates,
) -> None:
    heard = bytearray()
    async with served(certificates.server("pbx.example", "10.0.0.6"), heard) as port:
        error = await refusal(port, certificates.plan())
        words = await why_not_there(error, EXPECTED, ("127.0.0.1", port), certificates.plan())
    assert words == (
        "its certificate is for another name (wrong name); expected pbx1.example: if it is the right server, "
        "write tls: {name: NAME}; the certificate is for pbx.example, 10.0.0.6"
    )
    assert heard == b""


async def test_the_names_of_a_certificate_are_not_asked_of_somebody_who_is_not_trusted(
    certificates: Certificates, tmp_path: Path
) -> None:
    stranger = Certificates(tmp_path)
    async with served(certificates.server("pbx.example")) as port:
        error = await refusal(port, certificates.plan())
    async with served(stranger.server("evil.example")) as port:
        words = await why_not_there(error, EXPECTED, ("127.0.0.1", port), certificates.plan())
    assert words.endswith("if it is the right server, write tls: {name: NAME}")


async def test_where_nobody_answers_any_more_the_words_do_without_the_names(
    certificates: Certificates,
) -> None:
    async with served(certificates.server("pbx.example")) as port:
        error = await refusal(port, certificates.plan())
    words = await why_not_there(error, EXPECTED, ("127.0.0.1", port), certificates.plan())
    assert words == why_not(error, EXPECTED)
    assert words.endswith("write tls: {name: NAME}")


async def test_another_reason_than_a_wrong_name_asks_nobody_again(certificates: Certificates) -> None:
    async with served(certificates.server(EXPECTED)) as port:
        error = await refusal(port, TlsPlan())
    words = await why_not_there(error, EXPECTED, ("127.0.0.1", port), TlsPlan())
    assert words == (
        "its certificate comes from an unknown CA: put the CA's certificate into a file and write "
        "tls: {ca: FILE}"
    )


async def test_a_certificate_of_no_names_and_one_of_many_are_told_in_a_line(
    certificates: Certificates,
) -> None:
    async with served(certificates.server("pbx.example")) as port:
        error = await refusal(port, certificates.plan())
    assert "(subjectAltName)" in why_not(error, EXPECTED, [])
    many = why_not(error, EXPECTED, ["x" * 1000] * 1000)
    assert many.endswith(" and 995 more")
    assert len(many) < 600


def test_who_is_trusted_whatever_its_name_must_still_be_trusted(certificates: Certificates) -> None:
    lenient = client_context(certificates.plan(), by_name=False)
    assert (lenient.check_hostname, lenient.verify_mode) == (False, ssl.CERT_REQUIRED)
    strict = client_context(certificates.plan())
    assert (strict.check_hostname, strict.verify_mode) == (True, ssl.CERT_REQUIRED)
    anybody = client_context(certificates.plan(verify=False))
    assert (anybody.check_hostname, anybody.verify_mode) == (False, ssl.CERT_NONE)
