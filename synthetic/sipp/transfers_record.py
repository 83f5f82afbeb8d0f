"""What the runs of a transfer measured: timings, named instants and counts."""

from collections.abc import Mapping
from typing import Final

from dialtone.model import Mark
from sipp_flows.roles import Note
from synthetic.sipp.counting import invitations, registrations
from synthetic.sipp.record import Leg, Measured, first, named, registered, said
from synthetic.sipp.transfers import CALLED, CALLING, PHONES, TRANSFEROR, Transfer, registration_of, travel
from synthetic.sipp.transfers_judging import acknowledged, judge, of
from synthetic.sipp.transfers_notified import concluded
from synthetic.sipp.trip import Journey, Trip

CONSULTATION: Final = "consult///"
"""How the Call-ID of the transferor's second dialog begins."""


def timings(trip: Trip) -> tuple[Measured, ...]:
    """Return notify_delay and transfer_delay, each from the first REFER sent."""
    transfer = of(trip)
    leg = trip.runs.get(TRANSFEROR)
    sent = _referred(leg)
    if leg is None or sent is None:
        return ()
    found = {}
    final = concluded(leg.finished.messages)
    if final is not None and final.status < 300:
        found["notify_delay"] = final.at - sent
        if (proof := _proof(transfer, leg)) is not None:
            found["transfer_delay"] = proof - sent
    return (Measured(leg, found),)


def marks(trip: Trip) -> list[Mark]:
    """Return the instants that the flows name."""
    transfer = of(trip)
    found = []
    for party in PHONES:
        if (leg := trip.runs.get(registration_of(party))) is not None:
            found += named((f"{party} registered", registered(leg)))
    if (leg := trip.runs.get(CALLING)) is not None:
        heard = said(leg.finished.messages)
        found += named(
            (f"{CALLING} answered", first(heard, "received", "INVITE", 200)),
            (f"{CALLING} hung up", first(heard, "sent", "BYE", None)),
            (f"{CALLING} hung up on", first(heard, "received", "BYE", None)),
        )
    if (leg := trip.runs.get(TRANSFEROR)) is not None:
        found += named((f"{TRANSFEROR} acknowledged", acknowledged(transfer, TRANSFEROR)))
        heard = said(leg.finished.messages)
        found += named(
            ("consultation answered", first(heard, "received", "INVITE", 200)),
            ("referred", _referred(leg)),
            *(
                (f"transfer accepted ({code})", first(heard, "received", "REFER", code))
                for code in (200, 202)
            ),
            ("consultation hung up on", _released(leg)),
        )
        if (final := concluded(leg.finished.messages)) is not None:
            found += named((f"final NOTIFY ({final.status})", final.at))
    if trip.runs.get(CALLED) is not None:
        found += named(
            (f"{CALLED} acknowledged", acknowledged(transfer, CALLED)),
            (f"{CALLED} hears the {CALLING}", transfer.heard),
        )
    return found


def counts(trip: Trip) -> Mapping[str, int]:
    """Count the registrations and the calls that were placed, and the sessions where all was whole."""
    found = registrations([trip.runs[name] for name in map(registration_of, PHONES) if name in trip.runs])
    callers = [CALLING, *([TRANSFEROR] if of(trip).attended else [])]
    found += invitations([trip.runs[party] for party in callers if party in trip.runs])
    ends = ((CALLING, Note.DROPPED), (CALLED, Note.HANGING_UP), (CALLED, Note.ENDED))
    if all(party in trip.runs and trip.runs[party].noted(note) is not None for party, note in ends):
        found["session_complete"] += found["invite_200"]
    return found


def _referred(leg: Leg | None) -> float | None:
    return None if leg is None else first(said(leg.finished.messages), "sent", "REFER", None)


def _released(leg: Leg) -> float | None:
    """Return when the platform hung up the consultation."""
    heard = [m for m in said(leg.finished.messages) if m.call_id.startswith(CONSULTATION)]
    return first(heard, "received", "BYE", None)


def _proof(transfer: Transfer, leg: Leg) -> float | None:
    """Return when the proof was whole: the ACK at the target, or BYE and voice of an attended transfer."""
    if not transfer.attended:
        return acknowledged(transfer, CALLED) if CALLED in transfer.runs else None
    released = _released(leg)
    return None if released is None or transfer.heard is None else max(released, transfer.heard)


JOURNEY: Final = Journey(travel, judge, timings, marks, counts)
