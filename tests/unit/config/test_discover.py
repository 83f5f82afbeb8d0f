"""`discover:` in a configuration that is right; what is wrong is in tests/data/config/broken."""

from typing import Final

import pytest

from dialtone.config import Discover
from dialtone.config.values import select
from dialtone.model import Database, Secret
from tests.unit.config.conftest import HEAD, WHOLE, Reader

DISCOVER: Final = """
discover:
  - {node: sip1, every: 5m}
  - {dsn: "mysql://reader@127.0.0.1/opensips", password: {env: DB_PASSWORD}, every: 10s}
  - {dsn: "mysql://reader@127.0.0.1/opensips", sql: "select name from customers", name: customers}
"""


def test_without_the_key_nothing_is_discovered(read: Reader) -> None:
    assert read(HEAD).discover == ()
    assert read(HEAD + "discover: []\n").discover == ()


def test_a_node_and_a_database_are_sources_with_names_of_their_own(read: Reader) -> None:
    settings = read(WHOLE + DISCOVER)
    database = Database("mysql://127.0.0.1:3306", "opensips", "reader", Secret("sesame-db"))
    (sip1,) = (node for node in settings.nodes if node.name == "sip1")
    assert settings.discover == (
        Discover("sip1", 300.0, node=sip1),
        Discover("opensips", 10.0, database=database, sql="SELECT domain FROM domain"),
        Discover(
            "customers",
            300.0,
            database=Database("mysql://127.0.0.1:3306", "opensips", "reader"),
            sql="select name from customers",
        ),
    )
    assert "sesame" not in repr(settings)


def test_a_statement_has_at_most_a_thousand_characters() -> None:
    longest = "SELECT '" + "x" * 991 + "'"
    assert select(longest) == longest
    with pytest.raises(ValueError, match="has 1001 characters"):
        select(longest + " ")
    with pytest.raises(ValueError, match="one line"):
        select("SELECT domain\nFROM domain")


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("SELECT domain FROM domain INTO OUTFILE '/tmp/x'", "INTO"),
        ("SELECT domain into dumpfile '/tmp/x' FROM domain", "INTO"),
        ("SELECT domain FROM domain FOR UPDATE", "FOR UPDATE"),
        ("SELECT domain FROM domain FOR  SHARE", "FOR  SHARE"),
        ("SELECT domain FROM domain LOCK IN SHARE MODE", "LOCK IN"),
        ("SELECT domain FROM domain WHERE a = 'it\\'s' INTO @x", "INTO"),
    ],
)
def test_a_statement_that_does_more_than_read_is_refused(statement: str, word: str) -> None:
    with pytest.raises(ValueError, match=f"must only read; take {word} "):
        select(statement)


@pytest.mark.parametrize(
    "comment", ["/*! INTO OUTFILE '/tmp/x' */", "-- all", "# all", "INTO/**/OUTFILE 'x'"]
)
def test_a_statement_with_a_comment_is_refused_for_what_may_hide_in_it(comment: str) -> None:
    with pytest.raises(ValueError, match="without comments"):
        select(" ".join(("SELECT domain FROM domain", comment)))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT domain FROM domain WHERE note = 'put into use for update #1'",
        "SELECT `into` FROM domain",
        'SELECT domain FROM domain WHERE note = "-- x"',
        "SELECT intro, locked_in FROM updates",
    ],
)
def test_words_in_quotes_and_parts_of_names_are_no_clauses(statement: str) -> None:
    assert select(statement) == statement
