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


FULL = {
    "sip": "127.0.0.1:1",
    "sip-tls": "127.0.0.1:2",
    "sip-b": "127.0.0.1:3",
    "asterisk-sip": "127.0.0.1:4",
    "asterisk-16-sip": "127.0.0.1:5",
    "https": "https://127.0.0.1:6",
    "ca": "/lab/tls/ca.pem",
}


def probes(context: LabContext, *without: str) -> dict[str, dict[str, object]]:
    """Return the probes of a lab with all addresses but these, by name."""
    addresses = {name: where for name, where in FULL.items() if name not in without}
    tree = configuration.document(context, [PartInfo("all", "", addresses=addresses)])
    found = tree["probes"]
    assert isinstance(found, list)
    return {probe["name"]: probe for probe in found}


def test_a_whole_lab_gets_a_probe_of_each_flow_and_addresses_are_put_in(context: LabContext) -> None:
    found = probes(context)
    assert {probe["flow"] for probe in found.values()} == {
        "options", "register", "call", "presence", "blind-transfer", "attended-transfer", "http"
    }  # fmt: skip
    assert found["call"]["media"] == {"for": "1s", "dtmf": "14*"}
    assert found["echo"]["media"] == {"hears": "echo", "for": "1s", "dtmf": "14*"}
    assert found["failover"]["caller_target"] == "sip:127.0.0.1:3;transport=udp"
    assert found["register-tls"]["tls"] == {"ca": "/lab/tls/ca.pem"}
    assert found["blind-transfer"]["dial"] == "6{user}"
    assert found["provisioning"]["target"] == "https://127.0.0.1:6/provisioning/{tenant}.cfg"


def test_no_probe_asks_for_what_the_lab_lacks(context: LabContext) -> None:
    assert set(probes(context, "asterisk-16-sip", "sip-b", "https")) == {"register", "call"}
    assert set(probes(context, "sip")) == {"register-tls", "provisioning"}
    assert "register-tls" not in probes(context, "sip-tls")


@pytest.mark.parametrize(
    ("lacks", "promised"), [((), ["telephony", "quick-calls"]), (("sip",), [])], ids=["whole", "no front"]
)
def test_tenants_are_promised_what_the_lab_probes(
    context: LabContext, lacks: tuple[str, ...], promised: list[str]
) -> None:
    addresses = {name: where for name, where in FULL.items() if name not in lacks}
    found = configuration.document(context, [PartInfo("all", "", addresses=addresses)])["objectives"]
    assert isinstance(found, list)
    assert [objective["name"] for objective in found] == promised
