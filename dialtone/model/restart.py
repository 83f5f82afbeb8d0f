"""Whether a server has been restarted: told from how long it says that it has been up (pure)."""

from typing import Final

SLACK: Final = 2.0
"""Seconds that an uptime may lag behind a clock: it is rounded, and a poll takes a while."""


def has_restarted(before: float, after: float, passed: float) -> bool:
    """Return whether a server has started anew between two readings of its uptime, `passed` seconds apart.

    One that has is up for less than it was, or for no longer than has passed. One that merely stood still
    for a while (paused, moved, starved: its own clock did not go on) lags behind by that while, and by less
    than it had been up. Where it had not been up for as long as it stood still nobody can tell; then it has
    restarted.
    """
    lag = before + passed - after
    return after < before or (lag > SLACK and lag >= before - SLACK)
