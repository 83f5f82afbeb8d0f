"""Keeps the record of a probe on disk: evidence/<tenant>/<date>/<result id>/{evidence.json,ladder.txt}."""

import json
import os
import re
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import anyio
import structlog

from dialtone.model import Evidence, ProbeResult, ProbeRun
from synthetic.ladder import ladder
from synthetic.redaction import redact

__all__ = ["EvidenceStore", "as_json", "ladder", "redact"]

FOLDER: Final = "evidence"
_UNFINISHED: Final = ".unfinished-"
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_log = structlog.get_logger(__name__)


class EvidenceStore:
    """Writes records under `folder`/evidence and forgets them after `keep`.

    A record appears whole or not at all. Folders are 0700 and files 0600: they are a tenant's traffic.
    A disk that takes nothing is logged once, and once when it works again; `lost` counts records.
    """

    def __init__(self, folder: Path, keep: timedelta) -> None:
        self._folder = folder
        self._keep = keep
        self._broken = False
        self.lost = 0

    async def write(self, run: ProbeRun) -> str | None:
        """Keep a run's record; return its path in the data folder, None where it could not be kept."""
        place = _place(run.result)
        try:
            await anyio.to_thread.run_sync(self._write, place, run)
        except OSError as error:
            self.lost += 1
            if not self._broken:
                self._broken = True
                _log.warning("evidence can't be kept", folder=str(self._folder), error=str(error))
            return None
        if self._broken:
            self._broken = False
            _log.info("evidence is kept again", folder=str(self._folder), lost=self.lost)
        return place.as_posix()

    async def prune(self, now: datetime) -> int:
        """Forget the days that are over `keep` ago; return how many tenant-days there were."""
        return await anyio.to_thread.run_sync(self._prune, (now - self._keep).astimezone(UTC).date())

    def _write(self, place: Path, run: ProbeRun) -> None:
        final = self._folder / place
        unfinished = final.parent / f"{_UNFINISHED}{final.name}"
        for folder in (self._folder / FOLDER, final.parent.parent, final.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if final.exists():
            return  # the same result again, after a store that failed
        try:
            unfinished.mkdir(mode=0o700, exist_ok=True)
            _put(unfinished / "evidence.json", json.dumps(as_json(run), indent=1, ensure_ascii=False) + "\n")
            _put(unfinished / "ladder.txt", ladder(run.evidence))
            unfinished.rename(final)
        except OSError:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise

    def _prune(self, oldest: date) -> int:
        pruned = 0
        root = self._folder / FOLDER
        for day in sorted(root.glob("*/*")) if root.is_dir() else ():
            if _DATE.fullmatch(day.name) and day.name < oldest.isoformat() and not day.is_symlink():
                shutil.rmtree(day, ignore_errors=True)
                pruned += 1
        return pruned


def as_json(run: ProbeRun) -> dict[str, object]:
    """Return the record as it is written; instants are seconds since the probe started."""
    result, evidence = run.result, run.evidence
    return {
        "result": result.id,
        "probe": result.probe,
        "flow": result.flow,
        "tenant": result.tenant,
        "target": result.target,
        "started": result.started.isoformat(),
        "outcome": result.outcome,
        "failure": None
        if result.failure is None
        else {"code": result.failure.code, "detail": result.failure.detail},
        "sip_status": result.sip_status,
        "timings": dict(result.timings),
        **_evidence_as_json(evidence),
    }


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


def _put(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
