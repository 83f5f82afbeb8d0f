"""The flow http over real sockets: what passes, each way to fail told apart, and servers that mean harm."""

import asyncio
import contextlib
import errno
import gzip
import socket
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import pytest
import trustme
from aiohttp.client_proto import ResponseHandler
from structlog.testing import capture_logs

from dialtone.model import Engine, FailureCode, Flow, Outcome, Plan, ProbeRun, TlsPlan
from dialtone.runtime.clock import SystemClock
from synthetic.dns import Names
from synthetic.http.body import MAX_BODY
from synthetic.http.prober import MAX_REDIRECTS, HttpProber
from synthetic.lateness import LatenessMeter
from synthetic.probes.base import FlowError
from tests.fakes.sip_probes import a_request
from tests.fakes.web_server import Script, WebServer, answer

pytestmark = pytest.mark.integration

TENANT: Final = "acme.example"
LOOPBACK: Final = "127.0.0.1"


class KnownNames(Names):
    """Names without a DNS: each is this machine, or what a test says."""

    def __init__(self, *addresses: str, error: FlowError | None = None, hangs: bool = False) -> None:
        super().__init__()
        self._known = addresses
        self._error = error
        self._hangs = hangs

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return what the test has said of every name."""
        if self._hangs:
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error
        return self._known


async def probe(target: str, *, timeout: float = 5.0, names: Names | None = None, **plan: Any) -> ProbeRun:
    """Run one probe."""
    request = a_request(
        Flow.HTTP, target, engine=Engine.SERVICE, timeout=timeout, plan=Plan(**plan), accounts=(), id="r-http"
    )
    return await HttpProber(SystemClock(), names or KnownNames(LOOPBACK)).run(request)


def ended(run: ProbeRun) -> FailureCode | None:
    """Return the failure code, None for a pass."""
    return None if run.result.failure is None else run.result.failure.code


def detail(run: ProbeRun) -> str:
    """Return the failure in words."""
    return "" if run.result.failure is None else run.result.failure.detail


def record(run: ProbeRun) -> str:
    """Return all of the evidence as text."""
    return "\n".join(
        [message.text for message in run.evidence.messages] + [m.name for m in run.evidence.marks]
    )


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Somebody whom the tests trust."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    """The file of that somebody's certificate."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def served(authority: trustme.CA, name: str = LOOPBACK, **options: Any) -> ssl.SSLContext:
    """Return how a server of that name speaks TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name, **options).configure_cert(context)
    return context


# What passes, and what is measured.


async def test_a_right_answer_passes_with_its_timings_and_status() -> None:
    async with WebServer() as server:
        run = await probe(server.url)
    result = run.result
    assert (result.outcome, result.sip_status, result.failure) == (Outcome.PASS, 200, None)
    assert set(result.timings) == {"http_first_byte", "http_duration"}
    assert 0 < result.timings["http_first_byte"] <= result.timings["http_duration"] <= result.duration
    assert (result.account, result.counts, result.certificate_expires) == ("", {}, None)


async def test_the_first_byte_is_measured_and_not_the_end_of_the_head() -> None:
    async def slowly(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await asyncio.sleep(0.2)
        writer.write(b"Content-Length: 2\r\n\r\nok")
        await writer.drain()

    async with WebServer(script=slowly) as server:
        timings = (await probe(server.url)).result.timings
    assert timings["http_first_byte"] < 0.15
    assert timings["http_duration"] >= 0.2


async def test_the_tenant_is_part_of_what_is_asked_for() -> None:
    async with WebServer() as server:
        await probe(f"{server.url}prov/{{tenant}}/phone.cfg?of={{tenant}}")
        [head] = server.heads
    assert head.startswith(b"GET /prov/acme.example/phone.cfg?of=acme.example HTTP/1.1\r\n")
    assert b"X-Dialtone-Probe: r-http\r\n" in head


async def test_which_statuses_are_right_is_the_plans() -> None:
    async with WebServer(answer(status="401 Unauthorized")) as server:
        assert ended(await probe(server.url)) is FailureCode.HTTP_STATUS
        right = await probe(server.url, statuses=(200, 401))
    assert (ended(right), right.result.sip_status) == (None, 401)


async def test_the_text_that_is_expected_must_be_in_the_answer() -> None:
    body = "Anmeldung für Kunden".encode("latin-1")
    async with WebServer(answer(body, "Content-Type: text/html; charset=iso-8859-1")) as server:
        assert ended(await probe(server.url, contains="für Kunden")) is None
        failed = await probe(server.url, contains="Kundinnen")
    assert ended(failed) is FailureCode.HTTP_CONTENT
    assert failed.result.sip_status == 200


@pytest.mark.parametrize("charset", ["no-such-charset", "base64", "utf-8\0", "x" * 500])
async def test_a_charset_that_nobody_knows_is_read_as_utf8(charset: str) -> None:
    said = answer("für Kunden".encode(), f"Content-Type: text/html; charset={charset.replace(chr(0), '')}")
    async with WebServer(said) as server:
        assert ended(await probe(server.url, contains="für")) is None


async def test_packed_bodies_are_read_though_none_was_asked_for() -> None:
    said = answer(gzip.compress(b"welcome to the admin page"), "Content-Encoding: gzip")
    async with WebServer(said) as server:
        assert ended(await probe(server.url, contains="admin page")) is None
        assert b"Accept-Encoding: identity" in server.heads[0]


async def test_a_body_in_chunks_and_one_that_ends_with_the_connection_are_whole() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nadm\r\n2\r\nin\r\n0\r\n\r\n"
    until_closed = b"HTTP/1.0 200 OK\r\n\r\nadmin"
    for said in (chunked, until_closed):
        async with WebServer(said) as server:
            run = await probe(server.url, contains="admin")
        assert ended(run) is None, detail(run)


async def test_ipv6_is_spoken() -> None:
    async with WebServer(host="::1") as server:
        run = await probe(server.url)
        assert ended(run) is None
        assert run.evidence.messages[0].destination == f"[::1]:{server.port}"


async def test_a_name_is_looked_up_and_sent_as_host() -> None:
    async with WebServer() as server:
        run = await probe(f"http://admin.acme.example:{server.port}/")
        [head] = server.heads
    assert ended(run) is None
    assert f"Host: admin.acme.example:{server.port}\r\n".encode() in head


async def test_an_address_that_does_not_answer_is_followed_by_the_next_one() -> None:
    async with WebServer() as server:
        run = await probe(f"http://admin.example:{server.port}/", names=KnownNames("127.0.0.9", LOOPBACK))
    assert ended(run) is None


# Redirects.


def leading(*answers: bytes) -> Script:
    """Answer one request after another with these, the last one for ever."""
    left = list(answers)

    async def next_one(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return next_one


def moved(where: str, status: str = "302 Found") -> bytes:
    return answer(b"", f"Location: {where}", "Set-Cookie: seen=1", status=status)


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
async def test_redirects_within_the_origin_are_followed_without_cookies(status: str) -> None:
    async with WebServer(script=leading(moved("/login?next=%2F", status), answer(b"log in"))) as server:
        run = await probe(server.url, contains="log in")
    assert (ended(run), run.result.sip_status) == (None, 200)
    assert server.heads[1].startswith(b"GET /login?next=%2F HTTP/1.1")
    assert b"ookie" not in server.heads[1]
    assert [message.text.split("\r\n")[0] for message in run.evidence.messages] == [
        "GET / HTTP/1.1",
        f"HTTP/1.1 {status}",
        "GET /login?next=[redacted] HTTP/1.1",
        "HTTP/1.1 200 OK",
    ]


async def test_another_origin_is_not_asked_and_is_told_nothing() -> None:
    async with WebServer() as elsewhere:
        for where in (
            elsewhere.url,
            elsewhere.url.replace("http:", "https:"),
            "ftp://x/",
            "http://[::1",
            "//h:1/",
        ):
            async with WebServer(moved(where)) as server:
                run = await probe(server.url)
            assert ended(run) is FailureCode.HTTP_STATUS
            assert "another origin" in detail(run)
            assert run.result.sip_status == 302
        assert elsewhere.heads == []


async def test_a_redirect_that_the_plan_calls_right_is_the_answer() -> None:
    async with WebServer(moved("/login")) as server:
        run = await probe(server.url, statuses=(302,))
    assert (ended(run), run.result.sip_status, len(server.heads)) == (None, 302, 1)


async def test_redirects_without_end_are_given_up() -> None:
    async with WebServer(moved("/again")) as server:
        run = await probe(server.url)
    assert ended(run) is FailureCode.HTTP_STATUS
    assert len(server.heads) == MAX_REDIRECTS + 1


# TLS.


async def test_the_certificate_of_a_good_chain_tells_when_it_ends(
    authority: trustme.CA, trusted: str
) -> None:
    ends = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    async with WebServer(tls=served(authority, not_after=ends)) as server:
        run = await probe(server.url, tls=TlsPlan(ca=trusted))
    assert ended(run) is None, detail(run)
    assert run.result.certificate_expires == ends
    assert {message.transport for message in run.evidence.messages} == {"tls"}


async def test_a_wrong_status_over_tls_still_tells_when_the_certificate_ends(
    authority: trustme.CA, trusted: str
) -> None:
    async with WebServer(answer(status="500 Oops"), tls=served(authority)) as server:
        run = await probe(server.url, tls=TlsPlan(ca=trusted))
    assert ended(run) is FailureCode.HTTP_STATUS
    assert run.result.certificate_expires is not None


async def test_the_name_that_the_certificate_must_have_may_be_another(
    authority: trustme.CA, trusted: str
) -> None:
    async with WebServer(tls=served(authority, "admin.clusterpbx.example")) as server:
        run = await probe(server.url, tls=TlsPlan(ca=trusted, name="admin.clusterpbx.example"))
    assert ended(run) is None, detail(run)


async def test_who_does_not_verify_trusts_anybody_and_still_learns_when_it_ends() -> None:
    ends = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    stranger = served(trustme.CA(), "another.example", not_after=ends)
    async with WebServer(tls=stranger) as server:
        run = await probe(server.url, tls=TlsPlan(verify=False))
    assert ended(run) is None, detail(run)
    assert run.result.certificate_expires == ends


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda ca: served(ca, "other.example"), "name"),
        (lambda ca: served(ca, not_after=datetime(2020, 1, 2, tzinfo=UTC)), "expired"),
        (lambda ca: served(ca, not_before=datetime(2120, 1, 2, tzinfo=UTC)), "not valid yet"),
        (lambda _: served(trustme.CA()), "CA"),
    ],
    ids=["wrong name", "expired", "not yet", "unknown CA"],
)
async def test_a_certificate_that_does_not_fit_is_a_failure_of_tls(
    authority: trustme.CA, trusted: str, make: Callable[[trustme.CA], ssl.SSLContext], words: str
) -> None:
    async with WebServer(tls=make(authority)) as server:
        run = await probe(server.url, tls=TlsPlan(ca=trusted))
    assert ended(run) is FailureCode.TLS
    assert words in detail(run)
    assert server.heads == []


async def test_a_server_without_tls_and_one_that_breaks_off_the_handshake_are_failures_of_tls() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with WebServer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as plain:
        assert ended(await probe(plain.url.replace("http:", "https:"), timeout=2.0)) is not None
    breaking = await asyncio.start_server(hang_up, LOOPBACK, 0)
    async with breaking:
        run = await probe(f"https://127.0.0.1:{breaking.sockets[0].getsockname()[1]}/")
    assert ended(run) is FailureCode.TLS


@pytest.mark.parametrize("content", [None, "no certificate at all"])
async def test_a_file_of_certificates_that_can_not_be_used_is_our_own_mistake(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    run = await probe("https://127.0.0.1:1/", tls=TlsPlan(ca=str(path)))
    assert ended(run) is FailureCode.MISCONFIGURED
    assert str(path) in detail(run)


# What goes wrong, told apart.


async def test_a_refused_connection_is_connect() -> None:
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        run = await probe(f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert (ended(run), run.result.outcome) == (FailureCode.CONNECT, Outcome.FAIL)
    assert "refused" in detail(run)


@pytest.mark.parametrize(
    "names",
    [KnownNames(error=FlowError(FailureCode.DNS, "x: every DNS server refused or failed")), KnownNames()],
    ids=["servers fail", "no address"],
)
async def test_a_name_that_is_not_found_is_dns(names: Names) -> None:
    assert ended(await probe("http://nowhere.example/", names=names)) is FailureCode.DNS


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """A server that takes connections and says nothing."""
    stay = asyncio.Event()

    async def silence(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await stay.wait()
        writer.close()

    server = await asyncio.start_server(silence, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        stay.set()
        server.close()


async def test_a_deadline_says_what_was_waited_for() -> None:
    async with silent_server() as port:
        plain = await probe(f"http://127.0.0.1:{port}/", timeout=0.3)
        secure = await probe(f"https://127.0.0.1:{port}/", timeout=0.3)
    lookup = await probe("http://slow.example/", timeout=0.3, names=KnownNames(hangs=True))
    runs = (plain, secure, lookup)
    assert [ended(run) for run in runs] == [FailureCode.TIMEOUT] * 3
    assert [detail(run).partition(":")[0] for run in runs] == [
        "waiting for the answer",
        "the TLS handshake",
        "looking up slow.example",
    ]
    assert all(run.result.duration < 1.3 for run in runs)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"\x00" * 2000, FailureCode.UNEXPECTED_MESSAGE),
        (b"SIP/2.0 200 OK\r\n\r\n", FailureCode.UNEXPECTED_MESSAGE),
        (b"SSH-2.0-OpenSSH_9.2\r\n", FailureCode.UNEXPECTED_MESSAGE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", FailureCode.UNEXPECTED_MESSAGE),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, FailureCode.UNEXPECTED_MESSAGE),
        (b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 100_000, FailureCode.UNEXPECTED_MESSAGE),
        (answer(b"half", length=100), FailureCode.HTTP_CONTENT),
        (answer(b"no gzip", "Content-Encoding: gzip"), FailureCode.HTTP_CONTENT),
        (answer(b"odd", "Content-Encoding: zpaq"), FailureCode.HTTP_CONTENT),
        (b"HTTP/1.1 200", FailureCode.CONNECT),
    ],
    ids=[
        *("zeros", "SIP", "SSH", "bad length", "a header without end", "headers without end"),
        *("half a body", "no gzip", "an odd coding", "half a head"),
    ],
)
async def test_what_is_no_whole_answer_is_told_apart(said: bytes, code: FailureCode) -> None:
    async with WebServer(said) as server:
        run = await probe(server.url, contains="x")
    assert ended(run) is code, detail(run)


async def test_a_connection_that_is_closed_without_a_word_is_connect() -> None:
    async def nothing(_: bytes, __: asyncio.StreamWriter) -> None:
        return

    async with WebServer(script=nothing) as server:
        run = await probe(server.url)
    assert ended(run) is FailureCode.CONNECT
    assert [message.direction for message in run.evidence.messages] == ["sent"]


@pytest.mark.parametrize(
    "target", ["ftp://127.0.0.1/", "http:///x", "http://[::1/", "sip:127.0.0.1", "", "http://h:99999/", "//h"]
)
async def test_a_target_that_is_no_url_is_our_own_mistake(target: str) -> None:
    run = await probe(target)
    assert (ended(run), run.result.outcome) == (FailureCode.MISCONFIGURED, Outcome.INCONCLUSIVE)


async def test_a_sip_flow_is_not_the_services() -> None:
    request = a_request(Flow.REGISTER, "http://127.0.0.1:1/", engine=Engine.SERVICE)
    run = await HttpProber(SystemClock()).run(request)
    assert ended(run) is FailureCode.MISCONFIGURED


async def test_no_sockets_left_is_trouble_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object, **__: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("aiohappyeyeballs.impl.socket.socket", none_left)
    run = await probe("http://127.0.0.1:1/")
    assert (ended(run), run.result.outcome) == (FailureCode.NO_PORT, Outcome.INCONCLUSIVE)


async def test_no_thread_in_time_to_read_certificates_is_trouble_of_our_own() -> None:
    limiter = anyio.to_thread.current_default_thread_limiter()
    borrowers = [object() for _ in range(int(limiter.available_tokens))]
    for borrower in borrowers:
        limiter.acquire_on_behalf_of_nowait(borrower)
    try:
        run = await probe("https://127.0.0.1:1/", timeout=0.1)
    finally:
        for borrower in borrowers:
            limiter.release_on_behalf_of(borrower)
    assert (ended(run), run.result.outcome) == (FailureCode.OVERLOADED, Outcome.INCONCLUSIVE)
    assert "certificates" in detail(run)


# Servers that mean harm.


def without_end(piece: bytes, head: bytes = b"HTTP/1.1 200 OK\r\n\r\n", every: float = 0.0) -> Script:
    """Send that for ever, as fast as it is taken or a piece at a time."""

    async def send(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every)

    return send


async def test_a_body_without_end_is_read_no_further_than_its_bound() -> None:
    async with WebServer(script=without_end(b"x" * 65_536)) as server:
        run = await probe(server.url)
        missing = await probe(server.url, contains="y")
    assert ended(run) is None
    assert set(run.result.timings) == {"http_first_byte"}
    assert ended(missing) is FailureCode.HTTP_CONTENT
    assert "first 1 MiB" in detail(missing)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (without_end(b"x", every=0.02), FailureCode.TIMEOUT),
        (without_end(b"X: 1\r\n", b"HTTP/1.1 200 OK\r\n", every=0.02), FailureCode.TIMEOUT),
        (without_end(b"H", b"", every=0.02), FailureCode.UNEXPECTED_MESSAGE),
        (without_end(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000, b""), FailureCode.UNEXPECTED_MESSAGE),
        (without_end(b"X: " + b"x" * 8000 + b"\r\n", b"HTTP/1.1 200 OK\r\n"), FailureCode.UNEXPECTED_MESSAGE),
    ],
    ids=[
        "a body in drops",
        "a head in drops",
        "a status in drops",
        "hints without end",
        "a head without end",
    ],
)
async def test_a_server_that_never_comes_to_an_end_is_left_in_time(script: Script, code: FailureCode) -> None:
    async with WebServer(script=script) as server:
        run = await probe(server.url, timeout=0.6)
    assert ended(run) in (code, FailureCode.TIMEOUT), detail(run)
    assert run.result.duration < 1.6


@pytest.mark.parametrize(
    "piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"], ids=["100", "103"]
)
async def test_answers_before_the_answer_are_read_no_further_than_64_kib(
    piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = 0
    parse = ResponseHandler.data_received

    def counted(self: ResponseHandler, data: bytes) -> None:
        nonlocal taken
        taken += len(data)
        parse(self, data)

    monkeypatch.setattr(ResponseHandler, "data_received", counted)
    async with WebServer(script=without_end(piece * 40_000, b"")) as server:
        run = await probe(server.url)
    assert ended(run) is FailureCode.UNEXPECTED_MESSAGE, detail(run)
    assert "over 64 KiB came and no final answer's head" in detail(run)
    assert taken == 64 << 10


async def test_a_large_answer_after_a_few_before_it_is_read_whole() -> None:
    body = b"x" * 900_000
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000
    async with WebServer(early + answer(body)) as server:
        run = await probe(server.url)
    assert ended(run) is None, detail(run)
    assert "last byte" in record(run)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"nonsense\r\n\r\n", FailureCode.UNEXPECTED_MESSAGE),
        (answer(status="500 No"), FailureCode.HTTP_STATUS),
        (answer(b"other"), FailureCode.HTTP_CONTENT),
        (None, FailureCode.TIMEOUT),
    ],
    ids=["garbage", "a status", "a body", "silence"],
)
async def test_a_loop_that_is_held_excuses_a_timeout_and_nothing_that_was_said(
    said: bytes | None, code: FailureCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def say(_: bytes, writer: asyncio.StreamWriter) -> None:
        if said is None:
            await asyncio.Event().wait()
        else:
            writer.write(said)
            await writer.drain()

    monkeypatch.setattr(LatenessMeter, "held_since", lambda *_: 1.032)
    async with WebServer(script=say) as server:
        run = await probe(server.url, timeout=0.5 if said is None else 5.0, contains="hello")
    assert ended(run) is (FailureCode.OVERLOADED if said is None else code)
    assert (f"without that: {code}" in detail(run)) is (said is None)


async def test_the_words_of_a_wrong_answer_are_not_waited_for_long() -> None:
    script = without_end(b"x", b"HTTP/1.1 503 Busy\r\n\r\n", every=0.05)
    async with WebServer(script=script) as server:
        run = await probe(server.url, timeout=5.0)
    assert (ended(run), run.result.sip_status) == (FailureCode.HTTP_STATUS, 503)
    assert run.result.duration < 1.5


async def test_a_gzip_bomb_takes_no_more_than_its_bound() -> None:
    bomb = gzip.compress(b"\0" * (200 << 20), 1)
    said = answer(bomb, "Content-Encoding: gzip")
    async with WebServer(said) as server:
        tracemalloc.start()
        try:
            run = await probe(server.url, contains="never there", timeout=10.0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert ended(run) is FailureCode.HTTP_CONTENT
    assert peak < 16 * MAX_BODY


# Secrets.


async def test_nothing_secret_of_a_url_or_an_answer_is_kept_or_logged() -> None:
    body = b'{"sip_password": "hunter2", "line": 7}\naccount.1.password = sesame\n<P34>opensaysme</P34>'
    said = answer(body, "Set-Cookie: sid=c00kie", "X-Api-Key: k3y", "Server: nginx")
    secrets = ("s3cret", "t0ken", "hunter2", "sesame", "opensaysme", "c00kie", "k3y")
    async with WebServer(said) as server:
        url = server.url + "a?key=t0ken"
        with capture_logs() as logs:
            runs = [await probe(url), await probe(url, contains="absent"), await probe(url, statuses=(204,))]
            runs.append(await probe("http://my:s3cret@[::1/?key=t0ken"))
            runs.append(await probe("http://my:s3cret@127.0.0.1:1/?key=t0ken"))
            runs.append(await probe(server.url.replace("//", "//my:s3cret@")))
    assert all(b"Authorization" not in head for head in server.heads)
    assert b"/a?key=t0ken " in server.heads[0]
    for run in runs:
        told = f"{run.result} {record(run)} {logs}"
        assert [secret for secret in secrets if secret in told] == []
    shown = record(runs[0])
    for word in ("GET /a?key=[redacted]", "Server: nginx", '"line": 7', "sip_password"):
        assert word in shown


async def test_a_mistake_of_ours_is_logged_without_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "t0k" + "en"

    def broken(*_: object) -> None:
        raise RuntimeError(f"http://x/?key={secret}")

    monkeypatch.setattr("synthetic.http.prober.web_address", broken)
    with capture_logs() as logs:
        run = await probe("http://127.0.0.1:1/")
    assert (ended(run), run.result.outcome) == (FailureCode.ENGINE_CRASHED, Outcome.INCONCLUSIVE)
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert secret not in f"{logs} {run}"


async def test_who_cancels_a_probe_does_not_wait_for_the_server() -> None:
    async with silent_server() as port:
        task = asyncio.create_task(probe(f"http://127.0.0.1:{port}/", timeout=60.0))
        await asyncio.sleep(0.1)
        task.cancel()
        async with asyncio.timeout(2):
            with pytest.raises(asyncio.CancelledError):
                await task
