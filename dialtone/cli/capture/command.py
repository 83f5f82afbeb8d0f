"""The commands: read a capture and say what is in it; record one."""

import functools
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import anyio
import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from dialtone.cli.capture import asjson, html, text
from dialtone.cli.capture.chosen import Chosen, chosen
from dialtone.cli.exits import Exit
from dialtone.cli.signals import SignalledError, until_signal
from synthetic.capture import live as recording
from synthetic.capture.analysis import Analysis, Report
from synthetic.capture.reading import read_capture

_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZES: Final = {"": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3}
_WRITERS: Final = {"text": text.written, "json": asjson.written, "html": html.written}


class Duration(click.ParamType[float]):
    """Seconds, as `30`, `30s`, `5m` or `1h`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds; a usage error for anything else."""
        found = re.fullmatch(r"([0-9]{1,6})([smh]?)", str(value).strip())
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is no duration; write 30s, 5m or 1h", param, ctx)
        seconds = float(found[1]) * _UNITS[found[2]]
        if seconds > recording.MOST_SECONDS:
            self.fail(f"{value} is too long; record for up to {recording.MOST_SECONDS:g}s", param, ctx)
        return seconds


class Size(click.ParamType[int]):
    """Bytes, as `500kB`, `100MB` or `1GB`."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes; a usage error for anything else."""
        found = re.fullmatch(r"([0-9]{1,10})(kB|MB|GB|)", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no size; write 500kB, 100MB or 1GB", param, ctx)
        return int(found[1]) * _SIZES[found[2]]


class Ports(click.ParamType[recording.Ports]):
    """A port, or a range of them, as `5060` or `10000-20000`."""

    name = "port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> recording.Ports:
        """Return it; a usage error for anything else."""
        found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no port; write 5060, or 10000-20000", param, ctx)
        return int(found[1]) if found[2] is None else (int(found[1]), int(found[2]))


def _shown(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options of what is shown, and how."""
    for option in (
        click.option("--calls", type=click.IntRange(0, 1000), default=5, show_default=True,
                     help="How many ladders, of failed and bad calls."),
        click.option("--call", "call_id", metavar="CALL_ID", help="This call alone."),
        click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                     help="Write it there instead of to stdout."),
        click.option("--format", "shape", type=click.Choice(list(_WRITERS)), default="text",
                     show_default=True),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group()
def capture() -> None:
    """Packet captures: calls, figures of RFC 6076 and audio quality; record one for diagnosis."""


@capture.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.pcap")
@_shown
def analyze(file: Path, shape: str, output: Path | None, call_id: str | None, calls: int) -> int:
    """Say what is in FILE.pcap: calls and how they ended, ratios and delays, RTP streams and their quality.

    Text is 80 columns wide; JSON has everything; HTML is one file without scripts. Digest answers and
    passwords are masked in all of them. Exit 0 whatever the calls were like; 3 where the file can't be read.
    """
    _check(output, file)
    report = anyio.run(until_signal, functools.partial(_analysed, file))
    return _write(report, file, shape, output, call_id, calls)


@capture.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.pcap")
@click.option(
    "--port",
    "ports",
    type=Ports(),
    multiple=True,
    required=True,
    metavar="PORT[-LAST]",
    help="Record packets of this port or range; may be repeated.",
)
@click.option("--for", "seconds", type=Duration(), required=True, help="How long: 30s, 5m; up to 1h.")
@click.option(
    "--interface",
    default=recording.ANY,
    show_default=True,
    metavar="NAME",
    help="Where; with some versions of libpcap any records what goes over lo twice.",
)
@click.option(
    "--max-size",
    "size",
    type=Size(),
    default=f"{recording.DEFAULT_BYTES // 1000**2}MB",
    show_default=True,
    help="End before, once the file is so big.",
)
@click.option("--analyze", "then", is_flag=True, help="Say what is in it, once it is recorded.")
@_shown
def live(
    file: Path,
    ports: Sequence[recording.Ports],
    seconds: float,
    interface: str,
    size: int,
    *,
    then: bool,
    shape: str,
    output: Path | None,
    call_id: str | None,
    calls: int,
) -> int:
    """Record packets of named ports into FILE.pcap for a bounded time, by dumpcap.

    The file must not exist and is readable by its owner alone: it holds what people say. Needs the right to
    record (root, or the group wireshark).
    """  # fmt: skip
    _check_unread(then=then)
    _check(output, file)
    ends = ", ".join(map(_port, ports))
    click.echo(
        f"recording ports {ends} on {interface} for {seconds:g} s or {size} bytes; Ctrl-C ends it", err=True
    )
    work = functools.partial(recording.record, interface, ports, seconds, file, max_bytes=size)
    try:
        recorded = anyio.run(until_signal, work)
    except SignalledError:
        if file.exists():
            click.echo(f"ended before its time: {file.stat().st_size} bytes in {file}", err=True)
        raise
    words = f"{recorded.packets} packets, {recorded.bytes} bytes in {file}"
    lost = f"; {recorded.dropped} more were lost: too many to write" if recorded.dropped else ""
    click.echo(f"{words}{lost}", err=True)
    if not recorded.packets:
        click.echo(f"nothing came on ports {ends} of {interface}: right ports, right interface?", err=True)
    if not then:
        return Exit.OK
    report = anyio.run(until_signal, functools.partial(_analysed, file))
    return _write(report, file, shape, output, call_id, calls)


async def _analysed(file: Path) -> Report:
    """Read a capture to its end. Raises CaptureError."""
    analysis = Analysis()
    with _bar(file) as told:
        async with read_capture(file, on_progress=told) as reading:
            async for records in reading:
                analysis.add(records)
    return analysis.report(reading.read)


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("reading", total=None)

    def __call__(self, done: int, size: int) -> None:
        self._progress.update(self._task, completed=done, total=size)


@contextmanager
def _bar(file: Path) -> Iterator[_Bar]:
    """Show how far it is, on a terminal alone."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with progress:
        yield _Bar(progress)


def _write(
    report: Report, file: Path, shape: str, output: Path | None, call_id: str | None, calls: int
) -> int:
    picked: Chosen = chosen(report, call_id, calls)
    if call_id is not None and not picked.shown:
        raise click.BadParameter(f"no call in {file} has the Call-ID {call_id!r}", param_hint="--call")
    said = _WRITERS[shape](report, picked, file.name)
    if output is None:
        click.echo(said, nl=False)
        sys.stdout.flush()
        return Exit.OK
    try:
        if output.exists() and not output.is_file():  # a device or a pipe is written to, and never replaced
            output.write_text(said, encoding="utf-8")
        else:
            _replace(output.resolve(), said)
    except OSError as error:
        raise click.BadParameter(
            f"{output} can't be written: {error.strerror}", param_hint="--output"
        ) from None
    return Exit.OK


def _port(ports: recording.Ports) -> str:
    return f"{ports[0]}-{ports[1]}" if isinstance(ports, tuple) else str(ports)


def _check_unread(*, then: bool) -> None:
    """Refuse options of what is shown where nothing will be."""
    context = click.get_current_context()
    for name, option in (
        ("output", "--output"),
        ("shape", "--format"),
        ("call_id", "--call"),
        ("calls", "--calls"),
    ):
        if not then and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"{option} is of what --analyze says: add --analyze, or leave it out")


def _check(output: Path | None, capture: Path) -> None:
    """Refuse an output that can't be meant, before what may take an hour."""
    if output is None:
        return
    if output.resolve() == capture.resolve() or (
        output.exists() and capture.exists() and output.samefile(capture)
    ):
        raise click.BadParameter(f"{output} is the capture itself; name another file", param_hint="--output")
    if not output.resolve().parent.is_dir():
        raise click.BadParameter(f"there is no folder {output.resolve().parent}", param_hint="--output")


def _replace(path: Path, said: str) -> None:
    """Write a file whole or not at all, for its owner alone: it says who calls whom."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(said)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
