"""What commands say of discovery."""

from pathlib import Path

from tests.unit.cli.conftest import Dialtone


def with_discovery(config: Path) -> Path:
    config.write_text(
        config.read_text()
        + """discover:
  - {node: sip1}
  - {dsn: "mysql://u@127.0.0.1:9/opensips", password: {env: DB_PASSWORD}, every: 1h}
"""
    )
    return config


def test_check_says_what_discovery_will_do_and_asks_nobody(dialtone: Dialtone, config: Path) -> None:
    said = dialtone("check", with_discovery(config))
    assert said.code == 0
    (note,) = (line for line in said.out.splitlines() if "finds tenants" in line)
    assert note == (
        "note: the service also finds tenants at sip1 (every 300 s), opensips (every 3600 s); "
        "they are not probed; this check asked nobody"
    )
    assert "Tenants: 4," in said.out


def test_check_says_nothing_of_it_where_there_is_none(dialtone: Dialtone, config: Path) -> None:
    assert "finds tenants" not in dialtone("check", config).out


def test_a_discovery_that_fails_is_a_note_of_collect_and_not_its_result(
    dialtone: Dialtone, config: Path
) -> None:
    without = dialtone("collect", config)
    said = dialtone("collect", with_discovery(config))
    assert said.code == without.code == 4
    notes = [line for line in said.err.splitlines() if line.startswith("note: ")]
    assert [note.partition(": ")[2].partition(": ")[0] for note in notes] == [
        "no tenants from sip1",
        "no tenants from opensips",
    ]
    assert all(": connect: " in note for note in notes)
