"""The webhook against receivers that misbehave, over real HTTP on loopback."""

import socket
import traceback
from collections.abc import AsyncIterator

import anyio
import pytest

from alerts.payload import AlertWriter
from alerts.webhook import WebhookNotifier
from dialtone.model import Secret
from dialtone.ports import DeliveryError
from tests.fakes.alerts import alert, rules
from tests.fakes.webhook_receiver import WebhookReceiver, receiving


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
        await notifier.send([alert(node="db1")])
    return caught.value


async def test_it_posts_json_to_the_whole_path_and_says_who_it_is(receiver: WebhookReceiver) -> None:
    await webhook(f"{receiver.url}/hook/acme").send([alert(node="db1")])
    [body], [headers] = receiver.bodies, receiver.headers
    assert receiver.paths == ["/hook/acme"]
    assert (body["receiver"], body["version"], body["status"]) == ("ops", "4", "firing")
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("dialtone/")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_success(receiver: WebhookReceiver, status: int) -> None:
    receiver.status = status
    await webhook(receiver.url).send([alert(node="db1")])


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (400, True),
        (401, True),
        (404, True),
        (410, True),
        (408, False),
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
        await webhook(receiver.url).send([alert(node="db1")])
    else:
        await refused(webhook(receiver.url))
    # What fits into the two sockets' buffers may have left the receiver; it was never half a gigabyte.
    assert receiver.flooded < 64


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
