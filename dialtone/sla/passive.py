"""What a tenant's own traffic proves of a slice (definitions: availability 5; pure)."""

from collections.abc import Iterable, Mapping
from typing import Final

from dialtone.model import EvidenceKind, Measure, Objective, SliceState
from dialtone.quality import wilson

LEAST_ATTEMPTS: Final = 20
"""INVITEs in a slice under which traffic proves nothing."""


def judged(counts: Mapping[str, int], measure: Measure) -> tuple[SliceState, str]:
    """Return what a slice's counts (by the names of model.COUNTS) make of it, and why where it is bad.

    SEER (RFC 6076 4.7) is of the INVITEs that were not redirected, ISA (4.8) of all. Bad needs a bound that
    chance does not reach: the upper one of SEER under `measure.threshold`, or the lower one of ISA over
    `measure.other`, of LEAST_ATTEMPTS at least. Good needs as many attempts for each of the two that the
    measure asks for; everything else is unknown. The cause is one line, "" where the slice is not bad.
    """
    invites = counts.get("invite", 0)
    not_redirected = invites - counts.get("invite_3xx", 0)
    causes: list[str] = []
    enough: list[bool] = []
    if measure.threshold is not None:
        effective = counts.get("invite_200", 0) + counts.get("invite_end_user", 0)
        if is_enough := not_redirected >= LEAST_ATTEMPTS:
            effective = min(effective, not_redirected)
            if wilson(effective, not_redirected)[1] < measure.threshold:
                causes.append(_words("SEER", effective, not_redirected, "under", measure.threshold))
        enough.append(is_enough)
    if measure.other is not None:
        ineffective = counts.get("invite_ineffective", 0)
        if is_enough := invites >= LEAST_ATTEMPTS:
            ineffective = min(ineffective, invites)
            if wilson(ineffective, invites)[0] > measure.other:
                causes.append(_words("ISA", ineffective, invites, "over", measure.other))
        enough.append(is_enough)
    if causes:
        return SliceState.BAD, f"traffic: {'; '.join(causes)}"
    return (SliceState.GOOD if enough and all(enough) else SliceState.UNKNOWN), ""


def passive_measures(objectives: Iterable[Objective]) -> dict[str, tuple[Measure, ...]]:
    """Return what the traffic of each tenant is judged by, each measure once, of those that have one."""
    found: dict[str, dict[Measure, None]] = {}
    for one in objectives:
        if one.passive is not None and one.evidence is not EvidenceKind.SYNTHETIC:
            found.setdefault(one.tenant, {})[one.passive] = None
    return {tenant: tuple(measures) for tenant, measures in found.items()}


def _words(ratio: str, part: int, whole: int, side: str, bound: float) -> str:
    """Return a ratio that is beyond its bound, truncated to a tenth of a percent."""
    thousandths = part * 1000 // whole
    share = f"{thousandths // 10}.{thousandths % 10}"
    return f"{ratio} {share} % of {whole} calls, {side} {round(bound * 100, 6):g} % beyond chance"
