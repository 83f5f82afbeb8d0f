"""Which of OpenSIPS's statistics Kamailio has, under which names, and of which type.

Names, order and types are those of OpenSIPS 3.6.8. What Kamailio doesn't count is not here: an
absent statistic is absent from the reply, as on OpenSIPS.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

Type = Literal["incremental", "non-incremental"]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One statistic of OpenSIPS; `source` is Kamailio's name, a pattern where several are summed."""

    group: str
    name: str
    type: Type
    source: str

    @property
    def full_name(self) -> str:
        """The key in MI replies."""
        return f"{self.group}:{self.name}"


TIMESTAMP: Final = "core.timestamp"
PROCESSES: Final = "load.processes_number"
"""Figures that Kamailio gives by commands of their own (core.uptime, core.ps), named like the others."""

_COUNTERS: Final[Mapping[str, Sequence[str]]] = {
    "core": (
        "rcv_requests",
        "rcv_replies",
        "fwd_requests",
        "fwd_replies",
        "drop_requests",
        "drop_replies",
        "err_requests",
        "err_replies",
        "bad_URIs_rcvd",
        "bad_msg_hdr",
    ),
    "registrar": ("accepted_regs", "rejected_regs"),
    "dialog": ("processed_dialogs", "expired_dialogs", "failed_dialogs"),
}
_GAUGES: Final[Mapping[str, Sequence[str]]] = {
    "shmem": ("total_size", "max_used_size", "free_size", "used_size", "real_used_size", "fragments"),
    "usrloc": ("registered_users",),
    "registrar": ("max_expires", "max_contacts", "default_expire"),
    "dialog": ("active_dialogs", "early_dialogs"),
}
_RENAMED: Final = (
    Statistic("core", "timestamp", "non-incremental", TIMESTAMP),
    Statistic("tm", "received_replies", "incremental", "tmx.rpl_received"),
    Statistic("tm", "relayed_replies", "incremental", "tmx.rpl_relayed"),
    Statistic("tm", "local_replies", "incremental", "tmx.rpl_generated"),
    Statistic("tm", "UAS_transactions", "incremental", "tmx.UAS_transactions"),
    Statistic("tm", "UAC_transactions", "incremental", "tmx.UAC_transactions"),
    *(Statistic("tm", f"{n}xx_transactions", "incremental", f"tmx.{n}xx_transactions") for n in range(2, 7)),
    Statistic("tm", "inuse_transactions", "non-incremental", "tmx.inuse_transactions"),
    # Kamailio counts a reply under its own code or, where it has no counter for that, its class: never both.
    *(Statistic("sl", f"{n}xx_replies", "incremental", f"sl.{n}??_replies") for n in range(1, 7)),
    Statistic("sl", "sent_replies", "incremental", "sl.sent_replies"),
    Statistic("sl", "sent_err_replies", "incremental", "sl.sent_err_replies"),
    Statistic("sl", "received_ACKs", "incremental", "sl.received_ACKs"),
    Statistic("usrloc", "location-users", "non-incremental", "usrloc.location_users"),
    Statistic("usrloc", "location-contacts", "non-incremental", "usrloc.location_contacts"),
    Statistic("usrloc", "location-expires", "incremental", "usrloc.location_expires"),
    Statistic("load", "processes_number", "non-incremental", PROCESSES),
)
_ORDER: Final = ("shmem", "core", "tm", "sl", "usrloc", "registrar", "dialog", "load")


def _same_names(table: Mapping[str, Sequence[str]], kind: Type) -> Iterable[Statistic]:
    return (Statistic(group, name, kind, f"{group}.{name}") for group in table for name in table[group])


STATISTICS: Final = tuple(
    sorted(
        (*_same_names(_GAUGES, "non-incremental"), *_same_names(_COUNTERS, "incremental"), *_RENAMED),
        key=lambda statistic: _ORDER.index(statistic.group),
    )
)
GROUPS: Final = tuple(
    f"{group}:" for group in ("core", "shmem", "usrloc", "registrar", "dialog", "tmx", "sl")
)
"""The groups to ask Kamailio for (stats.fetchn)."""


def translated(figures: Mapping[str, int]) -> dict[Statistic, int]:
    """Return OpenSIPS's statistics from Kamailio's figures, in OpenSIPS's order."""
    found = {}
    for statistic in STATISTICS:
        parts = [value for name, value in figures.items() if fnmatchcase(name, statistic.source)]
        if parts:
            found[statistic] = sum(parts)
    return found


def chosen(all_of_them: Mapping[Statistic, int], wanted: Sequence[str]) -> list[Statistic]:
    """Return what a request means by `all`, `group:` or a bare name; what doesn't exist is left out.

    A full `group:name` means nothing to OpenSIPS 3.6 either.
    """
    picked: dict[Statistic, None] = {}
    for word in wanted:
        for statistic in all_of_them:
            if word in ("all", f"{statistic.group}:", statistic.name):
                picked.setdefault(statistic)
    return list(picked)
