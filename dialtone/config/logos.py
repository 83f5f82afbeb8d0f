"""`logo:` of the platform and of resellers -> the pictures on their clients' statements."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from dialtone.config.files import FileError, read_bytes
from dialtone.config.problem import Where, listing
from dialtone.config.report import Report
from dialtone.config.tree import TenantTree
from dialtone.model import Level, normalise_domain

MAX_LOGO: Final = 256 * 1024
LOGO_TYPES: Final[Mapping[bytes, str]] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
}
"""How a picture's bytes begin (its magic), and its media type."""

LANGUAGES: Final = ("en", "fr")
"""Those that statements are written in; another tenant's are in English."""


def read_logos(
    report: Report, platform: object, tenants: object, tree: TenantTree | None, folder: Path
) -> Mapping[str, Path]:
    """Return the pictures' absolute paths by the domain that they are given for.

    They are read as far as it takes to know that they are pictures. None for tree means that there is
    something wrong with it. Relative paths start from `folder`.
    """
    found: dict[str, Path] = {}
    for where, domain, logo in _given(report, platform, tenants) if tree is not None else ():
        tenant = tree.get(domain) if tree is not None else None
        if tenant is not None and tenant.level is Level.CLIENT:
            report.problem(
                where,
                f"{domain} is a client; a logo is its reseller's or the platform's, who send the statements",
            )
            continue
        path = folder / logo
        try:
            data = read_bytes(path, MAX_LOGO)
        except (FileError, ValueError) as error:
            # ValueError: a path with a NUL in it.
            report.problem(where, f"the file {path} {error}")
            continue
        if not any(data.startswith(magic) for magic in LOGO_TYPES):
            report.problem(where, f"the file {path} is no PNG or JPEG picture")
            continue
        found[domain] = path
    return found


def _given(report: Report, platform: object, tenants: object) -> Iterator[tuple[Where, str, str]]:
    entries: list[tuple[Where, object]] = [(("platform",), platform)]
    entries.extend(report.entries(tenants, ("tenants",)))
    for where, raw in entries:
        if isinstance(raw, Mapping) and "logo" in raw:
            yield (*where, "logo"), normalise_domain(str(raw["domain"])), str(raw["logo"])


def note_languages(report: Report, tree: TenantTree) -> None:
    """Note the tenants whose language nothing is translated into."""
    theirs: dict[str, list[str]] = {}
    for tenant in tree:
        if tenant.language.partition("-")[0] not in LANGUAGES:
            theirs.setdefault(tenant.language, []).append(tenant.domain)
    for language, domains in theirs.items():
        report.note(
            f"statements know {' and '.join(LANGUAGES)}, not {language}; they are in English for "
            f"{len(domains):,} tenant{'s' if len(domains) > 1 else ''}: {listing(domains)}"
        )
