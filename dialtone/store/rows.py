"""Results, alerts and messages as rows, and back: instants as microseconds since 1970 UTC, the rest as JSON.

What makes values of rows raises ValueError, TypeError or LookupError where a row can't be read: it is of
a newer version, or damaged.
"""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dialtone.model import (
    COUNTS,
    AlertEvent,
    AlertMessage,
    AlertState,
    Engine,
    Failure,
    FailureCode,
    Flow,
    MediaStream,
    MessageState,
    Origin,
    OutboxEntry,
    Outcome,
    ProbeResult,
    Severity,
    TrafficMark,
    stream_from_json,
    stream_to_json,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR: Final = 3_600_000_000

_DETAIL: Final = 500
"""Characters kept of what a receiver answered."""

_MOST_DIRECTIONS: Final = 16
"""Directions of a result; a call of two phones has two."""

_ADDED_LATER: Final[Mapping[str, Any]] = {"topology": None, "tenants": "[]", "tenants_total": 0}
"""What alerts in messages of before migration 0005 do not have."""

FAILED: Final = "failed"
"""The outcome, beside the states that a message ends in, of a try that was not taken."""


def instant(at: datetime) -> int:
    """Return an instant as microseconds, exactly. Raises ValueError where it has no zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone; instants are UTC")
    return (at - _EPOCH) // _MICROSECOND


def at(microseconds: int) -> datetime:
    """Return the instant of that many microseconds, in UTC."""
    return _EPOCH + microseconds * _MICROSECOND


def hour_of(moment: datetime) -> int:
    """Return the first microsecond of an instant's hour, UTC. Raises ValueError where it has no zone."""
    return instant(moment) // _HOUR * _HOUR


def result_row(result: ProbeResult) -> dict[str, object]:
    """Return a result as a row. Raises ValueError for what no measurement gives (NaN, no zone, below 0)."""
    _finite(f"result {result.id}", [result.duration, result.interval, *result.timings.values()])
    if any(count < 0 for count in result.counts.values()):
        raise ValueError(f"result {result.id} holds a count below 0")
    failure, expires = result.failure, result.certificate_expires
    return {
        "id": result.id,
        "probe": result.probe,
        "flow": result.flow.value,
        "engine": result.engine.value,
        "tenant": result.tenant,
        "target": result.target,
        "location": result.location,
        "account": result.account,
        "origin": result.origin.value,
        "slot": result.slot,
        "attempt": result.attempt,
        "started": instant(result.started),
        "duration": float(result.duration),
        "outcome": result.outcome.value,
        "timings": json.dumps(dict(result.timings)),
        "sip_status": result.sip_status,
        "failure_code": failure.code.value if failure else None,
        "failure_detail": encodable(failure.detail) if failure else None,
        "evidence": result.evidence,
        "counts": json.dumps(dict(result.counts)),
        "certificate_expires": None if expires is None else instant(expires),
        "media": encodable(json.dumps(_directions(result), ensure_ascii=False, separators=(",", ":"))),
        "interval": float(result.interval),
    }


def row_result(row: Mapping[str, Any]) -> ProbeResult:
    """Return the result of a row."""
    code, expires = row["failure_code"], row["certificate_expires"]
    return ProbeResult(
        id=row["id"],
        probe=row["probe"],
        flow=Flow(row["flow"]),
        engine=Engine(row["engine"]),
        tenant=row["tenant"],
        target=row["target"],
        location=row["location"],
        account=row["account"],
        origin=Origin(row["origin"]),
        slot=row["slot"],
        attempt=row["attempt"],
        started=at(row["started"]),
        duration=row["duration"],
        outcome=Outcome(row["outcome"]),
        timings=json.loads(row["timings"]),
        sip_status=row["sip_status"],
        failure=None if code is None else Failure(FailureCode(code), row["failure_detail"]),
        evidence=row["evidence"],
        counts=json.loads(row["counts"]),
        certificate_expires=None if expires is None else at(expires),
        media=_media(row["media"]),
        interval=row["interval"],
    )


def alert_row(event: AlertEvent) -> dict[str, object]:
    """Return an alert as a row. Raises ValueError for NaN and for instants without a time zone."""
    _finite(f"alert {event.fingerprint}", [] if event.value is None else [event.value])
    return {
        "fingerprint": event.fingerprint,
        "rule": event.rule,
        "severity": event.severity.value,
        "state": event.state.value,
        "since": instant(event.since),
        "started": None if event.started is None else instant(event.started),
        "tenant": event.tenant,
        "node": event.node,
        "flow": event.flow,
        "channel": event.channel,
        "probe": event.probe,
        "location": event.location,
        "value": None if event.value is None else float(event.value),
        "cause": encodable(event.cause),
        "topology": event.topology,
        "tenants": json.dumps(event.tenants),
        "tenants_total": event.tenants_total,
    }


def row_alert(row: Mapping[str, Any]) -> AlertEvent:
    """Return the alert of a row."""
    return AlertEvent(
        fingerprint=row["fingerprint"],
        rule=row["rule"],
        severity=Severity(row["severity"]),
        state=AlertState(row["state"]),
        since=at(row["since"]),
        started=None if row["started"] is None else at(row["started"]),
        tenant=row["tenant"],
        node=row["node"],
        flow=row["flow"],
        channel=row["channel"],
        probe=row["probe"],
        location=row["location"],
        value=row["value"],
        cause=row["cause"],
        topology=row["topology"],
        tenants=_texts(row["tenants"]),
        tenants_total=row["tenants_total"],
    )


def message_row(message: AlertMessage) -> dict[str, object]:
    """Return a message that waits as a row. Raises ValueError as alert_row does."""
    return {
        "key": message.key,
        "receiver": message.receiver,
        "events": json.dumps([alert_row(event) for event in message.events]),
        "created": instant(message.created),
        "state": MessageState.WAITING.value,
        "tries": 0,
        "detail": "",
        "settled": None,
    }


def row_entry(row: Mapping[str, Any]) -> OutboxEntry:
    """Return the message of a row, with what has become of it."""
    events = tuple(row_alert({**_ADDED_LATER, **event}) for event in json.loads(row["events"]))
    return OutboxEntry(
        AlertMessage(row["key"], row["receiver"], events, at(row["created"])),
        MessageState(row["state"]),
        tries=row["tries"],
        detail=row["detail"],
        settled=None if row["settled"] is None else at(row["settled"]),
    )


def try_row(key: str, detail: str) -> dict[str, Any]:
    """Return a try that was not taken, as the values of its statement."""
    return {"key": key, "detail": encodable(detail[:_DETAIL])}


def settled_row(key: str, state: MessageState, at: datetime, detail: str) -> dict[str, Any]:
    """Return the end of a message's waiting, as the values of its statement."""
    if state is MessageState.WAITING:
        raise ValueError(f"message {key}: waiting is no state that a message ends in")
    return try_row(key, detail) | {"state": state.value, "settled": instant(at)}


def mark_rows(mark: TrafficMark) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Return a mark as its server's row and its tenants' rows. Raises ValueError as result_row does."""
    _finite(f"mark of {mark.node}", [] if mark.uptime is None else [mark.uptime])
    for counts in mark.counts.values():
        counted(f"mark of {mark.node}", counts)
    uptime = None if mark.uptime is None else float(mark.uptime)
    return {"node": mark.node, "at": instant(mark.at), "uptime": uptime}, [
        {"node": mark.node, "tenant": tenant, "counts": json.dumps(dict(counts), separators=(",", ":"))}
        for tenant, counts in mark.counts.items()
    ]


def row_counts(row: Mapping[str, Any]) -> tuple[str, str, dict[str, int]]:
    """Return server, tenant and counts of a row of a mark."""
    counts = json.loads(row["counts"])
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        raise ValueError("counts are no object of whole numbers")
    return row["node"], row["tenant"], counts


def counted(what: str, counts: Mapping[str, int]) -> None:
    """Raise ValueError for a count below 0, or of no name of the model."""
    if any(count < 0 or name not in COUNTS for name, count in counts.items()):
        raise ValueError(f"{what} holds a count below 0, or of an unknown name")


def _directions(result: ProbeResult) -> list[dict[str, Any]]:
    """Return what was heard as JSON. Raises ValueError for what could not be read again."""
    found = [stream_to_json(stream) for stream in result.media]
    if len(found) > _MOST_DIRECTIONS:
        raise ValueError(f"result {result.id} holds {len(found)} directions")
    for one in found:
        stream_from_json(one)
    return found


def _media(listed: str) -> tuple[MediaStream, ...]:
    """Return what was heard; a result whose media can't be read is still a result, without them."""
    try:
        return tuple(map(stream_from_json, json.loads(listed)[:_MOST_DIRECTIONS]))
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return ()


def _texts(listed: str) -> tuple[str, ...]:
    texts = json.loads(listed)
    if not isinstance(texts, list) or not all(type(text) is str for text in texts):
        raise ValueError("is no list of texts")
    return tuple(texts)


def encodable(text: str) -> str:
    """Return a server's words with "?" for lone surrogates, which have no UTF-8 and SQLite refuses."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _finite(what: str, values: Iterable[float]) -> None:
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{what} holds a value that is no finite number")
