"""Conferences of ConfBridge: how many each tenant has, and how many people are in them.

Source: ConfbridgeListRooms (write=reporting, app_confbridge). Its Parties are those who talk and those who
wait for them; a recorder or an announcer is none. Without a conference it is refused (IDLE).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from collectors.asterisk.figures import count
from collectors.asterisk.level import Level, Levels, Scene, Values, tenant_gauge
from collectors.asterisk.wire import Block
from dialtone.model import UNKNOWN_TENANT, CollectError, CollectFailure

ACTION: Final = "ConfbridgeListRooms"
ENDS_WITH: Final = "ConfbridgeListRoomsComplete"
IDLE: Final = "No active conferences"

CONFERENCES: Final = tenant_gauge("conferences", "Conferences of the tenant")
PARTIES: Final = tenant_gauge("conference_parties", "People in the tenant's conferences")
METRICS: Final = (CONFERENCES, PARTIES)

Rooms = tuple[Values, Values]
"""Conferences and parties by tenant."""


def parse(items: Sequence[Block], scene: Scene) -> Rooms:
    """Return whose the conferences are, and their parties. Raises CollectError where an item is none.

    A conference is the tenant's whose channels are in it; where they are of several, or of none that is
    known, the tenant's that its name stands for.
    """
    inside = _inside(scene)
    rooms: Counter[tuple[str, ...]] = Counter()
    parties: Counter[tuple[str, ...]] = Counter()
    for item in items:
        name, people = item.get("Conference", ""), count(item.get("Parties"))
        if not name or people is None:
            raise CollectError(CollectFailure.PROTOCOL, f"{ACTION}: a conference without name or parties")
        tenants = inside.get(name, set())
        domain = next(iter(tenants)) if len(tenants) == 1 else scene.whose.name(name)
        rooms[domain or UNKNOWN_TENANT,] += 1
        parties[domain or UNKNOWN_TENANT,] += people
    return rooms, parties


def _inside(scene: Scene) -> dict[str, set[str]]:
    """Return the tenants of the channels in each conference; the name is the application's first argument."""
    found: dict[str, set[str]] = {}
    for channel in scene.channels:
        if channel.application == "ConfBridge":
            domain = scene.owners.get(channel.unique_id, UNKNOWN_TENANT)
            if domain != UNKNOWN_TENANT:
                found.setdefault(channel.arguments.partition(",")[0], set()).add(domain)
    return found


def levels() -> Levels:
    """Return what shows a node's conferences."""
    return Levels(Level(CONFERENCES), Level(PARTIES))
