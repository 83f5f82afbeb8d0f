"""Names of what an Asterisk has (endpoints, queues, rooms ...), as patterns that say whose they are.

As in values.py, what is wrong is a ValueError with words for a person.
"""

from typing import Final

from dialtone.config.problem import quote
from dialtone.config.values import words

_TENANT: Final = "{tenant}"
_LONGEST: Final = 80
_MOST: Final = 20
_MOST_STARS: Final = 2


def name_patterns(raw: object) -> str:
    """Return patterns of names, a line each: literal text, `{tenant}` once, `*` (any text) at most twice."""
    patterns = words(raw)
    if len(patterns) > _MOST:
        raise ValueError(f"has {len(patterns):,} patterns; {_MOST} are the most")
    for pattern in patterns:
        if wrong := _wrong(pattern):
            raise ValueError(f"the pattern {quote(pattern)} {wrong}")
    return "\n".join(patterns)


def _wrong(pattern: str) -> str:
    if len(pattern) > _LONGEST:
        return f"has {len(pattern)} characters; {_LONGEST} are the most"
    times = pattern.count(_TENANT)
    if times != 1:
        return f'must have {_TENANT} once, not {times} times; write one like "{_TENANT}-*"'
    if any(brace in pattern.replace(_TENANT, "") for brace in "{}"):
        return f"must have no braces but those of {_TENANT}"
    if (stars := pattern.count("*")) > _MOST_STARS:
        return f"has {stars} `*`; {_MOST_STARS} are the most"
    if f"*{_TENANT}*" in pattern:
        return f'takes any part of a name for a tenant; write what stands beside it, as in "*-{_TENANT}"'
    return ""
