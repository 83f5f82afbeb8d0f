"""The command line run inside the test's own process, and a folder with a configuration that is right."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import pytest
import structlog

from dialtone.cli import run

DB_PASSWORD: Final = "sesame-db-5521"
AMI_PASSWORD: Final = "sesame-ami-5522"
PHONE_PASSWORD: Final = "sesame-phone-5523"

CONFIG: Final = """\
location: mtl1
listen: 127.0.0.1:0
platform: {{domain: clusterpbx.example}}
tenants:
  - {{domain: ntek.clusterpbx.example}}
  - {{domain: acme.ntek.clusterpbx.example}}
  - {{domain: bolt.ntek.clusterpbx.example}}
nodes:
  - {{name: sip1, kind: opensips, mi: "http://127.0.0.1:{closed}/mi"}}
  - {{name: pbx1, kind: asterisk, ami: "tcp://127.0.0.1:{closed}", username: u, password: {{file: ami}}}}
  - {{name: db1, kind: mysql, dsn: "mysql://u@127.0.0.1:{closed}", password: {{env: DB_PASSWORD}}}}
accounts: {{file: accounts.csv}}
probes:
  - {{name: calls, flow: call, target: "sip:127.0.0.1:{closed}", interval: 3s, timeout: 1s}}
"""
ACCOUNTS: Final = f"""\
tenant,user,auth_user,password
acme.ntek.clusterpbx.example,100,,{PHONE_PASSWORD}
acme.ntek.clusterpbx.example,101,,{PHONE_PASSWORD}
bolt.ntek.clusterpbx.example,100,,{PHONE_PASSWORD}
"""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


Dialtone: TypeAlias = Callable[..., Said]


@pytest.fixture
def dialtone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Dialtone]:
    """Return a function that runs a command; no secret of the configuration may ever be in what it says."""
    monkeypatch.setenv("DB_PASSWORD", DB_PASSWORD)
    monkeypatch.setenv("COLUMNS", "200")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def command(*arguments: object) -> Said:
        code = run([str(argument) for argument in arguments])
        said = Said(code, *capsys.readouterr())
        for secret in (DB_PASSWORD, AMI_PASSWORD, PHONE_PASSWORD):
            assert secret not in said.out + said.err
        assert "Traceback" not in said.err
        assert "this is a bug" not in said.err
        return said

    yield command
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration whose servers, all of them, refuse connections."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    for name, text in (("accounts.csv", ACCOUNTS), ("ami", AMI_PASSWORD)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "dialtone.yaml"
    path.write_text(CONFIG.format(closed=closed))
    return path
