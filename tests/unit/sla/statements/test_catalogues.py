"""Every text of a statement is translated, and says the same with the same figures in it."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import dialtone.sla.statements
from dialtone.sla.statements.language import TRANSLATED, language

SOURCE = Path(dialtone.sla.statements.__file__).parent
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]


def messages() -> set[str | tuple[str, ...]]:
    return {message for _file, _line, message, _said, _context in extract_from_dir(SOURCE, METHODS)}


def catalogue(name: str) -> Catalog:
    source = files("dialtone").joinpath("locale", name, "LC_MESSAGES", "dialtone.po")
    with source.open("rb") as po:
        return read_po(po, locale=name, abort_invalid=True)


@pytest.fixture(params=TRANSLATED)
def french(request: pytest.FixtureRequest) -> Catalog:
    return catalogue(request.param)


def texts(message: Message) -> Iterator[tuple[str, str]]:
    """Yield each source text with its translation; a plural has as many as the language has forms."""
    if isinstance(message.id, str):
        yield message.id, str(message.string)
        return
    for number, said in enumerate(message.string or ()):
        yield message.id[min(number, 1)], said


def test_there_are_messages_in_code_and_in_the_template() -> None:
    found = messages()
    assert "Service level statement" in found
    assert "Verdict" in found
    assert any(isinstance(message, tuple) for message in found)


def test_no_text_is_missing_from_a_catalogue(french: Catalog) -> None:
    known = {message.id for message in french if message.id}
    assert messages() - known == set()


def test_no_text_of_a_catalogue_is_without_use(french: Catalog) -> None:
    assert {message.id for message in french if message.id} - messages() == set()
    assert not french.obsolete


def test_no_text_is_untranslated_or_fuzzy(french: Catalog) -> None:
    for message in french:
        if message.id:
            assert not message.fuzzy, message.id
            assert all(said.strip() for _source, said in texts(message)), message.id


def test_a_plural_has_all_forms_of_its_language(french: Catalog) -> None:
    for message in french:
        if not isinstance(message.id, str):
            assert len(message.string or ()) == french.num_plurals, message.id


def test_a_translation_has_the_figures_of_its_source_and_no_others(french: Catalog) -> None:
    for message in french:
        for source, said in texts(message) if message.id else ():
            assert fields(said) == fields(source), source


def test_french_keeps_signs_with_their_words() -> None:
    for message in catalogue("fr"):
        for _source, said in texts(message) if message.id else ():
            assert not re.search(r" [:;!?%»]|« |\w[;!?%]", said), said
            assert not re.search(r"\w:", said), said
            assert "'" not in said, said


@pytest.mark.parametrize(
    ("tag", "spoken"),
    [
        ("fr", "fr"),
        ("fr-CA", "fr-CA"),
        ("fr_CA", "fr-CA"),
        ("FR", "fr"),
        ("fr-XX", "fr"),
        ("en-GB", "en-GB"),
        ("de", "en"),
        ("zh-Hant-TW", "en"),
        ("", "en"),
        ("../../etc/passwd", "en"),
        ("x" * 500, "en"),
    ],
)
def test_a_language_without_a_catalogue_is_english(tag: str, spoken: str) -> None:
    found = language(tag)
    assert found.tag == spoken
    assert found.gettext("Missed") == ("Manqué" if spoken.startswith("fr") else "Missed")


def fields(text: str) -> list[str]:
    return sorted(name for _said, name, _spec, _conversion in Formatter().parse(text) if name is not None)
