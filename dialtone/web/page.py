"""The overview as a page: rendered here, without scripts, refreshed by the browser."""

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dialtone.model import Flow, Outcome, ProbeResult
from dialtone.quality import added
from dialtone.web.access import Reads
from dialtone.web.api import everything, full_hour
from dialtone.web.beside import beside
from dialtone.web.overview import Health, Overview, TenantView
from dialtone.web.ratios import Source, share

REFRESH: Final = 15
"""Seconds between two looks of the browser."""

_RATIOS_OF: Final = timedelta(days=1)

_HERE: Final = Path(__file__).parent
_MAIN_TIMING: Final = {
    Flow.OPTIONS: ("", "options_delay"),
    Flow.REGISTER: ("RRD ", "rrd"),
    Flow.CALL: ("PDD ", "pdd"),
    Flow.PRESENCE: ("seen after ", "presence_delay"),
    Flow.BLIND_TRANSFER: ("after ", "transfer_delay"),
    Flow.ATTENDED_TRANSFER: ("after ", "transfer_delay"),
    Flow.HTTP: ("", "http_duration"),
}
"""The figure that says most of a passed flow, and what stands before it."""


def pages() -> APIRouter:
    """Return the page and its style sheet."""
    router = APIRouter(include_in_schema=False)
    shapes = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shapes.filters |= {"age": age, "instant": instant, "timing": timing, "percent": percent, "twins": twins}
    shape = shapes.get_template("overview.html")
    style = (_HERE / "static" / "dialtone.css").read_bytes()

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page(reader: Reads) -> Response:
        """Everything at a glance, worst first."""
        seen = await everything(reader)
        now = reader.now()
        day = full_hour(now - _RATIOS_OF)
        ratios = {source: await reader.ratios(day, source) for source in Source}
        render = partial(
            shape.render,
            seen=seen,
            verdict=verdict(seen, has_probes=reader.has_probes),
            reader=reader,
            now=now,
            total={
                source: share(added(one.own.counts for one in found)).ratios
                for source, found in ratios.items()
            },
            own={one.tenant.domain: one.own.ratios for one in ratios[Source.TRAFFIC]},
            below={
                source: {one.tenant.domain: one.subtree.ratios for one in found if one.subtree}
                for source, found in ratios.items()
            },
            refresh=REFRESH,
            Health=Health,
            Outcome=Outcome,
            Source=Source,
        )
        return HTMLResponse(await beside(render))

    @router.api_route("/static/dialtone.css", methods=["GET", "HEAD"])
    async def sheet() -> Response:
        """The style sheet."""
        return Response(style, media_type="text/css", headers={"Cache-Control": "private, max-age=300"})

    return router


@dataclass(frozen=True, slots=True)
class Verdict:
    """The page's first line and what stands under it."""

    title: str
    text: str


def verdict(seen: Overview, *, has_probes: bool) -> Verdict:
    """Say in words how it is, the tenants first: they are why anybody looks."""
    failing, down, firing = seen.having(Health.FAILING), seen.nodes_down, len(seen.firing)
    tested = sum(1 for view in seen.tenants if view.flows)
    felt = "" if failing or not tested else " No tenant's test fails."
    untested = "No test has run yet." if has_probes else "No probes are configured."
    if failing:
        text = _joined(
            [f"of {_many(tested, 'tested tenant')}"]
            + ([f"{_many(down, 'node')} down"] if down else [])
            + ([f"{_many(firing, 'alert')} firing"] if firing else [])
        )
        return Verdict(f"{_many(failing, 'tenant')} failing", text)
    if down:
        return Verdict(f"{_many(down, 'node')} down", f"{_many(firing, 'alert')} firing.{felt}")
    if firing:
        return Verdict(f"{_many(firing, 'alert')} firing", felt.strip() or untested)
    if seen.health is Health.UNKNOWN:
        lost = seen.ended(Outcome.INCONCLUSIVE)
        return Verdict(
            "Not everything could be tested", f"{_many(lost, 'test')} broke on our side: not downtime."
        )
    if seen.health is Health.UNTESTED and not has_probes:
        return Verdict("Nothing is tested", "No probes are configured.")
    if seen.health is Health.UNTESTED:
        return Verdict("Nothing tested yet", "The first results come within a probe's interval.")
    nodes = f", {_many(len(seen.nodes), 'node')} up" if seen.nodes else ""
    flows = _many(seen.ended(Outcome.PASS), "flow")
    return Verdict("Everything passes", f"{flows} of {_many(tested, 'tenant')}{nodes}.")


def _many(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def _joined(parts: list[str]) -> str:
    return ", ".join(parts) + "."


def age(at: datetime, now: datetime) -> str:
    """Return how long that is ago, in one unit; a clock that was set back gives "0 s"."""
    seconds = max(0, int((now - at).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def instant(at: datetime) -> str:
    """Return an instant for <time datetime=...>."""
    return at.isoformat(timespec="seconds")


def percent(share: float | None) -> str:
    """Return a ratio as a person reads it, never rounded up to 100; "-" where there is none."""
    return "-" if share is None else f"{math.floor(share * 10_000) / 100:.2f} %"


def twins(view: TenantView) -> frozenset[Flow]:
    """Return the flows that a tenant has several probes of: their names tell them apart."""
    seen = Counter(flow for flow, _ in {(result.flow, result.probe) for result in view.flows})
    return frozenset(flow for flow, probes in seen.items() if probes > 1)


def timing(result: ProbeResult) -> str:
    """Return what says most of a passed flow: "PDD 84 ms, MOS 4.38"; "" where nothing was measured.

    The score is the worse direction's.
    """
    before, name = _MAIN_TIMING[result.flow]
    seconds = result.timings.get(name)
    scores = [stream.mos for stream in result.media if stream.mos is not None]
    figures = []
    if seconds is not None:
        figures.append(before + (f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"))
    if scores:
        figures.append(f"MOS {min(scores):.2f}")
    return ", ".join(figures)
