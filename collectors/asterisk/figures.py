"""Numbers and names out of a server's texts, bounded; pure."""

import re
from typing import Final

MAX_LABEL: Final = 80
"""Characters of a server's name that become a label's value."""
MAX_SECONDS: Final = 10_000_000
"""Seconds that are believed, some 115 days: what is longer was measured with a clock that was set."""

_COUNT: Final = re.compile(r"[0-9]{1,12}")
_PERCENT: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,6})?")


def count(text: str | None) -> int | None:
    """Return the whole number that a text is, None for anything else: negative, nan, empty, huge."""
    return int(text) if text is not None and _COUNT.fullmatch(text) else None


def seconds(text: str | None) -> int | None:
    """Return a duration in whole seconds, None for what is none."""
    value = count(text)
    return value if value is not None and value <= MAX_SECONDS else None


def ratio(text: str | None) -> float | None:
    """Return percents as a ratio of 0 to 1, None for what is none."""
    if text is None or not _PERCENT.fullmatch(text):
        return None
    value = float(text) / 100
    return value if value <= 1 else None


def label(name: str) -> str:
    """Return a server's name as a label's value: cut, and without what can't be shown."""
    name = name[:MAX_LABEL]
    return name if name.isprintable() else "".join(c if c.isprintable() else "?" for c in name)
