"""Reads PromQL far enough to say which series it asks for, and refuses what it can't judge.

A dashboard that names a metric nobody exports shows an empty panel, and nobody is told. So every name
and label in an expression is found here, by the grammar of Prometheus's own lexer (promql/parser/lex.go:
keywords in any case, three kinds of strings, comments, durations), and looked up in the catalogue.
Anything that could hide a name (`__name__` matched by a pattern, text that is no PromQL) is an error,
so that a name can't be missed. Grafana's variables (`$x`, `${x}`) may stand for a duration or in a string.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dialtone.model import Catalog, CatalogError, Kind, MetricDef


class PromqlError(ValueError):
    """An expression can't be read, or asks for what the catalogue doesn't have."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an expression asks for: `series` are (series name, labels matched in its braces).

    `grouped` are the labels named by `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`.
    """

    series: tuple[tuple[str, frozenset[str]], ...]
    grouped: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """The names of all series asked for."""
        return frozenset(name for name, _ in self.series)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


_TOKENS: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
      | (?P<variable>\$\{\w+(?::\w+)?\}|\$\w+)
      | (?P<number>0[xX][0-9a-fA-F]+|(?:\d+(?:ms|[smhdwy]))+(?!\w)|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!\w))
      | (?P<name>[a-zA-Z_][a-zA-Z0-9_:]*)
      | (?P<match>=~|!~|!=|==|<=|>=|=|<|>)
      | (?P<mark>[-+*/%^(){}\[\],:@])
    """,
    re.VERBOSE,
)
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:]*")
_OPERATORS: Final = frozenset({"and", "or", "unless", "atan2", "bool", "offset"})
_LABEL_LISTS: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_NUMBERS: Final = frozenset({"inf", "nan"})
_CLOSING: Final = {"(": ")", "{": "}", "[": "]"}
_PARTS: Final = ("_bucket", "_sum", "_count")
_END: Final = _Token("end", "")


def asked(expr: str) -> Asked:
    """Return the series that an expression asks for. Raises PromqlError where it can't be read."""
    return _Reader(expr).read()


def check(expr: str, catalog: Catalog) -> None:
    """Raise PromqlError when an expression names a metric or label that the catalogue doesn't have.

    A histogram is asked for by its _bucket, _sum and _count series; `le` belongs to the first alone.
    """
    found = asked(expr)
    if not found.series:
        raise PromqlError(f"asks for no metric: {expr}")
    known: set[str] = set()
    for name, matched in found.series:
        labels = _labels(name, catalog, expr)
        known |= labels
        if strange := matched - labels:
            raise PromqlError(f"{name} has no label {_list(strange)} (it has {_list(labels)}): {expr}")
    if strange := found.grouped - known:
        raise PromqlError(f"no metric here has the label {_list(strange)}: {expr}")


def _labels(series: str, catalog: Catalog, expr: str) -> frozenset[str]:
    metric, part = _metric(series, catalog, expr)
    return frozenset(metric.labels) | ({"le"} if part == "_bucket" else set())


def _metric(series: str, catalog: Catalog, expr: str) -> tuple[MetricDef, str]:
    for part in _PARTS:
        stem = series.removesuffix(part)
        if stem != series and stem in catalog and catalog[stem].kind is Kind.HISTOGRAM:
            return catalog[stem], part
    try:
        metric = catalog[series]
    except CatalogError as error:
        raise PromqlError(f"{error}: {expr}") from None
    if metric.kind is Kind.HISTOGRAM:
        raise PromqlError(f"{series} is a histogram: its series end in {_list(_PARTS)}: {expr}")
    return metric, ""


def _list(words: frozenset[str] | set[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(words)) or "none"


class _Reader:
    """Walks over the tokens of one expression once."""

    def __init__(self, expr: str) -> None:
        self._expr = expr
        self._tokens = tuple(self._split())
        self._at = 0
        self._series: list[tuple[str, frozenset[str]]] = []
        self._grouped: set[str] = set()

    def read(self) -> Asked:
        open_marks: list[str] = []
        while (token := self._next()) is not _END:
            if token.kind == "name":
                self._name(token.text)
            elif token.text == "{":
                self._selector(None)
            elif token.text in _CLOSING:
                open_marks.append(_CLOSING[token.text])
            elif token.text in _CLOSING.values() and (not open_marks or open_marks.pop() != token.text):
                raise self._error(f"{token.text!r} closes nothing")
            elif token.text == ":" and open_marks[-1:] != ["]"]:
                raise self._error("':' stands outside a subquery")
        if open_marks:
            raise self._error(f"{open_marks[-1]!r} is missing")
        return Asked(tuple(self._series), frozenset(self._grouped))

    def _split(self) -> Iterator[_Token]:
        position = 0
        while position < len(self._expr):
            found = _TOKENS.match(self._expr, position)
            if found is None or found.lastgroup is None:
                raise self._error(f"{self._expr[position : position + 10]!r} is no PromQL")
            if found.lastgroup != "space":
                yield _Token(found.lastgroup, found.group())
            position = found.end()

    def _name(self, name: str) -> None:
        word, after = name.lower(), self._peek()
        if word in _LABEL_LISTS:
            self._label_list(word)
        elif word in _OPERATORS or word in _NUMBERS or after.text.lower() in {"(", "by", "without"}:
            return  # an operator, a number, or a function or aggregation before its arguments
        elif after.text == "{":
            self._next()
            self._selector(name)
        else:
            self._series.append((name, frozenset()))

    def _label_list(self, word: str) -> None:
        if self._peek().text != "(":
            if word.startswith("group_"):
                return  # many-to-one matching may name no labels
            raise self._error(f"{word!r} lacks its labels")
        self._next()
        while (token := self._next()).text != ")":
            if token.kind == "name":
                self._grouped.add(token.text)
            elif token.text != ",":
                raise self._error(f"{token.text!r} is no label of {word!r}")

    def _selector(self, name: str | None) -> None:
        """Read `label="value", ...}`; the opening brace has been read."""
        labels: set[str] = set()
        while (token := self._next()).text != "}":
            if token.text == ",":
                continue
            operator, value = self._next(), self._next()
            if token.kind != "name" or operator.kind != "match" or value.kind != "string":
                raise self._error("a matcher is label, operator and a string")
            if token.text != "__name__":
                labels.add(token.text)
            elif operator.text == "=" and name is None and _NAME.fullmatch(value.text[1:-1]):
                name = value.text[1:-1]
            else:
                raise self._error("__name__ must be given once, by = and as plain text, to be checked")
        if name is None:
            raise self._error("a selector without a name can't be checked")
        self._series.append((name, frozenset(labels)))

    def _peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _next(self) -> _Token:
        token = self._peek()
        self._at += 1
        return token

    def _error(self, why: str) -> PromqlError:
        return PromqlError(f"{why}: {self._expr}")
