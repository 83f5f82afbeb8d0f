"""Phones and trunks: devices by state, and registered PJSIP contacts with their round trip times.

Sources: DeviceStateList (write=reporting, res_manager_devicestate), which has every device that Asterisk has
had a state of; PJSIPShowContacts (write=system, res_pjsip), which lists contacts that have registered and not
those that the configuration names. Without a contact it is refused (NO_CONTACTS).
"""

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Final

from collectors.asterisk.figures import count
from collectors.asterisk.level import Level, Levels, Scene, Values, tenant_gauge
from collectors.asterisk.wire import Block
from dialtone.model import UNKNOWN_TENANT, CollectError, CollectFailure

DEVICES: Final = "DeviceStateList"
DEVICES_END: Final = "DeviceStateListComplete"
CONTACTS: Final = "PJSIPShowContacts"
CONTACTS_END: Final = "ContactListComplete"
NO_CONTACTS: Final = "No Contacts found"

STATES: Final = ("idle", "in-use", "ringing", "on-hold", "busy", "unavailable", "other")
"""What a device's state is folded to. One that rings while it is in use is `in-use`; `other` are those whose
driver can't tell."""
_STATE: Final = {
    "NOT_INUSE": "idle",
    "INUSE": "in-use",
    "RINGINUSE": "in-use",
    "RINGING": "ringing",
    "ONHOLD": "on-hold",
    "BUSY": "busy",
    "UNAVAILABLE": "unavailable",
    "INVALID": "unavailable",
}  # main/devicestate.c

# What devices are called by. The other kinds (Queue:, Custom:, MWI:, park:, confbridge:, Local ...) are no
# phones, and each phone that is in a queue has one of those besides.
_TECHNOLOGIES: Final = frozenset(
    {"PJSIP", "SIP", "IAX2", "DAHDI", "SCCP", "SKINNY", "USTM", "MGCP", "OOH323", "H323", "MOTIF", "CONSOLE"}
)
_MAX_DEVICE: Final = 79
"""Characters of a device's name (AST_MAX_EXTENSION); what is that long was cut, and may be anybody's."""

STATUSES: Final = ("reachable", "unreachable", "not-qualified", "other")
_STATUS: Final = {
    "Reachable": "reachable",
    "Unreachable": "unreachable",
    "NonQualified": "not-qualified",
    "Unqualified": "not-qualified",
}  # res/res_pjsip/pjsip_options.c
QUANTILES: Final = ("0.5", "1")
_MAX_RTT: Final = 1_000_000_000
"""Microseconds of a round trip that are believed."""

ENDPOINTS: Final = tenant_gauge("endpoints", "Phones and trunks of the tenant by state", "state")
CONTACTS_NOW: Final = tenant_gauge("contacts", "Registered PJSIP contacts of the tenant by status", "status")
RTT: Final = tenant_gauge(
    "contact_rtt_seconds",
    "Round trip of the last OPTIONS to the tenant's contacts: median and longest",
    "quantile",
    unit="seconds",
)
METRICS: Final = (ENDPOINTS, CONTACTS_NOW, RTT)


def parse_devices(items: Sequence[Block], scene: Scene) -> tuple[Values]:
    """Return devices by tenant and state. Raises CollectError where an item is none."""
    found: Counter[tuple[str, ...]] = Counter()
    for item in items:
        device, state = item.get("Device", ""), item.get("State", "")
        if not device or not state:
            raise CollectError(CollectFailure.PROTOCOL, f"{DEVICES}: a device without name or state")
        technology, slash, name = device.partition("/")
        if slash and technology.upper() in _TECHNOLOGIES:
            domain = scene.whose.name(name) if len(device) < _MAX_DEVICE else ""
            found[domain or UNKNOWN_TENANT, _STATE.get(state, "other")] += 1
    return (found,)


def parse_contacts(items: Sequence[Block], scene: Scene) -> tuple[Values, Values]:
    """Return contacts by tenant and status, and the round trips' quantiles by tenant, in seconds.

    Raises CollectError where an item is none. A round trip of 0, N/A or nan is one that isn't known.
    """
    found: Counter[tuple[str, ...]] = Counter()
    trips: dict[str, list[int]] = {}
    for item in items:
        if "Status" not in item:
            raise CollectError(CollectFailure.PROTOCOL, f"{CONTACTS}: a contact without status")
        # A contact is called like its address of record, a ";@" and a hash.
        endpoint = item.get("Endpoint") or item.get("ObjectName", "").partition(";")[0]
        domain = scene.whose.name(endpoint) or UNKNOWN_TENANT
        found[domain, _STATUS.get(item["Status"], "other")] += 1
        trip = count(item.get("RoundtripUsec"))
        if trip and trip <= _MAX_RTT:
            trips.setdefault(domain, []).append(trip)
    times: dict[tuple[str, ...], float] = {}
    for domain, known in trips.items():
        times[domain, "0.5"], times[domain, "1"] = median(known) / 1e6, max(known) / 1e6
    return found, times


def devices() -> Levels:
    """Return what shows a node's devices."""
    return Levels(Level(ENDPOINTS, [(state,) for state in STATES]))


def contacts() -> Levels:
    """Return what shows a node's contacts."""
    return Levels(
        Level(CONTACTS_NOW, [(status,) for status in STATUSES]),
        Level(RTT, [(quantile,) for quantile in QUANTILES], absent=True),
    )
