"""A report as one HTML file: rendered here, without scripts, nothing fetched from anywhere."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dialtone import __version__
from dialtone.cli.capture.charts import MOST_BARS, ladder_picture, response_bars, stream_bars
from dialtone.cli.capture.chosen import Chosen, message_text
from dialtone.cli.capture.words import (
    CLOCK,
    clock_time,
    ended,
    fitted,
    outcome,
    percent,
    score,
    span,
    still_up,
)
from dialtone.cli.words import printable
from synthetic.address import hostport
from synthetic.capture.analysis import Report
from synthetic.capture.figures import TIMES

MOST_ROWS: Final = 500
"""So many rows of each table are in a page; JSON has them all."""

_TEMPLATES: Final = Path(__file__).parent / "templates"


def written(report: Report, chosen: Chosen, name: str) -> str:
    """Return the page of a report, or of one call of it."""
    shapes = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shapes.filters |= {
        "percent": percent,
        "span": span,
        "score": score,
        "instant": clock_time,
        "ended": ended,
        "outcome": outcome,
        "end": hostport,
        "said": printable,
        "message": message_text,
        "fitted": fitted,
    }
    return shapes.get_template("report.html").render(
        report=report,
        chosen=chosen,
        name=name,
        whole=chosen.whole,
        up=still_up(report),
        streams=chosen.streams,
        rows=MOST_ROWS,
        bars=MOST_BARS,
        times=TIMES,
        clock=CLOCK,
        version=__version__,
        # charts.py escapes what it writes.
        stream_bars=Markup(stream_bars(chosen.streams)),  # noqa: S704
        response_bars=Markup(response_bars(report.figures.classes)),  # noqa: S704
        ladders=[(call, Markup(ladder_picture(call))) for call in chosen.shown],  # noqa: S704
    )
