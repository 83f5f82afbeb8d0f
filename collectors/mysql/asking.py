"""What one poll asks: each part in the words that the server knows, and what it refuses is noted."""

from collections.abc import Sequence
from typing import Final

from collectors.mysql.snapshot import Flavour
from collectors.mysql.statements import SPELLINGS, Part
from collectors.mysqlclient import RefusedError, Row, Session
from collectors.mysqlclient.errors import NO_PRIVILEGE, NO_SUCH_TABLE, SYNTAX_ERROR
from dialtone.model import CollectFailure

_UNKNOWN_COLUMN: Final = 1054
_OTHER_WORDS: Final = frozenset({SYNTAX_ERROR, _UNKNOWN_COLUMN})
_NOT_PREPARED: Final = frozenset({1047})
"""Tables can't be read: the node is in no primary component of its Galera cluster. The rest can."""
_UNREADABLE: Final = NO_PRIVILEGE | NO_SUCH_TABLE | _NOT_PREPARED


class Words:
    """Which spelling a server understands, remembered for as long as it says it has the same version."""

    def __init__(self) -> None:
        self._version = ""
        self._known: set[str] = set()

    def of(self, version: str) -> "Words":
        """Return these; nothing is known of another version."""
        if version != self._version:
            self._version, self._known = version, set()
        return self

    def among(self, statements: Sequence[str]) -> Sequence[str]:
        """Return how to ask, the next where the server doesn't understand one."""
        return next(((one,) for one in statements if one in self._known), statements)

    def understood(self, statement: str) -> None:
        """Remember it."""
        self._known.add(statement)


class Asking:
    """The parts of one poll. `unread` and `notes` say what the server refuses, and why."""

    def __init__(self, session: Session, words: Words, flavour: Flavour) -> None:
        self._session = session
        self._words = words
        self._flavour = flavour
        self.unread: dict[str, CollectFailure] = {}
        self.notes: dict[str, str] = {}

    async def rows(self, part: Part, spellings: Sequence[str] = ()) -> Sequence[Row] | None:
        """Return a part's rows, None where it can't be read. Raises CollectError.

        `spellings` are other ways to ask for it than the usual.
        """
        statements = self._words.among(spellings or SPELLINGS[self._flavour, part])
        for statement in statements:
            try:
                rows = await self._session.rows(statement)
            except RefusedError as error:
                if error.code in _OTHER_WORDS and statement != statements[-1]:
                    continue
                self.refused(part, error)
                return None
            self._words.understood(statement)
            return rows
        return None

    def refused(self, part: Part, error: RefusedError) -> None:
        """Note that a part can't be read. Raises the error where it is no matter of rights and tables."""
        if error.code not in _UNREADABLE:
            raise error
        self.unread[part], self.notes[part] = error.failure, error.detail
