"""The lab's part that starts Asterisk and says how to reach it."""

import asyncio
import random
import resource
import secrets
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from lab.asterisk.boot import check_sip, wait_until_booted
from lab.asterisk.config import render
from lab.asterisk.manager import COLLECTOR, LAB_USER
from lab.asterisk.series import NEW, OLD, Series, Settings
from lab.base import LabContext, LabError, PartInfo
from lab.certificates import Certificates, certificates
from lab.certificates import missing as missing_for_certificates
from lab.debian import BUNDLES, Unpacked, default_cache, ensure, unpacked
from lab.files import write_private
from lab.ports import LOOPBACK, is_free

_log = structlog.get_logger(__name__)

_BUNDLES: Final = {bundle.name: bundle for bundle in BUNDLES}
_NEEDED: Final = {
    "apt-get": "Debian 12 or 13",
    "dpkg-deb": "Debian 12 or 13",
    "tar": "apt-get install tar",
}
_RTP_PORTS: Final = range(10_000, 30_000)  # below the kernel's own ephemeral ports, which start at 32768
_RTP_BLOCK: Final = 2_000  # two ports a call leg
_RTP_TRIES: Final = 50
_MAX_FILES: Final = 16_384  # four file descriptors a call
_FRONTS: Final = ("sip", "sip-b")
_DEAD: Final = "gateway-dead"
"""A port that nobody ever has: the gateway there is down."""
_FOLDERS: Final = ("etc", "var", "spool", "run", "log")
_LOG_LINES: Final = 10
CONSOLE: Final = "console"
"""The file in the part's folder by which people get at its console."""


class AsteriskPart:
    """Asterisk on loopback, behind the SIP front, watched through its manager interface (AMI)."""

    def __init__(self, series: Series = NEW) -> None:
        self._series = series
        self.name = series.part

    def missing(self) -> Sequence[str]:
        """Return what this machine lacks: to fetch Asterisk, unless it has been fetched, and for TLS."""
        lacks = list(missing_for_certificates())
        if not unpacked(_BUNDLES[self.name], default_cache()):
            lacks += [f"{tool}: {how}" for tool, how in _NEEDED.items() if shutil.which(tool) is None]
        return lacks

    async def start(self, lab: LabContext) -> PartInfo:
        """Start it and return once it has booted; fetches it first if need be. Raises LabError."""
        program = await asyncio.to_thread(_fetched, self.name, lab.cache)
        made = await asyncio.to_thread(certificates, lab)
        settings = _settings(lab, self._series, program, made)
        main = settings.home / "etc" / "asterisk.conf"
        files = {f"etc/{name}": text for name, text in render(settings, lab.sample).items()}
        files[CONSOLE] = _console(settings.home, program.command("-C", str(main), "-r"))
        await asyncio.to_thread(_write, settings.home, files)
        command = program.command("-C", str(main), "-f", "-n")
        lab.processes.start(self.name, command, cwd=settings.home, env={"HOME": str(settings.home)})
        try:
            await wait_until_booted(
                settings.ami,
                LAB_USER,
                settings.lab_secret,
                alive=lambda: lab.processes.alive(self.name),
                deadline=lab.answers,
            )
            await check_sip(settings.sip)
        except LabError as error:
            raise LabError(f"{error}\n{_complaints(lab, settings)}") from None
        return _info(settings, program, made.ca)


class OldAsteriskPart(AsteriskPart):
    """A second Asterisk of a much older series behind the same front: platforms have both for years."""

    def __init__(self) -> None:
        super().__init__(OLD)


def _fetched(name: str, cache: Path) -> Unpacked:
    try:
        return ensure(_BUNDLES[name], cache, lambda text: _log.info("lab asterisk", doing=text))
    except OSError as error:
        raise LabError(f"Asterisk can't be put into {cache}: {error.strerror}") from None


def _settings(lab: LabContext, series: Series, program: Unpacked, made: Certificates) -> Settings:
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _MAX_FILES if most_files == resource.RLIM_INFINITY else min(_MAX_FILES, most_files)
    other = OLD if series is NEW else NEW
    far = lab.ports.take(other.gateway)
    return Settings(
        series=series,
        program=program.root,
        home=lab.folder(series.part),
        sip=lab.ports.take(series.sip),
        fronts=tuple(lab.ports.take(part) for part in _FRONTS if part == "sip" or part in lab.parts),
        ami=lab.ports.take(series.named("ami")),
        ami_tls=lab.ports.take(series.named("ami-tls")),
        ajam=lab.ports.take(series.named("ajam")),
        ajam_tls=lab.ports.take(series.named("ajam-tls")),
        certificate=made.chain,
        key=made.key,
        gateway=lab.ports.take(series.gateway),
        gateways=(("gw1", far), ("gw2", far), ("gw3", lab.ports.take(_DEAD))),
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


def _console(home: Path, command: Sequence[str]) -> str:
    """Return a shell script that runs the bundle's program as the console of the one that runs here."""
    return f'#!/bin/sh\nHOME={shlex.quote(str(home))} exec {shlex.join(command)} "$@"\n'


def _write(home: Path, files: Mapping[str, str]) -> None:
    for name in _FOLDERS:
        (home / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files.items():
        write_private(home / name, text)


def _complaints(lab: LabContext, settings: Settings) -> str:
    log = settings.home / "log" / "messages.log"
    written = log.read_text(errors="replace").splitlines()[-_LOG_LINES:] if log.exists() else []
    return "\n".join([lab.processes.log_tail(settings.series.part, _LOG_LINES), *written])


def _info(settings: Settings, program: Unpacked, ca: Path) -> PartInfo:
    # 1:22.10.1+dfsg+~cs6-1 -> 22.10.1
    version = program.versions["asterisk"].rpartition(":")[2].partition("+")[0].partition("~")[0]
    series = settings.series
    endpoint = f"tcp://{LOOPBACK}:{settings.ami}"
    secret = series.named("ami")
    return PartInfo(
        name=series.part,
        says=f"Asterisk {version}: SIP on {LOOPBACK}:{settings.sip}/udp, AMI on {LOOPBACK}:{settings.ami}",
        nodes=(
            {
                "name": series.node,
                "kind": "asterisk",
                "ami": endpoint,
                "username": COLLECTOR,
                "password": {"file": f"secrets/{secret}"},
                "names": ["{tenant}-*"],
                "interval": "5s",
                "timeout": "2s",
            },
        ),
        secrets={secret: settings.collector_secret},
        addresses={
            series.sip: f"{LOOPBACK}:{settings.sip}",
            series.named("ami"): endpoint,
            series.named("ami-tls"): f"tls://{LOOPBACK}:{settings.ami_tls}",
            series.named("ajam"): f"http://{LOOPBACK}:{settings.ajam}",
            series.named("ajam-tls"): f"https://{LOOPBACK}:{settings.ajam_tls}",
            "ca": str(ca),
        },
    )
