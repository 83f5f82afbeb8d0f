"""The sample platform and its passwords."""

from pathlib import Path

import pytest

from lab.base import LabError
from lab.sample import Size, sample


def test_two_resellers_have_three_clients_each_with_five_phones(tmp_path: Path) -> None:
    made = sample(tmp_path / "accounts.csv")
    assert made.platform == "clusterpbx.example"
    assert [(t.domain.removesuffix(".clusterpbx.example"), t.level, t.number) for t in made.tenants] == [
        ("ntek", "reseller", 0),
        ("acme.ntek", "client", 1),
        ("bolt.ntek", "client", 2),
        ("cafe.ntek", "client", 3),
        ("modulis", "reseller", 0),
        ("globex.modulis", "client", 4),
        ("initech.modulis", "client", 5),
        ("umbrella.modulis", "client", 6),
    ]
    for client in made.clients:
        users = [phone.user for phone in made.phones if phone.tenant == client.domain]
        assert users == ["101", "102", "103", "104", "105"]
    assert len({phone.password for phone in made.phones}) == len(made.phones) == 30


def test_passwords_stay_with_the_lab_and_differ_between_labs(tmp_path: Path) -> None:
    made = sample(tmp_path / "a/accounts.csv")
    assert sample(tmp_path / "a/accounts.csv") == made
    other = sample(tmp_path / "b/accounts.csv")
    assert not {p.password for p in made.phones} & {p.password for p in other.phones}
    assert (tmp_path / "a/accounts.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "change", [lambda text: "", lambda text: text.replace("105", "106"), lambda text: text[:200]]
)
def test_a_file_that_is_not_ours_is_refused_without_telling_passwords(tmp_path: Path, change: object) -> None:
    path = tmp_path / "accounts.csv"
    made = sample(path)
    assert callable(change)
    path.write_text(change(path.read_text()))
    with pytest.raises(LabError, match="remove it and a new one is made") as caught:
        sample(path)
    assert not any(phone.password in str(caught.value) for phone in made.phones)


def test_a_platform_of_another_size_keeps_the_named_tenants_and_numbers_all_of_them(tmp_path: Path) -> None:
    made = sample(tmp_path / "accounts.csv", Size(clients=1000, phones=4))
    assert len(made.clients) == len({tenant.domain for tenant in made.clients}) == 1000
    assert [tenant.number for tenant in made.clients] == list(range(1, 1001))
    assert len(made.phones) == 4000
    assert "acme.ntek.clusterpbx.example" in {tenant.domain for tenant in made.clients}
    assert sample(tmp_path / "accounts.csv", Size(clients=1000, phones=4)) == made


def test_a_lab_does_not_take_another_sizes_phones_for_its_own(tmp_path: Path) -> None:
    sample(tmp_path / "accounts.csv", Size(clients=2, phones=1))
    with pytest.raises(LabError, match="remove it and a new one is made"):
        sample(tmp_path / "accounts.csv")


@pytest.mark.parametrize(("clients", "phones"), [(0, 1), (1, 0), (10_000, 1), (1, 900)])
def test_a_size_that_the_numbering_plan_has_no_place_for_is_refused(clients: int, phones: int) -> None:
    with pytest.raises(LabError, match="1 to 9,999 clients with 1 to 899 phones"):
        Size(clients, phones)
