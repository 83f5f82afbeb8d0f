"""Commands are imported when they are run, and the list of them tells the truth."""

import subprocess
import sys
from typing import Final

import click
import pytest

from dialtone.cli import cli
from dialtone.cli.lazy import LazyGroup

_HEAVY: Final = ("pydantic", "aiohttp", "fastapi", "sippy", "reportlab", "jinja2", "babel", "numpy")
_READING: Final = ("aiohttp", "fastapi", "reportlab", "jinja2", "collectors", "synthetic", "lab")


@pytest.mark.parametrize("name", cli.list_commands(click.Context(cli)))
def test_the_list_says_of_a_command_what_it_says_itself(name: str) -> None:
    assert isinstance(cli, LazyGroup)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help is not None
    assert " ".join(command.help.split()).startswith(cli.later[name].help.rstrip("."))


def test_a_command_that_is_none_is_none() -> None:
    assert cli.get_command(click.Context(cli), "slap") is None


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("from dialtone.cli import run; run(['--version'])", _HEAVY),
        ("from dialtone.cli import run; run(['--help'])", _HEAVY),
        ("import dialtone.cli.sla, dialtone.cli.maintenance", _READING),
    ],
    ids=["version", "help", "books"],
)
def test_what_a_command_does_not_need_is_not_loaded(code: str, heavy: tuple[str, ...]) -> None:
    told = f"{code}; import sys; print(sorted(sys.modules.keys() & {set(heavy)!r}))"
    ended = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("dialtone.config", "ConfigError"),
        ("dialtone.web", "ListenError"),
        ("dialtone.ports", "StoreError"),
        ("lab.base", "LabError"),
        ("synthetic.capture.file", "CaptureError"),
    ],
)
def test_an_error_that_has_a_code_is_known_by_its_name(where: str, name: str) -> None:
    from importlib import import_module

    from dialtone.cli import _CODES

    kind = getattr(import_module(where), name)
    assert f"{kind.__module__}.{kind.__qualname__}" in _CODES
