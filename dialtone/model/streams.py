"""Directions of calls as JSON objects and back: in the store, in evidence, and on the pipe of the worker."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final

from dialtone.model.media import Found, MediaStream

_TEXTS: Final = ("speaker", "listener", "codec", "digits")
_COUNTS: Final = ("received", "lost", "late", "duplicates", "reordered")
_FIGURES: Final = ("jitter", "buffer", "burst")
_OR_NONE: Final = ("rtt", "delay", "mos")
_LONGEST: Final = 64
_MOST: Final = 1 << 48


def stream_to_json(stream: MediaStream) -> dict[str, Any]:
    """Return a direction as a JSON object, with its loss ratio, which follows from the rest."""
    return {**asdict(stream), "found": stream.found.value, "loss_ratio": stream.loss_ratio}


def stream_from_json(payload: Mapping[str, Any]) -> MediaStream:
    """Return what `stream_to_json` was given; keys that are not known here are passed over.

    Raises AttributeError, KeyError, TypeError or ValueError for anything else.
    """
    read: dict[str, Any] = {one.name: payload[one.name] for one in fields(MediaStream) if one.name in payload}
    read["found"] = Found(read["found"])
    for name, value in read.items():
        if not _is_right(name, value):
            raise ValueError(f"{name} of a direction can't be {value!r:.60}")
    return MediaStream(**read)


def _is_right(name: str, value: object) -> bool:
    if name in _TEXTS:
        return isinstance(value, str) and len(value) <= _LONGEST
    if name == "sent" or name in _OR_NONE:
        if value is None:
            return True
    elif name not in _COUNTS and name not in _FIGURES:
        return True
    wanted = int if name == "sent" or name in _COUNTS else int | float
    if isinstance(value, bool) or not isinstance(value, wanted):
        return False
    return 0 <= value < _MOST
