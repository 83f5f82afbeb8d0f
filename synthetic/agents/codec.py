"""Requests and reports as JSON objects, for the pipe between the service and the worker.

Passwords travel here and nowhere else: the pipe belongs to the two processes alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Any, Final

from dialtone.model import (
    Account,
    AnsweredBy,
    CalledFrom,
    ChangedBy,
    Engine,
    EventPackage,
    Evidence,
    Failure,
    FailureCode,
    Flow,
    Hears,
    Mark,
    MediaPlan,
    Message,
    Origin,
    Plan,
    ProbeRequest,
    Secret,
    Side,
    TlsPlan,
    stream_from_json,
    stream_to_json,
)
from synthetic.probes.runner import Report

_PLANNED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "answered_by": AnsweredBy,
    "called_from": CalledFrom,
    "hangs_up": Side,
    "event": EventPackage,
    "changed_by": ChangedBy,
    "headers": lambda pairs: tuple((str(name), str(value)) for name, value in pairs),
    "statuses": lambda numbers: tuple(map(int, numbers)),
    "tls": lambda fields: TlsPlan(**fields),
    "media": lambda fields: None if fields is None else decode_media(fields),
}
"""How those fields of a Plan are read again that JSON does not keep as they are."""


def encode_request(request: ProbeRequest) -> dict[str, object]:
    """Return a request as the worker takes it."""
    return {
        "id": request.id,
        "probe": request.probe,
        "flow": request.flow.value,
        "engine": request.engine.value,
        "tenant": request.tenant,
        "target": request.target,
        "location": request.location,
        "accounts": [
            {
                "tenant": account.tenant,
                "user": account.user,
                "auth_user": account.auth_user,
                "password": account.password.reveal(),
            }
            for account in request.accounts
        ],
        "origin": request.origin.value,
        "slot": request.slot,
        "attempt": request.attempt,
        "timeout": request.timeout,
        "plan": encode_plan(request.plan),
        "evidence": request.evidence,
    }


def encode_plan(plan: Plan) -> dict[str, object]:
    """Return a plan as a JSON object."""
    fields = asdict(plan)
    return {name: value.value if isinstance(value, StrEnum) else value for name, value in fields.items()}


def decode_plan(payload: Mapping[str, Any]) -> Plan:
    """Return what `encode_plan` was given."""
    read: dict[str, Any] = {
        name: _PLANNED[name](value) if name in _PLANNED else value for name, value in payload.items()
    }
    return Plan(**read)


def decode_media(fields: Mapping[str, Any]) -> MediaPlan:
    """Return the media of an encoded plan that has some."""
    return MediaPlan(**{**fields, "hears": Hears(fields["hears"]), "codecs": tuple(fields["codecs"])})


def decode_request(payload: Mapping[str, Any]) -> ProbeRequest:
    """Return what `encode_request` was given."""
    return ProbeRequest(
        id=payload["id"],
        probe=payload["probe"],
        flow=Flow(payload["flow"]),
        engine=Engine(payload["engine"]),
        tenant=payload["tenant"],
        target=payload["target"],
        location=payload["location"],
        accounts=tuple(
            Account(entry["tenant"], entry["user"], entry["auth_user"], Secret(entry["password"]))
            for entry in payload["accounts"]
        ),
        origin=Origin(payload["origin"]),
        slot=payload["slot"],
        attempt=payload["attempt"],
        timeout=payload["timeout"],
        plan=decode_plan(payload["plan"]),
        evidence=payload["evidence"],
    )


def encode_report(report: Report, evidence: Evidence) -> dict[str, object]:
    """Return how a flow ended, as the service takes it."""
    failure = report.failure
    return {
        "failure": None if failure is None else {"code": failure.code.value, "detail": failure.detail},
        "status": report.status,
        "timings": dict(report.timings),
        "counts": dict(report.counts),
        "duration": report.duration,
        "messages": [
            [m.at, m.party, m.direction, m.source, m.destination, m.transport, m.text]
            for m in evidence.messages
        ],
        "marks": [[mark.name, mark.at] for mark in evidence.marks],
        "media": [stream_to_json(stream) for stream in report.media],
    }


def decode_report(payload: Mapping[str, Any]) -> tuple[Report, Evidence]:
    """Return what `encode_report` was given.

    Raises AttributeError, KeyError, TypeError or ValueError for anything else.
    """
    failure = payload["failure"]
    evidence = Evidence(
        tuple(Message(*entry) for entry in payload["messages"]),
        tuple(Mark(name, float(at)) for name, at in payload["marks"]),
    )
    report = Report(
        failure=None if failure is None else Failure(FailureCode(failure["code"]), str(failure["detail"])),
        status=None if payload["status"] is None else int(payload["status"]),
        timings={str(name): float(value) for name, value in payload["timings"].items()},
        marks=evidence.marks,
        duration=float(payload["duration"]),
        counts={str(name): int(value) for name, value in payload["counts"].items()},
        media=tuple(map(stream_from_json, payload["media"])),
    )
    return report, evidence
