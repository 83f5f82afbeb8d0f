"""Opening and ending series by plan, wherever they are kept."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, Protocol

from dialtone.model import Measure, SeriesKey, slice_interval
from dialtone.store.rows import instant
from dialtone.store.tenures import Place, Span, Tenure, beginning, ending

_SECOND: Final = 1_000_000


class Placed(Protocol):
    """Where tenures are kept; all of it belongs to one transaction."""

    def closed(self, tenant: str) -> Sequence[Span]:
        """Return the times of a tenant in which nothing changes any more."""

    def tenures(self, place: Place) -> Sequence[Tenure]:
        """Return all tenures of all series of a place."""

    def open_at(self, location: str) -> Sequence[tuple[SeriesKey, Tenure]]:
        """Return the series that are placed at a location now."""

    def open(self, place: Place, measure: Measure, since: int, until: int | None) -> Tenure:
        """Put down a new tenure."""

    def move(self, tenure: int, since: int, until: int | None) -> None:
        """Change when a tenure begins and ends."""


def checked(location: str, keys: Collection[SeriesKey], at: datetime) -> int:
    """Return the second from which a plan holds. Raises ValueError for what can't be planned."""
    for key in keys:
        if key.location != location:
            raise ValueError(
                f"a series of {key.location or 'traffic'} in the plan of {location or 'traffic'}"
            )
        if slice_interval(key.interval) is None:
            raise ValueError(f"an interval of {key.interval} s cuts no day evenly")
    return instant(at) // _SECOND


def plan(pages: Placed, location: str, keys: Collection[SeriesKey], second: int) -> None:
    """Open the series of a location that are not open, end those that are planned no more."""
    wanted = dict.fromkeys(keys)
    for key, tenure in pages.open_at(location):
        if key in wanted:
            del wanted[key]
        else:
            pages.move(tenure.id, tenure.since, ending(tenure, second, pages.closed(key.tenant)))
    for key in wanted:
        place = Place.of(key)
        of_key = [tenure for tenure in pages.tenures(place) if tenure.measure == key.measure]
        since = beginning(of_key, second, pages.closed(key.tenant))
        pages.open(place, key.measure, since, None)
