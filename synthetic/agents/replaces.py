"""The Replaces header (RFC 3891): which dialog a call is to take the place of."""

import re
from dataclasses import dataclass
from typing import Final, Self

from synthetic.agents.dialog import Dialog
from synthetic.agents.headers import parameter_of

_CALL_ID: Final = re.compile(r"[!-:=-~]{1,256}")
"""Printable without space, semicolon and less-than: what can stand in a header without ending it."""
_TAG: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,128}")


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog as the one who is asked knows it: `to_tag` is its own tag, `from_tag` the other side's."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what a header's value says. Raises ValueError."""
        call_id = text.partition(";")[0].strip()
        to_tag, from_tag = parameter_of(text, "to-tag"), parameter_of(text, "from-tag")
        if not (_CALL_ID.fullmatch(call_id) and _TAG.fullmatch(to_tag) and _TAG.fullmatch(from_tag)):
            raise ValueError("a Replaces header needs a Call-ID, a to-tag and a from-tag")
        names = {entry.strip().lower() for entry in text.split(";")[1:]}
        return cls(call_id, to_tag, from_tag, "early-only" in names)

    @classmethod
    def at_far_end(cls, dialog: Dialog) -> Self:
        """Return how the other side of a dialog of ours is asked for it: the tags change places."""
        call_id, ours, theirs = dialog.identity
        return cls(call_id, to_tag=theirs, from_tag=ours)

    def names(self, dialog: Dialog) -> bool:
        """Whether it means this dialog of ours (section 3)."""
        return (self.call_id, self.to_tag, self.from_tag) == dialog.identity

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"
