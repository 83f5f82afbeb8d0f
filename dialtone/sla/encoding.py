"""Values of the model as plain JSON values and back, exactly: what a closing keeps of terms.

A field that a value of an older version lacks has its default when it is read back.
"""

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Any, Final, TypeVar

T = TypeVar("T")

_PLAIN: Final = (str, int, float, type(None))


def plain(value: object) -> Any:
    """Return a value as JSON can hold it: fractions as "999/1000", instants in ISO 8601, sets sorted.

    Raises TypeError for what has no such form.
    """
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, date):  # datetime is one too
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(one) for one in value)
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def revived(kind: type[T], raw: object) -> T:
    """Return the value of that type that `plain` wrote. Raises ValueError where it is none."""
    try:
        found: T = _revived(kind, raw)
    except (TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise ValueError(f"{kind.__name__} can't be read: {error}") from error
    return found


def _revived(kind: Any, raw: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if raw is None else _revived(next(one for one in arguments if one is not type(None)), raw)
    if origin in (tuple, frozenset):
        return origin(_revived(arguments[0], one) for one in raw)
    if origin is Mapping:
        return {_revived(arguments[0], key): _revived(arguments[1], one) for key, one in raw.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _revived(hint, raw[name]) for name, hint in hints.items() if name in raw})
    if kind in (datetime, date):
        return kind.fromisoformat(raw)
    if kind is Fraction:
        return Fraction(str(raw))
    if issubclass(kind, IntEnum):
        return kind[raw.upper()]
    if issubclass(kind, Enum):
        return kind(raw)
    if kind is float and type(raw) is int:
        return float(raw)
    if type(raw) is not kind:
        raise TypeError(f"{raw!r} is no {kind.__name__}")
    return raw
