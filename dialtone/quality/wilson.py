"""The Wilson score interval: what a share of few attempts proves of the true one (pure).

E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927), without
correction for continuity. Unlike the interval about the share itself it holds for few attempts and for
shares near 0 and 1, where figures of telephony are.
"""

import math
from typing import Final

Z_95: Final = 1.96
"""The normal deviate of 95 % confidence, both sides."""


def wilson(successes: int, attempts: int, z: float = Z_95) -> tuple[float, float]:
    """Return the lower and the upper bound of the true share, from 0 to 1, at z normal deviates.

    No attempts prove nothing: (0, 1). Without a success the lower bound is 0, without a failure the upper
    one is 1, exactly. Raises ValueError for counts under 0, more successes than attempts, and a z that is
    not over 0 and finite.
    """
    if not 0 <= successes <= attempts:
        raise ValueError(f"{successes} of {attempts} attempts can't have succeeded")
    if not (z > 0 and math.isfinite(z)):
        raise ValueError(f"z must be over 0 and finite, got {z}")
    if not attempts:
        return 0.0, 1.0
    share, square = successes / attempts, z * z
    centre = share + square / (2 * attempts)
    reach = z * math.sqrt(share * (1 - share) / attempts + square / (4 * attempts * attempts))
    scale = 1 + square / attempts
    lower = 0.0 if successes == 0 else max(0.0, (centre - reach) / scale)
    upper = 1.0 if successes == attempts else min(1.0, (centre + reach) / scale)
    return lower, upper
