"""Reads rows that another version may have written, or a failing disk damaged: one takes no other down."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, TypeVar

import structlog

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_UNREADABLE: Final = (ValueError, TypeError, LookupError, OverflowError, RecursionError)
"""What making a value of a row raises: an unknown word, damaged JSON, a column that is missing in it."""

_SERIES: Final = ("tenant", "flow", "engine", "location")
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "results": ("id",),
    "alerts": ("fingerprint",),
    "outbox": ("key",),
    "unended": ("id",),
    "hourly_rollups": ("start", "id"),
    "daily_rollups": ("start", "id"),
    "probe_outcomes": (*_SERIES, "outcome", "failure"),
    "probe_timings": (*_SERIES, "timing"),
    "probe_media": (*_SERIES, "listener", "figure"),
    "probe_counts": (*_SERIES, "name"),
    "traffic_nodes": ("node",),
    "traffic_marks": ("node", "tenant"),
    "slice_series": ("id",),
    "slices": ("series", "day"),
    "maintenance": ("id",),
    "corrections": ("id",),
}
"""What names a row, by table."""


class RowReader:
    """Makes values of rows. One that can't be read stays in its table, and the log names it, once a run."""

    def __init__(self) -> None:
        self._named: set[tuple[str, str]] = set()

    def read(
        self,
        table: str,
        rows: Iterable[Mapping[str, Any]],
        make: Callable[[Mapping[str, Any]], T],
        *,
        limit: int | None = None,
    ) -> list[T]:
        """Return what `make` makes of rows; with a limit, of the first so many that it can read."""

        def readable() -> Iterable[T]:
            for row in rows:
                try:
                    value = make(row)
                except _UNREADABLE as error:
                    self._name(table, row, error)
                else:
                    yield value

        return list(islice(readable(), limit))

    def _name(self, table: str, row: Mapping[str, Any], error: Exception) -> None:
        key = "/".join(str(row[column]) for column in _KEYS[table])
        if (table, key) not in self._named:
            self._named.add((table, key))
            why = f"{type(error).__name__}: {error}"
            _log.error("store.row_unreadable", table=table, key=key, why=why, row="left where it is")
