"""`dialtone alerts` as people run it: against real receivers, and beside a service that runs."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.webhook_receiver import WebhookReceiver, receiving
from tests.integration.service import dialtone, serving, until, write_config

pytestmark = pytest.mark.integration

GONE = "http://127.0.0.1:9/hook/planted-7718-key"


@asynccontextmanager
async def receivers(count: int) -> AsyncIterator[list[WebhookReceiver]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(receiving()) for _ in range(count)]


def a_config(folder: Path, **urls: str) -> Path:
    entries = [{"name": name, "url": url} for name, url in urls.items()]
    return write_config(folder, alerts={"receivers": entries})


async def test_a_test_reaches_every_receiver_as_one_firing_alert(tmp_path: Path) -> None:
    async with receivers(2) as (ops, chat):
        config = a_config(tmp_path, ops=f"{ops.url}/hook/planted-7718-key", chat=chat.url)
        ended = await dialtone("alerts", "test", config)
        assert (ended.code, ended.err) == (0, "")
        assert [line.partition(" in ")[0] for line in ended.out.splitlines()] == ["ops: taken", "chat: taken"]
        assert ended.out.splitlines()[0].endswith(" ms")
        for receiver in (ops, chat):
            [body] = receiver.bodies
            assert body["status"] == "firing"
            assert "planted" not in json.dumps(body)
        named = await dialtone("alerts", "test", config, "--receiver", "chat")
        assert (named.code, len(ops.bodies), len(chat.bodies)) == (0, 1, 2)
        keys = {headers["Idempotency-Key"] for headers in ops.headers + chat.headers}
        assert len(keys) == 3, "a second test is another message"


async def test_what_went_wrong_is_told_of_each_receiver_and_is_2(tmp_path: Path) -> None:
    async with receivers(4) as (hangs, broken, missing, fine):
        hangs.hang, broken.status, missing.status = True, 500, 404
        config = a_config(
            tmp_path,
            hangs=hangs.url,
            broken=broken.url,
            missing=f"{missing.url}/planted-7718-key",
            gone=GONE,
            fine=fine.url,
        )
        ended = await dialtone("alerts", "test", config)
        assert (ended.code, ended.err) == (2, "")
        *lines, last = ended.out.splitlines()
        assert lines == [
            "hangs: no answer within 5 s",
            "broken: the receiver answered 500 Internal Server Error",
            "missing: the receiver answered 404 Not Found",
            "gone: no connection (Connection refused)",
        ]
        assert last.startswith("fine: taken in ")
        assert [len(one.bodies) for one in (hangs, broken, missing, fine)] == [1, 1, 1, 1], "nobody twice"


async def test_the_list_shows_what_a_running_service_can_not_deliver(tmp_path: Path) -> None:
    async with receiving() as refusing:
        refusing.status = 404
        config = write_config(
            tmp_path,
            nodes=[{"name": "sip1", "kind": "opensips", "mi": "http://127.0.0.1:9/mi", "interval": "1s"}],
            alerts={"receivers": [{"name": "gone", "url": GONE}, {"name": "no", "url": refusing.url}]},
        )
        async with serving(config) as service:

            async def listed() -> dict[str, object] | None:
                ended = await dialtone("alerts", "list", config, "--format", "json")
                assert (ended.code, ended.err) == (0, "")
                found: dict[str, object] = ended.json
                tried = any(receiver["tries"] for receiver in ended.json["receivers"])
                return found if found["alerts"] and found["given_up"] and tried else None

            found = await until("an alert is listed, and what became of its messages", listed)
            text = await dialtone("alerts", "list", config)
            assert await service.stop() == 0
        afterwards = await dialtone("alerts", "list", config)
    assert "planted" not in json.dumps(found) + text.out + text.err
    assert text.out.splitlines()[0] == "FIRING critical NodeDown"
    assert "  node sip1" in text.out.splitlines()
    said = " ".join(text.out.split())
    assert "gone: 1 message waits, the oldest for " in said
    assert "no connection (Connection refused)" in said
    assert "no: no message waits" in said
    assert "the receiver answered 404 Not Found" in said
    assert (afterwards.code, afterwards.out.splitlines()[0]) == (0, "FIRING critical NodeDown")
