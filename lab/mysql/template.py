"""A data directory as mariadb-install-db leaves it, made once a server version and copied ever after."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
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


def version(mariadbd: str) -> str:
    """Return what the server calls itself: 10.11.19-MariaDB-0+deb12u1. Raises LabError."""
    told = _run([mariadbd, "--no-defaults", "--version"])
    found = _VERSION.search(told)
    if found is None:
        raise LabError(f"{mariadbd} --version says no version: {told[:200]}")
    return found[1]


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
    made_how = hashlib.sha256("\0".join(options).encode()).hexdigest()[:12]
    home = cache / "mysql"
    found = home / f"{re.sub(r'[^A-Za-z0-9.+~-]', '_', server_version)}-{made_how}"
    with locked(home / ".lock", busy="another lab is making MariaDB's template", patience=_DEADLINE):
        if not found.is_dir():
            fresh = Path(tempfile.mkdtemp(prefix=".fresh-", dir=home))
            try:
                _run([install, "--no-defaults", f"--datadir={fresh}", *options])
                fresh.rename(found)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return found


def _run(argv: list[str]) -> str:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
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
