"""The language of a statement: its words from a catalogue, its numbers and dates from the locale.

Catalogues are read as translators write them (.po), so that no compiled file can be out of date. English
is what the code says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

TRANSLATED: Final = ("fr",)
"""Languages with a catalogue in dialtone/locale."""

_ENGLISH: Final = Locale("en")


@dataclass(frozen=True, slots=True)
class Language:
    """How to say things: `tag` is BCP 47 (fr-CA), `locale` has the formats, gettext the words."""

    tag: str
    locale: Locale
    gettext: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]


@lru_cache(64)
def language(tag: str) -> Language:
    """Return the language that is nearest to a tag: fr-CA has the words of fr and formats of its own.

    English where there is no catalogue.
    """
    locale = _locale(tag)
    catalogue = _catalogue(locale.language)
    return Language(str(locale).replace("_", "-"), locale, catalogue.gettext, catalogue.ngettext)


def _locale(tag: str) -> Locale:
    words = tag.replace("_", "-").split("-")
    for spoken in ("-".join(words), words[0]):
        try:
            found = Locale.parse(spoken, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
        return found if found.language in ("en", *TRANSLATED) else _ENGLISH
    return _ENGLISH


@lru_cache(8)
def _catalogue(name: str) -> NullTranslations:
    if name not in TRANSLATED:
        return NullTranslations()
    source = files("dialtone").joinpath("locale", name, "LC_MESSAGES", "dialtone.po")
    compiled = BytesIO()
    with source.open("rb") as po:
        write_mo(compiled, read_po(po, locale=name))
    compiled.seek(0)
    return Translations(compiled, domain="dialtone")
