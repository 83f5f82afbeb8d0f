"""A month of a client with something of everything, for the samples of closings in tests/data/sla.

It never changes: what was closed from it, by any version, is to verify from it for ever. A new version
closes it too, and `python -m tests.fakes.golden` writes its sample.
"""

import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final

from dialtone.model import (
    Closing,
    Correction,
    Credit,
    EvidenceKind,
    Flow,
    Maintenance,
    Measure,
    Objective,
    SeriesKey,
    Sli,
    SliceCause,
    Slices,
    SliceSeries,
    SliceState,
    WeekSpan,
)
from dialtone.sla.account import Pages
from dialtone.sla.closing import closed
from dialtone.sla.statement import Party
from dialtone.sla.terms import Terms
from dialtone.sla.versions import CURRENT

SAMPLES: Final = Path(__file__).parents[1] / "data" / "sla"
CLOSED_AT: Final = datetime(2026, 12, 1, 6, 30, tzinfo=UTC)
PREVIOUS: Final = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
AUTHOR: Final = "books@ntek.clusterpbx.example"

_ACME: Final = "acme.ntek.clusterpbx.example"
_NTEK: Final = "ntek.clusterpbx.example"
_PLATFORM: Final = "clusterpbx.example"
_ZONE: Final = "America/Montreal"
_CAME: Final = datetime(2026, 10, 31, 12, tzinfo=UTC)
_FIRST: Final = (_CAME.date() - date(1970, 1, 1)).days
_DELAY: Final = Measure(Sli.LATENCY, "pdd", 2.5)
_TRAFFIC: Final = Measure(Sli.PASSIVE, threshold=0.95, other=0.025)
_CREDITS: Final = (Credit(Fraction("0.9995"), Fraction("0.1")), Credit(Fraction("0.99"), Fraction("0.25")))
_OFFICE: Final = (WeekSpan(frozenset(range(5)), 480, 1080), WeekSpan(frozenset({5}), 1320, 120))

TERMS: Final = Terms(
    Party(_ACME, "Acmé"),
    Party(_NTEK, "NTEK"),
    (_NTEK, _PLATFORM),
    "2026-11",
    _ZONE,
    "fr-CA",
    (
        Objective(
            _ACME,
            "telephony",
            (Flow.CALL, Flow.REGISTER),
            Fraction("0.9995"),
            _ZONE,
            evidence=EvidenceKind.EITHER,
            passive=_TRAFFIC,
            credits=_CREDITS,
            titles={"": "Telephony", "fr": "Téléphonie"},
        ),
        Objective(_ACME, "delay", (Flow.CALL,), Fraction("0.95"), _ZONE, _DELAY, ("calls",), hours=_OFFICE),
        Objective(
            _ACME, "month", (Flow.REGISTER,), Fraction("0.999"), "Europe/Paris", rolling=14, maintenance=1800
        ),
        Objective(
            _ACME,
            "half",
            (Flow.CALL,),
            Fraction("0.9999999"),
            _ZONE,
            credits=_CREDITS,
            starts=date(2026, 11, 9),
            ends=date(2026, 11, 20),
        ),
    ),
)


def pages() -> Pages:
    """Return what the books have on the client, from its first day until December's first."""
    calls = _key(Flow.CALL, "calls", "mtl1", 60)
    other = _key(Flow.CALL, "calls", "par1", 60)
    phones = _key(Flow.REGISTER, "phones", "mtl1", 30)
    delays = _key(Flow.CALL, "calls", "mtl1", 60, _DELAY)
    traffic = _key(Flow.CALL, "", "", 300, _TRAFFIC)
    series = (
        _series(
            1, calls, bad=[(2, 600, 7), (5, 1430, 20), (16, 60, 200), (31, 290, 30)], unknown=[(8, 0, 90)]
        ),
        _series(2, other, bad=[(2, 602, 9), (16, 50, 100)], unknown=[(12, 300, 60)]),
        _series(3, phones, bad=[(5, 2870, 33), (19, 700, 11)], unknown=[(20, 1000, 400)]),
        _series(4, delays, bad=[(3, 900, 4), (10, 840, 60)], unknown=[]),
        _series(5, traffic, bad=[(14, 100, 3)], unknown=[(1, 0, 3000)]),
    )
    causes = (
        _cause(calls, 2, 600, "timeout: no answer to INVITE within 5 s"),
        _cause(calls, 5, 1430, "sip-5xx: 503 Service Unavailable"),
        _cause(other, 16, 50, "one-way-media: rien n’a été entendu pendant 4.0 s"),
        _cause(phones, 5, 2870, "no-binding: the contact was not seen"),
        _cause(calls, 31, 290, "timeout: no answer to INVITE within 5 s"),
    )
    at = datetime(2026, 11, 3, 4, tzinfo=UTC)
    maintenance = (
        Maintenance(
            1,
            _NTEK,
            at,
            5400,
            "configuration",
            "Weekly work on the cores",
            at - timedelta(days=2),
            recurs="FREQ=WEEKLY;BYDAY=TU",
            zone=_ZONE,
            source="config",
            name="cores",
        ),
        Maintenance(2, _ACME, _at(19, 5), 3600, "marie", "New phones", _at(18, 5), flows=(Flow.REGISTER,)),
        Maintenance(
            3, _ACME, _at(22, 5), 3600, "marie", "x", _at(18, 5), withdrawn=_at(20, 0), withdrawn_by="marie"
        ),
    )
    corrections = (
        Correction(
            1, _ACME, _at(16, 1), _at(16, 3), SliceState.EXCLUDED, "marie", "Fibre cut, 4711", _at(17, 9)
        ),
        Correction(
            2, _PLATFORM, _at(16, 2), _at(16, 2, 30), SliceState.BAD, "root", "Ours after all", _at(18, 9)
        ),
        Correction(
            3,
            _ACME,
            _at(20, 8),
            _at(20, 9),
            SliceState.GOOD,
            "marie",
            "Probe",
            _at(21, 9),
            flows=(Flow.REGISTER,),
        ),
    )
    return Pages(series, causes, maintenance, corrections)


def close() -> Closing:
    """Return the month's closing by the version of now, sequence 1."""
    made = closed(TERMS, pages(), at=CLOSED_AT, author=AUTHOR, previous=PREVIOUS)
    return replace(made, sequence=1)


def sample(number: int) -> Closing:
    """Return the closing that a version made, from its bytes."""
    folder = SAMPLES / f"closing-{number}"
    inputs, figures, hash_ = (
        (folder / name).read_bytes().decode() for name in ("inputs.json", "figures.json", "hash")
    )
    whole = TERMS.whole
    spans = ((whole.start, whole.end),)
    return Closing(1, _ACME, TERMS.period, CLOSED_AT, AUTHOR, inputs, figures, PREVIOUS, hash_, spans)


def write() -> Path:
    """Write the sample of the version of now. Raises FileExistsError: a sample is never written again."""
    made, folder = close(), SAMPLES / f"closing-{CURRENT}"
    folder.mkdir(parents=True)
    for name, text in (("inputs.json", made.inputs), ("figures.json", made.figures), ("hash", made.hash)):
        (folder / name).write_bytes(text.encode())
    return folder


def _key(flow: Flow, probe: str, location: str, interval: int, measure: Measure | None = None) -> SeriesKey:
    return SeriesKey(_ACME, flow, probe, location, interval, measure or Measure())


def _series(
    id_: int, key: SeriesKey, *, bad: list[tuple[int, int, int]], unknown: list[tuple[int, int, int]]
) -> SliceSeries:
    """Return a series that is good but for some runs: (day from the first, slot of the day, slots)."""
    of_day = 86_400 // key.interval
    until = 31 * of_day + of_day // 2
    whole = (1 << until) - (1 << of_day // 2)
    lost, down = (_runs(runs, of_day) for runs in (unknown, bad))
    return SliceSeries(id_, key, _CAME, None, Slices(_FIRST, whole & ~lost & ~down, down & whole))


def _runs(runs: list[tuple[int, int, int]], of_day: int) -> int:
    plane = 0
    for day, slot, count in runs:
        plane |= ((1 << count) - 1) << (day * of_day + slot)
    return plane


def _cause(key: SeriesKey, day: int, slot: int, words: str) -> SliceCause:
    first = (_FIRST + day) * (86_400 // key.interval) + slot
    known = datetime.fromtimestamp(first * key.interval, tz=UTC) + timedelta(seconds=9.25)
    return SliceCause(key, first, words, known)


def _at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 10, 31, hour, minute, tzinfo=UTC) + timedelta(days=day)


if __name__ == "__main__":
    sys.stdout.write(f"{write().relative_to(Path.cwd())}\n")
