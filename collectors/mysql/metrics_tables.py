"""How a table of metrics is written: what is published, and how it is read off a snapshot."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from dialtone.model import Kind, MetricDef

_T = TypeVar("_T")

Table: TypeAlias = tuple[tuple[MetricDef, Callable[[_T], float | None]], ...]
"""None publishes nothing."""


def gauge(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    """Return a gauge of a node."""
    return MetricDef(f"mysql_{name}", Kind.GAUGE, text, ("node", *labels), unit=unit)


def total(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    """Return a counter of a node: it begins with the server."""
    return MetricDef(f"mysql_{name}", Kind.COUNTER, text, ("node", *labels), unit=unit)
