"""Keeps the record of a probe on disk: evidence/<tenant>/<date>/<result id>/.

In it are evidence.json, ladder.txt and messages.pcap.
"""

import asyncio
import json
import os
import shutil
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

import anyio
import anyio.to_thread
import structlog

from dialtone.config import EvidenceLimits
from dialtone.model import (
    Evidence,
    Failure,
    FailureCode,
    MediaStream,
    Origin,
    Outcome,
    Plan,
    ProbeResult,
    ProbeRun,
    stream_to_json,
)
from synthetic.ladder import ladder
from synthetic.pcapfile import pcap
from synthetic.redaction import redact
from synthetic.retention import FOLDER, UNFINISHED, Pruned, prune

__all__ = ["EvidenceStore", "as_json", "ladder", "redact"]

PATIENCE: Final = 10.0
"""Seconds that the disk has for a record; one that hangs must not stop the probes."""
_AT_ONCE: Final = 4
"""Threads that write: others' work (a file of certificates, SIPp's) doesn't wait for a slow disk of ours."""
_BLOCK: Final = 4096

_log = structlog.get_logger(__name__)


class EvidenceStore:
    """Writes records under `folder`/evidence, those that `limits` ask for, and forgets them in time.

    A record appears whole or not at all. Folders are 0700 and files 0600: they are a tenant's traffic.
    A disk that takes nothing, or does not within `patience` (seconds), is logged once, and once when it
    works again; `lost` counts records.
    """

    def __init__(self, folder: Path, limits: EvidenceLimits, *, patience: float = PATIENCE) -> None:
        self._folder = folder
        self._limits = limits
        self._patience = patience
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="dialtone-evidence")
        self._hanging: Future[int] | None = None
        self._passes: Counter[tuple[str, str]] = Counter()
        self._pruning = anyio.Lock()
        self._size: int | None = None
        self._broken = False
        self.lost = 0

    @property
    def is_too_much(self) -> bool:
        """Whether what lies here is, or may be, over its size: `prune` is due."""
        return self._size is None or self._size > self._limits.max_size

    def wants_pass(self, tenant: str, probe: str) -> bool:
        """Whether the next pass of a tenant's probe is one to keep: the first, then one in `limits.every`."""
        return self._passes[tenant, probe] % self._limits.every == 0

    async def keep(self, run: ProbeRun, plan: Plan, *, passes: bool) -> str | None:
        """Keep a run's record where one is due; return its path in the data folder, None where there is none.

        Due are those of all that did not pass, and where `passes` says so of one that did (see wants_pass).
        An inconclusive one without a message has none.
        """
        return await self.write(run, plan) if self._is_due(run, passes) else None

    async def write(self, run: ProbeRun, plan: Plan) -> str | None:
        """Keep a run's record; return its path in the data folder, None where it could not be kept."""
        place = _place(run.result)
        try:
            size = await self._on_disk(place, run, plan)
        except (OSError, TimeoutError) as error:
            self.lost += 1
            if not self._broken:
                self._broken = True
                _log.warning("evidence can't be kept", folder=str(self._folder), error=str(error))
            return None
        if self._size is not None:
            self._size += size
        if self._broken:
            self._broken = False
            _log.info("evidence is kept again", folder=str(self._folder), lost=self.lost)
        return place.as_posix()

    async def prune(self, now: datetime) -> Pruned:
        """Forget records that are too old, and the oldest of what is too much; a thread does it."""
        async with self._pruning:
            pruned = await anyio.to_thread.run_sync(prune, self._folder / FOLDER, self._limits, now)
            self._size = pruned.left
        if pruned.for_size:
            _log.warning(
                "evidence was over its size; the oldest records are gone before their time",
                records=pruned.for_size,
                failures=pruned.failures_for_size,
                max_size=self._limits.max_size,
            )
        return pruned

    async def _on_disk(self, place: Path, run: ProbeRun, plan: Plan) -> int:
        """Write a record; return about how much room it takes. Raises OSError, TimeoutError."""
        if self._hanging is not None and not self._hanging.done():
            raise TimeoutError("the disk does not answer")
        writing = self._threads.submit(self._write, place, run, plan)
        with anyio.move_on_after(self._patience):
            return await asyncio.wrap_future(writing)
        self._hanging = writing  # left to itself: its thread goes on when the disk lets it
        raise TimeoutError(f"not done within {self._patience:g} s")

    def _is_due(self, run: ProbeRun, passes: bool) -> bool:
        result = run.result
        if result.outcome is Outcome.INCONCLUSIVE:  # without a message nothing is to tell but the result
            return run.evidence != Evidence()
        if result.outcome is Outcome.PASS and result.origin is Origin.SCHEDULE:
            self._passes[result.tenant, result.probe] += 1
        return result.outcome is not Outcome.PASS or passes

    def _write(self, place: Path, run: ProbeRun, plan: Plan) -> int:
        final = self._folder / place
        unfinished = final.parent / f"{UNFINISHED}{final.name}"
        for folder in (self._folder / FOLDER, final.parent.parent, final.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if final.exists():
            return 0  # the same result again, after a store that failed
        record = json.dumps(as_json(run, plan), indent=1, ensure_ascii=False) + "\n"
        files = {
            "evidence.json": record.encode("utf-8", "backslashreplace"),
            "ladder.txt": ladder(run.evidence).encode("utf-8", "backslashreplace"),
            "messages.pcap": pcap(run.evidence.messages, run.result.started),
        }
        try:
            unfinished.mkdir(mode=0o700, exist_ok=True)
            for name, data in files.items():
                _put(unfinished / name, data)
            unfinished.rename(final)
        except OSError:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        return sum(-(-len(data) // _BLOCK) * _BLOCK for data in (b"folder", *files.values()))


def as_json(run: ProbeRun, plan: Plan) -> dict[str, object]:
    """Return the record as it is written; instants are seconds since the probe started.

    The outcome stands near the beginning: retention.py looks there.
    """
    result, evidence = run.result, run.evidence
    failure, expires = result.failure, result.certificate_expires
    return {
        "result": result.id,
        "outcome": result.outcome,
        "failure": None if failure is None else {"code": failure.code, "detail": failure.detail},
        "probe": result.probe,
        "flow": result.flow,
        "engine": result.engine,
        "tenant": result.tenant,
        "target": result.target,
        "location": result.location,
        "account": result.account,
        "origin": result.origin,
        "slot": result.slot,
        "attempt": result.attempt,
        "plan": _essentials(plan),
        "started": result.started.isoformat(),
        "duration": result.duration,
        "sip_status": result.sip_status,
        "timings": dict(result.timings),
        "counts": dict(result.counts),
        "certificate_expires": expires.isoformat() if expires else None,
        "media": [_heard(stream, failure) for stream in result.media],
        **_evidence_as_json(evidence),
    }


def _heard(stream: MediaStream, failure: Failure | None) -> dict[str, object]:
    """Return a direction; which digits came is told where they are what is wrong, else how many."""
    told = failure is not None and failure.code is FailureCode.NO_DTMF
    return stream_to_json(stream if told else replace(stream, digits="x" * len(stream.digits)))


_USUAL: Final = Plan()


def _essentials(plan: Plan) -> dict[str, object]:
    """Return what of a plan is not as usual; of headers the names alone: values may be keys.

    Of digits only how many: they may be a PIN.
    """
    found: dict[str, object] = {
        field.name: getattr(plan, field.name)
        for field in fields(Plan)
        if getattr(plan, field.name) != getattr(_USUAL, field.name)
    }
    if plan.headers:
        found["headers"] = [name for name, _ in plan.headers]
    if "tls" in found:
        found["tls"] = {"ca": plan.tls.ca, "name": plan.tls.name, "verify": plan.tls.verify}
    if plan.media is not None:
        found["media"] = {**asdict(plan.media), "dtmf": len(plan.media.dtmf)}
    return found


def _evidence_as_json(evidence: Evidence) -> dict[str, object]:
    return {
        "messages": [
            {
                "at": round(message.at, 6),
                "party": message.party,
                "direction": message.direction,
                "source": message.source,
                "destination": message.destination,
                "transport": message.transport,
                "text": message.text,
            }
            for message in evidence.messages
        ],
        "marks": [{"name": mark.name, "at": round(mark.at, 6)} for mark in evidence.marks],
    }


def _place(result: ProbeResult) -> Path:
    """Return where a result's record goes; no name can lead out of the folder."""
    day = result.started.astimezone(UTC).date().isoformat()
    return Path(FOLDER) / _safe(result.tenant) / day / _safe(result.id)


def _safe(name: str) -> str:
    """Return a name as one path component: dots alone and separators can't survive this."""
    quoted = quote(name, safe="-_.")
    return quoted.replace(".", "%2E") if not quoted.strip(".") else quoted


def _put(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
