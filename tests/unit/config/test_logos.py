"""Logos of who sends statements, and the languages that these are written in."""

from pathlib import Path
from typing import Final

import pytest

from dialtone.config.logos import LANGUAGES, MAX_LOGO
from tests.unit.config.conftest import Reader, refusals

PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(20)
JPEG: Final = b"\xff\xd8\xff\xe0" + bytes(20)


def text(platform: str = "", reseller: str = "", client: str = "") -> str:
    return (
        f"location: mtl1\nplatform: {{domain: p.example{platform}}}\n"
        f"tenants: [{{domain: r.p.example{reseller}}}, {{domain: c.r.p.example{client}}}]\n"
    )


def test_the_platform_and_resellers_may_have_one_of_their_own(read: Reader, folder: Path) -> None:
    (folder / "ours.png").write_bytes(PNG)
    (folder / "theirs.jpg").write_bytes(JPEG)
    found = read(text(", logo: ours.png", ", logo: theirs.jpg")).logos
    assert found == {"p.example": folder / "ours.png", "r.p.example": folder / "theirs.jpg"}
    assert read(text(", logo: ours.png")).logos == {"p.example": folder / "ours.png"}


def test_a_client_has_none(read: Reader, folder: Path) -> None:
    (folder / "ours.png").write_bytes(PNG)
    (said,) = refusals(read, text(client=", logo: ours.png"))
    assert said.startswith("tenants[1].logo: c.r.p.example is a client")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<svg onload='alert(1)'/>", "is no PNG or JPEG picture"),
        (b"", "is no PNG or JPEG picture"),
        (b"GIF89a", "is no PNG or JPEG picture"),
        (PNG + bytes(MAX_LOGO), "is larger than 262,144 bytes"),
    ],
)
def test_what_is_no_small_picture_is_refused(read: Reader, folder: Path, data: bytes, said: str) -> None:
    (folder / "x.png").write_bytes(data)
    assert refusals(read, text(", logo: x.png")) == [f"platform.logo: the file {folder / 'x.png'} {said}"]


def test_a_language_without_a_catalogue_is_said_once_with_its_tenants(read: Reader) -> None:
    assert read(text(reseller=", language: fr-CA")).notes[0].startswith("there are no nodes")
    whole = read(text(reseller=", language: de"))
    assert (
        "statements know en and fr, not de; they are in English for 2 tenants: r.p.example, c.r.p.example"
        in whole.notes
    )


def test_the_languages_are_those_that_there_are_catalogues_of() -> None:
    catalogues = Path(__file__).parents[3] / "dialtone" / "locale"
    there = {folder.name for folder in catalogues.iterdir() if (folder / "LC_MESSAGES").is_dir()}
    assert there | {"en"} == set(LANGUAGES)
