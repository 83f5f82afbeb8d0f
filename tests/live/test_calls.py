"""Calls that SIPp places are seen by the SIP front and by Asterisk, tenant by tenant and to the call."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from dialtone.model import UNKNOWN_TENANT
from tests.integration.phone import Phone, Sip
from tests.integration.service import dialtone
from tests.live.figures import Figures, until_equal
from tests.live.sipp import answering, calls
from tests.live.stage import ACME, BOLT, GLOBEX, UMBRELLA, Stage, fronted_by, staged
from tests.live.watched import Watched, collected, watching

pytestmark = pytest.mark.live

_PLATFORM: Final = "clusterpbx.example"
_RESELLERS: Final = (f"ntek.{_PLATFORM}", f"modulis.{_PLATFORM}")


@pytest.fixture(scope="module", params=["kamailio", pytest.param("opensips", marks=pytest.mark.opensips)])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A whole lab with each front there is."""
    with fronted_by(request.param), staged(tmp_path_factory.mktemp(request.param)) as ready:
        yield ready


@dataclass(frozen=True, slots=True)
class Books:
    """The three ways to ask how many calls each tenant has: collect, /metrics and the API."""

    stage: Stage
    watched: Watched
    config: Path

    def _all(self, counts: Mapping[str, int]) -> dict[str, float]:
        """Return these counts and 0 for everybody else, nobody's calls included."""
        everybody = (_PLATFORM, *_RESELLERS, *self.stage.clients, UNKNOWN_TENANT)
        return {domain: float(counts.get(domain, 0)) for domain in everybody}

    async def show(self, *, front: Mapping[str, int], pbx: Mapping[str, int]) -> None:
        """Wait until each of the three says exactly this of the front and of Asterisk."""
        wanted = {"front": self._all(front), "pbx": self._all(pbx)}

        async def scraped() -> dict[str, dict[str, float]]:
            return _counts(await self.watched.metrics())

        async def asked() -> dict[str, dict[str, float]]:
            return _counts(await self.watched.figures("sip1", "pbx1"))

        async def polled() -> dict[str, dict[str, float]]:
            return _counts(await collected(self.config))

        for source in (scraped, asked, polled):
            await until_equal(source, wanted)


def _counts(figures: Figures) -> dict[str, dict[str, float]]:
    return {
        "front": figures.by("tenant", "opensips_tenant_dialogs"),
        "pbx": figures.by("tenant", "asterisk_tenant_calls"),
    }


@pytest.fixture
async def books(stage: Stage) -> AsyncIterator[Books]:
    """A service that reads the lab and places no calls of its own."""
    config = stage.config("calls", probes=False)
    async with watching(config) as watched:
        yield Books(stage, watched, config)


async def test_calls_of_three_tenants_are_counted_exactly_on_both_servers_and_gone_when_they_end(
    stage: Stage, books: Books, tmp_path: Path
) -> None:
    placed = {(ACME, "600"): 2, (ACME, "601"): 1, (GLOBEX, "601"): 2, (UMBRELLA, "600"): 4}
    counts = {ACME: 3, GLOBEX: 2, UMBRELLA: 4}
    await books.show(front={}, pbx={})
    async with calls(stage, tmp_path, placed) as sipp:
        await books.show(front=counts, pbx=counts)
        sipp.hang_up()
        await sipp.passed()
    await books.show(front={}, pbx={})


async def test_calls_between_phones_are_the_fronts_alone(stage: Stage, books: Books, tmp_path: Path) -> None:
    counts = {ACME: 1, BOLT: 3, GLOBEX: 2}
    with stage.phone("102", ACME) as a, stage.phone("102", BOLT) as b, stage.phone("102", GLOBEX) as c:
        async with answering(tmp_path, sum(counts.values())) as phones:
            for phone in (a, b, c):
                assert await phone.register(contact_port=phones.port) == 200
            placed = {(tenant, "102"): count for tenant, count in counts.items()}
            async with calls(stage, tmp_path, placed) as sipp:
                await books.show(front=counts, pbx={})
                sipp.hang_up()
                await sipp.passed()
                await phones.passed()
            for phone in (a, b, c):
                assert await phone.register(contact_port=phones.port, expires=0) == 200
    await books.show(front={}, pbx={})


async def test_a_queue_that_rings_a_phone_is_one_call_in_asterisk_and_two_dialogs_at_the_front(
    stage: Stage, books: Books, tmp_path: Path
) -> None:
    with stage.phone("103", BOLT) as member:
        assert await member.register() == 200
        async with calls(stage, tmp_path, {(BOLT, "605"): 1}) as sipp:
            invite = await member.receive(_is("INVITE"))
            member.reply(invite, "180 Ringing")
            # The caller's dialog is answered by the queue; the one to the phone is still early.
            await books.show(front={BOLT: 2}, pbx={BOLT: 1})
            await _channels(books, {"up": 1.0, "ringing": 1.0})
            _answer(member, invite)
            await member.receive(_is("ACK"))
            await _channels(books, {"up": 2.0})
            await books.show(front={BOLT: 2}, pbx={BOLT: 1})
            hung_up = asyncio.create_task(_answer_bye(member))
            sipp.hang_up()
            await sipp.passed()
            await hung_up
        assert await member.register(expires=0) == 200
    await books.show(front={}, pbx={})


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
async def test_promtool_has_nothing_to_say_about_what_collect_prints(stage: Stage) -> None:
    printed = await dialtone("collect", stage.config("promtool", probes=False), "--format", "prometheus")
    assert (printed.code, printed.err) == (0, "")
    assert "asterisk_tenant_calls{" in printed.out
    checker = await asyncio.create_subprocess_exec(
        *("promtool", "check", "metrics"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(20):
        said, _ = await checker.communicate(printed.out.encode())
    assert (checker.returncode, said) == (0, b"")


async def _channels(books: Books, wanted: dict[str, float]) -> None:
    async def by_state() -> dict[str, float]:
        states = (await books.watched.metrics()).by("state", "asterisk_tenant_channels", tenant=BOLT)
        return {state: count for state, count in states.items() if count}

    await until_equal(by_state, wanted)


def _answer(phone: Phone, invite: Sip) -> None:
    """Answer with a session description, without which Asterisk would hang up again."""
    copied = [
        f"{name}: {value}"
        for name, value in invite.headers
        if name in ("Via", "From", "Call-ID", "CSeq", "Record-Route")
    ]
    sdp = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40004 RTP/AVP 0\r\n"
    )
    own = [
        f"To: {invite.one('To')};tag=answered",
        f"Contact: <sip:{phone.user}@127.0.0.1:{phone.port}>",
        "Content-Type: application/sdp",
        f"Content-Length: {len(sdp)}",
    ]
    phone.send("\r\n".join(["SIP/2.0 200 OK", *copied, *own, "", sdp]))


async def _answer_bye(phone: Phone) -> None:
    phone.reply(await phone.receive(_is("BYE")), "200 OK")


def _is(method: str) -> Callable[[Sip], bool]:
    def asks(message: Sip) -> bool:
        return message.line.startswith(f"{method} ")

    return asks
