"""The shapes of MI replies, told apart without trust; pure.

3.x and 4.x name what they list; mi_json of 1.11 and 2.4 sends a tree of {"value": text, "attributes": {...},
"children": {...}}. What is of another shape raises one of WRONG, which a caller turns into a CollectError.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from dialtone.model import CollectError, CollectFailure

WRONG: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What the functions of this module raise for a shape that is none of theirs."""

_MAX_TEXT: Final = 256
_UNREAL: Final = 2**53

T = TypeVar("T")


def text(value: object) -> str:
    """Return a text or a number as text, cut at 256 characters."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"{value!r:.40} is no text")
    return str(value)[:_MAX_TEXT]


def whole(value: object) -> int:
    """Return a whole number, or one in a text; none beyond 2^53 on either side."""
    number = int(text(value))
    if not -_UNREAL < number < _UNREAL:
        raise ValueError(f"{text(value):.40} is no number")
    return number


def count(value: object) -> int:
    """Return a whole number that is not below zero."""
    number = whole(value)
    if number < 0:
        raise ValueError(f"{text(value):.40} is no count")
    return number


def rows(value: Any) -> list[Any]:
    """Return a list; mi_json writes one of one as the thing itself."""
    return [value] if isinstance(value, Mapping) else list(value)


def fields(value: object) -> Mapping[str, Any]:
    """Return an object of JSON."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r:.40} is no object")
    return value


def attributes(row: object) -> Mapping[str, Any]:
    """Return what is said of one thing: its fields, in a tree of mi_json its attributes."""
    said = fields(row)
    return fields(said.get("attributes", said))


def children(row: object, name: str) -> list[Any]:
    """Return what is below one thing in a tree of mi_json under a name, nothing where there is none."""
    return rows(fields(fields(row).get("children", {})).get(name, ()))


def listed(found: Iterable[T], most: int, what: str) -> Iterator[T]:
    """Yield what is found. Raises CollectError where it is over `most`, or of another shape."""
    try:
        for number, one in enumerate(found):
            if number >= most:
                raise CollectError(CollectFailure.TOO_LARGE, f"over {most} {what}")
            yield one
    except WRONG as error:
        raise CollectError(
            CollectFailure.PROTOCOL, f"the result is no list of {what} ({error!r:.60})"
        ) from None
