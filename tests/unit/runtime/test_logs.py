"""Log lines: one shape for ours and the libraries', bounded, and without secrets."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator

import pytest
import structlog

from dialtone.model import Secret
from dialtone.runtime.logs import MAX_FIELD, Format, configure

Configured = Callable[..., io.StringIO]
QUIET = ("uvicorn.access", "uvicorn.error", "aiohttp.access")


@pytest.fixture
def configured() -> Iterator[Configured]:
    """Configure logging for one test, and put back what was there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}

    def start(fmt: Format = "json", level: str = "info") -> io.StringIO:
        stream = io.StringIO()
        configure(level, fmt, stream)
        return stream

    yield start
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_a_utc_time_a_level_a_logger_and_its_fields(configured: Configured) -> None:
    stream = configured()
    structlog.get_logger("dialtone.test").warning("node is down", node="sip1", tries=3)
    (line,) = lines(stream)
    time = line.pop("timestamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", str(time))
    assert line == {
        "event": "node is down",
        "level": "warning",
        "logger": "dialtone.test",
        "node": "sip1",
        "tries": 3,
    }


def test_text_lines_are_one_line_of_key_and_value(configured: Configured) -> None:
    stream = configured("text")
    structlog.get_logger("dialtone.test").info("two\nlines", detail='a "b"')
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(r'level=info event=two\nlines logger=dialtone.test detail="a \"b\""')


def test_the_standard_librarys_lines_take_the_same_way(configured: Configured) -> None:
    stream = configured()
    logging.getLogger("asyncio").warning("took %.1f seconds", 3.0)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("took 3.0 seconds", "warning", "asyncio")


@pytest.mark.parametrize("name", ["structlog", "logging"])
def test_a_traceback_is_a_field_of_its_line(configured: Configured, name: str) -> None:
    stream = configured()
    log = structlog.get_logger("a") if name == "structlog" else logging.getLogger("a")
    try:
        raise LookupError("nothing here")
    except LookupError:
        log.exception("failed")
    (line,) = lines(stream)
    assert str(line["exception"]).endswith("LookupError: nothing here")


def test_lines_under_the_level_are_not_written(configured: Configured) -> None:
    stream = configured(level="warning")
    structlog.get_logger("a").info("no")
    logging.getLogger("a").info("no")
    assert stream.getvalue() == ""


def test_requests_served_write_no_line(configured: Configured) -> None:
    stream = configured(level="debug")
    logging.getLogger("uvicorn.access").info("GET /metrics 200")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_secrets_are_masked_even_inside_containers(configured: Configured, fmt: str) -> None:
    stream = configured(fmt)
    secret = Secret("hunter2")
    structlog.get_logger("a").info(
        "said", plain=secret, nested={"a": [{"password": secret}]}, pair=(secret, {secret})
    )
    logging.getLogger("a").warning("said %s", secret)
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("********") == 5


def test_no_field_is_long_deep_or_wide(configured: Configured) -> None:
    stream = configured()
    deep: object = "bottom"
    for _ in range(5000):
        deep = [deep]
    structlog.get_logger("a").info("x" * 1_000_000, wide=list(range(1_000_000)), deep=deep, object=object)
    assert len(stream.getvalue()) < 3 * MAX_FIELD


def test_what_a_server_answered_cannot_drive_the_terminal(configured: Configured) -> None:
    stream = configured("text")
    structlog.get_logger("a").info("said", text="\x1b[2J\x9b2J\r\x00")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", stream.getvalue())


def test_configured_again_every_line_is_written_once_to_the_new_stream(configured: Configured) -> None:
    old, new = configured(), configured()
    structlog.get_logger("a").info("once")
    assert old.getvalue() == ""
    assert len(lines(new)) == 1


def test_requests_that_are_no_http_do_not_fill_the_log_and_crashes_still_show(configured: Configured) -> None:
    stream = configured()
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application")
    assert [line["event"] for line in lines(stream)] == ["Exception in ASGI application"]
