"""The lab's own certificate authority, and one certificate for all of its servers, made by openssl(1ssl)."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.base import LabContext, LabError
from lab.files import locked
from lab.ports import LOOPBACK, LOOPBACK6

MISSING: Final = "openssl: apt-get install openssl"

_DAYS: Final = 397
"""The longest that browsers and phones take a server's certificate for (CA/Browser Forum, SC-031)."""
_FRESH: Final = 30 * 86_400
"""Seconds that a certificate must still be good for, or new ones are made."""
_DEADLINE: Final = 20.0
_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256")
_UMASK: Final = 0o077


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files (PEM): `ca` to be trusted, `chain` and its private `key` (0600) for a server of the lab."""

    ca: Path
    chain: Path
    key: Path


def missing() -> Sequence[str]:
    """Return what this machine lacks to make certificates."""
    return [] if shutil.which("openssl") else [MISSING]


def certificates(lab: LabContext) -> Certificates:
    """Return the lab's certificates; makes them if there are none, or none that last another month.

    They are for 127.0.0.1, ::1, localhost and the platform's own domain; a tenant's domain isn't in them.
    The authority's private key is gone once it has signed, so that nobody can sign more. Raises LabError.
    """
    folder = lab.folder("tls")
    folder.chmod(0o700)
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    with locked(folder / "lock", busy="the lab's certificates are being made for ever", patience=_DEADLINE):
        if not _good(made):
            _make(made, folder / "ca.key", lab.sample.platform)
    return made


def _good(made: Certificates) -> bool:
    if not all(path.exists() for path in (made.ca, made.chain, made.key)):
        return False
    return _openssl("x509", "-in", made.chain, "-noout", "-checkend", _FRESH).returncode == 0


def _make(made: Certificates, authority_key: Path, platform: str) -> None:
    names = ",".join(
        ("DNS:localhost", f"DNS:{platform}", f"IP:{LOOPBACK}", f"IP:{LOOPBACK6}")
    )  # SIP servers are known by these alone (RFC 5922 7.2), not by the subject
    common = ("req", "-x509", *_KEY, "-days", _DAYS)
    commands: tuple[tuple[object, ...], ...] = (
        (*common, "-keyout", authority_key, "-out", made.ca, "-subj", f"/CN=The lab of {platform}",
         "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        (*common, "-CA", made.ca, "-CAkey", authority_key, "-keyout", made.key, "-out", made.chain,
         "-subj", f"/CN={platform}", "-addext", f"subjectAltName={names}",
         "-addext", "basicConstraints=critical,CA:FALSE",
         "-addext", "extendedKeyUsage=serverAuth,clientAuth"),
    )  # fmt: skip
    try:
        for command in commands:
            done = _openssl(*command)
            if done.returncode:
                raise LabError(f"openssl made no certificate: {done.stderr.strip()[-300:]}")
    finally:
        authority_key.unlink(missing_ok=True)


def _openssl(*words: object) -> subprocess.CompletedProcess[str]:
    # Made by somebody else's program: the mask keeps keys from others from their first byte on.
    try:
        return subprocess.run(
            ["openssl", *map(str, words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
            check=False,
            umask=_UMASK,
            env={**os.environ, "OPENSSL_CONF": os.devnull},  # the machine's own defaults decide nothing here
        )
    except FileNotFoundError:
        raise LabError(MISSING) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"openssl took longer than {_DEADLINE:.0f} s") from None
