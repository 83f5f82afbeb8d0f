"""The parts of the pair that need no server: its template, its command line, its programs."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dialtone.model import TopologyKind
from lab.base import LabError
from lab.mysql import MysqlPart
from lab.mysql.clock import Clock
from lab.mysql.clock import missing as clock_missing
from lab.mysql.flavour import Flavour, Program
from lab.mysql.options import command
from lab.mysql.plan import (
    Plan,
    Seat,
    Wishes,
    active_passive,
    chain,
    galera,
    multi_primary,
    multi_source,
    primary_replica,
)
from lab.mysql.server import Server
from lab.mysql.sql import connected
from lab.mysql.template import program, template, version

INSTALL = "mariadb-install-db"
MAKES_A_FOLDER = """
for option in "$@"; do case $option in --datadir=*) folder=${option#--datadir=};; esac; done
echo run >> "$COUNTER"; sleep 0.1; touch "$folder/ibdata1"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is searched for programs before any other."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("COUNTER", str(tmp_path / "runs"))
    return folder


def add(programs: Path, name: str, script: str) -> Path:
    """Put a shell script among the programs."""
    path = programs / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_program_outside_everybodys_path_is_found_and_a_missing_one_is_not() -> None:
    assert program("no-such-program") is None
    assert program("sh") is not None


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("lab.mysql.template._SBIN", str(tmp_path))
    assert MysqlPart().missing() == [
        "mariadbd: apt-get install mariadb-server-core",
        "mariadb-install-db: apt-get install mariadb-server-core",
    ]


def test_the_version_is_what_the_server_calls_itself(programs: Path) -> None:
    told = "echo 'mariadbd  Ver 11.8.6-MariaDB-0+deb13u1 from Debian for debian-linux-gnu'"
    assert version(str(add(programs, "mariadbd", told))) == "11.8.6-MariaDB-0+deb13u1"


def test_a_server_that_says_no_version_is_refused(programs: Path) -> None:
    with pytest.raises(LabError, match="says no version: hello"):
        version(str(add(programs, "mariadbd", "echo hello")))


def test_labs_that_start_together_share_one_template(programs: Path, tmp_path: Path) -> None:
    add(programs, INSTALL, MAKES_A_FOLDER)
    found: list[Path] = []

    def ask() -> None:
        found.append(template(tmp_path / "cache", "10.11", "root"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 4
    assert len(set(found)) == 1
    assert (found[0] / "ibdata1").exists()
    assert (tmp_path / "runs").read_text() == "run\n"


def test_each_server_version_and_each_user_has_a_template_of_its_own(programs: Path, tmp_path: Path) -> None:
    add(programs, INSTALL, MAKES_A_FOLDER)
    cache = tmp_path / "cache"
    asked = [("10.11", "root"), ("11.8/../x", "root"), ("10.11", "anna")]
    made = {template(cache, version, user) for version, user in asked}
    assert len(made) == 3
    assert {path.parent for path in made} == {cache / "mysql"}


def test_a_template_that_fails_leaves_nothing_and_says_why(programs: Path, tmp_path: Path) -> None:
    add(programs, INSTALL, MAKES_A_FOLDER + "echo 'FATAL: no space left on device' >&2; exit 1")
    with pytest.raises(LabError, match=r"failed \(1\):\nFATAL: no space left on device"):
        template(tmp_path / "cache", "10.11", "root")
    assert [path.name for path in (tmp_path / "cache" / "mysql").iterdir()] == [".lock"]


def test_a_server_listens_on_loopback_alone(tmp_path: Path) -> None:
    command = Server("db2", 2, 3307, tmp_path / "db2", read_only=True).command("/usr/sbin/mariadbd")
    assert command[:2] == ["/usr/sbin/mariadbd", "--no-defaults"]
    assert [option for option in command if option.startswith("--bind-address")] == [
        "--bind-address=127.0.0.1"
    ]
    assert "--read-only=1" in command
    assert "--port=3307" in command


def test_a_server_starts_from_a_fresh_copy_whatever_an_earlier_lab_left(tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    (tmp_path / "template" / "ibdata1").write_text("fresh")
    server = Server("db1", 1, 3306, tmp_path / "db1", read_only=False)
    server.folder.mkdir()
    (server.folder / "ibdata1").write_text("stale")
    (server.folder / "mysqld.pid").write_text("1")
    server.make_folder(tmp_path / "template")
    assert {path.name: path.read_text() for path in server.folder.iterdir()} == {"ibdata1": "fresh"}


def test_a_folder_that_can_not_be_made_says_whose(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="db1: its data directory can't be made"):
        Server("db1", 1, 3306, tmp_path / "db1", read_only=False).make_folder(tmp_path / "nothing")


async def test_a_socket_that_is_not_there_says_whose(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="db1"):
        async with connected(tmp_path / "db1" / "mysqld.sock"):
            pytest.fail("connected to nothing")


def test_a_heartbeat_without_its_password_file_ends_with_a_word(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lab.mysql.heartbeat", "--socket", "x", "--server-id", "1"),
            *("--password-file", str(tmp_path / "none")),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "none: No such file or directory" in done.stderr


def test_the_kinds_of_stages_say_who_follows_whom_and_who_takes_writes() -> None:
    follows = {
        name: [(f.replica, f.source, f.channel) for f in plan.followings]
        for name, plan in {
            "primary": primary_replica(("a", "b", "c")),
            "chain": chain(("a", "b", "c")),
            "sources": multi_source(("a", "b"), "c"),
            "pair": active_passive(("a", "b")),
            "writers": multi_primary(("a", "b")),
            "cluster": galera(("a", "b", "c")),
        }.items()
    }
    assert follows == {
        "primary": [("b", "a", ""), ("c", "a", "")],
        "chain": [("b", "a", ""), ("c", "b", "")],
        "sources": [("c", "a", "a"), ("c", "b", "b")],
        "pair": [("b", "a", ""), ("a", "b", "")],
        "writers": [("b", "a", ""), ("a", "b", "")],
        "cluster": [],
    }
    assert [seat.read_only for seat in active_passive().seats] == [False, True]
    assert [seat.read_only for seat in multi_primary().seats] == [False, False]


def test_writers_side_by_side_have_offsets_and_gtid_domains_of_their_own() -> None:
    plan = multi_primary(increment=2, offsets=(1, 1))
    assert [seat.options for seat in plan.seats] == [
        ("--auto-increment-increment=2", "--auto-increment-offset=1")
    ] * 2
    assert len({seat.domain for seat in plan.seats}) == 2


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: primary_replica(("a", "a")), "a name twice"),
        (lambda: Plan("x", TopologyKind.GALERA, Wishes(), (Seat("a", 1),), hearts=("b",)), "no server b"),
        (lambda: galera(wishes=Wishes(Flavour.MYSQL_9)), "the machine's own MariaDB"),
        (lambda: Wishes(Flavour.MYSQL_9, clocks=True), "can't be set"),
    ],
)
def test_a_plan_that_can_not_be_is_refused(make: Callable[[], object], why: str) -> None:
    with pytest.raises(LabError, match=why):
        make()


@pytest.mark.parametrize(
    ("flavour", "has", "lacks"),
    [
        (Flavour.MARIADB, "--slave-net-timeout=4", "--gtid-mode=ON"),
        (Flavour.MYSQL_9, "--replica-net-timeout=4", "--read-only=1"),
    ],
)
def test_a_command_line_has_the_words_of_its_server(
    tmp_path: Path, flavour: Flavour, has: str, lacks: str
) -> None:
    server = Program(flavour, "1.2.3-x", ("mysqld", "--no-defaults"), tmp_path)
    line = command(server, Seat("db2", 2, read_only=True), Wishes(flavour, net_timeout=4), tmp_path, 3307)
    assert line[:2] == ["mysqld", "--no-defaults"]
    assert {has, "--port=3307", "--server-id=2", "--bind-address=127.0.0.1"} <= set(line)
    assert lacks not in line
    assert server.short_version == "1.2.3"


def test_a_clock_is_right_until_it_is_set(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "db1.clock")
    if clock_missing():
        with pytest.raises(LabError, match="apt-get install libfaketime"):
            clock.env()
        return
    assert clock.env()["FAKETIME_TIMESTAMP_FILE"] == str(tmp_path / "db1.clock")
    assert (tmp_path / "db1.clock").read_text() == "+0.000\n"
    clock.set(-5)
    clock.env()
    assert (tmp_path / "db1.clock").read_text() == "-5.000\n"
