"""The PDF of a statement: same content, same bytes, and no name breaks it."""

import base64
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dialtone.sla.statement import Logo, Party
from dialtone.sla.statements import render
from dialtone.sla.statements.fonts import markup
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

START, _END = month_of("2026-10", "America/Montreal")
HOSTILE = "<b>Acme</b> & <font name='x'>Co</para><img src='file:///etc/passwd'/> ]]> &bogus;"


def said(data: bytes) -> list[str]:
    """Return the text of each page, as far as it is in built-in fonts."""
    pages = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            content = zlib.decompress(base64.a85decode(b"<~" + stream.strip(), adobe=True))
        except (ValueError, zlib.error):
            continue
        if b" Tj" not in content:
            continue
        strings = re.findall(rb"\(((?:\\.|[^\\()])*)\) Tj", content)
        pages.append(" ".join(_unescaped(each) for each in strings))
    return pages


def _unescaped(raw: bytes) -> str:
    plain = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), raw)
    return re.sub(rb"\\(.)", rb"\1", plain).decode("cp1252")


def pages(**changed: object) -> list[str]:
    return said(render(a_statement(**changed), "pdf"))


@pytest.mark.parametrize(
    ("language", "head", "foot"), [("en", "Detected", "Page 2 of"), ("fr", "Détecté", "Page 2 sur")]
)
def test_eighty_incidents_go_over_pages_with_their_head_on_each(language: str, head: str, foot: str) -> None:
    found = pages(language=language, accounts=(an_account(incidents=many_incidents()),))
    assert len(found) >= 4
    assert foot in found[1]
    assert all(head in page for page in found[1:4])


def test_the_content_is_that_of_the_other_formats() -> None:
    whole = " ".join(pages(accounts=(an_account(incidents=(an_incident(START, 7200),)),)))
    for words in ("NTEK", "Acme", "October 2026", "99.95%", "99.731%", "Missed", "timeout:", HASH):
        assert words in whole


def test_the_same_statement_is_the_same_bytes() -> None:
    made = a_statement(logo=a_logo(), tenant=Party("a.b", "Ελλάς"))
    assert render(made, "pdf") == render(made, "pdf")


def test_statements_that_are_made_at_the_same_time_do_not_mix() -> None:
    made = [a_statement(tenant=Party(f"a{number}.b", "Ελλάς")) for number in range(6)]
    with ThreadPoolExecutor(3) as several:
        together = list(several.map(lambda each: render(each, "pdf"), made))
    assert together == [render(each, "pdf") for each in made]


def test_title_and_language_are_in_the_document() -> None:
    data = render(a_statement(language="fr"), "pdf")
    assert b"/Lang" in data
    assert b"(fr)" in data
    assert b"/Author (NTEK)" in data
    assert b"/Title (" in data


def test_the_document_is_of_when_the_statement_was_computed() -> None:
    data = render(
        a_statement(made=datetime(2026, 11, 1, 9, 30, 15, tzinfo=timezone(-timedelta(hours=5)))), "pdf"
    )
    assert re.findall(rb"/CreationDate \((.*?)\)", data) == [b"D:20261101143015+00'00'"]
    assert re.findall(rb"/ModDate \((.*?)\)", data) == [b"D:20261101143015+00'00'"]


def test_mini_markup_from_outside_is_text() -> None:
    whole = " ".join(
        pages(
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
    )
    assert whole.replace(" ", "").count("<b>Acme</b>&<fontname='x'>") >= 9
    assert "&bogus;" in whole.replace(" ", "")


@pytest.mark.parametrize(
    "name", ["中文电话" * 300, "שלום", "مرحبا", "𓀀" * 500, "a" * 5000, "\x00\x1b\ud800", "", "😀" * 90]
)
def test_no_name_breaks_it_or_vanishes(name: str) -> None:
    found = pages(
        tenant=Party("a.example", name),
        issuer=Party("b.example", name),
        accounts=(
            an_account(
                objective=an_objective(service=name), incidents=(an_incident(START, causes=(name, name)),)
            ),
        ),
        excluded=(an_exclusion(START, reason=name, author=name),),
        corrections=(a_correction(START, reason=name, author=name),),
    )
    assert "a.example" in found[0]


def test_a_letter_that_no_font_has_is_shown_by_its_code() -> None:
    assert markup("中") == "[U+4E2D]"
    assert markup("ש") == "[U+05E9]"
    assert markup("a<b & é") == "a&lt;b &amp; é"


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, b"\xff\xd8\xff\xe0"]
)
def test_a_broken_logo_costs_nothing_but_the_logo(data: bytes) -> None:
    assert "NTEK" in pages(logo=Logo("image/png", data))[0]


def test_a_logo_that_is_cut_off_costs_nothing_but_the_logo() -> None:
    assert "NTEK" in pages(logo=Logo("image/png", a_logo().data[:-30]))[0]


def test_a_year_of_days_and_a_month_without_services_are_no_error() -> None:
    account = an_account()
    days = tuple(day for month in range(1, 13) for day in an_account(f"2026-{month:02}").days)
    year = replace(account, start=datetime(2026, 1, 1, 5, tzinfo=UTC), days=days)
    assert len(pages(accounts=(year,))) >= 3
    assert len(pages(accounts=())) == 1
