"""Parked calls: how many each tenant has, and for how long.

Two sources. BridgeList, which needs no right, has one bridge a parking lot: named as the lot is, with the
number of calls that wait in it. The lot's total is that number; whose they are tell the channels of the
snapshot, a moment older, that are in that bridge, and the lot's name where they don't. ParkedCalls
(write=call, res_parking) tells for how long: ParkingDuration is in seconds.

Of Asterisk 16.28 and 22.10: a lot's bridge has BridgeType `parking`; what else is a holding_bridge
(BridgeWait, agents' pools) is `base`, whatever its name. A lot has none before its first call.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from collectors.asterisk.figures import count, seconds
from collectors.asterisk.level import Level, Levels, Scene, Values, tenant_gauge
from collectors.asterisk.parse import is_whole, parse_channel
from collectors.asterisk.wire import Block
from dialtone.model import UNKNOWN_TENANT, CollectError, CollectFailure

LOTS: Final = "BridgeList"
LOTS_END: Final = "BridgeListComplete"
TIMES: Final = "ParkedCalls"
TIMES_END: Final = "ParkedCallsComplete"

_LOT: Final = "parking"

PARKED: Final = tenant_gauge("parked_calls", "Calls of the tenant that are parked")
LONGEST: Final = tenant_gauge(
    "longest_parked_seconds", "Time for which the longest parked call of the tenant waits", unit="seconds"
)
METRICS: Final = (PARKED, LONGEST)


def parse_lots(items: Sequence[Block], scene: Scene) -> tuple[Values]:
    """Return parked calls by tenant. Raises CollectError where a lot is none.

    Calls that were parked since the snapshot are the tenant's that the lot's name stands for. Where the lot
    has fewer than the snapshot, nobody tells which have left: those of other tenants are taken to.
    """
    lots: dict[str, tuple[str, int]] = {}
    for item in items:
        if item.get("BridgeType") == _LOT:
            unique_id, number = item.get("BridgeUniqueid", ""), count(item.get("BridgeNumChannels"))
            if not unique_id or number is None:
                raise CollectError(CollectFailure.PROTOCOL, f"{LOTS}: a lot without id or number of calls")
            lots[unique_id] = scene.whose.name(item.get("BridgeName", "")) or UNKNOWN_TENANT, number
    inside: dict[str, list[str]] = {unique_id: [] for unique_id in lots}
    for channel in scene.channels:
        if channel.bridge in inside:
            inside[channel.bridge].append(scene.owners.get(channel.unique_id, UNKNOWN_TENANT))
    parked: Counter[tuple[str, ...]] = Counter()
    for unique_id, (lot, number) in lots.items():
        owners = [lot if owner == UNKNOWN_TENANT else owner for owner in inside[unique_id]]
        owners.sort(key=lambda owner: owner != lot)
        parked.update((owner,) for owner in owners[:number])
        if rest := number - len(owners[:number]):
            parked[lot,] += rest
    return (parked,)


def parse_times(items: Sequence[Block], scene: Scene) -> tuple[Values]:
    """Return the longest time parked by tenant.

    A parked call is its channel's tenant's, else the one's that the lot's name stands for. One whose lines
    its caller's number has broken is left out.
    """
    longest: dict[tuple[str, ...], float] = {}
    for item in items:
        if not is_whole(item, "Parkee"):
            continue
        key = (_owner(item, scene),)
        longest[key] = max(longest.get(key, 0), seconds(item.get("ParkingDuration")) or 0)
    return (longest,)


def _owner(item: Block, scene: Scene) -> str:
    domain = scene.owners.get(item.get("ParkeeUniqueid", ""), UNKNOWN_TENANT)
    if domain != UNKNOWN_TENANT:
        return domain
    channel = parse_channel(item, "Parkee")
    own = scene.whose.channel(channel) if channel is not None else ""
    lot = item.get("Parkinglot") or item.get("ParkingLot") or ""
    return own or scene.whose.name(lot) or UNKNOWN_TENANT


def lots() -> Levels:
    """Return what shows how many of a node's calls are parked."""
    return Levels(Level(PARKED))


def times() -> Levels:
    """Return what shows for how long."""
    return Levels(Level(LONGEST))
