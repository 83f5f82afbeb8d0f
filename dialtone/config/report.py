"""Collects what is wrong while a document is read, and validates its entries one by one."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dialtone.config.document import Document
from dialtone.config.problem import Problem, Where, nearest, show_path
from dialtone.config.schema import LATER, keys
from dialtone.config.values import kind_of

M = TypeVar("M", bound=BaseModel)


class Report:
    """The problems and notes of one configuration, and the document they are about."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def line(self, where: Where) -> int | None:
        """Return the line (from 1) of a place."""
        return self._document.line(where)

    def problem(self, where: Where, message: str) -> None:
        """Note a problem of a place."""
        self.problems.append(Problem(show_path(where), self.line(where), message))

    def note(self, message: str) -> None:
        """Note something that is left out, though nothing is wrong."""
        self.notes.append(message)

    def take(self, model: type[M], raw: object, where: Where) -> M | None:
        """Return the entry of a place, or None with its problems noted."""
        if not isinstance(raw, Mapping):
            self.problem(where, f"must be a mapping, not {kind_of(raw)}")
            return None
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._explain(model, detail, where)
            return None

    def entries(self, raw: object, where: Where) -> Iterator[tuple[Where, object]]:
        """Go through the entries of a list; what is no list has its problem already."""
        if isinstance(raw, list):
            for index, item in enumerate(raw):
                yield (*where, index), item

    def _explain(self, model: type[BaseModel], detail: ErrorDetails, where: Where) -> None:
        """Say in our words what pydantic found; models are flat, so its place is one key."""
        key = str(detail["loc"][0]) if detail["loc"] else ""
        there = (*where, key) if key else where
        match detail["type"]:
            case "missing":
                examples = keys(model)[key].examples or ["..."]
                self.problem(there, f"is missing; write for example `{key}: {examples[0]}`")
            case "extra_forbidden":
                self.problem(there, _unknown(model, key, top=not where))
            case "value_error":
                self.problem(there, str(detail["ctx"]["error"]))
            case "list_type" | "dict_type" as wanted:
                what, given = "a list" if wanted == "list_type" else "a mapping", kind_of(detail["input"])
                self.problem(there, f"must be {what}, not {given}{_such_as(model, key)}")
            case _:
                self.problem(there, f"can't be {kind_of(detail['input'])}")


def _such_as(model: type[BaseModel], key: str) -> str:
    examples = keys(model)[key].examples
    return f"; write for example `{key}: {examples[0]}`" if examples else ""


def _unknown(model: type[BaseModel], key: str, *, top: bool) -> str:
    if top and key in LATER:
        return "is not supported by this version; take it out"
    known = sorted(keys(model))
    return "is not a known key" + (nearest(key, known) or f"; known are {', '.join(known)}")
