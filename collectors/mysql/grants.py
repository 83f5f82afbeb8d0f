"""What the account that we read a server with may do: too little, and more than a watcher should.

Read from SHOW GRANTS, in which MariaDB and MySQL put the rights of the roles that are active too (MariaDB
leaves them out of SHOW GRANTS FOR CURRENT_USER; seen on 10.11). MariaDB's rows also hold the password's hash:
nothing of a row is ever shown but names of rights, of what they are for, and of the account, and MariaDB is
not asked where others may listen, for whoever has the hash and one login can log in himself. Rights: MariaDB
KB, "GRANT"; MySQL 8.4 Reference Manual, "Privileges Provided by MySQL".
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from collectors.mysql.snapshot import Flavour
from collectors.mysqlclient import RefusedError, Row, Session, one_line

GRANTS: Final = "SHOW GRANTS"

TABLES: Final = (
    "replication_applier_status_by_worker",
    "replication_connection_configuration",
    "replication_connection_status",
    "threads",
)
"""Of MySQL's performance_schema, what is read."""

_SCHEMA: Final = "performance_schema"
_EVERYTHING: Final = "ALL PRIVILEGES"
_GRANT_OPTION: Final = "GRANT OPTION"
_HARMLESS: Final = frozenset(
    {
        *("USAGE", "SELECT", "PROCESS", "SHOW DATABASES", "SHOW VIEW", "SHOW_ROUTINE", "SHOW CREATE ROUTINE"),
        *("REPLICATION CLIENT", "BINLOG MONITOR", "SLAVE MONITOR", "REPLICA MONITOR"),
    }
)
"""Rights that only look, SELECT where it isn't for all tables. All others are more than is needed."""
_WORST: Final = (_EVERYTHING, _GRANT_OPTION, "SUPER", "FILE")
_SPLIT: Final = (10, 5, 2)
"""The MariaDB in which REPLICATION CLIENT became BINLOG MONITOR and SLAVE MONITOR."""

_MOST_ROWS: Final = 512
_LONGEST_ROW: Final = 16 * 1024
_SHOWN: Final = 6
_WORD: Final = re.compile(r"[A-Z][A-Z_ ]{0,39}")
_NAME: Final = re.compile(r"[`'\"]([A-Za-z0-9_$%.:/-]{0,80})[`'\"]")
_VERSION: Final = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})")
_TOKEN: Final = re.compile(r"`(?:``|[^`])*`|'(?:''|[^'])*'|\"(?:\"\"|[^\"])*\"|[(),.@*]|[^\s`'\"(),.@*]+")


@dataclass(frozen=True, slots=True)
class Grant:
    """One right: `what` ("SELECT"), on `schema`.`table` or some of its columns, "*" for all.

    A schema may be a pattern (LIKE).
    """

    what: str
    schema: str
    table: str

    @property
    def everywhere(self) -> bool:
        """Whether it is for the whole server."""
        return self.schema == self.table == "*"

    def covers(self, schema: str, table: str) -> bool:
        """Whether it is for that table, "*" being all of a schema, or the whole server."""
        if self.everywhere:
            return True
        if schema == "*" or not _like(self.schema.lower(), schema.lower()):
            return False
        return self.table == "*" or self.table.lower() == table.lower()


@dataclass(frozen=True, slots=True)
class Rights:
    """What an account lacks, as statements to be typed, and what it has too much of, the worst first.

    `roles` are those that it has and that may not be active.
    """

    missing: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


def rights_of(rows: Sequence[Row], flavour: Flavour, version: str, heartbeat: str | None = None) -> Rights:
    """Return what the rows of SHOW GRANTS mean for our statements; `heartbeat` is schema.table.

    A row that isn't understood gives no right.
    """
    account = ""
    roles: list[str] = []
    active: set[str] = set()
    grants: list[Grant] = []
    for tokens in map(_tokens, rows[:_MOST_ROWS]):
        rights, place, grantee = _parts(tokens)
        if not grantee:
            continue
        if "@" in grantee:
            account = account or _account(grantee)
        else:
            active.add(_plain(grantee[:1]))
        if not place:
            roles += [_plain(role) for role in _apart(rights)]
        else:
            grants += _grants(rights, place, tokens)
    to = f"TO {account}" if account else "TO its account"
    lacking = _missing(grants, flavour, version, heartbeat)
    return Rights(
        tuple(f"GRANT {what} {to}" for what in lacking),
        tuple(_spare(grants)),
        tuple(dict.fromkeys(role for role in roles if role and role not in active)),
    )


async def read_note(session: Session, flavour: Flavour, version: str, heartbeat: str | None = None) -> str:
    """Ask, and return note() of it; "" where it may not be asked. Raises CollectError, but not for a no.

    What can't be read for want of a right says so itself.
    """
    if flavour is Flavour.MARIADB and not session.private:
        return ""
    try:
        rows = await session.rows(GRANTS)
    except RefusedError:
        return ""
    return note(rights_of(rows, flavour, version, heartbeat))


def note(rights: Rights) -> str:
    """Return it as a line for whoever looks after the account; "" where all is as it should be."""
    parts = []
    if rights.missing:
        parts.append(f"missing: {'; '.join(rights.missing)}")
        if rights.roles:
            parts.append(f"or make its role active by default: {', '.join(rights.roles[:_SHOWN])}")
    if rights.spare:
        rest = len(rights.spare) - _SHOWN
        more = f" and {rest} more" if rest > 0 else ""
        parts.append(f"more than a watcher needs: {', '.join(rights.spare[:_SHOWN])}{more}")
    return one_line("; ".join(parts))


def _missing(grants: Sequence[Grant], flavour: Flavour, version: str, heartbeat: str | None) -> Iterator[str]:
    found = _VERSION.search(version)
    if flavour is Flavour.MARIADB and (found is None or tuple(map(int, found.groups())) >= _SPLIT):
        wanted: list[tuple[str, ...]] = [
            ("SLAVE MONITOR", "REPLICA MONITOR"),
            ("BINLOG MONITOR", "REPLICATION CLIENT"),
        ]
    else:
        wanted = [("REPLICATION CLIENT",)]
    if lacking := [names[0] for names in wanted if not _has(grants, (*names, "SUPER"), "*", "*")]:
        yield f"{', '.join(lacking)} ON *.*"
    if flavour is Flavour.MYSQL and not all(_has(grants, ("SELECT",), _SCHEMA, name) for name in TABLES):
        yield f"SELECT ON {_SCHEMA}.*"
    if heartbeat is not None:
        schema, _, table = heartbeat.partition(".")
        if not _has(grants, ("SELECT",), schema, table):
            yield f"SELECT ON {heartbeat}"


def _has(grants: Iterable[Grant], names: Sequence[str], schema: str, table: str) -> bool:
    wanted = {*names, _EVERYTHING}
    return any(grant.what in wanted and grant.covers(schema, table) for grant in grants)


def _spare(grants: Iterable[Grant]) -> Sequence[str]:
    found: dict[str, int] = {}
    for grant in grants:
        where = "*.*" if grant.everywhere else f"{_shown(grant.schema)}.{_shown(grant.table)}"
        if grant.what not in _HARMLESS or (grant.what == "SELECT" and grant.covers("mysql", "user")):
            rank = _WORST.index(grant.what) if grant.what in _WORST else len(_WORST)
            found.setdefault(f"{grant.what} on {where}", rank)
    return sorted(found, key=lambda text: found[text])


def _tokens(row: Row) -> Sequence[str]:
    text = next(iter(row.values()), None) or ""
    return _TOKEN.findall(text[:_LONGEST_ROW]) if text.startswith("GRANT ") else ()


def _parts(tokens: Sequence[str]) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Return what is granted, on what ("" for a role), and to whom; nothing of what follows."""
    if "TO" not in tokens:
        return (), (), ()
    to = tokens.index("TO")
    on = tokens.index("ON") if "ON" in tokens[:to] else to
    grantee = tokens[to + 1 : to + 4] if tokens[to + 2 : to + 3] == ["@"] else tokens[to + 1 : to + 2]
    return tokens[1:on], tokens[on + 1 : to], grantee


def _grants(rights: Sequence[str], place: Sequence[str], tokens: Sequence[str]) -> Iterator[Grant]:
    if "@" in place:  # PROXY on somebody: his rights, whatever they are
        yield Grant("PROXY", "*", "*")
        return
    *_, schema, _, table = ("", "", *place)[-3:] if "." in place else ("", "", "")
    if not schema:
        return
    names = _unquoted(schema), _unquoted(table)
    for right in _apart(rights):
        what = " ".join(takewhile(lambda word: word != "(", right))
        if _WORD.fullmatch(what):
            yield Grant(what, *names)
    rest = tokens[tokens.index("TO") :]
    if any(rest[at : at + 3] == ["WITH", "GRANT", "OPTION"] for at in range(len(rest))):
        yield Grant(_GRANT_OPTION, *names)


def _apart(rights: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the rights between the commas that are not in parentheses (of columns)."""
    right: list[str] = []
    inside = False
    for word in rights:
        inside = word == "(" or (inside and word != ")")
        if word == "," and not inside:
            yield right
            right = []
        else:
            right.append(word)
    yield right


def _account(grantee: Sequence[str]) -> str:
    """Return `user`@`host` where it is safe to be typed, else "": a server may call itself what it likes."""
    names = [_NAME.fullmatch(token) for token in (grantee[0], grantee[-1])]
    return "@".join(f"'{name[1]}'" for name in names if name) if all(names) else ""


def _plain(tokens: Sequence[str]) -> str:
    return _shown(_unquoted(tokens[0])) if tokens else ""


def _unquoted(token: str) -> str:
    quote = token[:1]
    return token[1:-1].replace(quote * 2, quote) if quote in ("`", "'", '"') else token


def _shown(name: str) -> str:
    return one_line(name)[:64]


def _like(pattern: str, text: str) -> bool:
    """Whether a text is like a pattern of SQL: % anything, _ one character, a backslash before either."""
    reached = {0}
    escaped = False
    for character in pattern[:256]:
        if character == "\\" and not escaped:
            escaped = True
            continue
        if character == "%" and not escaped:
            reached = set(range(min(reached, default=len(text) + 1), len(text) + 1))
        else:
            anything = character == "_" and not escaped
            reached = {at + 1 for at in reached if at < len(text) and (anything or text[at] == character)}
        escaped = False
    return len(text) in reached
