"""The injection file: what it has, who can read it, and what it refuses."""

import stat
from pathlib import Path

import pytest

from dialtone.model import Account, Secret
from synthetic.sipp.credentials import (
    MAX_FIELD,
    UnusableAccountError,
    check,
    injection,
    uri_user,
    write_injection,
)
from tests.fakes.sip_probes import an_account


def account(**changes: str) -> Account:
    values = {"tenant": "acme.example", "user": "100", "auth_user": "100", "password": "pw"} | changes
    return Account(values["tenant"], values["user"], values["auth_user"], Secret(values["password"]))


def test_a_row_has_the_columns_of_the_catalogue() -> None:
    assert injection(account(auth_user="dev-7", password="s3:cret")) == (
        "SEQUENTIAL\n100@acme.example;100;acme.example;dev-7;s3:cret;\n"
    )


def test_who_is_called_has_a_row_without_credentials() -> None:
    text = injection(account(), calls=account(user="101", auth_user="dev-8", password="other"))
    assert text.splitlines()[1:] == [
        "100@acme.example;100;acme.example;100;pw;101@acme.example",
        "101@acme.example;101;acme.example;;;",
    ]


def test_the_file_is_ours_alone_and_never_replaces_another(tmp_path: Path) -> None:
    path = write_injection(tmp_path, an_account())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_injection(tmp_path, an_account())


def test_a_link_that_somebody_put_there_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_injection(tmp_path, an_account())
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("password", "semi;colon", "a semicolon"),
        ("password", "line\nfeed", "a line break"),
        ("password", "carriage\rreturn", "a carriage return"),
        ("password", "nul\0", "a NUL"),
        ("password", "[authentication username=x]", "keyword"),
        ("password", "x" * (MAX_FIELD + 1), "longer than 255 bytes"),
        ("password", "é" * 200, "longer than 255 bytes"),
        ("auth_user", 'quo"te', "a quotation mark"),
        ("auth_user", "back\\slash", "a backslash"),
        ("auth_user", "semi;colon", "a semicolon"),
        ("user", "x" * 300, "longer than 255 bytes"),
    ],
)
def test_what_sipp_can_not_be_given_is_refused_by_name_and_never_shown(
    field: str, value: str, said: str
) -> None:
    with pytest.raises(UnusableAccountError) as caught:
        check([account(), account(**{field: value})])
    assert said in str(caught.value)
    assert field in str(caught.value)
    assert "@acme.example" in str(caught.value)
    if field != "user":
        assert value not in str(caught.value)


@pytest.mark.parametrize(
    "password", ["[x] {y} 'z' \"q\" \\ , # % & = + $ ! ^ ~ `|<>", " leading and trailing ", "é☎", ""]
)
def test_every_other_character_goes_through_as_it_is(password: str, tmp_path: Path) -> None:
    path = write_injection(tmp_path, account(password=password))
    assert path.read_text("utf-8").splitlines()[1].split(";")[4] == password


def test_a_user_is_written_as_a_uri_has_it() -> None:
    assert uri_user(account(user="a b;c@d#é")) == "a%20b%3Bc%40d%23%C3%A9"
    assert injection(account(user="#1")).splitlines()[1].startswith("%231@acme.example;%231;")
