"""A folder with a configuration that is right, as design.md shows one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from dialtone.config import ConfigError, Settings, load

ENVIRON: Final = {"DB_PASSWORD": "sesame-db", "TOKEN": "0123456789abcdef"}

HEAD: Final = """\
location: mtl1
platform: {domain: clusterpbx.example, timezone: America/Montreal}
tenants:
  - {domain: ntek.clusterpbx.example, name: NTEK, language: fr}
  - {domain: acme.ntek.clusterpbx.example, name: Acme}
"""

WHOLE: Final = (
    HEAD
    + """
data: ./data
listen: 127.0.0.1:9877
external_url: https://dialtone.example/
nodes:
  - {name: sip1, kind: opensips, mi: "http://127.0.0.1:8888/mi", interval: 15s, timeout: 2s}
  - {name: pbx1, kind: asterisk, ami: "tcp://127.0.0.1", username: dialtone, password: {file: secrets/ami}}
  - {name: db1, kind: mysql, dsn: "mysql://dialtone@127.0.0.1:3306", password: {env: DB_PASSWORD},
     heartbeat: dialtone.heartbeat, labels: {site: mtl, rack: 12}}
  - {name: db2, kind: mysql, dsn: "mysql://dialtone@[::1]:3307", password: {env: DB_PASSWORD}, interval: 2}
topologies:
  - {name: main, kind: active-passive, nodes: [db1, db2], tenants: all}
accounts: {file: accounts.csv}
probes:
  - {name: calls, flow: call, engine: sippy, target: "sip:127.0.0.1:5060;transport=udp", tenants: all,
     interval: 1m, timeout: 10s}
  - {name: registers, flow: register, target: "sip:127.0.0.1", tenants: [Acme.Ntek.clusterpbx.example.]}
objectives:
  - {name: telephony, tenants: [acme.ntek.clusterpbx.example], flows: [register, call], target: 99%,
     hours: [mon-fri 08:00-18:00], credits: [{below: 99%, credit: 10%}], starts: 2026-10-12}
maintenance:
  - {name: patch-night, begins: 2026-11-03T02:00, lasts: 30m, recurs: "FREQ=WEEKLY;BYDAY=TU", reason: updates}
caps: {calls_per_second: 0.5}
alerts: {receivers: [{name: ops, url: "http://127.0.0.1:9095/hook?key=1"}]}
access: {tokens: [{name: bob, scope: ntek.clusterpbx.example, token: {env: TOKEN}}]}
"""
)

ACCOUNTS: Final = """\
tenant,user,auth_user,password
acme.ntek.clusterpbx.example,100,acme-100,sesame-100
acme.ntek.clusterpbx.example,101,,sesame-101
"""

Reader: TypeAlias = Callable[..., Settings]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with accounts.csv and secrets/ami, both private."""
    write_private(tmp_path / "accounts.csv", ACCOUNTS)
    (tmp_path / "secrets").mkdir()
    write_private(tmp_path / "secrets" / "ami", "sesame-ami\n")
    return tmp_path


@pytest.fixture
def read(folder: Path) -> Reader:
    """Return a function that loads a text as the folder's dialtone.yaml."""

    def load_text(text: str, environ: Mapping[str, str] = ENVIRON) -> Settings:
        (folder / "dialtone.yaml").write_text(text, "utf-8")
        return load(folder / "dialtone.yaml", environ=environ)

    return load_text


def write_private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_bytes(text.encode())
    path.chmod(mode)
    return path


def refusals(read: Reader, text: str) -> list[str]:
    """Return what is said about a text that must not load."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]
