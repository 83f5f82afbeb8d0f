"""A real Prometheus on loopback, holding samples that a test made up."""

import itertools
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from dialtone.model import Kind, MetricDef

_DEADLINE: Final = 30.0
_ANSWER: Final = 10.0
_PAUSE: Final = 0.05

PROGRAMS: Final = ("prometheus", "promtool")


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its family, its label values in the family's order, and its (Unix time, value) points.

    A histogram's value is how many observations it had by then; they are spread over its buckets.
    """

    metric: MetricDef
    labels: tuple[str, ...]
    points: tuple[tuple[float, float], ...]


def exposition(series: Iterable[Series]) -> str:
    """Return series in OpenMetrics text with timestamps, as promtool makes blocks from."""
    text: list[str] = []
    ordered = sorted(series, key=lambda one: one.metric.name)
    for name, family in itertools.groupby(ordered, key=lambda one: one.metric.name):
        members = list(family)
        text.append(f"# TYPE {name.removesuffix('_total')} {members[0].metric.kind}")
        for one in members:
            text.extend(_lines(one))
    return "\n".join([*text, "# EOF", ""])


def _lines(one: Series) -> Iterator[str]:
    labels = dict(zip(one.metric.labels, one.labels, strict=True))
    for at, value in one.points:
        if one.metric.kind is not Kind.HISTOGRAM:
            yield f"{one.metric.name}{_braces(labels)} {value} {at}"
            continue
        bounds = one.metric.buckets
        for place, bound in enumerate(bounds, start=1):
            below = value * place / len(bounds)
            yield f"{one.metric.name}_bucket{_braces(labels | {'le': str(bound)})} {below} {at}"
        yield f"{one.metric.name}_bucket{_braces(labels | {'le': '+Inf'})} {value} {at}"
        yield f"{one.metric.name}_count{_braces(labels)} {value} {at}"
        yield f"{one.metric.name}_sum{_braces(labels)} {value} {at}"


def _braces(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


class Prometheus:
    """A running server that answers queries."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def query(self, expr: str, at: float) -> list[tuple[dict[str, str], float]]:
        """Return the (labels, value) that an instant query gives."""
        reply = self._get("/api/v1/query", {"query": expr, "time": str(at)})
        assert reply.status_code == httpx.codes.OK, reply.text
        answer: dict[str, Any] = reply.json()
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]

    def ready(self) -> bool:
        """Whether it answers queries."""
        try:
            return self._get("/-/ready", {}).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _get(self, path: str, asked: Mapping[str, str]) -> httpx.Response:
        # trust_env: loopback is never reached through a proxy.
        return httpx.get(self._url + path, params=asked, timeout=_ANSWER, trust_env=False)


@contextmanager
def prometheus_with(series: Iterable[Series], folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that holds these samples and scrapes nothing; it ends with the block."""
    samples, data, config = folder / "samples.om", folder / "data", folder / "prometheus.yml"
    samples.write_text(exposition(series), encoding="utf-8")
    config.write_text("scrape_configs: []\n", encoding="utf-8")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", samples, data],
        check=True,
        capture_output=True,
        timeout=_DEADLINE,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    log = folder / "prometheus.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "GOMAXPROCS": "1"},
        )
    try:
        server = Prometheus(port)
        end = time.monotonic() + _DEADLINE
        while not server.ready():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(_PAUSE)
        yield server
    finally:
        process.terminate()
        process.wait(_DEADLINE)


def missing_programs() -> list[str]:
    """Return which of the programs needed are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]
