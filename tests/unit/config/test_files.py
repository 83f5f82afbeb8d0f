"""Secrets and accounts: where they may stand, who may read them, what is said when they are wrong."""

from pathlib import Path

import pytest

from tests.unit.config.conftest import HEAD, Reader, refusals, write_private

NODE = 'nodes:\n  - {name: db1, kind: mysql, dsn: "mysql://u@h", password: {file: secrets/db}}\n'
WITH_ACCOUNTS = HEAD + "accounts: {file: accounts.csv}\n"
COLUMNS = "tenant,user,auth_user,password\n"
ACME = "acme.ntek.clusterpbx.example"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("sesame", "sesame"),
        ("sesame\n", "sesame"),
        ("sesame\r\n", "sesame"),
        (" spaces count \n", " spaces count "),
        ("sésame 🔑\n", "sésame 🔑"),
    ],
)
def test_a_secret_is_its_files_one_line(read: Reader, folder: Path, content: str, secret: str) -> None:
    write_private(folder / "secrets" / "db", content)
    (node,) = read(HEAD + NODE).nodes
    assert node.secret is not None
    assert node.secret.reveal() == secret


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_secret_file_may_be_its_owners_alone(read: Reader, folder: Path, mode: int) -> None:
    write_private(folder / "secrets" / "db", "sesame", mode)
    assert len(read(HEAD + NODE).nodes) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_secret_file_open_to_others_is_refused_with_the_command_that_mends_it(
    read: Reader, folder: Path, mode: int
) -> None:
    path = write_private(folder / "secrets" / "db", "sesame", mode)
    assert refusals(read, HEAD + NODE) == [
        f"nodes[0].password: the file {path} is open to other users (mode {mode:04o}); run: chmod 600 {path}"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("sesame\nand more\n", "must hold one line of printable text"),
        ("sesame\r\nAction: Command\n", "must hold one line of printable text"),
        ("sesa\0me", "must hold one line of printable text"),
        ("s" * 5000, "is larger than 4,096 bytes"),
    ],
)
def test_a_secret_that_is_none_is_refused_without_being_shown(
    read: Reader, folder: Path, content: str, message: str
) -> None:
    path = write_private(folder / "secrets" / "db", content)
    assert refusals(read, HEAD + NODE) == [f"nodes[0].password: the file {path} {message}"]


def test_an_empty_environment_variable_is_no_secret(read: Reader) -> None:
    text = HEAD + NODE.replace("{file: secrets/db}", "{env: EMPTY}")
    (folder_said,) = refusals(lambda t: read(t, {"EMPTY": ""}), text)
    assert folder_said == "nodes[0].password: the environment variable EMPTY is empty"


def test_accounts_open_to_others_are_refused_with_the_command_that_mends_it(
    read: Reader, folder: Path
) -> None:
    path = write_private(folder / "accounts.csv", COLUMNS, 0o644)
    assert refusals(read, WITH_ACCOUNTS) == [
        f"accounts.file: the file {path} is open to other users (mode 0644); run: chmod 600 {path}"
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("other.clusterpbx.example,100,,x", "'other.clusterpbx.example' is not a configured tenant"),
        (
            "not a domain,100,,x",
            "tenant: 'not a domain' is not a domain: the part 'not a domain' is not a host label",
        ),
        (f"{ACME},,,sesame", "'' can't be the user of a SIP address"),
        (f"{ACME},100@x,,sesame", "'100@x' can't be the user of a SIP address"),
        (
            f'{ACME},100,"a""b",sesame',
            "the auth_user must be printable, without quotes, at most 128 characters",
        ),
        (f"{ACME},100,,", "the password is empty"),
        (f"{ACME},100,,se\x07same", "the password must be printable text"),
        (f"{ACME},100,sesame", "needs the 4 values tenant,user,auth_user,password"),
        (f"{ACME},100,,sesame,more", "needs the 4 values tenant,user,auth_user,password"),
    ],
)
def test_a_wrong_row_is_named_by_its_line_and_never_shows_a_password(
    read: Reader, folder: Path, rows: str, said: str
) -> None:
    path = write_private(folder / "accounts.csv", f"{COLUMNS}{ACME},99,,x\n\n{rows}\n{ACME},98,,x\n")
    assert refusals(read, WITH_ACCOUNTS) == [f"accounts.file: {path} line 4: {said}"]
    assert "sesame" not in said


def test_an_account_that_stands_twice_is_refused(read: Reader, folder: Path) -> None:
    path = write_private(folder / "accounts.csv", f"{COLUMNS}{ACME},1,,x\n{ACME.upper()}.,1,,y\n")
    assert refusals(read, WITH_ACCOUNTS) == [
        f"accounts.file: {path} line 3: 1@{ACME} stands twice; keep one of the rows"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must begin with the line tenant,user,auth_user,password"),
        (f"{ACME},100,,x\n", "must begin with the line tenant,user,auth_user,password"),
        ("tenant,user,password\n", "must begin with the line tenant,user,auth_user,password"),
        (f'{COLUMNS}{ACME},"100,,x\n', "line 2: is not CSV: unexpected end of data"),
        (f'{COLUMNS}{ACME},"1"00,,x\n', "line 2: is not CSV: ',' expected after '\"'"),
        (
            COLUMNS + f"{ACME},{'1' * 140_000},,x\n",
            "line 2: is not CSV: field larger than field limit (131072)",
        ),
        (COLUMNS + ",,,\n" * 200_001, "has more than 200,000 rows"),
    ],
    ids=["empty", "no header", "lacks a column", "open quote", "stray quote", "huge field", "too many"],
)
def test_a_file_that_is_no_table_of_accounts_says_what_is_wrong(
    read: Reader, folder: Path, content: str, message: str
) -> None:
    path = write_private(folder / "accounts.csv", content)
    assert f"accounts.file: the file {path} {message}" in refusals(read, WITH_ACCOUNTS)


def test_columns_may_stand_in_any_order_with_a_byte_order_mark(read: Reader, folder: Path) -> None:
    write_private(folder / "accounts.csv", f"\ufeffpassword, user ,tenant,auth_user\r\np,100,{ACME},a\r\n")
    (account,) = read(WITH_ACCOUNTS).accounts[ACME]
    assert (account.user, account.auth_user, account.password.reveal()) == ("100", "a", "p")


def test_many_wrong_rows_are_counted_not_listed(read: Reader, folder: Path) -> None:
    path = write_private(folder / "accounts.csv", COLUMNS + "no.such.example,1,,x\n" * 1000)
    said = refusals(read, WITH_ACCOUNTS)
    assert len(said) == 21
    assert said[-1] == f"accounts.file: {path}: and 980 more rows like these"


@pytest.mark.parametrize("mark", ["*", "!", "&", "|", "%", "@", "`", "[", ""])
def test_a_password_written_into_the_file_is_not_repeated_whatever_it_means_to_yaml(
    read: Reader, mark: str
) -> None:
    node = f"nodes:\n  - name: pbx1\n    kind: asterisk\n    ami: tcp://h\n    password: {mark}sesame\n"
    said = refusals(read, HEAD + node)
    assert said
    assert "sesame" not in " ".join(said)


def test_a_password_in_a_target_is_not_repeated(read: Reader) -> None:
    [said] = refusals(read, HEAD + 'probes: [{name: p, flow: call, target: "sip:100:sesame@h"}]\n')
    assert said.startswith("probes[0].target: names a user")
    assert "sesame" not in said
