"""What the two servers are given of the sample platform, and what they aren't."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lab.front import kamailio, opensips
from lab.front.fill import filled
from lab.front.sockets import Side
from lab.sample import sample, tenants

SQLITE = """CREATE TABLE subscriber (
  id INTEGER PRIMARY KEY NOT NULL, username TEXT, domain TEXT, password TEXT,
  CONSTRAINT one UNIQUE (username, domain));"""
DBTEXT = {
    "subscriber": "id(int,auto) username(string) domain(string) password(string) ha1(string) "
    "rpid(int,null) \n",
    "domain": "id(int,auto) domain(string) attrs(string,null) accept_subdomain(int) last_modified(int) \n",
    "version": "table_name(string) table_version(int) \nsubscriber:8\n",
}


def test_kamailio_gets_every_phone_in_a_private_file(tmp_path: Path) -> None:
    for table, text in {"standard": "", "auth_db": SQLITE, "presence": ""}.items():
        (tmp_path / f"{table}-create.sql").write_text(text)
    path, platform = tmp_path / "db.sqlite", sample(tmp_path / "accounts.csv")
    kamailio.make_database(path, tmp_path, platform)
    kamailio.make_database(path, tmp_path, platform)  # a lab that comes up again
    with closing(sqlite3.connect(path)) as database:
        rows = set(database.execute("SELECT username, domain, password FROM subscriber"))
    assert rows == {(p.user, p.tenant, p.password) for p in platform.phones}
    assert path.stat().st_mode & 0o777 == 0o600


def test_opensips_gets_every_phone_and_tenant_in_private_files(tmp_path: Path) -> None:
    schema = tmp_path / "schema"
    schema.mkdir()
    for table in ("presentity", "active_watchers", "watchers", "xcap"):
        (schema / table).write_text("id(int,auto) username(string) \n")
    for table, text in DBTEXT.items():
        (schema / table).write_text(text)
    platform = sample(tmp_path / "accounts.csv")
    opensips.make_database(tmp_path / "db", schema, platform)
    head, *rows = (tmp_path / "db/subscriber").read_text().splitlines()
    assert head == DBTEXT["subscriber"].rstrip("\n")
    # An empty field is NULL, which a column takes only if it says so.
    assert rows == [
        f"{number}:{p.user}:{p.tenant}:{p.password}:-:" for number, p in enumerate(platform.phones, start=1)
    ]
    domains = (tmp_path / "db/domain").read_text().splitlines()[1:]
    assert domains == [f"{number}:{t.domain}::0:0" for number, t in enumerate(tenants(), start=1)]
    assert (tmp_path / "db/version").read_text() == DBTEXT["version"]
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "db").iterdir()} == {0o600}


@pytest.mark.parametrize(
    "folder", ["lib64/opensips/modules", "lib/opensips/modules", "lib/arch/opensips/modules"]
)
def test_the_modules_are_found_where_installations_put_them(tmp_path: Path, folder: str) -> None:
    assert opensips.find_modules(tmp_path) is None
    (tmp_path / folder).mkdir(parents=True)
    assert opensips.find_modules(tmp_path) is None
    (tmp_path / folder / "tm.so").touch()
    assert opensips.find_modules(tmp_path) == tmp_path / folder


def test_a_place_that_is_not_filled_is_an_error() -> None:
    with pytest.raises(KeyError):
        filled("kamailio.cfg", {})


def test_the_line_for_a_person_names_the_server() -> None:
    told = "OpenSIPS (3.6.8-lab-bridge over kamailio 5.6.3 (x86_64/linux))"
    assert kamailio.Kamailio(Side()).says(told) == (
        "SIP front: Kamailio 5.6.3 with the MI bridge (no opensips on PATH)"
    )
    assert opensips.OpenSips(Side()).says("OpenSIPS (3.6.8 (x86_64/linux))") == "SIP front: OpenSIPS 3.6.8"
