"""The rule pack (rules.yaml) and the operator's own file over it -> rules, or every problem of the file."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field, PlainValidator, create_model

from alerts.judges import node_judge, result_judge, topology_judge
from alerts.rules import Rule, When
from dialtone.config import ConfigError, Problem, values
from dialtone.config.document import parse
from dialtone.config.files import FileError, read_text
from dialtone.config.problem import Where, listing, nearest, quote
from dialtone.config.report import Report
from dialtone.config.schema import Entries, Entry
from dialtone.model import ABOUT, Severity, Trouble

PACK: Final = Path(__file__).with_name("rules.yaml")
MAX_BYTES: Final = 1 << 20
MAX_RULES: Final = 100
"""Each poll and each result is judged by all of them."""

_LONGEST: Final = 86400.0
_MOST_LEFT: Final = 366 * 86400.0
_MOST_SLOTS: Final = 100
_MOST_WORDS: Final = 500
_NOTHING: Final = re.compile(r"0+(\.0+)?(ms|[smhd])?")

_Keys: TypeAlias = Mapping[str, Any]
"""A rule as its keys and their values, those that were written only."""


def load_rules(extra: Path | None) -> tuple[Rule, ...]:
    """Return the pack's rules with what the operator's file `extra` changes, adds and takes out.

    Raises ConfigError with every problem of a file.
    """
    rules = _read(PACK, MappingProxyType({}))
    if extra is not None:
        rules = {**rules, **_read(extra, rules)}
    return tuple(_rule(keys) for keys in rules.values() if keys.get("enabled", True))


def _rule(keys: _Keys) -> Rule:
    when = When(keys["when"])
    troubles = frozenset(map(Trouble, keys.get("troubles", ())))
    return Rule(
        name=keys["name"],
        severity=Severity(keys["severity"]),
        when=when,
        summary=keys["summary"],
        felt=keys["felt"],
        hold=keys.get("for", 0.0),
        failing=keys.get("failing", 1),
        of=keys.get("of", 1),
        judge_node=node_judge(when),
        judge_result=result_judge(when, keys.get("under", 0.0)),
        troubles=troubles,
        judge_topology=topology_judge(troubles),
    )


_LAG: Final = "how late is too late is `lag` of the topology in dialtone.yaml, 60s where it has none"
_FORMER: Final[Mapping[str, str]] = {
    "replication-broken": "`troubles: [io-stopped, io-auth, io-unreachable, binlog-purged, io-error, "
    "sql-stopped, row-missing, duplicate-key, sql-error]`",
    "replication-late": f"`troubles: [late]`; {_LAG}",
}
"""What rules about replicas looked at before there were topologies, and what to write instead."""


def _when(raw: object) -> str:
    if isinstance(raw, str) and (instead := _FORMER.get(raw)):
        raise ValueError(f"{raw} is gone; write `when: database-trouble` and {instead}")
    return values.OneOf(tuple(When))(raw)


def _troubles(raw: object) -> tuple[str, ...]:
    words = values.words(raw)
    for word in words:
        if word not in tuple(Trouble):
            hint = nearest(word, Trouble) or f"; use {listing(Trouble, len(Trouble))}"
            raise ValueError(f"has {quote(word)}, which is no trouble that is known{hint}")
    return words


def _hold(raw: object) -> float:
    """Return seconds from a duration, which may be none at all."""
    shown = str(raw).strip() if isinstance(raw, str | int | float) and not isinstance(raw, bool) else ""
    if _NOTHING.fullmatch(shown):
        return 0.0
    if shown.startswith("-"):
        raise ValueError(f"{quote(shown)} is less than nothing; 0s fires at the first bad observation")
    return _duration(raw)


def _duration(raw: object) -> float:
    seconds = values.duration(raw)
    if seconds > _LONGEST:
        raise ValueError(f"must be a day at most, not {seconds:g} seconds")
    return seconds


def _time_left(raw: object) -> float:
    seconds = values.duration(raw)
    if seconds > _MOST_LEFT:
        raise ValueError(f"must be a year at most, not {seconds / 86400:g} days")
    return seconds


def _switch(raw: object) -> bool:
    if not isinstance(raw, bool):
        shown = quote(raw) if isinstance(raw, str) else values.kind_of(raw)
        raise ValueError(f"must be true or false, not {shown}")  # noqa: TRY004 - see dialtone.config.values
    return raw


def _template(raw: object) -> str:
    """Return words with fields of ABOUT in braces, each alone: nothing that reaches further or pads."""
    words = values.text(raw, most=_MOST_WORDS)
    try:
        parts = list(Formatter().parse(words))
    except ValueError:
        raise ValueError("has braces that do not match; write {{ or }} for one that is meant") from None
    for _, field, padding, conversion in parts:
        if field is None:
            continue
        if field not in ABOUT:
            hint = nearest(field, ABOUT) or f"; use {listing(ABOUT)}"
            raise ValueError(f"has the unknown field {quote(field)} in braces{hint}")
        if padding or conversion:
            raise ValueError(f"must have the field {field} alone in its braces: {{{field}}}")
    return words


def _key(take: Callable[[object], object], example: object, default: object = None) -> Any:
    return Annotated[Any, PlainValidator(take), Field(examples=[example])], default


_SLOTS: Final = values.NumberIn(1, _MOST_SLOTS, whole=True)

# Made from a table: `for` is a key of the file and no name in Python. All but the name may be missing, for
# a rule that changes one of the pack; what is needed after all is in _NEEDS.
_RuleEntry: Final = create_model(
    "_RuleEntry",
    __base__=Entry,
    **{
        "name": _key(values.name, "NodeDown", ...),
        "when": _key(_when, When.NODE_DOWN),
        "severity": _key(values.OneOf(tuple(Severity)), Severity.CRITICAL),
        "for": _key(_hold, "60s"),
        "troubles": _key(_troubles, "[late]"),
        "under": _key(_time_left, "14d"),
        "failing": _key(_SLOTS, 2),
        "of": _key(_SLOTS, 3),
        "enabled": _key(_switch, "true"),
        "summary": _key(_template, '"{node} does not answer"'),
        "felt": _key(_template, '"Calls through it fail."'),
    },
)


class _File(Entry):
    """A rule file."""

    rules: Annotated[Entries, Field(examples=["[{name: NodeDown, for: 1m}]"])]


_ALL: Final = ("when", "severity", "summary", "felt")
_NEEDS: Final[Mapping[When, tuple[str, ...]]] = {
    When.NODE_DOWN: ("for",),
    When.DATABASE_TROUBLE: ("troubles", "for"),
    When.PROBE_FAILING: ("failing", "of"),
    When.CERTIFICATE_EXPIRING: ("under",),
}
_FIELDS: Final[Mapping[When, tuple[str, ...]]] = {
    When.NODE_DOWN: ("node",),
    When.DATABASE_TROUBLE: ("topology", "node", "channel"),
    When.PROBE_FAILING: ("tenant", "flow", "probe", "location"),
    When.CERTIFICATE_EXPIRING: ("tenant", "flow", "probe", "location"),
}


def _read(path: Path, known: Mapping[str, _Keys]) -> dict[str, _Keys]:
    """Return the rules of a file by name, each with what it leaves to the known one of that name."""
    try:
        text = read_text(path, MAX_BYTES)
    except (FileError, ValueError) as error:
        # ValueError: a path with a NUL in it.
        raise ConfigError(path, [Problem("", None, str(error))]) from None
    document, problems = parse(text, begin="`rules:` and a list of rules")
    if document is None:
        raise ConfigError(path, problems)
    report = Report(document)
    report.take(_File, document.data, ())
    listed = list(report.entries(document.data.get("rules"), ("rules",)))
    if len(listed) > MAX_RULES:
        report.problem(("rules",), f"has {len(listed):,} rules; {MAX_RULES} are the most")
    found: dict[str, _Keys] = {}
    for where, item in listed[:MAX_RULES]:
        if isinstance(item, dict) and "over" in item:
            report.problem((*where, "over"), f"is gone; {_LAG}")
            item = {key: value for key, value in item.items() if key != "over"}
        entry = report.take(_RuleEntry, item, where)
        if entry is None:
            continue
        given = entry.model_dump(exclude_unset=True)
        name = given["name"]
        if name in found:
            report.problem((*where, "name"), f"{name} is the name of another rule already")
        found[name] = {**known.get(name, {}), **given}
        _check(report, where, given, known)
    if problems or report.problems:
        raise ConfigError(path, [*problems, *report.problems])
    return found


def _check(report: Report, where: Where, given: _Keys, known: Mapping[str, _Keys]) -> None:
    """Note what is wrong with a rule as a whole: what it lacks, and what does not belong together."""
    name = given["name"]
    base = known.get(name, {})
    keys = {**base, **given}
    if base and keys["when"] != base["when"]:
        message = f"{name} is {base['when']}; give a rule that looks at something else a name of its own"
        report.problem((*where, "when"), message)
        return
    when = When(keys["when"]) if "when" in keys else None
    needed = _ALL if when is None else (*_ALL, *_NEEDS[when])
    lacking = [key for key in needed if key not in keys]
    if lacking and (hint := nearest(name, known)):
        report.problem((*where, "name"), f"no rule of the pack is called {quote(name)}{hint}")
    for key in lacking:
        example = (_RuleEntry.model_fields[key].examples or ["..."])[0]
        report.problem((*where, key), f"is missing; write for example `{key}: {example}`")
    if when is not None:
        _check_kind(report, where, given, when)
    if keys.get("failing", 0) > keys.get("of", _MOST_SLOTS):
        message = f"{keys['failing']} of {keys['of']} slots can't be; `failing` is at most `of`"
        report.problem((*where, "failing" if "failing" in given else "of"), message)


def _check_kind(report: Report, where: Where, given: _Keys, when: When) -> None:
    """Note the keys and fields that a rule of that kind can't have."""
    others = {key for keys in _NEEDS.values() for key in keys} - {*_NEEDS[when]}
    own = " and ".join(f"`{key}`" for key in _NEEDS[when])
    for key in given:
        if key in others:
            report.problem((*where, key), f"does not belong to a {when} rule, which has {own}")
    for key in ("summary", "felt"):
        for _, field, _, _ in Formatter().parse(given.get(key, "")):
            if field is not None and field not in _FIELDS[when]:
                use = listing(_FIELDS[when])
                report.problem((*where, key), f"has the field {field}, which no {when} rule has; use {use}")
