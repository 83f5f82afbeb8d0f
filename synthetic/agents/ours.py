"""How our phones know a call of their own run."""

from dataclasses import dataclass
from typing import Any, Final

MARK: Final = "X-Dialtone-Probe"
"""A header of our INVITEs with the probe's id, by which our callee knows the call."""


@dataclass(frozen=True, slots=True)
class Ours:
    """How to tell our own call from a stranger's: by its mark, or the caller where a B2BUA took that off."""

    probe: str
    callers: frozenset[str]

    def includes(self, request: Any) -> bool:
        """Whether an INVITE is of this probe; another probe's mark says no."""
        marks = [str(body).strip() for body in request.getHFBodys(MARK.lower())]
        if marks:
            return self.probe in marks
        return request.getHFBody("from").getUrl().username in self.callers
