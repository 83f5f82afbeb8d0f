"""The webhook against receivers that misbehave, over real HTTP on loopback."""

import asyncio
import socket
import ssl
import traceback
from collections.abc import AsyncIterator

import anyio
import pytest

from alerts.delivery import AskedToWaitError
from alerts.payload import AlertWriter
from alerts.webhook import WebhookNotifier, retry_after
from dialtone.model import Secret
from dialtone.ports import DeliveryError
from tests.fakes.alerts import rules
from tests.fakes.delivery_line import a_message
from tests.fakes.webhook_receiver import WebhookReceiver, receiving

MESSAGE = a_message("db1")


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    """Yield a receiver on a free port."""
    async with receiving() as made:
        yield made


def webhook(url: str, *, timeout: float = 5.0) -> WebhookNotifier:
    """Return a notifier for that address."""
    writer = AlertWriter(rules(), external_url="http://127.0.0.1:9876", reseller_of=lambda _: None)
    return WebhookNotifier("ops", Secret(url), writer, timeout=timeout)


async def refused(notifier: WebhookNotifier) -> DeliveryError:
    """Send and return the error that it must end in."""
    with pytest.raises(DeliveryError) as caught:
        await notifier.send(MESSAGE)
    return caught.value


async def test_it_posts_json_to_the_whole_path_and_says_who_it_is(receiver: WebhookReceiver) -> None:
    await webhook(f"{receiver.url}/hook/acme").send(MESSAGE)
    [body], [headers] = receiver.bodies, receiver.headers
    assert receiver.paths == ["/hook/acme"]
    assert (body["receiver"], body["version"], body["status"]) == ("ops", "4", "firing")
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("dialtone/")
    assert headers["Idempotency-Key"] == MESSAGE.key


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_success(receiver: WebhookReceiver, status: int) -> None:
    receiver.status = status
    await webhook(receiver.url).send(MESSAGE)


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (400, True),
        (401, True),
        (404, True),
        (410, True),
        (422, True),
        (408, False),
        (409, False),
        (425, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
async def test_the_status_decides_whether_trying_again_can_help(
    receiver: WebhookReceiver, status: int, permanent: bool
) -> None:
    receiver.status = status
    error = await refused(webhook(receiver.url))
    assert error.permanent is permanent
    assert str(status) in str(error)


async def test_a_redirect_is_not_followed(receiver: WebhookReceiver) -> None:
    async with receiving() as elsewhere:
        receiver.status, receiver.location = 307, f"{elsewhere.url}/steal"
        assert not (await refused(webhook(receiver.url))).permanent
        assert elsewhere.bodies == []


async def test_a_receiver_that_never_answers_costs_no_more_than_the_deadline(
    receiver: WebhookReceiver,
) -> None:
    receiver.hang = True
    with anyio.fail_after(2):
        error = await refused(webhook(receiver.url, timeout=0.2))
    assert not error.permanent
    assert str(error) == "no answer within 0.2 s"


@pytest.mark.parametrize("status", [200, 500])
async def test_a_huge_answer_is_not_read(receiver: WebhookReceiver, status: int) -> None:
    receiver.status, receiver.flood = status, 512
    if status == 200:
        await webhook(receiver.url).send(MESSAGE)
    else:
        await refused(webhook(receiver.url))
    # What fits into the two sockets' buffers may have left the receiver; it was never half a gigabyte.
    assert receiver.flooded < 64


@pytest.mark.parametrize(
    ("drip", "drop"),
    [
        (b"H", b"T"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: of it\r\n"),
        (b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: " + 8000 * b"x" + b"\r\n"),
        (b"HTTP/1.1 200 " + 100_000 * b"x", b"x"),
        (b"220 mail.example ESMTP\r\n", b"250 OK\r\n"),
    ],
    ids=["status", "headers", "interim answers", "big headers", "endless line", "no HTTP"],
)
async def test_an_answer_that_drips_in_for_ever_costs_no_more_than_the_deadline(
    receiver: WebhookReceiver, drip: bytes, drop: bytes
) -> None:
    receiver.drip, receiver.drop = drip, drop
    with anyio.fail_after(3):
        error = await refused(webhook(receiver.url, timeout=0.3))
    assert not error.permanent
    assert str(error) in ("no answer within 0.3 s", "its answer is malformed or too large")


async def test_a_body_that_drips_in_for_ever_is_not_waited_for(receiver: WebhookReceiver) -> None:
    receiver.drip, receiver.drop = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"
    with anyio.fail_after(3):
        await webhook(receiver.url).send(MESSAGE)


async def test_a_packed_body_is_not_unpacked(receiver: WebhookReceiver) -> None:
    receiver.drip = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!"
    await webhook(receiver.url).send(MESSAGE)


async def test_a_connection_that_breaks_is_said_so_and_tried_again(receiver: WebhookReceiver) -> None:
    receiver.reset = True
    error = await refused(webhook(receiver.url))
    assert not error.permanent
    assert str(error) == "the connection broke (Connection reset by peer)"


async def test_a_receiver_that_hangs_up_is_said_so_and_tried_again(receiver: WebhookReceiver) -> None:
    receiver.hang_up = True
    error = await refused(webhook(receiver.url))
    assert not error.permanent
    assert str(error) == "it closed the connection without an answer"


async def test_a_receiver_without_tls_is_said_so_and_tried_again(receiver: WebhookReceiver) -> None:
    error = await refused(webhook(receiver.url.replace("http:", "https:")))
    assert not error.permanent
    assert str(error) == "it does not speak TLS with us"


async def test_a_certificate_that_is_not_accepted_is_said_so_and_tried_again(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def verify(*_: object, sock: socket.socket, **__: object) -> None:
        sock.close()
        raise ssl.SSLCertVerificationError("Hostname mismatch, certificate is not valid for T0KEN")

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", verify)
    error = await refused(webhook(receiver.url.replace("http:", "https:")))
    assert not error.permanent
    assert str(error) == "its certificate is not accepted"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_may_ask_to_wait(receiver: WebhookReceiver, status: int) -> None:
    receiver.status, receiver.retry_after = status, "120"
    error = await refused(webhook(receiver.url))
    assert isinstance(error, AskedToWaitError)
    assert error.seconds == 120
    assert str(status) in str(error)


@pytest.mark.parametrize(("status", "retry_after"), [(500, "120"), (404, "120"), (503, "soon"), (503, None)])
async def test_only_with_words_that_say_how_long(
    receiver: WebhookReceiver, status: int, retry_after: str | None
) -> None:
    receiver.status, receiver.retry_after = status, retry_after
    assert not isinstance(await refused(webhook(receiver.url)), AskedToWaitError)


@pytest.mark.parametrize(
    ("wanted", "seconds"),
    [
        ("0", 0.0),
        (" 30 ", 30.0),
        ("9" * 5000, float("inf")),
        ("Sun, 01 Mar 2026 12:05:00 GMT", 300.0),
        ("Sunday, 01-Mar-26 12:05:00 GMT", 300.0),
        ("Sun Mar  1 12:05:00 2026", 300.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        ("Sun, 99 Mar 2026 12:05:00 GMT", None),
        ("Sun, 01 Mar 99999999 12:05:00 GMT", None),
    ],
)
def test_a_wait_is_in_seconds_or_until_a_date_of_the_receivers_own_clock(
    wanted: str, seconds: float | None
) -> None:
    date = "Sun, 01 Mar 2026 12:00:00 GMT"
    assert retry_after({"Retry-After": wanted, "Date": date}) == seconds


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_date_without_the_receivers_own_is_no_wait(date: str) -> None:
    assert retry_after({"Retry-After": "Sun, 01 Mar 2026 12:05:00 GMT", "Date": date}) is None


async def test_the_date_of_an_answer_arrives_with_it(receiver: WebhookReceiver) -> None:
    receiver.status, receiver.date = 503, "Sun, 01 Mar 2026 12:00:00 GMT"
    receiver.retry_after = "Sun, 01 Mar 2026 12:00:42 GMT"
    error = await refused(webhook(receiver.url))
    assert isinstance(error, AskedToWaitError)
    assert error.seconds == 42


async def test_nobody_listening_is_said_so_and_tried_again() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/hook"
        error = await refused(webhook(url))
    assert not error.permanent
    assert str(error) == "no connection (Connection refused)"


@pytest.mark.parametrize("url", ["no url", "http://", "ftp://127.0.0.1/x"])
async def test_an_address_that_is_none_is_refused_for_good_without_a_traceback(url: str) -> None:
    assert (await refused(webhook(url))).permanent


@pytest.mark.parametrize("status", [404, 500])
async def test_a_refusal_does_not_show_the_address_whose_path_may_hold_a_key(
    receiver: WebhookReceiver, status: int
) -> None:
    receiver.status = status
    error = await refused(webhook(f"{receiver.url}/T0KEN"))
    assert "T0KEN" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/T0KEN", "ht tp://T0KEN", "ftp://127.0.0.1/T0KEN"])
async def test_nor_does_a_connection_that_fails(url: str) -> None:
    error = await refused(webhook(url))
    assert "T0KEN" not in "".join(traceback.format_exception(error))
