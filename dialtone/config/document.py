"""YAML text -> plain values, with the line of each: strict, bounded, and in words for a person.

What is read is YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema) with less:
`no` and `on` are text, as are dates, `1:30` and numbers with a leading zero (an account code 0012
stays one); tags and merge keys are refused, aliases are followed within bounds.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

import yaml

from dialtone.config.problem import Problem, Where, show_path

MAX_VALUES: Final = 200_000
MAX_DEPTH: Final = 20

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,18}(\.[0-9]{0,18})?([eE][-+]?[0-9]{1,2})?")
_WORDS: Final[Mapping[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


class WrittenNumber(float):
    """A number with a fraction, which still knows how it was written: a float is not exact."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Make the number that a text is."""
        made = super().__new__(cls, text)
        made.text = text
        return made


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration file as values, and the line (from 1) where each of them stands."""

    data: Mapping[str, object]
    lines: Mapping[Where, int]

    def line(self, where: Where) -> int | None:
        """Return the line of a place, or of what it would stand in where it is missing."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where)


@dataclass(frozen=True, slots=True)
class _Scalar:
    line: int
    text: str
    plain: bool


@dataclass(frozen=True, slots=True)
class _List:
    line: int
    items: list["_Node"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Map:
    line: int
    entries: list[tuple["_Node", "_Node"]] = field(default_factory=list)


_Node: TypeAlias = _Scalar | _List | _Map


class _BrokenError(Exception):
    """Reading can't go on past this line."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.problem = Problem("", line, message)


def parse(text: str, *, begin: str) -> tuple[Document | None, list[Problem]]:
    """Return the document and its problems; the document is None where nothing of it can be used.

    `begin` says, to who wrote something else, how such a file begins.
    """
    reader = _Reader()
    try:
        root = _compose(text)
        if root is None:
            raise _BrokenError(None, f"is empty; begin with {begin}")
        if not isinstance(root, _Map):
            raise _BrokenError(root.line, f"must be a mapping; begin with {begin}")
        data = reader.mapping(root, ())
    except _BrokenError as error:
        return None, [*reader.problems, error.problem]
    return Document(data, reader.lines), reader.problems


class _Reader:
    """Turns nodes into values; what an alias repeats counts each time, so that bombs stay small."""

    def __init__(self) -> None:
        self.lines: dict[Where, int] = {}
        self.problems: list[Problem] = []
        self._values = 0

    def value(self, node: _Node, where: Where) -> object:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _BrokenError(node.line, f"the file holds more than {MAX_VALUES:,} values, aliases followed")
        if len(where) > MAX_DEPTH:
            raise _BrokenError(node.line, f"nested more than {MAX_DEPTH} levels deep")
        self.lines.setdefault(where, node.line)
        match node:
            case _Scalar():
                return _resolve(node)
            case _List():
                return [self.value(item, (*where, index)) for index, item in enumerate(node.items)]
            case _Map():
                return self.mapping(node, where)

    def mapping(self, node: _Map, where: Where) -> dict[str, object]:
        self.lines.setdefault(where, node.line)
        found: dict[str, object] = {}
        for key_node, value_node in node.entries:
            if not isinstance(key_node, _Scalar):
                self._problem(where, key_node.line, "a key must be one word, not a list or a mapping")
                continue
            key, there = key_node.text, (*where, key_node.text)
            if key == "<<" and key_node.plain:
                self._problem(where, key_node.line, "merge keys (<<) are not supported; write the keys out")
            elif key in found:
                first = self.lines[there]
                self._problem(there, key_node.line, f"stands twice, first in line {first}; keep one of them")
            else:
                self.lines[there] = key_node.line
                found[key] = self.value(value_node, there)
        return found

    def _problem(self, where: Where, line: int, message: str) -> None:
        self.problems.append(Problem(show_path(where), line, message))


def _resolve(node: _Scalar) -> object:
    text = node.text
    if not node.plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and not re.match(r"[-+]?0[0-9]", text):
        return WrittenNumber(text)
    return text


def _compose(text: str) -> _Node | None:
    """Build the one document's nodes from the parser's events, without recursion; None without one."""
    events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
    anchors: dict[str, _Node] = {}
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                root = _node(next(events), events, anchors, 0)
                _only_one_document(events)
                return root
    except yaml.YAMLError as error:
        raise _syntax(error, text) from None
    return None


def _node(event: Any, events: Iterator[Any], anchors: dict[str, _Node], depth: int) -> _Node:
    line = _line(event)
    if depth > MAX_DEPTH:
        raise _BrokenError(line, f"nested more than {MAX_DEPTH} levels deep")
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            # Its name is not repeated: a password may begin with a star.
            raise _BrokenError(
                line, "nothing complete above has the name after *; put a value that begins with * in quotes"
            )
        return anchors[event.anchor]
    if event.tag is not None:
        # Nor is a tag's: a password may begin with an exclamation mark.
        raise _BrokenError(
            line,
            "tags are not supported; take the word with ! out, or put a value that begins with ! in quotes",
        )
    node: _Node
    if isinstance(event, yaml.ScalarEvent):
        node = _Scalar(line, event.value, plain=event.implicit[0])
    elif isinstance(event, yaml.SequenceStartEvent):
        node = _List(line)
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            node.items.append(_node(item, events, anchors, depth + 1))
    else:
        node = _Map(line)
        while not isinstance(key := next(events), yaml.MappingEndEvent):
            name = _node(key, events, anchors, depth + 1)
            node.entries.append((name, _node(next(events), events, anchors, depth + 1)))
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _only_one_document(events: Iterator[Any]) -> None:
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            raise _BrokenError(_line(event), "a second document starts here (---); keep one")


# What the parser says -> what a person can do about it. The first whose words all occur is used; `here`
# means the line of the error, otherwise it is the line where the thing began.
_HINTS: Final[tuple[tuple[str, bool, str], ...]] = (
    (
        "mapping values are not allowed",
        True,
        "a second `: ` in one value; put the value in quotes, or mend the indentation",
    ),
    ("flow sequence", False, "the list that opens here with [ is not closed, or lacks a comma"),
    ("flow mapping", False, "the mapping that opens here with { is not closed, or lacks a comma"),
    ("flow node", True, "a list or mapping in brackets breaks off here; put a value with brackets in quotes"),
    ("quoted scalar found unexpected end", False, "the quote that opens here is not closed"),
    ("unknown escape character", True, "an unknown escape after \\; use single quotes to keep backslashes"),
    ("block", True, "the indentation does not fit what stands above"),
    ("<document start>", True, "the indentation does not fit what stands above"),
)


def _syntax(error: yaml.YAMLError, text: str) -> _BrokenError:
    """Translate the parser's complaint; its two implementations differ in words, not in marks."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return _BrokenError(line, f"a character that YAML forbids (U+{error.character:04X}); take it out")
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return _BrokenError(None, "is not YAML")
    here = error.problem_mark.line + 1
    if "cannot start any token" in (error.problem or ""):
        lines = text.split("\n")
        found = lines[error.problem_mark.line][error.problem_mark.column : error.problem_mark.column + 1]
        if found == "\t":
            return _BrokenError(here, "a tab can't indent YAML; use spaces")
        return _BrokenError(here, f"a value can't begin with {found}; put it in quotes")
    said = f"{error.context or ''} {error.problem or ''}"
    for words, at_error, hint in _HINTS:
        if words in said:
            opened = None if at_error else error.context_mark
            return _BrokenError(here if opened is None else opened.line + 1, hint)
    return _BrokenError(here, f"is not YAML: {error.problem}")
