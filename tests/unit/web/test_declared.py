"""Maintenance and corrections over the API: who may, for whom, and what is refused."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import anyio
import pytest
from fastapi import FastAPI
from starlette.types import Message

from dialtone.model import Scope
from dialtone.web import create_app
from dialtone.web.bodies import MAX_BODY, BodyError, whole_body
from tests.fakes.alerts import NOON
from tests.fakes.clock import FakeClock
from tests.fakes.ledger import FakeLedger
from tests.unit.web.cast import ACME, NTEK, PLATFORM, TOKENS, VOLT, ZETA, client, context
from tests.unit.web.promises import AUTHORS, REASONS

SOON: Final = (NOON + timedelta(hours=3)).isoformat()
MAINTENANCE: Final[dict[str, Any]] = {
    "tenant": ACME,
    "begins": SOON,
    "seconds": 3600,
    "reason": "New proxies",
}
CORRECTION: Final[dict[str, Any]] = {
    "tenant": ACME,
    "begins": (NOON - timedelta(hours=2)).isoformat(),
    "ends": (NOON - timedelta(hours=1)).isoformat(),
    "state": "excluded",
    "reason": "Fibre cut at the client's",
}
BODIES: Final[dict[str, dict[str, Any]]] = {"maintenance": MAINTENANCE, "corrections": CORRECTION}
KINDS: Final = pytest.mark.parametrize("kind", list(BODIES))


@pytest.fixture
async def app() -> FastAPI:
    """Return the cast's platform, with tokens."""
    return create_app(await context(tokens=True))


async def ids(app: FastAPI, kind: str, who: str = "root") -> dict[str | None, list[int]]:
    """Return the ids that one of the cast reads, by tenant."""
    async with client(app, TOKENS[who]) as http:
        found: dict[str | None, list[int]] = {}
        for one in (await http.get(f"/api/v1/{kind}")).json()["items"]:
            found.setdefault(one["tenant"], []).append(one["id"])
    return found


@KINDS
async def test_an_operator_puts_it_down_under_the_tokens_name_and_withdraws_it(
    app: FastAPI, kind: str
) -> None:
    async with client(app, TOKENS["bob"]) as http:
        answer = await http.post(f"/api/v1/{kind}", json=BODIES[kind] | {"flows": ["call", "call"]})
        made = answer.json()
        assert answer.status_code == 201, answer.text
        assert (made["tenant"], made["author"], made["flows"]) == (ACME, "bob", ["call"])
        assert (made["declared"], made["withdrawn"]) == ("2026-03-01T12:00:12Z", None)
        gone = (await http.delete(f"/api/v1/{kind}/{made['id']}")).json()
        again = (await http.delete(f"/api/v1/{kind}/{made['id']}")).json()
        listed = (await http.get(f"/api/v1/{kind}")).json()["items"][0]
    assert gone["withdrawn"] == "2026-03-01T12:00:12Z"
    assert again == gone == listed


async def test_what_recurs_does_so_by_the_wall_clock_of_the_tenant_unless_another_is_named(
    app: FastAPI,
) -> None:
    async with client(app, TOKENS["bob"]) as http:
        weekly = MAINTENANCE | {"recurs": "FREQ=WEEKLY;BYDAY=SU"}
        own = (await http.post("/api/v1/maintenance", json=weekly)).json()
        named = (await http.post("/api/v1/maintenance", json=weekly | {"zone": "Europe/Paris"})).json()
    assert (own["recurs"], own["zone"], own["source"]) == ("FREQ=WEEKLY;BYDAY=SU", "UTC", "api")
    assert named["zone"] == "Europe/Paris"
    assert own["overlapping"] == []


@KINDS
async def test_a_viewer_is_refused_in_words_and_nothing_changes(app: FastAPI, kind: str) -> None:
    before = await ids(app, kind)
    async with client(app, TOKENS["alice"]) as http:
        posted = await http.post(f"/api/v1/{kind}", json=BODIES[kind])
        deleted = await http.delete(f"/api/v1/{kind}/{before[ACME][0]}")
    for answer in (posted, deleted):
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
        assert "`role: operator`" in answer.json()["detail"]
    assert await ids(app, kind) == before


@KINDS
async def test_a_client_keeps_no_books_of_its_own_contract_whatever_its_role(app: FastAPI, kind: str) -> None:
    before = await ids(app, kind)
    async with client(app, TOKENS["charlie"]) as http:
        posted = await http.post(f"/api/v1/{kind}", json=BODIES[kind] | {"tenant": ZETA})
        deleted = await http.delete(f"/api/v1/{kind}/{before[ZETA][0]}")
    for answer in (posted, deleted):
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
        assert "a reseller or of the platform" in answer.json()["detail"]
    assert await ids(app, kind) == before


@KINDS
async def test_without_a_token_nobody_writes(app: FastAPI, kind: str) -> None:
    async with client(app) as http:
        assert (await http.post(f"/api/v1/{kind}", json=BODIES[kind])).status_code == 401
        assert (await http.delete(f"/api/v1/{kind}/1")).status_code == 401


@KINDS
@pytest.mark.parametrize(("who", "foreign"), [("dan", ACME), ("dan", NTEK), ("bob", ZETA)])
async def test_a_foreign_tenant_is_none_to_declare_for(
    app: FastAPI, kind: str, who: str, foreign: str
) -> None:
    before = await ids(app, kind)
    async with client(app, TOKENS[who]) as http:
        theirs = await http.post(f"/api/v1/{kind}", json=BODIES[kind] | {"tenant": foreign})
        nobodys = await http.post(f"/api/v1/{kind}", json=BODIES[kind] | {"tenant": "nowhere.example"})
    assert theirs.status_code == 422
    assert theirs.content == nobodys.content
    assert theirs.json()["errors"][0]["at"] == "body.tenant"
    assert await ids(app, kind) == before


@KINDS
async def test_what_is_declared_above_or_beside_is_not_ones_own_to_withdraw(app: FastAPI, kind: str) -> None:
    known = await ids(app, kind)
    async with client(app, TOKENS["dan"]) as http:
        for foreign in (PLATFORM, NTEK, ACME):
            theirs = await http.delete(f"/api/v1/{kind}/{known[foreign][0]}")
            nobodys = await http.delete(f"/api/v1/{kind}/987654")
            assert theirs.status_code == 404
            assert theirs.content == nobodys.content
        assert (await http.delete(f"/api/v1/{kind}/{known[ZETA][0]}")).status_code == 200
    async with client(app, TOKENS["root"]) as http:
        items = (await http.get(f"/api/v1/{kind}")).json()["items"]
    assert [one["tenant"] for one in items if one["withdrawn"]] == [ZETA]


@KINDS
async def test_a_client_reads_when_and_why_of_what_holds_for_it_and_no_names_of_those_above(
    app: FastAPI, kind: str
) -> None:
    async with client(app, TOKENS["charlie"]) as http:
        answer = await http.get(f"/api/v1/{kind}")
    items = answer.json()["items"]
    assert [(one["tenant"], one["author"], one["reason"]) for one in items] == [
        (ZETA, AUTHORS[ZETA], REASONS[ZETA]),
        (None, None, REASONS[VOLT]),
        (None, None, REASONS[PLATFORM]),
    ]
    assert VOLT not in answer.text.replace(ZETA, "")
    assert set(await ids(app, kind, "bob")) == {ACME, NTEK, None}
    assert set(await ids(app, kind)) == {PLATFORM, NTEK, VOLT, ACME, ZETA}


@KINDS
async def test_pages_give_each_entry_once(app: FastAPI, kind: str) -> None:
    seen: list[int] = []
    cursor: str | None = ""
    async with client(app, TOKENS["root"]) as http:
        while cursor is not None:
            query = f"?limit=2&cursor={cursor}" if cursor else "?limit=2"
            page = (await http.get(f"/api/v1/{kind}{query}")).json()
            seen += [one["id"] for one in page["items"]]
            cursor = page["next"]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 5


async def test_what_the_configuration_declares_is_withdrawn_there(app: FastAPI) -> None:
    known = await ids(app, "maintenance")
    async with client(app, TOKENS["root"]) as http:
        answer = await http.delete(f"/api/v1/maintenance/{known[PLATFORM][0]}")
    assert answer.status_code == 409
    assert "take it out of `maintenance:`" in answer.json()["detail"]


async def test_on_loopback_without_tokens_whoever_is_there_may_declare() -> None:
    async with client(create_app(await context())) as http:
        answer = await http.post("/api/v1/maintenance", json=MAINTENANCE | {"tenant": f"{ACME.upper()}."})
    assert (answer.status_code, answer.json()["author"], answer.json()["tenant"]) == (201, "local", ACME)


@KINDS
@pytest.mark.parametrize(
    "media_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json"],
)
async def test_what_a_foreign_page_could_send_is_not_taken(kind: str, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    async with client(create_app(await context())) as http:
        answer = await http.post(f"/api/v1/{kind}", content=json.dumps(BODIES[kind]), headers=headers)
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "changes", "at", "words"),
    [
        ("maintenance", {"begins": "2026-03-02T12:00:00"}, "begins", "has no zone"),
        ("maintenance", {"begins": "2026-03-02T12:00:01Z"}, "begins", "whole minute"),
        ("maintenance", {"begins": "9999-12-31T23:59:00-23:00"}, "begins", "2000 and 2200"),
        ("maintenance", {"begins": "0001-01-01T00:00:00+23:00"}, "begins", "2000 and 2200"),
        ("maintenance", {"begins": "tomorrow"}, "begins", "is no instant"),
        ("maintenance", {"seconds": 90}, "seconds", "multiple of 60"),
        ("maintenance", {"seconds": 0}, "seconds", "greater than or equal to 60"),
        ("maintenance", {"seconds": 60 * 10**30}, "seconds", "less than or equal"),
        ("maintenance", {"seconds": 31 * 86_400 + 60}, "seconds", "less than or equal"),
        ("maintenance", {"seconds": "3600"}, "seconds", "whole number"),
        ("maintenance", {"seconds": True}, "seconds", "whole number"),
        ("maintenance", {"reason": "  "}, "reason", "must say something"),
        ("maintenance", {"reason": "a\nb"}, "reason", "one line"),
        ("maintenance", {"reason": "\u202egnp.exe"}, "reason", "one line"),
        ("maintenance", {"reason": "x" * 201}, "reason", "at most 200"),
        ("maintenance", {"reason": None}, "reason", "must be text"),
        ("maintenance", {"flows": ["pager"]}, "flows.0", "'attended-transfer' or 'http'"),
        ("maintenance", {"flows": ["call"] * 8}, "flows", "at most 7"),
        ("maintenance", {"zone": "Mars/Olympus"}, "zone", "is no time zone"),
        ("maintenance", {"zone": "../../etc/passwd"}, "zone", "is no time zone"),
        ("maintenance", {"recurs": "FREQ=SECONDLY"}, "", "FREQ must be one of"),
        ("maintenance", {"recurs": "nonsense"}, "", "is no part of a rule"),
        ("maintenance", {"tenant": "x" * 300}, "tenant", "at most 253"),
        ("maintenance", {"author": "root"}, "author", "take it out"),
        ("maintenance", {"k" * 1000: 1}, "k" * 60, "take it out"),
        ("corrections", {"state": "perfect"}, "state", "'excluded'"),
        ("corrections", {"state": 3}, "state", "'excluded'"),
        ("corrections", {"ends": "2026-03-01T11:00:00"}, "ends", "has no zone"),
        ("corrections", {"ends": None}, "ends", "is no instant"),
        ("corrections", {"id": 7}, "id", "take it out"),
    ],
)
async def test_a_field_that_makes_no_sense_is_named_with_what_is_wrong(
    app: FastAPI, kind: str, changes: dict[str, Any], at: str, words: str
) -> None:
    before = await ids(app, kind)
    async with client(app, TOKENS["bob"]) as http:
        answer = await http.post(f"/api/v1/{kind}", json=BODIES[kind] | changes)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert error["at"] == f"body.{at}".removesuffix(".")
    assert words in error["problem"]
    assert await ids(app, kind) == before


@KINDS
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"tenant": 1' + b"0" * 5000 + b"}",
        b'{"tenant": "\\ud800"}',
        json.dumps({f"k{number}": number for number in range(3000)}).encode(),
    ],
    ids=lambda body: f"{body[:8]!r} of {len(body)}",
)
async def test_a_body_that_is_no_such_object_is_refused_shortly(app: FastAPI, kind: str, body: bytes) -> None:
    async with client(app, TOKENS["bob"]) as http:
        answer = await http.post(
            f"/api/v1/{kind}", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 10_000


async def test_a_body_in_pieces_that_is_too_large_is_refused_before_its_end(app: FastAPI) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1024
            yield b" " * 1024

    async with client(app, TOKENS["bob"]) as http:
        answer = await http.post(
            "/api/v1/maintenance", content=pieces(), headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 413
    assert sent <= MAX_BODY + 2048


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def silent() -> Message:
        await anyio.sleep_forever()
        raise AssertionError("forever has an end")

    async def cut_short() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(BodyError, match=r"within 0\.01 seconds") as late:
        await whole_body(silent, 0.01)
    with pytest.raises(BodyError, match="before its body did") as gone:
        await whole_body(cut_short, 10)
    assert (late.value.status, gone.value.status) == (408, 400)


@KINDS
async def test_what_the_books_refuse_as_they_stand_is_told_in_their_words(kind: str) -> None:
    made = await context(ledger=FakeLedger(refused="2026-02-28 12:00 UTC is past: declare it before"))
    async with client(create_app(made)) as http:
        answer = await http.post(f"/api/v1/{kind}", json=BODIES[kind])
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "2026-02-28 12:00 UTC is past: declare it before",
    )


@KINDS
async def test_a_store_that_fails_is_a_503_and_says_no_more(kind: str) -> None:
    made = await context()
    made.store.broken = True  # type: ignore[attr-defined]
    async with client(create_app(made)) as http:
        for answer in (
            await http.get(f"/api/v1/{kind}"),
            await http.post(f"/api/v1/{kind}", json=BODIES[kind]),
            await http.delete(f"/api/v1/{kind}/1"),
        ):
            assert answer.status_code == 503
            assert "disk" not in answer.text


async def test_books_that_leak_show_nothing_foreign_and_withdraw_nothing_foreign() -> None:
    made = await context(tokens=True)
    books = made.store.books
    theirs = next(one for one in await books.maintenance(Scope.everything()) if one.tenant == ACME)

    class Leaky:
        """Books that give everybody everything."""

        def __getattr__(self, name: str) -> Any:
            return getattr(books, name)

        async def maintenance(self, _: Scope) -> Any:
            return await books.maintenance(Scope.everything())

        async def closings(self, _: Scope, **asked: Any) -> Any:
            return await books.closings(Scope.everything(), **asked)

    class Store:
        """A store with leaky books."""

        books = Leaky()

    leaky = replace(made, store=Store())  # type: ignore[arg-type]
    async with client(create_app(leaky), TOKENS["dan"]) as http:
        listed = (await http.get("/api/v1/maintenance")).text
        closings = (await http.get("/api/v1/closings")).json()["items"]
        answer = await http.delete(f"/api/v1/maintenance/{theirs.id}")
    assert REASONS[ACME] not in listed
    assert {one["tenant"] for one in closings} == {ZETA}
    assert answer.status_code == 404
    (still,) = [one for one in await books.maintenance(Scope.everything()) if one.id == theirs.id]
    assert still.withdrawn is None


@KINDS
async def test_what_is_withdrawn_at_once_is_not_withdrawn_before_it_was_declared(kind: str) -> None:
    made = await context(clock=FakeClock(NOON + timedelta(seconds=12, microseconds=345_678)))
    async with client(create_app(made)) as http:
        put_down = (await http.post(f"/api/v1/{kind}", json=BODIES[kind])).json()
        gone = (await http.delete(f"/api/v1/{kind}/{put_down['id']}")).json()
    assert gone["withdrawn"] == put_down["declared"]


@pytest.mark.parametrize(
    ("body", "at", "words"),
    [
        ("{", "body.1", "is no JSON from that character on: send one object"),
        ("[]", "body", "is no JSON object: send one"),
        (
            json.dumps(MAINTENANCE | {"begins": "2026-11-03T02:00:00"}),
            "body.begins",
            "2026-11-03T02:00:00-05:00",
        ),
        (json.dumps(MAINTENANCE | {"begins": "soon"}), "body.begins", "T02:00:00-05:00"),
        (json.dumps(MAINTENANCE | {"begins": None}), "body.begins", "T02:00:00-05:00"),
        (json.dumps(MAINTENANCE | {"seconds": "60"}), "body.seconds", "without quotation marks"),
        (json.dumps(MAINTENANCE | {"colour": 1}), "body.colour", "take it out"),
        (json.dumps({"tenant": ACME}), "body.reason", "is missing"),
    ],
)
async def test_what_is_written_wrongly_is_told_what_to_write_instead(
    app: FastAPI, body: str, at: str, words: str
) -> None:
    async with client(app, TOKENS["bob"]) as http:
        answer = await http.post(
            "/api/v1/maintenance", content=body, headers={"Content-Type": "application/json"}
        )
    told = {one["at"]: one["problem"] for one in answer.json()["errors"]}
    assert answer.status_code == 422
    assert words in told[at]
