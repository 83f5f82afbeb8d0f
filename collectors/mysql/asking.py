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
_UNREADABLE: Final = NO_PRIVILEGE | NO_SUCH_TABLE


class Words:
    """Which spelling a server understands, remembered for as long as it says it has the same version."""

    def __init__(self) -> None:
        self._version = ""
        self._known: dict[Part, str] = {}

    def of(self, version: str) -> "Words":
        """Return these; nothing is known of another version."""
        if version != self._version:
            self._version, self._known = version, {}
        return self

    def spellings(self, flavour: Flavour, part: Part) -> Sequence[str]:
        """Return how to ask for a part, the next where the server doesn't understand one."""
        known = self._known.get(part)
        return SPELLINGS[flavour, part] if known is None else (known,)

    def understood(self, part: Part, statement: str) -> None:
        """Remember it."""
        self._known[part] = statement


class Asking:
    """The parts of one poll. `unread` and `notes` say what the server refuses, and why."""

    def __init__(self, session: Session, words: Words, flavour: Flavour) -> None:
        self._session = session
        self._words = words
        self._flavour = flavour
        self.unread: dict[str, CollectFailure] = {}
        self.notes: dict[str, str] = {}

    async def rows(self, part: Part) -> Sequence[Row] | None:
        """Return a part's rows, None where it can't be read. Raises CollectError."""
        statements = self._words.spellings(self._flavour, part)
        for statement in statements:
            try:
                rows = await self._session.rows(statement)
            except RefusedError as error:
                if error.code in _OTHER_WORDS and statement != statements[-1]:
                    continue
                self.refused(part, error)
                return None
            self._words.understood(part, statement)
            return rows
        return None

    def refused(self, part: Part, error: RefusedError) -> None:
        """Note that a part can't be read. Raises the error where it is no matter of rights and tables."""
        if error.code not in _UNREADABLE:
            raise error
        self.unread[part], self.notes[part] = error.failure, error.detail
