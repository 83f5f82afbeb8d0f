"""The routes of what is laid over the measurements: maintenance and corrections."""

from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Path, Query

from dialtone.model import Correction, Maintenance
from dialtone.web.access import Reads, Writes
from dialtone.web.bookwriter import FromConfigurationError
from dialtone.web.declaredout import ClosedOut, CorrectedOut, CorrectionOut, DeclaredOut, MaintenanceOut
from dialtone.web.models import Listing
from dialtone.web.problems import DOCUMENTED, DOCUMENTED_WRITES
from dialtone.web.slain import CorrectionIn, MaintenanceIn, refuse

router: Final = APIRouter(prefix="/api/v1", responses=dict(DOCUMENTED))

_MOST_ID: Final = (1 << 63) - 1
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[int | None, Query(ge=1, le=_MOST_ID, description="`next` of the page before")]
Id = Annotated[int, Path(ge=1, le=_MOST_ID)]


@router.get("/maintenance")
async def maintenance(reader: Reads, limit: Limit = 100, cursor: Cursor = None) -> Listing[MaintenanceOut]:
    """All maintenance that was ever declared for your tenants, or for those above them; the newest first."""
    page = await reader.books.maintenance(limit=limit, under=cursor)
    items = [MaintenanceOut.of(one) for one in page.items if isinstance(one, Maintenance)]
    return Listing(items=items, next=None if page.end is None else str(page.end))


@router.post("/maintenance", status_code=201, responses=dict(DOCUMENTED_WRITES))
async def declare(told: MaintenanceIn, writer: Writes) -> DeclaredOut:
    """Declare maintenance that is to come; the probes go on meanwhile. It takes an operator's token."""
    zone = writer.zone_of(told.tenant)
    if zone is None:
        refuse("tenant", "there is no such tenant that you may see")
    found = await writer.declare(told.declared(zone))
    return DeclaredOut(
        **dict(MaintenanceOut.of(found.maintenance)), overlapping=[one.id for one in found.overlapping]
    )


@router.delete("/maintenance/{id}", responses=dict(DOCUMENTED_WRITES))
async def withdraw(id: Id, writer: Writes) -> MaintenanceOut:  # noqa: A002 - its name in the address
    """Withdraw maintenance: no time of it begins from now on. It takes an operator's token."""
    try:
        found = await writer.withdraw(id)
    except FromConfigurationError:
        raise HTTPException(
            409, "the configuration declares it: take it out of `maintenance:` and start the service anew"
        ) from None
    if found is None:
        raise HTTPException(404)
    return MaintenanceOut.of(found)


@router.get("/corrections")
async def corrections(reader: Reads, limit: Limit = 100, cursor: Cursor = None) -> Listing[CorrectionOut]:
    """All corrections of your tenants, or of those above them; the newest first."""
    page = await reader.books.corrections(limit=limit, under=cursor)
    items = [CorrectionOut.of(one) for one in page.items if isinstance(one, Correction)]
    return Listing(items=items, next=None if page.end is None else str(page.end))


@router.post("/corrections", status_code=201, responses=dict(DOCUMENTED_WRITES))
async def correct(told: CorrectionIn, writer: Writes) -> CorrectedOut:
    """Put down what past slices are to count as; what was measured stays. It takes an operator's token."""
    if writer.zone_of(told.tenant) is None:
        refuse("tenant", "there is no such tenant that you may see")
    found = await writer.correct(told.declared())
    return CorrectedOut(
        **dict(CorrectionOut.of(found.correction)),
        closed=[ClosedOut(tenant=one.tenant, period=one.period) for one in found.closed],
    )


@router.delete("/corrections/{id}", responses=dict(DOCUMENTED_WRITES))
async def withdraw_correction(id: Id, writer: Writes) -> CorrectionOut:  # noqa: A002 - its name in the address
    """Withdraw a correction. It takes an operator's token."""
    found = await writer.withdraw_correction(id)
    if found is None:
        raise HTTPException(404)
    return CorrectionOut.of(found)
