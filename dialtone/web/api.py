"""The API, /api/v1. Every route reads through the Reader of who asks, and nothing else."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime

from dialtone.model import Flow
from dialtone.web import cursor as cursors
from dialtone.web.access import Reader, Reads
from dialtone.web.beside import answered, beside
from dialtone.web.models import (
    AlertOut,
    Listing,
    NodeDetailOut,
    NodeOut,
    RatiosOut,
    ResultOut,
    StatusOut,
    TenantOut,
    TenantRatiosOut,
)
from dialtone.web.overview import Overview, overview
from dialtone.web.problems import DOCUMENTED
from dialtone.web.ratios import Source
from dialtone.web.topologies import TopologyDetailOut, TopologyOut

router: Final = APIRouter(prefix="/api/v1", responses=dict(DOCUMENTED))


MOST_DAYS: Final = 7
"""How far back ratios may begin: a week of a thousand tenants is added up in a second."""


def full_hour(moment: datetime) -> datetime:
    """Return the beginning of an instant's hour, UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


async def everything(reader: Reader) -> Overview:
    """Return all that a reader sees. Raises StoreError."""
    alerts = await reader.alerts()
    return await beside(
        partial(overview, reader.tenants(), reader.latest(), reader.nodes(), alerts, reader.holdings())
    )


@router.get("/status", response_model=StatusOut)
async def status(reader: Reads) -> Response:
    """Everything at once: tenants with the last outcome of their flows, alerts, counts; worst first."""
    seen = await everything(reader)
    told = partial(StatusOut.of, seen, version=reader.version, location=reader.location, at=reader.now())
    return await answered(partial(told, nodes=reader.sees_all))


@router.get("/nodes")
async def nodes(reader: Reads) -> Listing[NodeOut]:
    """The servers that are read. They are the platform's: every other scope gets an empty list."""
    return Listing(items=[NodeOut.of(state) for state in reader.nodes()])


@router.get("/nodes/{name}", response_model=NodeDetailOut)
async def node(name: str, reader: Reads) -> Response:
    """One server: its last poll, its texts (version, last errors) and its figures."""
    state = reader.node(name)
    if state is None:
        raise HTTPException(404)
    return await answered(partial(NodeDetailOut.of, state))


@router.get("/topologies", response_model=Listing[TopologyOut])
async def topologies(reader: Reads) -> Response:
    """How databases replicate. They are the platform's: every other scope gets an empty list."""
    found = reader.topologies()
    return await answered(lambda: Listing(items=[TopologyOut.of(known) for known in found]))


@router.get("/topologies/{name}", response_model=TopologyDetailOut)
async def topology(name: str, reader: Reads) -> Response:
    """One topology, and all tenants whose data it holds."""
    known = reader.topology(name)
    if known is None:
        raise HTTPException(404)
    return await answered(partial(TopologyDetailOut.of, known))


@router.get("/tenants", response_model=Listing[TenantOut])
async def tenants(reader: Reads) -> Response:
    """The tenants and how their flows last ended; worst first."""
    seen = await everything(reader)
    return await answered(lambda: Listing(items=[TenantOut.of(view) for view in seen.tenants]))


@router.get("/tenants/{domain}")
async def tenant(domain: str, reader: Reads) -> TenantOut:
    """One tenant."""
    for view in (await everything(reader)).tenants:
        if view.tenant.domain == domain.lower().removesuffix("."):
            return TenantOut.of(view)
    raise HTTPException(404)


@router.get("/results")
async def results(
    reader: Reads,
    tenant: Annotated[str | None, Query(max_length=253, description="A domain")] = None,
    flow: Flow | None = None,
    since: Annotated[
        AwareDatetime | None, Query(description="RFC 3339, such as 2026-03-01T12:00:00Z")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=400, description="`next` of the page before")] = None,
) -> Listing[ResultOut]:
    """Results of probes, newest first."""
    try:
        after = cursors.read(cursor) if cursor is not None else None
    except ValueError as error:
        raise RequestValidationError([{"loc": ("query", "cursor"), "msg": str(error)}]) from None
    domain = tenant.lower().removesuffix(".") if tenant else None
    page = await reader.results(tenant=domain, flow=flow, since=since, limit=limit, after=after)
    return Listing(
        items=[ResultOut.of(result) for result in page.results],
        next=cursors.write(page.end) if page.end else None,
    )


@router.get("/results/{result_id}")
async def result(result_id: str, reader: Reads) -> ResultOut:
    """One result."""
    found = await reader.result(result_id)
    if found is None:
        raise HTTPException(404)
    return ResultOut.of(found)


@router.get("/ratios", response_model=RatiosOut)
async def ratios(
    reader: Reads,
    tenant: Annotated[str | None, Query(max_length=253, description="A domain")] = None,
    since: Annotated[
        AwareDatetime | None,
        Query(description=f"RFC 3339; a day ago if not given, {MOST_DAYS} days at most. From the full hour"),
    ] = None,
    source: Annotated[
        Source, Query(description="The tenants' scheduled probes, or their own traffic as servers count it")
    ] = Source.PROBES,
) -> Response:
    """SER, SEER, ISA, IRA and SCR of each tenant; of those above the sum of all below them too."""
    now = reader.now()
    if since is not None and since < full_hour(now - timedelta(days=MOST_DAYS)):
        raise RequestValidationError(
            [{"loc": ("query", "since"), "msg": f"must be within the last {MOST_DAYS} days"}]
        )
    begin = full_hour(now - timedelta(days=1) if since is None else min(since, now))
    domain = tenant.lower().removesuffix(".") if tenant else None
    found = [one for one in await reader.ratios(begin, source) if domain in (None, one.tenant.domain)]
    return await answered(
        lambda: RatiosOut(
            source=source, since=begin, until=now, items=[TenantRatiosOut.of(one) for one in found]
        )
    )


@router.get("/alerts")
async def alerts(reader: Reads) -> Listing[AlertOut]:
    """Alerts that pend, fire or have ended, newest first."""
    return Listing(items=[AlertOut.of(event) for event in await reader.alerts()])
