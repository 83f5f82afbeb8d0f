"""Many samples at once."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from itertools import repeat
from typing import Final, cast

from dialtone.model import Sample

# NamedTuple's own constructor runs in Python, and takes three times as long.
_sample: Final = cast("Callable[[Iterable[object]], Sample]", partial(tuple.__new__, Sample))


def samples_of(
    metrics: Iterable[str], labels: Iterable[tuple[str, ...]], values: Iterable[float], at: datetime
) -> list[Sample]:
    """Return samples of these metrics, label values and values, as many as there are labels of."""
    return list(map(_sample, zip(metrics, labels, values, repeat(at))))
