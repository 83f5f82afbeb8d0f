"""A value that must not be seen: it prints as stars wherever it ends up by accident."""

from typing import Final

_MASK: Final = "********"


class Secret:
    """A password or token. Only `reveal()` gives the text; str, repr, format and pickle do not."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, at the one place that hands it to a server."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({_MASK!r})"

    def __str__(self) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not serialised; send reveal() over a private pipe if it must travel")
