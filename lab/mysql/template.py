"""A data directory as the installation leaves it, made once a server version and copied ever after."""

import hashlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lab.base import LabError
from lab.files import locked

_SBIN: Final = "/usr/sbin:/usr/local/sbin:/sbin"
"""Not on everybody's PATH, but where Debian puts servers."""

_OPTIONS: Final = (
    # root by the Unix socket alone, and only for the user who runs the lab
    "--auth-root-authentication-method=socket",
    "--skip-test-db",
    "--skip-name-resolve",
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=16M",
)
_DEADLINE: Final = 120.0
_VERSION: Final = re.compile(r"Ver (\S+)")


def program(name: str) -> str | None:
    """Return the path of a server program, also where only root's PATH has it."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")


def version(server: str | Sequence[str]) -> str:
    """Return what the server calls itself: 10.11.19-MariaDB-0+deb12u1. Raises LabError.

    `server` is its program, or the command line that runs it.
    """
    argv = [server] if isinstance(server, str) else list(server)
    told = run([*argv, "--no-defaults", "--version"])
    found = _VERSION.search(told)
    if found is None:
        raise LabError(f"{argv[-1]} --version says no version: {told[:200]}")
    return found[1]


def system_user() -> str:
    """Return the name by which the kernel vouches for us on a Unix socket. Raises LabError."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        why = f"the user {os.geteuid()} has no name on this system, and MariaDB lets in by name"
        raise LabError(f"{why}: give it one in /etc/passwd") from None


def template(cache: Path, server_version: str, user: str) -> Path:
    """Return the template for that version, made in the cache if need be. Raises LabError.

    `user` is the system user whom the server lets in as root. Several labs may ask at once: one
    makes it, and it appears whole or not at all.
    """
    install = program("mariadb-install-db")
    if install is None:
        raise LabError("mariadb-install-db is missing: apt-get install mariadb-server-core")
    options = [*_OPTIONS, f"--auth-root-socket-user={user}"]
    if os.geteuid() == 0:
        options.append(f"--user={user}")

    def install_into(fresh: Path) -> None:
        run([install, "--no-defaults", f"--datadir={fresh}", *options])

    return kept(cache, server_version, options, install_into)


def kept(cache: Path, name: str, made_how: Sequence[str], make: Callable[[Path], None]) -> Path:
    """Return the template of that name, filled by `make` if it isn't in the cache yet. Raises LabError.

    `made_how` is whatever else it depends on: where that differs, it is another template.
    """
    digest = hashlib.sha256("\0".join(made_how).encode()).hexdigest()[:12]
    home = cache / "mysql"
    found = home / f"{re.sub(r'[^A-Za-z0-9.+~-]', '_', name)}-{digest}"
    with locked(home / ".lock", busy="another lab is making a template of databases", patience=_DEADLINE):
        if not found.is_dir():
            fresh = Path(tempfile.mkdtemp(prefix=".fresh-", dir=home))
            try:
                make(fresh)
                fresh.rename(found)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return found


def run(argv: Sequence[str], given: bytes = b"", *, folder: Path | None = None) -> str:
    """Run a program to its end, with `given` on its input and in that folder; return what it said.

    Raises LabError.
    """
    try:
        done = subprocess.run(
            argv,
            input=given,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_DEADLINE,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{argv[0]} is not done after {_DEADLINE:.0f} s") from None
    except subprocess.CalledProcessError as error:
        tail = "\n".join(error.stdout.decode(errors="replace").splitlines()[-20:])
        raise LabError(f"{argv[0]} failed ({error.returncode}):\n{tail}") from None
    except OSError as error:
        raise LabError(f"{argv[0]} can't be started: {error.strerror}") from None
    return done.stdout.decode(errors="replace")
