"""The lab's part that starts Asterisk and says how to reach it."""

import asyncio
import random
import resource
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from lab.asterisk.boot import check_sip, wait_until_booted
from lab.asterisk.config import COLLECTOR, LAB_USER, Settings, render
from lab.base import LabContext, LabError, PartInfo
from lab.debian import BUNDLES, Unpacked, default_cache, ensure, unpacked
from lab.files import write_private
from lab.ports import LOOPBACK, is_free

_log = structlog.get_logger(__name__)

_BUNDLE: Final = next(bundle for bundle in BUNDLES if bundle.name == "asterisk")
_PROGRAM: Final = "asterisk"
_NEEDED: Final = {
    "apt-get": "Debian 12 or 13",
    "dpkg-deb": "Debian 12 or 13",
    "tar": "apt-get install tar",
}
_RTP_PORTS: Final = range(10_000, 30_000)  # below the kernel's own ephemeral ports, which start at 32768
_RTP_BLOCK: Final = 2_000  # two ports a call leg
_RTP_TRIES: Final = 50
_MAX_FILES: Final = 16_384  # four file descriptors a call
_FOLDERS: Final = ("etc", "var", "spool", "run", "log")
_LOG_LINES: Final = 10


class AsteriskPart:
    """Asterisk on loopback, behind the SIP front, watched through its manager interface (AMI)."""

    name = "asterisk"

    def missing(self) -> Sequence[str]:
        """Return what this machine lacks to fetch Asterisk; nothing when it has been fetched."""
        if unpacked(_BUNDLE, default_cache()):
            return ()
        return [f"{tool}: {how}" for tool, how in _NEEDED.items() if shutil.which(tool) is None]

    async def start(self, lab: LabContext) -> PartInfo:
        """Start it and return once it has booted; fetches it first if need be. Raises LabError."""
        program = await asyncio.to_thread(_fetched, lab.cache)
        settings = _settings(lab, program)
        main = _write(settings.home, render(settings, lab.sample))
        command = program.command("-C", str(main), "-f", "-n")
        lab.processes.start(_PROGRAM, command, cwd=settings.home, env={"HOME": str(settings.home)})
        try:
            await wait_until_booted(
                settings.ami,
                LAB_USER,
                settings.lab_secret,
                alive=lambda: lab.processes.alive(_PROGRAM),
                deadline=lab.answers,
            )
            await check_sip(settings.sip)
        except LabError as error:
            raise LabError(f"{error}\n{_complaints(lab, settings.home)}") from None
        return _info(settings, program)


def _fetched(cache: Path) -> Unpacked:
    try:
        return ensure(_BUNDLE, cache, lambda text: _log.info("lab asterisk", doing=text))
    except OSError as error:
        raise LabError(f"Asterisk can't be put into {cache}: {error.strerror}") from None


def _settings(lab: LabContext, program: Unpacked) -> Settings:
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _MAX_FILES if most_files == resource.RLIM_INFINITY else min(_MAX_FILES, most_files)
    return Settings(
        program=program.root,
        home=lab.folder("asterisk"),
        sip=lab.ports.take("asterisk-sip"),
        front=lab.ports.take("sip"),
        ami=lab.ports.take("ami"),
        rtp=free_rtp_block(),
        files=limit,
        collector_secret=secrets.token_urlsafe(24),
        lab_secret=secrets.token_urlsafe(24),
    )


def free_rtp_block() -> range:
    """Return a block of UDP ports for media, all of them free just now. Raises LabError.

    Chosen at random, so that labs that start together get different ones. Should they overlap all
    the same, nothing breaks: Asterisk takes the next port when one is busy.
    """
    for _ in range(_RTP_TRIES):
        start = random.randrange(_RTP_PORTS.start, _RTP_PORTS.stop - _RTP_BLOCK, 2)  # noqa: S311 - no secret
        if all(map(is_free, range(start, start + _RTP_BLOCK))):
            return range(start, start + _RTP_BLOCK)
    raise LabError(f"no {_RTP_BLOCK} free UDP ports in a row on {LOOPBACK} for media")


def _write(home: Path, files: Mapping[str, str]) -> Path:
    for name in _FOLDERS:
        (home / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files.items():
        write_private(home / "etc" / name, text)
    return home / "etc" / "asterisk.conf"


def _complaints(lab: LabContext, home: Path) -> str:
    log = home / "log" / "messages.log"
    written = log.read_text(errors="replace").splitlines()[-_LOG_LINES:] if log.exists() else []
    return "\n".join([lab.processes.log_tail(_PROGRAM, _LOG_LINES), *written])


def _info(settings: Settings, program: Unpacked) -> PartInfo:
    # 1:22.10.1+dfsg+~cs6-1 -> 22.10.1
    version = program.versions["asterisk"].rpartition(":")[2].partition("+")[0].partition("~")[0]
    endpoint = f"tcp://{LOOPBACK}:{settings.ami}"
    return PartInfo(
        name="asterisk",
        says=f"Asterisk {version}: SIP on {LOOPBACK}:{settings.sip}/udp, AMI on {LOOPBACK}:{settings.ami}",
        nodes=(
            {
                "name": "pbx1",
                "kind": "asterisk",
                "ami": endpoint,
                "username": COLLECTOR,
                "password": {"file": "secrets/ami"},
                "interval": "5s",
                "timeout": "2s",
            },
        ),
        secrets={"ami": settings.collector_secret},
        addresses={"asterisk-sip": f"{LOOPBACK}:{settings.sip}", "ami": endpoint},
    )
