"""How parts' configurations become one."""

from pathlib import Path

import pytest

from lab import configuration
from lab.base import LabContext, LabError, PartInfo
from lab.ports import LoopbackPorts
from lab.processes import LabProcesses
from lab.sample import sample


@pytest.fixture
def context(tmp_path: Path) -> LabContext:
    """Make a lab without any server."""
    return LabContext(
        root=tmp_path,
        cache=tmp_path,
        ports=LoopbackPorts(tmp_path, tmp_path / "claims.json"),
        processes=LabProcesses(tmp_path),
        sample=sample(tmp_path / "accounts.csv"),
    )


def test_lists_grow_and_mappings_are_united(context: LabContext) -> None:
    infos = [
        PartInfo("a", "", config={"topologies": [1], "caps": {"extra": 1}}),
        PartInfo("b", "", config={"topologies": [2]}),
    ]
    tree = configuration.document(context, infos)
    assert tree["topologies"] == [1, 2]
    caps = tree["caps"]
    assert isinstance(caps, dict)
    assert caps.keys() > {"extra", "series"}


@pytest.mark.parametrize("config", [{"caps": {"series": 1}}, {"location": "here"}])
def test_a_part_overrules_nothing(context: LabContext, config: dict[str, object]) -> None:
    with pytest.raises(LabError, match=r"a: its configuration for '\w+' contradicts another's"):
        configuration.document(context, [PartInfo("a", "", config=config)])


def test_secrets_stay_inside_their_folder(context: LabContext) -> None:
    with pytest.raises(LabError, match="no plain file name"):
        configuration.write(context, [PartInfo("a", "", secrets={"../../x": "geheim"})])
