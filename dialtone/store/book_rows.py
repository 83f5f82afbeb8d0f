"""Maintenance, corrections, closings and audit as rows, and back. Raises as store.rows does.

What is to be put down is checked here for what the books can't hold: instants without zone, times that are
not on whole minutes, words without bounds.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from dialtone.model import (
    LONGEST_MAINTENANCE,
    AuditRow,
    Closing,
    Correction,
    Flow,
    Maintenance,
    SliceState,
)
from dialtone.ports import BooksClosedError
from dialtone.store.rows import at, encodable, instant
from dialtone.store.tenures import Asked, Span

T = TypeVar("T")

_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
_MOST_WORDS: Final = 2_000
"""Characters of an author, a reason or a name."""

_MOST_SPANS: Final = 1_000


def maintenance_row(maintenance: Maintenance) -> dict[str, object]:
    """Return maintenance as a new row: its id, and that it was withdrawn, are none of it."""
    if not 0 < maintenance.seconds <= LONGEST_MAINTENANCE or maintenance.seconds % 60:
        raise ValueError(
            f"maintenance lasts {maintenance.seconds} s; whole minutes are needed, 31 days at most"
        )
    return {
        "tenant": maintenance.tenant,
        "begins": _minute("maintenance begins", maintenance.begins),
        "seconds": maintenance.seconds,
        "author": _words("author", maintenance.author),
        "reason": _words("reason", maintenance.reason),
        "declared": instant(maintenance.declared),
        "flows": json.dumps([flow.value for flow in maintenance.flows]),
        "recurs": _words("rule of recurrence", maintenance.recurs),
        "zone": _words("zone", maintenance.zone),
        "source": _words("source", maintenance.source),
        "name": _words("name", maintenance.name),
    }


def row_maintenance(row: Mapping[str, Any]) -> Maintenance:
    """Return the maintenance of a row."""
    return Maintenance(
        id=row["id"],
        tenant=row["tenant"],
        begins=at(row["begins"]),
        seconds=row["seconds"],
        author=row["author"],
        reason=row["reason"],
        declared=at(row["declared"]),
        flows=_flows(row["flows"]),
        recurs=row["recurs"],
        zone=row["zone"],
        source=row["source"],
        name=row["name"],
        withdrawn=None if row["withdrawn"] is None else at(row["withdrawn"]),
        withdrawn_by=row["withdrawn_by"],
    )


def correction_row(correction: Correction) -> dict[str, object]:
    """Return a correction as a new row, as maintenance_row does."""
    begins = _minute("a correction begins", correction.begins)
    ends = _minute("a correction ends", correction.ends)
    if ends <= begins:
        raise ValueError(f"a correction ends at {correction.ends}, no later than it begins")
    return {
        "tenant": correction.tenant,
        "begins": begins,
        "ends": ends,
        "state": SliceState(correction.state).value,
        "author": _words("author", correction.author),
        "reason": _words("reason", correction.reason),
        "declared": instant(correction.declared),
        "flows": json.dumps([flow.value for flow in correction.flows]),
    }


def row_correction(row: Mapping[str, Any]) -> Correction:
    """Return the correction of a row."""
    return Correction(
        id=row["id"],
        tenant=row["tenant"],
        begins=at(row["begins"]),
        ends=at(row["ends"]),
        state=SliceState(row["state"]),
        author=row["author"],
        reason=row["reason"],
        declared=at(row["declared"]),
        flows=_flows(row["flows"]),
        withdrawn=None if row["withdrawn"] is None else at(row["withdrawn"]),
        withdrawn_by=row["withdrawn_by"],
    )


def withdrawal_row(id_: int, at: datetime, author: str) -> dict[str, Any]:
    """Return a withdrawal as the values of its statement."""
    return {"id": id_, "at": instant(at), "author": _words("author", author)}


def closing_row(closing: Closing) -> dict[str, object]:
    """Return a closing as a new row: its sequence is none of it."""
    if not closing.spans or len(closing.spans) > _MOST_SPANS:
        raise ValueError(f"closing {closing.tenant} {closing.period}: has {len(closing.spans)} spans")
    spans = [
        [_minute("a closed span begins", since), _minute("a closed span ends", until)]
        for since, until in closing.spans
    ]
    if any(until <= since for since, until in spans):
        raise ValueError(f"closing {closing.tenant} {closing.period}: a span ends before it begins")
    return {
        "tenant": closing.tenant,
        "period": closing.period,
        "closed": instant(closing.closed),
        "author": _words("author", closing.author),
        "inputs": closing.inputs,
        "figures": closing.figures,
        "previous": closing.previous,
        "hash": closing.hash,
        "spans": json.dumps(spans),
    }


def row_closing(row: Mapping[str, Any]) -> Closing:
    """Return the closing of a row. Its time is 1970 and its spans are none where they can't be read.

    A chain has no gaps, and one closing takes no other down: that they are not those of its inputs is told
    by whoever verifies it.
    """
    return Closing(
        sequence=row["sequence"],
        tenant=row["tenant"],
        period=row["period"],
        closed=_read(lambda: at(row["closed"]), at(0)),
        author=row["author"],
        inputs=row["inputs"],
        figures=row["figures"],
        previous=row["previous"],
        hash=row["hash"],
        spans=_read(lambda: tuple((at(a), at(b)) for a, b in json.loads(row["spans"])), ()),
    )


def _read(make: Callable[[], T], otherwise: T) -> T:
    try:
        return make()
    except (ValueError, TypeError, OverflowError, RecursionError):
        return otherwise


def closed_spans(closing: Closing) -> list[Span]:
    """Return the spans of a closing in whole seconds."""
    return [Span(instant(since) // _SECOND, instant(until) // _SECOND) for since, until in closing.spans]


def closed_time(closing: Closing) -> Asked:
    """Return the time from the first of a closing's spans to the last, of its tenant."""
    since, until = min(closing.spans)[0], max(until for _, until in closing.spans)
    return Asked.of(since, until, [closing.tenant])


def closed_already(tenant: str, period: str) -> BooksClosedError:
    """Return the refusal of a second closing."""
    return BooksClosedError(f"{period} of {tenant} is closed already; `dialtone sla verify` shows it")


def moved_on() -> BooksClosedError:
    """Return the refusal of a closing that does not follow the last one, or from the slices as they are."""
    return BooksClosedError("the books were written meanwhile; read them anew and try again")


def row_audit(row: Mapping[str, Any]) -> AuditRow:
    """Return the audit row of a row."""
    return AuditRow(row["id"], at(row["at"]), row["author"], row["action"], row["tenant"], row["detail"])


def declared(maintenance: Maintenance) -> dict[str, object]:
    """Return the audit row of a declaration that has its id."""
    return _audit(
        maintenance.declared,
        maintenance.author,
        "maintenance declared",
        maintenance.tenant,
        f"maintenance {maintenance.id} from {_minutes(maintenance.begins)}, {maintenance.seconds // 60} min"
        + (f", {maintenance.recurs} in {maintenance.zone}" if maintenance.recurs else "")
        + f", {_named(maintenance.flows)}: {maintenance.reason}",
    )


def undeclared(maintenance: Maintenance) -> dict[str, object]:
    """Return the audit row of a withdrawal."""
    when = maintenance.withdrawn or maintenance.declared
    action, tenant = "maintenance withdrawn", maintenance.tenant
    return _audit(when, maintenance.withdrawn_by, action, tenant, f"maintenance {maintenance.id}")


def corrected(correction: Correction) -> dict[str, object]:
    """Return the audit row of a correction that has its id."""
    return _audit(
        correction.declared,
        correction.author,
        "correction put down",
        correction.tenant,
        f"correction {correction.id} from {_minutes(correction.begins)} to {_minutes(correction.ends)} is "
        f"{correction.state.name.lower()}, {_named(correction.flows)}: {correction.reason}",
    )


def uncorrected(correction: Correction) -> dict[str, object]:
    """Return the audit row of a correction's withdrawal."""
    when = correction.withdrawn or correction.declared
    action, tenant = "correction withdrawn", correction.tenant
    return _audit(when, correction.withdrawn_by, action, tenant, f"correction {correction.id}")


def closed(closing: Closing) -> dict[str, object]:
    """Return the audit row of a closing that has its sequence."""
    detail = f"closing {closing.sequence} of {closing.period}, hash {closing.hash}"
    return _audit(closing.closed, closing.author, "month closed", closing.tenant, detail)


def _audit(moment: datetime, author: str, action: str, tenant: str, detail: str) -> dict[str, object]:
    return {"at": instant(moment), "author": author, "action": action, "tenant": tenant, "detail": detail}


def _minutes(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _named(flows: Sequence[Flow]) -> str:
    return "flows " + ", ".join(flows) if flows else "all flows"


def _flows(listed: str) -> tuple[Flow, ...]:
    return tuple(map(Flow, json.loads(listed)))


def _minute(what: str, moment: datetime) -> int:
    found = instant(moment)
    if found % _MINUTE:
        raise ValueError(f"{what} at {moment}, which is no whole minute")
    return found


def _words(what: str, text: str) -> str:
    if len(text) > _MOST_WORDS:
        raise ValueError(f"{what} has {len(text)} characters; {_MOST_WORDS} at most")
    return encodable(text)
