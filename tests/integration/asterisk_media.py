"""Calls with media through a lab's Asterisks, and what of their configuration a test changes meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dialtone.model import Account, AnsweredBy, Evidence, FailureCode, Flow, Hears, MediaPlan, Plan, Secret
from lab import lab
from lab.asterisk.series import NEW, OLD, Series
from lab.faults.media.harm import Harm
from lab.faults.media.relay import MediaRelay
from lab.faults.media.settings import Settings
from lab.faults.relay import SipRelay
from lab.sample import sample
from lab.state import LabState
from synthetic.probes.runner import Report
from tests.fakes.sip_probes import a_request, run_here

ACME: Final = "acme.ntek.clusterpbx.example"
SERIES: Final = (NEW, OLD)
SHORT: Final = MediaPlan(seconds=0.8)
_TIMEOUT: Final = 12.0
_TOLD: Final = 10.0


@dataclass(frozen=True, slots=True)
class Platform:
    """A lab that runs: its front, Asterisk 22 and Asterisk 16."""

    state: LabState
    accounts: Sequence[Account]

    @property
    def target(self) -> str:
        """The front."""
        return f"sip:{self.state.addresses['sip']};transport=udp"

    async def between_phones(
        self, media: MediaPlan = SHORT, *, target: str | None = None, **plan: Any
    ) -> tuple[Report, Evidence]:
        """Place a call of one phone to another; `plan` says by which number."""
        request = a_request(
            Flow.CALL,
            target or self.target,
            tenant=ACME,
            accounts=tuple(self.accounts[:2]),
            plan=Plan(media=media, **plan),
            timeout=_TIMEOUT,
        )
        return await run_here(request)

    @asynccontextmanager
    async def harmed(self, to_callee: Harm) -> AsyncIterator[tuple[str, MediaRelay]]:
        """Harm what comes from the caller of one call for the time of the block; yields the target for it.

        That is done on the caller's own leg, before Asterisk.
        """
        host, _, port = self.state.addresses["sip"].rpartition(":")
        async with (
            MediaRelay(Settings(to_callee=to_callee)) as media,
            SipRelay((host, int(port)), media=media) as relay,
        ):
            yield relay.target, media

    async def to_number(self, number: str, media: MediaPlan) -> Report:
        """Place a call that the platform answers."""
        plan = Plan(number=number, answered_by=AnsweredBy.PLATFORM, media=media)
        accounts = tuple(self.accounts[:1])
        request = a_request(
            Flow.CALL, self.target, tenant=ACME, accounts=accounts, plan=plan, timeout=_TIMEOUT
        )
        return (await run_here(request))[0]

    async def hears(self, number: str, hears: Hears, seconds: float = SHORT.seconds) -> Report:
        """Place a call that the platform answers, to hear that."""
        return await self.to_number(number, MediaPlan(seconds=seconds, hears=hears))

    async def tell(self, series: Series, command: str) -> str:
        """Say a line at an Asterisk's console; return the answer."""
        process = await asyncio.create_subprocess_exec(
            *("sh", str(self.state.root / series.part / "console"), "-x", command),
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(_TOLD):
            said, _ = await process.communicate()
        return said.decode(errors="replace")

    async def dialplan(self, series: Series, text: str) -> None:
        """Add to what the tenant's numbers do."""
        file = self.state.root / series.part / "etc" / "extensions.conf"
        await asyncio.to_thread(_append, file, text)
        await self.tell(series, "dialplan reload")

    @asynccontextmanager
    async def changed(self, series: Series, changes: Mapping[str, str]) -> AsyncIterator[None]:
        """Have other text in pjsip.conf for the time of the block."""
        file = self.state.root / series.part / "etc" / "pjsip.conf"
        before = await asyncio.to_thread(file.read_text)
        after = before
        for old, new in changes.items():
            assert old in after
            after = after.replace(old, new)
        try:
            await self._reload(series, file, after)
            yield
        finally:
            await self._reload(series, file, before)

    async def _reload(self, series: Series, file: Path, text: str) -> None:
        await asyncio.to_thread(file.write_text, text)
        assert "reloaded" in await self.tell(series, "module reload res_pjsip.so")


def _append(file: Path, text: str) -> None:
    with file.open("a") as plan:
        plan.write(text)


@contextmanager
def both_asterisks(root: Path) -> Iterator[Platform]:
    """Have a front and both Asterisks up for the time of the block."""
    state = asyncio.run(lab.up("media", only=["sip", "asterisk", "asterisk-16"], root=root))
    try:
        phones = sample(state.root / "accounts.csv").phones
        accounts = [
            Account(phone.tenant, phone.user, phone.user, Secret(phone.password))
            for phone in phones
            if phone.tenant == ACME
        ]
        yield Platform(state, accounts)
    finally:
        asyncio.run(lab.down("media", root=root))


def held(what: str) -> dict[str, str]:
    """Return the change that gives the leg to numbers like 60102 another option of its endpoint."""
    section = f"[{ACME}-held]({ACME})\n"
    return {section: f"{section}{what}\n"}


def failed(report: Report) -> tuple[FailureCode | None, str]:
    """Return why a call failed, and what it says."""
    return (None, "") if report.failure is None else (report.failure.code, report.failure.detail)
