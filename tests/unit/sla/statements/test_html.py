"""The page of a statement: whole in one file, and text from outside is text."""

import re
from html.parser import HTMLParser

import pytest

from dialtone.sla.statement import Logo, Party
from dialtone.sla.statements import render
from tests.fakes.statements import (
    HASH,
    a_correction,
    a_logo,
    a_statement,
    an_account,
    an_exclusion,
    an_incident,
    an_objective,
    many_incidents,
    month_of,
)

HOSTILE = "<script>alert(1)</script>\"' onload=x {{ 7*7 }}"
START, _END = month_of("2026-10", "America/Montreal")


class Elements(HTMLParser):
    """Collects the elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.said.append(data.strip())

    def count(self, tag: str, kind: str | None = None) -> int:
        return sum(
            name == tag and (kind is None or kind in (attributes.get("class") or "").split())
            for name, attributes in self.tags
        )


def page(**changed: object) -> Elements:
    return Elements(render(a_statement(**changed), "html").decode())


def test_a_page_runs_no_script_and_fetches_nothing() -> None:
    found = page(logo=a_logo(), accounts=(an_account(incidents=many_incidents()),))
    assert {name for name, _attributes in found.tags}.isdisjoint({"script", "link", "iframe", "form"})
    for _name, attributes in found.tags:
        assert (attributes.get("src") or "data:").startswith("data:")
        assert "href" not in attributes
        assert not any(name.startswith("on") for name in attributes)


def test_texts_from_outside_are_text_and_nothing_else() -> None:
    found = page(
        tenant=Party("a.example", HOSTILE),
        issuer=Party("b.example", HOSTILE),
        accounts=(
            an_account(
                objective=an_objective(service=HOSTILE),
                incidents=(an_incident(START, causes=(HOSTILE,)),),
            ),
        ),
        excluded=(an_exclusion(START, reason=HOSTILE, author=HOSTILE),),
        corrections=(a_correction(START, reason=HOSTILE, author=HOSTILE),),
    )
    assert found.count("script") == 0
    assert sum(HOSTILE in said for said in found.said) >= 9


def test_control_characters_and_turned_writing_are_shown_by_their_codes() -> None:
    raw = render(a_statement(tenant=Party("a.example", "Ac\x1b[31mme\u202e\x00")), "html").decode()
    assert "Ac[U+001B][31mme[U+202E][U+0000]" in raw
    assert "\x1b" not in raw
    assert "\u202e" not in raw


def test_the_language_of_the_page_is_told() -> None:
    assert page(language="fr-CA").tags[0] == ("html", {"lang": "fr-CA"})
    assert page(language="de").tags[0] == ("html", {"lang": "en"})


def test_a_logo_is_in_the_page_and_an_odd_type_is_not() -> None:
    assert page(logo=a_logo()).count("img") == 1
    assert page().count("img") == 0
    assert page(logo=Logo("image/svg+xml", b"<svg onload=alert(1)>")).count("img") == 0


@pytest.mark.parametrize("language", ["en", "fr"])
def test_eighty_incidents_are_eighty_rows_below_a_head_that_repeats(language: str) -> None:
    found = page(language=language, accounts=(an_account(incidents=many_incidents()),))
    assert found.count("table", "list") == 2
    assert found.count("tr") == 1 + 1 + 6 + 1 + 80 + 1 + 1  # verdicts, days, incidents, totals
    raw = render(a_statement(), "html").decode()
    assert "table-header-group" in raw


def test_more_incidents_than_anybody_reads_are_counted() -> None:
    found = page(accounts=(an_account(incidents=many_incidents(count=503)),))
    assert "3 more are in the JSON of this statement." in found.said


def test_days_say_how_they_went_without_colour_too() -> None:
    account = an_account(
        incidents=(an_incident(START, 60), an_incident(START.replace(day=5), 7200)),
        unknown={9: 86400, 10: 9000},
        excluded={12: 86400},
    )
    found = page(accounts=(account,))
    kinds = ("some", "poor", "patchy", "unmeasured", "excluded", "good")
    assert [found.count("td", kind) for kind in kinds] == [0, 2, 1, 1, 1, 26]
    assert {"not measured", "excluded", "unknown: 150\u00a0min", "2\u00a0hr"} <= set(found.said)


def test_a_closed_month_has_its_hash_and_an_open_one_says_that_it_is_open() -> None:
    assert HASH in page().said
    opened = page(closing=None)
    assert HASH not in opened.said
    assert "The month is not closed: figures may still change." in opened.said
    assert "The month is not closed: figures may still change." not in page().said


def test_a_statement_is_the_same_bytes_each_time() -> None:
    assert render(a_statement(logo=a_logo()), "html") == render(a_statement(logo=a_logo()), "html")


def test_each_cell_names_its_column_where_rows_are_stacked_on_a_phone() -> None:
    raw = render(a_statement(accounts=(an_account(incidents=many_incidents(count=2)),)), "html").decode()
    found = Elements(raw)
    heads = [attributes.get("data-head") for name, attributes in found.tags if name == "td"]
    assert "Cause" in heads
    assert "Budget spent" in heads
    assert "attr(data-head)" in raw
    assert "@media screen and (max-width: 760px)" in raw
    assert "white-space: nowrap" not in raw


def test_paper_is_white_whatever_the_reader_prefers() -> None:
    raw = render(a_statement(), "html").decode()
    assert re.search(r"body \{[^}]*background: #fff", raw)
    assert "prefers-color-scheme" not in raw
