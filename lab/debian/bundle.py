"""What the lab needs from other suites: a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.files import xdg_folder


@dataclass(frozen=True, slots=True)
class Bundle:
    """Some packages of one suite with everything they depend on.

    `program` is the path, below the folder, of what is run in the end: a bundle without it is broken.
    `links` are symbolic links that the packages' maintainer scripts would make (path -> target);
    those scripts are never run.
    """

    name: str
    suite: str
    packages: tuple[str, ...]
    program: str
    links: tuple[tuple[str, str], ...] = ()


# update-alternatives makes it in a real installation. Without it Asterisk finds no sound at all,
# and a dialplan that plays one in a loop spins.
_SOUNDS: Final = (("usr/share/asterisk/sounds/en", "en_US_f_Allison"),)

BUNDLES: Final[tuple[Bundle, ...]] = (
    Bundle(
        name="asterisk",
        suite="sid",
        packages=("asterisk", "asterisk-core-sounds-en-gsm"),
        program="usr/sbin/asterisk",
        links=_SOUNDS,
    ),
    Bundle(
        name="asterisk-16",
        suite="bullseye",
        packages=("asterisk", "asterisk-voicemail", "asterisk-core-sounds-en-gsm"),
        program="usr/sbin/asterisk",
        links=_SOUNDS,
    ),
    Bundle(
        name="mariadb-11",
        suite="trixie",
        packages=("mariadb-server-core",),
        program="usr/sbin/mariadbd",
    ),
    Bundle(
        name="mysql-9",
        suite="sid",
        packages=("mysql-server-core",),
        program="usr/sbin/mysqld",
    ),
)


def default_cache() -> Path:
    """Return the user's cache folder for Dialtone, by the XDG base directory specification."""
    return xdg_folder("XDG_CACHE_HOME", ".cache")
