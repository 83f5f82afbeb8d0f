"""The values a configuration is written in: each function takes what YAML gave and returns the real thing.

All of them raise ValueError with words for a person: what is wrong and what to write instead. None
repeats a value that could hold a password.
"""
# ruff: noqa: TRY004 - pydantic reports ValueError; a TypeError would end the validation

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from dialtone.config.files import SecretRef
from dialtone.config.problem import listing, nearest, quote
from dialtone.model import normalise_domain, zone_trouble

Tenants: TypeAlias = Literal["all"] | tuple[str, ...]

_SECONDS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|[smhd])")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")
_LABEL_NAME: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,62}")
_PROFILE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,63}\.[A-Za-z_][A-Za-z0-9_$]{0,63}")
_SELECT: Final = re.compile(r"SELECT[ (]", re.IGNORECASE)
_QUOTED: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`""")
_COMMENT: Final = re.compile(r"/\*|#|--(?: |$)")
_WRITES: Final = re.compile(r"\b(INTO|FOR +(?:UPDATE|SHARE)|LOCK +IN)\b", re.IGNORECASE)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,80}")
_SIZE: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?(MB|GB|TB|MiB|GiB|TiB)")
_BYTES: Final[Mapping[str, int]] = {
    "MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}  # fmt: skip
_LEAST_SIZE: Final = 10_000_000
DAY: Final = 86400.0
HEARTBEAT_INTERVAL: Final = 1.0
"""Seconds between two heartbeats, unless `every` says otherwise; pt-heartbeat's default too."""
_TEXT_MAX: Final = 200
_SQL_MAX: Final = 1000
_LIST_MAX: Final = 20_000


def kind_of(raw: object) -> str:
    """Return what a value is, in YAML's words."""
    match raw:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def text(raw: object, *, most: int = _TEXT_MAX) -> str:
    """Return one line of printable text; a whole number may be text too (a number as a name)."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if raw is None or raw == "":
        raise ValueError("is empty; give it a value or take the key out")
    if not isinstance(raw, str):
        raise ValueError(f"must be text, not {kind_of(raw)}")
    if len(raw) > most:
        raise ValueError(f"has {len(raw)} characters; {most} are the most")
    if not raw.isprintable():
        raise ValueError("must be one line of printable text")
    return raw


def name(raw: object) -> str:
    """Return a name that is safe as a label value, in a path and in a URL."""
    found = text(raw)
    if not _NAME.fullmatch(found):
        raise ValueError(
            f"{quote(found)} can't be a name; use letters, digits, '.', '_' and '-', at most 63, "
            "a letter or digit first"
        )
    return found


def domain(raw: object) -> str:
    """Return a domain in its one spelling (lower case, without trailing dot)."""
    return normalise_domain(text(raw))


def language(raw: object) -> str:
    """Return a language tag such as fr or fr-CA."""
    found = text(raw)
    if not _LANGUAGE.fullmatch(found):
        raise ValueError(f"{quote(found)} is not a language; write one like fr or fr-CA")
    return found


def timezone(raw: object) -> str:
    """Return the name of a time zone that this machine's database has, as every other's."""
    found = text(raw)
    if trouble := zone_trouble(found):
        raise ValueError(f"{quote(found)} {trouble}")
    try:
        ZoneInfo(found)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # ValueError and OSError: names that lead out of the database, or to one of its folders.
        raise ValueError(f"{quote(found)} is not a time zone of this machine{_zone_hint(found)}") from None
    return found


@lru_cache(maxsize=64)
def _zone_hint(zone: str) -> str:
    # Kept: a platform of ten thousand tenants may have the same wrong zone ten thousand times.
    return nearest(zone, sorted(available_timezones())) or "; write one like America/Montreal"


def duration(raw: object) -> float:
    """Return seconds from `500ms`, `15s`, `5m`, `1h`, `7d` or a plain number; always more than zero."""
    seconds: float
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        seconds = float(raw)
    elif isinstance(raw, str) and (match := _DURATION.fullmatch(raw.strip())):
        seconds = float(match[1]) * _SECONDS[match[2]]
    else:
        shown = quote(raw) if isinstance(raw, str) else kind_of(raw)
        raise ValueError(f"{shown} is not a duration; write 15s, 5m, 1h, 7d or a number of seconds")
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError("a duration must be more than zero seconds")
    return seconds


def interval(raw: object) -> float:
    """Return the seconds between two polls or probes: one second to one day."""
    return _within(duration(raw), 1, 86400, "an interval")


def discovery_interval(raw: object) -> float:
    """Return the seconds between two looks at the domains of a server: ten seconds to one day."""
    return _within(duration(raw), 10, 86400, "it")


def lag(raw: object) -> float:
    """Return the seconds that a replica may be behind: one second to one day."""
    return _within(duration(raw), 1, 86400, "a lag")


def heartbeat_interval(raw: object) -> float:
    """Return the seconds between two heartbeats: a fifth of a second to a minute."""
    return _within(duration(raw), 0.2, 60, "it")


def timeout(raw: object) -> float:
    """Return a deadline in seconds: a tenth of a second to five minutes."""
    return _within(duration(raw), 0.1, 300, "a timeout")


def _within(seconds: float, low: float, high: float, what: str) -> float:
    if not low <= seconds <= high:
        raise ValueError(f"{what} must be between {low:g} and {high:g} seconds, not {seconds:g}")
    return seconds


def days(raw: object) -> float:
    """Return the seconds that something is kept: one day to ten years."""
    seconds = duration(raw)
    if not DAY <= seconds <= 3650 * DAY:
        raise ValueError(f"must be between 1d and 3650d, not {seconds / DAY:g}d")
    return seconds


def pause(raw: object) -> float:
    """Return the seconds that a call rings or is held: none to five minutes."""
    return 0.0 if raw == 0 and not isinstance(raw, bool) else _within(duration(raw), 0, 300, "it")


def size(raw: object) -> int:
    """Return bytes from `500MB`, `10GB`, `2TiB`: ten megabytes at least."""
    match = _SIZE.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match is None:
        shown = quote(raw) if isinstance(raw, str) else kind_of(raw)
        raise ValueError(f"{shown} is not a size; write one like 500MB, 10GB or 1TB")
    found = int(float(match[1]) * _BYTES[match[2]])
    if found < _LEAST_SIZE:
        raise ValueError(f"{quote(raw)} is too small; use 10MB or more")
    return found


def truth(raw: object) -> bool:
    """Return true or false."""
    if not isinstance(raw, bool):
        raise ValueError(f"must be true or false, not {quote(raw) if isinstance(raw, str) else kind_of(raw)}")
    return raw


class NumberIn:
    """Takes a number of a range; a whole one where `whole` asks for it."""

    def __init__(self, low: float, high: float, *, whole: bool = False) -> None:
        self._low, self._high, self._whole = low, high, whole

    def __call__(self, raw: object) -> float:
        """Return the number. Raises ValueError."""
        kind = "a whole number" if self._whole else "a number"
        if isinstance(raw, bool) or not isinstance(raw, int if self._whole else int | float):
            shown = quote(raw) if isinstance(raw, str | float) else kind_of(raw)
            raise ValueError(f"must be {kind}, not {shown}")
        if not self._low <= raw <= self._high:
            raise ValueError(f"must be {kind} from {self._low:,} to {self._high:,}, not {raw:,}")
        return raw


class OneOf:
    """Takes one word of a closed list."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(words)

    def __call__(self, raw: object) -> str:
        """Return the word. Raises ValueError."""
        found = text(raw)
        if found in self._words:
            return found
        *most, last = self._words
        known = f"use {', '.join(most)} or {last}"
        raise ValueError(f"{quote(found)} is not known; {known}{nearest(found, self._words)}")


def labels(raw: object) -> Mapping[str, str]:
    """Return free labels: names as in Prometheus, values of text."""
    if not isinstance(raw, dict):
        raise ValueError(f"must be a mapping of label names to text, not {kind_of(raw)}")
    found: dict[str, str] = {}
    for key, value in raw.items():
        if not _LABEL_NAME.fullmatch(key):
            raise ValueError(f"{quote(key)} can't be a label name; use letters, digits and '_'")
        try:
            found[key] = text(value)
        except ValueError as error:
            raise ValueError(f"the label {key} {error}") from None
    return found


def profile(raw: object) -> str:
    """Return the name of an OpenSIPS dialog profile."""
    found = text(raw)
    if not _PROFILE.fullmatch(found):
        raise ValueError(f"{quote(found)} can't be a dialog profile; use letters, digits, '_' and '-'")
    return found


def table(raw: object) -> str:
    """Return a table as SCHEMA.TABLE, of characters that need no quoting in SQL."""
    found = text(raw)
    if not _TABLE.fullmatch(found):
        raise ValueError(f"{quote(found)} is not a table; write SCHEMA.TABLE like dialtone.heartbeat")
    return found


def heartbeat(raw: object) -> str | Mapping[str, object]:
    """Return the table of heartbeats, or a mapping as it is: the table and who writes it."""
    if isinstance(raw, dict):
        return raw
    if not isinstance(raw, str):
        raise ValueError(
            f"must be SCHEMA.TABLE like dialtone.heartbeat, or {{table: SCHEMA.TABLE}}, not {kind_of(raw)}"
        )
    return table(raw)


def select(raw: object) -> str:
    """Return one SQL statement that begins with SELECT, and neither writes files nor locks rows.

    What functions it may call nobody can tell: the rights of its account keep it from writing.
    """
    found = text(raw, most=_SQL_MAX)
    if not _SELECT.match(found):
        raise ValueError("must begin with SELECT; write one like SELECT domain FROM domain")
    if ";" in found:
        raise ValueError("must be one statement, without a semicolon")
    bare = _QUOTED.sub("''", found)
    if _COMMENT.search(bare):
        raise ValueError("must be without comments; take them out")
    if word := _WRITES.search(bare):
        raise ValueError(f"must only read; take {word[1].upper()} and what belongs to it out")
    return found


def account_codes(raw: object) -> tuple[str, ...]:
    """Return Asterisk account codes: visible ASCII without blanks, at most 80 (AST_MAX_ACCOUNT_CODE).

    No patterns, which somebody may take them for.
    """
    return _visible(raw, "an account code")


def contexts(raw: object) -> tuple[str, ...]:
    """Return Asterisk contexts: visible ASCII without blanks, at most 80 (AST_MAX_CONTEXT); no patterns."""
    return _visible(raw, "a context")


def _visible(raw: object, what: str) -> tuple[str, ...]:
    found = words(raw)
    for word in found:
        if not _VISIBLE.fullmatch(word):
            raise ValueError(f"{quote(word)} can't be {what}; use visible ASCII, at most 80")
        if "*" in word or "{" in word:
            raise ValueError(
                f"{quote(word)} would be {what} of just that name; patterns stand in `names` of a node of "
                'kind asterisk, like names: ["{tenant}-*"]'
            )
    return found


def words(raw: object) -> tuple[str, ...]:
    """Return a list of at least one text, none of them twice."""
    if not isinstance(raw, list):
        raise ValueError(f"must be a list, not {kind_of(raw)}")
    if not raw:
        raise ValueError("is an empty list; name at least one, or take the key out")
    if len(raw) > _LIST_MAX:
        raise ValueError(f"has {len(raw):,} entries; {_LIST_MAX:,} are the most")
    found: dict[str, None] = {}
    for item in raw:
        try:
            word = text(item)
        except ValueError as error:
            raise ValueError(f"one of its entries {error}") from None
        if word in found:
            raise ValueError(f"names {quote(word)} twice")
        found[word] = None
    return tuple(found)


def tenants(raw: object) -> Tenants:
    """Return "all", or the normalised domains of a list."""
    if raw == "all":
        return "all"
    if not isinstance(raw, list):
        raise ValueError(f"must be `all` or a list of domains, not {kind_of(raw)}")
    domains = tuple(normalise_domain(word) for word in words(raw))
    if twice := sorted(one for one, times in Counter(domains).items() if times > 1):
        raise ValueError(f"names {listing(twice)} twice")
    return domains


def tenants_or_query(raw: object) -> Tenants | Mapping[str, object]:
    """Return what `tenants` does, or a mapping as it is: a question to a database."""
    if isinstance(raw, dict):
        return raw
    if raw != "all" and not isinstance(raw, list):
        raise ValueError(
            f'must be `all`, a list of domains, or {{dsn: "mysql://USER@HOST/DATABASE"}}, not {kind_of(raw)}'
        )
    return tenants(raw)


def secret_ref(raw: object) -> SecretRef:
    """Return where a secret is to be had; what stands there literally is refused and never repeated."""
    if isinstance(raw, str | int | float):
        raise ValueError(
            "a secret is not written into the configuration; put it into a file of mode 0600 and write "
            "{file: PATH}, or into the environment and write {env: NAME}"
        )
    if not isinstance(raw, dict) or len(raw) != 1 or not raw.keys() <= {"file", "env"}:
        raise ValueError("must be {file: PATH} or {env: NAME}")
    if "env" in raw:
        variable = text(raw["env"])
        if not _VARIABLE.fullmatch(variable):
            raise ValueError("the name after env: is not one of an environment variable")
        return SecretRef("env", variable)
    return SecretRef("file", text(raw["file"]))
