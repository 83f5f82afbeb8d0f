"""Parked calls: how many each tenant has, and for how long.

Source: ParkedCalls (write=call, res_parking), which lists the calls of all lots. ParkingDuration is in
seconds. Measured on Asterisk 16.28 and 22.10.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from collectors.asterisk.figures import seconds
from collectors.asterisk.level import Level, Levels, Scene, Values, tenant_gauge
from collectors.asterisk.parse import parse_channel
from collectors.asterisk.wire import Block
from dialtone.model import UNKNOWN_TENANT, CollectError, CollectFailure

ACTION: Final = "ParkedCalls"
ENDS_WITH: Final = "ParkedCallsComplete"

PARKED: Final = tenant_gauge("parked_calls", "Calls of the tenant that are parked")
LONGEST: Final = tenant_gauge(
    "longest_parked_seconds", "Time for which the longest parked call of the tenant waits", unit="seconds"
)
METRICS: Final = (PARKED, LONGEST)


def parse(items: Sequence[Block], scene: Scene) -> tuple[Values, Values]:
    """Return parked calls and the longest time by tenant. Raises CollectError where an item is none.

    A parked call is its channel's tenant's, else the one's that the lot's name stands for.
    """
    parked: Counter[tuple[str, ...]] = Counter()
    longest: dict[tuple[str, ...], float] = {}
    for item in items:
        if not item.get("ParkeeChannel"):
            raise CollectError(CollectFailure.PROTOCOL, f"{ACTION}: a parked call without channel")
        key = (_owner(item, scene),)
        parked[key] += 1
        longest[key] = max(longest.get(key, 0), seconds(item.get("ParkingDuration")) or 0)
    return parked, longest


def _owner(item: Block, scene: Scene) -> str:
    domain = scene.owners.get(item.get("ParkeeUniqueid", ""), UNKNOWN_TENANT)
    if domain != UNKNOWN_TENANT:
        return domain
    channel = parse_channel(item, "Parkee")
    own = scene.whose.channel(channel) if channel is not None else ""
    lot = item.get("Parkinglot") or item.get("ParkingLot") or ""
    return own or scene.whose.name(lot) or UNKNOWN_TENANT


def levels() -> Levels:
    """Return what shows a node's parked calls."""
    return Levels(Level(PARKED), Level(LONGEST))
