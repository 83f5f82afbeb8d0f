"""A data folder belongs to one service at a time."""

from pathlib import Path

import pytest

from dialtone.ports import StoreError
from dialtone.store import held_alone


def test_a_second_service_on_a_data_folder_is_refused_and_told_how_to_mend_it(tmp_path: Path) -> None:
    words = r"another `dialtone serve` uses this data folder; stop it"
    with held_alone(tmp_path), pytest.raises(StoreError, match=words), held_alone(tmp_path):
        pass
    with held_alone(tmp_path):
        pass


def test_another_folder_is_free(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with held_alone(tmp_path), held_alone(other):
        pass


def test_a_folder_that_takes_no_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="look at `data:`"), held_alone(tmp_path / "file" / "data"):
        pass


def test_a_folder_that_is_not_there_yet_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with held_alone(tmp_path / "a" / "data"):
        assert (tmp_path / "a" / "data").stat().st_mode & 0o777 == 0o700
