"""The pure parts of the flow http: addresses, certificates, and what is shown of what was said."""

import ssl
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from dialtone.model import Evidence, Failure, FailureCode, Flow, Message
from synthetic.http.address import redirect, web_address
from synthetic.http.certificate import expires
from synthetic.http.redaction import SHOWN_BODY, shown_body, shown_headers, shown_url
from synthetic.ladder import ladder
from synthetic.runs import broken_run
from tests.fakes.records import NOON
from tests.fakes.sip_probes import a_request

HERE: Final = URL("https://admin.example/a/b")


def der_of(ends: datetime, begins: datetime | None = None) -> bytes:
    """Return a certificate's bytes."""
    [pem] = trustme.CA().issue_cert("admin.example", not_before=begins, not_after=ends).cert_chain_pems[:1]
    return ssl.PEM_cert_to_DER_cert(pem.bytes().decode())


@pytest.mark.parametrize("year", [1990, 2026, 2049, 2050, 2999], ids=str)
def test_the_end_of_a_certificate_is_read_in_both_ways_of_writing_it(year: int) -> None:
    ends = datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC)
    assert expires(der_of(ends, datetime(1980, 1, 1, tzinfo=UTC))) == ends


WHOLE: Final = der_of(NOON + timedelta(days=365), NOON)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_certificate_have_no_end(data: bytes) -> None:
    assert expires(data) is None


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_damaged_certificate_is_read_or_not_and_raises_nothing(at: int, byte: int) -> None:
    found = expires(WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :])
    assert found is None or found.tzinfo is UTC
    assert expires(WHOLE[:at]) is None


def test_a_target_is_asked_as_it_is_written_with_its_tenant() -> None:
    found = web_address("https://admin.example:8443/{tenant}/x?next=%2Fa&t={tenant}#top", "acme.example")
    assert str(found.url) == "https://admin.example:8443/acme.example/x?next=%2Fa&t=acme.example"
    assert found.place == "admin.example:8443"
    assert found.secure


def test_a_tenant_of_odd_characters_can_not_leave_its_place() -> None:
    found = web_address("http://admin.example/{tenant}/x", "../?a=b#c/")
    assert str(found.url) == "http://admin.example/..%2F%3Fa%3Db%23c%2F/x"


@pytest.mark.parametrize(
    "target",
    ["http://my:s3cret@h/", "ftp://x/", "sip:a@b", "", "/x", "http://", "http://h:99999/", "http://[::1/"],
)
def test_what_is_no_url_is_refused_without_being_repeated(target: str) -> None:
    with pytest.raises(ValueError, match="write https://HOST/PATH") as raised:
        web_address(target, "acme.example")
    assert not target or target not in str(raised.value)


@pytest.mark.parametrize(
    ("location", "there"),
    [
        ("/x", "https://admin.example/x"),
        ("c?d=%2F", "https://admin.example/a/c?d=%2F"),
        ("https://admin.example:443/y#z", "https://admin.example/y"),
        ("//admin.example/z", "https://admin.example/z"),
        ("https://u:p@admin.example/", "https://admin.example/"),
        ("http://admin.example/", None),
        ("https://admin.example:8443/", None),
        ("https://admin.example.evil.example/", None),
        ("//evil.example/", None),
        ("javascript:alert(1)", None),
        ("https://[::1", None),
        ("https://admin.example:99999/", None),
    ],
)
def test_redirects_stay_within_their_origin(location: str, there: str | None) -> None:
    found = redirect(HERE, location)
    assert (None if found is None else str(found)) == there


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "https://u:p@h.example:8/a/b?key=1&x&y=",
            "https://h.example:8/a/b?key=[redacted]&[redacted]&y=[redacted]",
        ),
        ("http://h/prov/0011aabbccddeeff00112233/x.cfg", "http://h/prov/[redacted]/x.cfg"),
        ("http://h/prov/{tenant}/001122334455.cfg#f", "http://h/prov/{tenant}/001122334455.cfg"),
        ("HTTP://U:P@H/", "http://H/"),
        ("http://[::1", "[redacted]"),
        ("sip:127.0.0.1:5060;transport=udp", "sip:127.0.0.1:5060;transport=udp"),
    ],
)
def test_a_url_is_shown_without_what_opens_doors(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_no_result_however_it_came_about_holds_the_secrets_of_its_url() -> None:
    request = a_request(Flow.HTTP, "https://my:s3cret@h/?key=t0ken", accounts=())
    run = broken_run(request, Failure(FailureCode.OVERLOADED), NOON)
    assert run.result.target == "https://h/?key=[redacted]"


def test_only_headers_of_a_list_are_shown_with_their_values() -> None:
    headers = [("Server", "nginx"), ("Set-Cookie", "a=b"), ("X-Anything", "c"), ("Location", "/x?t=d")]
    assert shown_headers(headers) == [
        "Server: nginx",
        "Set-Cookie: [redacted]",
        "X-Anything: [redacted]",
        "Location: /x?t=[redacted]",
    ]


def test_neither_many_headers_nor_long_ones_make_a_record_large() -> None:
    lines = shown_headers([("Server", "x" * 100_000)] * 10_000)
    assert len(lines) == 51
    assert sum(map(len, lines)) < 20_000


@pytest.mark.parametrize(
    "said",
    [
        "account.1.password = SECRET\n",
        "reg.1.auth.password='SECRET with blanks'",
        '{"password": "SECRET, \\u0041", "user": "100"}',
        '{"name": "sip_password", "value": "SECRET"}',
        '<param name="auth-password" value="SECRET"/>',
        '<user_pass idx="1" perm="">SECRET</user_pass>',
        "<sip:AuthPassword>SECRET</sip:AuthPassword>",
        "<P34>SECRET</P34>",
        "voicemail_pin: SECRET",
        "api-key=>SECRET",
        "https://my:SECRET@h/ and sip:100:SECRET@h",
        "your number is SECRET1234567890abcdefg",
    ],
)
def test_secrets_of_a_body_are_not_shown(said: str) -> None:
    shown = shown_body(f"before {said} after".encode())
    assert "SECRET" not in shown
    assert "[redacted]" in shown
    assert shown.startswith("before")


def test_what_is_harmless_is_shown() -> None:
    said = "<p>Welcome, 100@acme.example</p>\n<h1>Log in</h1> 2026-03-01T12:00:00Z line = 7"
    assert shown_body(said.encode()) == said


def test_a_secret_across_the_end_of_what_is_shown_is_not_shown_in_part() -> None:
    said = b"x " * (SHOWN_BODY // 2 - 8) + b"password=" + b"SECRET" * 20
    assert "SEC" not in shown_body(said)


def test_a_body_that_is_no_text_is_not_shown() -> None:
    assert shown_body(b"\x89PNG\0\0password=SECRET") == "[21 bytes that are no text]"


@given(st.binary(max_size=4000) | st.text("<>pasword=\"' :/@", max_size=2000).map(str.encode))
def test_any_body_is_shown_in_bounds(body: bytes) -> None:
    assert len(shown_body(body)) <= SHOWN_BODY


@pytest.mark.parametrize(
    "piece", ["pass", "<", "pass ", "a", "<pass", 'pass"   ,          ', "ab:", "sip:", "a1"]
)
def test_no_body_takes_long_to_show(piece: str) -> None:
    started = time.process_time()
    shown_body(piece.encode() * 2000)
    assert time.process_time() - started < 0.2


def test_the_ladder_names_requests_and_answers_of_the_web() -> None:
    said = [
        ("sent", "GET /prov/acme.example?key=[redacted] HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("received", "HTTP/1.1 503 Busy\r\n\r\n"),
    ]
    messages = tuple(
        Message(0.001 * n, "client", "sent" if way == "sent" else "received", "a:1", "b:2", "tcp", text)
        for n, (way, text) in enumerate(said)
    )
    drawn = ladder(Evidence(messages))
    assert " GET /prov/acme" in drawn
    assert " 503 Busy " in drawn
    assert "not SIP" not in drawn
