"""What a relay of RTP is to do, and the same as text for its process."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lab.faults.media.harm import Events, Harm, Spread


@dataclass(frozen=True, slots=True)
class Settings:
    """What is done to the sound of `calls` calls, alike in all of them.

    `to_caller` is what the caller should hear, `to_callee` what the callee. With `crossed` each call hears
    the one before it instead.
    """

    to_caller: Harm = field(default_factory=Harm)
    to_callee: Harm = field(default_factory=Harm)
    calls: int = 1
    crossed: bool = False

    def encode(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return what encode() has made."""
        tree = json.loads(text)
        to_caller, to_callee = (_harm(tree.pop(name)) for name in ("to_caller", "to_callee"))
        return cls(to_caller, to_callee, **tree)


def _harm(tree: Mapping[str, Any]) -> Harm:
    values = {
        **tree,
        "spread": Spread(tree["spread"]),
        "events": Events(tree["events"]),
        "held": tuple(tree["held"]),
        "steps": tuple(map(tuple, tree["steps"])),
        "burst": tree["burst"] and tuple(tree["burst"]),
    }
    return Harm(**values)
