"""The ratios of RFC 6076 (4.2, 4.6 to 4.9) from counted requests (pure).

They are computed from sums: a reseller's ratio is that of its tenants' counts added up, never the mean of
their ratios.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratios:
    """Shares of requests; None where nothing was asked for that it could be a share of.

    They go from 0 to 1, but of traffic at the edges of a time: a call may end in it that began before.

    - `ser`, session establishment ratio (4.6): INVITEs answered by 200, of those that were not redirected.
    - `seer`, session establishment effectiveness ratio (4.7): the same, the called side's own choice (480,
      486, 600, 603) counted as success.
    - `isa`, ineffective session attempts (4.8): INVITEs that ended by 408, 500, 503, 504, of all.
    - `ira`, ineffective registration attempts (4.2): REGISTERs that failed, of all.
    - `scr`, session completion ratio (4.9): sessions from setup to teardown, of all INVITEs.
    """

    ser: float | None
    seer: float | None
    isa: float | None
    ira: float | None
    scr: float | None


def ratios(counts: Mapping[str, int]) -> Ratios:
    """Return the ratios of counts by the names of model.COUNTS; a count that is missing is 0."""

    def count(name: str) -> int:
        return counts.get(name, 0)

    invites, established = count("invite"), count("invite_200")
    not_redirected = invites - count("invite_3xx")
    return Ratios(
        ser=_share(established, not_redirected),
        seer=_share(established + count("invite_end_user"), not_redirected),
        isa=_share(count("invite_ineffective"), invites),
        ira=_share(count("register_failed"), count("register")),
        scr=_share(count("session_complete"), invites),
    )


def added(many: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of counts, name by name."""
    total: Counter[str] = Counter()
    for counts in many:
        total.update(counts)
    return dict(total)


def _share(part: int, whole: int) -> float | None:
    """Return part of whole; a ratio without a denominator is absent, never 0."""
    return part / whole if whole > 0 else None
