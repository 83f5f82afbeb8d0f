"""The configuration that the lab writes for Asterisk."""

import re
from pathlib import Path

import pytest

from collectors.asterisk.events import EVENTS
from collectors.asterisk.manager import EVENT_CLASSES
from lab.asterisk.config import MODULES, render
from lab.asterisk.manager import TEST_USERS
from lab.asterisk.series import NEW, OLD, Series, Settings
from lab.base import Phone, Sample, SampleTenant

SAMPLE = Sample(
    "clusterpbx.example",
    (
        SampleTenant("ntek.clusterpbx.example", "NTEK", "reseller", 0),
        SampleTenant("acme.ntek.clusterpbx.example", "Acme", "client", 1),
        SampleTenant("bd.ntek.clusterpbx.example", "BD", "client", 2),
    ),
    tuple(
        Phone(f"{name}.ntek.clusterpbx.example", user, "x")
        for name in ("acme", "bd")
        for user in ("101", "102")
    ),
)
ACME, BD = (tenant.domain for tenant in SAMPLE.clients)


def rendered(tmp_path: Path, series: Series) -> dict[str, str]:
    """Return the files of that Asterisk for a lab in a folder of its own."""
    settings = Settings(
        series=series,
        program=tmp_path / "program",
        home=tmp_path / "home",
        sip=5070,
        fronts=(5060, 5062),
        ami=5038,
        ami_tls=5039,
        ajam=8088,
        ajam_tls=8089,
        certificate=tmp_path / "tls/server.pem",
        key=tmp_path / "tls/server.key",
        gateway=5080,
        gateways=(("gw1", 5081), ("gw2", 5082)),
        rtp=range(12_000, 14_000),
        files=1024,
        collector_secret="collector-secret",
        lab_secret="lab-secret",
    )
    return dict(render(settings, SAMPLE))


@pytest.fixture(params=[NEW, OLD], ids=["22", "16"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Return the files of each of the two."""
    return rendered(tmp_path, request.param)


def section(text: str, name: str) -> dict[str, str]:
    """Return the settings of the first section of that name (its template's not included)."""
    body = text.split(f"\n[{name}]", 1)[1].split("\n[", 1)[0]
    return dict(re.findall(r"^(\w+) = (.*)$", body, re.MULTILINE))


def test_it_listens_on_loopback_alone(files: dict[str, str]) -> None:
    bound = re.findall(r"^(?:tls)?bind(?:addr)? = (.*)$", "\n".join(files.values()), re.MULTILINE)
    assert sorted(bound) == [
        "127.0.0.1", "127.0.0.1", "127.0.0.1:5039", "127.0.0.1:5070", "127.0.0.1:5080", "127.0.0.1:8089"
    ]  # fmt: skip
    assert "port = 5038\n" in files["manager.conf"]
    assert "bindport = 8088\n" in files["http.conf"]


def test_the_collectors_user_may_read_lists_and_events_and_do_nothing(files: dict[str, str]) -> None:
    user = section(files["manager.conf"], "dialtone")
    assert user["write"] == "reporting"
    assert user["read"] == EVENT_CLASSES
    assert user["permit"] == "127.0.0.1/255.255.255.255"
    assert section(files["manager.conf"], "lab")["write"] == ""


def test_the_tests_users_have_no_secret_of_the_collectors(files: dict[str, str]) -> None:
    users = {name: section(files["manager.conf"], name) for name in ("lab", *TEST_USERS)}
    assert {user["secret"] for user in users.values()} == {"lab-secret"}
    rights = {name: (user["read"], user["write"]) for name, user in users.items() if name != "lab"}
    assert rights == {
        "system": (EVENT_CLASSES, "system,reporting"),
        "cli": (EVENT_CLASSES, "command,reporting"),
        "call": (EVENT_CLASSES, "call,reporting"),
        "deaf": ("", "reporting"),
    }


def test_the_filter_passes_the_events_that_are_counted_and_none_that_begin_like_them(
    files: dict[str, str],
) -> None:
    pattern = section(files["manager.conf"], "dialtone")["eventfilter"].replace("[[:space:]]", r"\s")
    for event in EVENTS:
        assert re.search(pattern, f"Event: {event}\r\nPrivilege: call,all\r\n")
    for event in (
        "HangupRequest",
        "SoftHangupRequest",
        "NewCallerid",
        "VarSet",
        "QueueMemberStatus",
        "ParkedCall",
    ):
        assert not re.search(pattern, f"Event: {event}\r\nCallerIDName: Event: Hangup \r\n")


def test_the_filter_is_the_one_that_the_guide_has_people_write(files: dict[str, str]) -> None:
    guide = (Path(__file__).parents[4] / "docs" / "asterisk.md").read_text()
    (told,) = re.findall(r"^eventfilter = (.*)$", guide, re.MULTILINE)
    mine = section(files["manager.conf"], "dialtone")["eventfilter"]
    assert re.split(r"[(|)]", mine)[0] == re.split(r"[(|)]", told)[0] == "^Event: "
    assert sorted(re.split(r"[(|)]", mine)) == sorted(re.split(r"[(|)]", told))


def test_each_client_has_its_own_account_code_and_identity(files: dict[str, str]) -> None:
    for domain in (ACME, BD):
        calls = files["pjsip.conf"].split(f"[{domain}](!,front)")[1].split("[", 1)[0]
        assert f"accountcode = {domain}\n" in calls
    identities = re.findall(r"endpoint = (\S+)-calls\nmatch_header = X-Tenant: (\S+)", files["pjsip.conf"])
    assert identities == [(ACME, ACME), (BD, BD)]


def test_a_call_with_media_on_ipv6_has_an_endpoint_of_the_same_tenant(files: dict[str, str]) -> None:
    for domain in (ACME, BD):
        endpoint, _, identity = files["pjsip.conf"].split(f"\n[{domain}-six]")[1:4]
        assert endpoint.startswith(f"({domain})\n")
        assert "media_address = ::1\n" in endpoint
        assert "rtp_ipv6 = yes\n" in endpoint
        assert f"endpoint = {domain}-six\nmatch_header = X-Tenant6: {domain}\n" in identity


def test_who_registers_by_the_header_of_desk_phones_can_call_nobody(files: dict[str, str]) -> None:
    for domain in (ACME, BD):
        endpoint, aor, identity = files["pjsip.conf"].split(f"\n[{domain}-desk]")[1:4]
        assert endpoint.startswith("(local)\n")
        assert "context = nowhere\n" in endpoint
        assert "qualify_frequency = " in aor
        assert f"endpoint = {domain}-desk\nmatch_header = X-Desk: {domain}\n" in identity
    assert "[nowhere]" not in files["extensions.conf"]


def test_a_phone_is_rung_with_media_of_the_family_of_the_call_that_comes_in(files: dict[str, str]) -> None:
    mine = files["extensions.conf"].split(f"\n[{ACME}]\n")[1].split("\n[", 1)[0]
    reached = f'PJSIP/${{IF($["${{SIX}}" = ""]?{ACME}-101:101@{ACME}-six)}}'
    assert f"exten => 101,1,Dial({reached},30," in mine
    assert "Set(__SIX=${PJSIP_HEADER(read,X-Tenant6)})" in files["extensions.conf"]


def test_a_reseller_has_no_endpoint(files: dict[str, str]) -> None:
    assert "[ntek." not in files["pjsip.conf"] + files["extensions.conf"] + files["queues.conf"]


def test_no_tenants_queue_or_dialplan_knows_anothers_phones(files: dict[str, str]) -> None:
    for name in ("queues.conf", "extensions.conf"):
        mine = files[name].split(f"\n[{ACME}]\n")[1].split("\n[", 1)[0]
        assert f"{ACME}-101" in mine
        assert BD not in mine


def test_only_the_fronts_own_ports_get_past_the_doors(files: dict[str, str]) -> None:
    assert "context = from-front" in files["pjsip.conf"]
    address = "${CHANNEL(pjsip,remote_addr)}"
    door = f'GotoIf($["{address}" = "127.0.0.1:5060" | "{address}" = "127.0.0.1:5062"]?pass)'
    for context in ("from-front", "from-trunk"):
        entries = files["extensions.conf"].split(f"\n[{context}]\n")[1].split("\n[")[0]
        firsts = re.findall(r"^exten => [^,]+,1,(.*)$", entries, re.MULTILINE)
        assert set(firsts) == {door}


def test_a_did_is_of_one_tenant_alone(files: dict[str, str]) -> None:
    dids = re.findall(r"exten => _1514(\d+)XXX,1,.*\n.*\n.*accountcode\)=(\S+)\)", files["extensions.conf"])
    assert dids == [("0001", ACME), ("0002", BD)]


def test_each_asterisk_has_numbers_of_its_own_and_tenant_ids_where_it_knows_them(tmp_path: Path) -> None:
    new, old = rendered(tmp_path, NEW), rendered(tmp_path, OLD)
    for files, own, foreign in ((new, "6", "7"), (old, "7", "6")):
        shared = files["extensions.conf"].split("[numbers]")[1]
        numbers = re.findall(r"^exten => _?(\d)[\dX]{2,},", shared, re.MULTILINE)
        assert own in numbers
        assert foreign not in numbers
    assert f"tenantid = {ACME}\n" in new["pjsip.conf"]
    assert "tenantid" not in old["pjsip.conf"]


def test_voicemail_keeps_no_test_call(files: dict[str, str]) -> None:
    assert int(section("\n" + files["voicemail.conf"], "general")["minsecs"]) >= 600


def test_a_tenants_calls_are_parked_in_its_own_lot(files: dict[str, str]) -> None:
    for domain in (ACME, BD):
        lot = section(files["res_parking.conf"], domain)
        assert (lot["context"], lot["comebackcontext"]) == (f"{domain}-parked", domain)
    assert files["extensions.conf"].count("Park(${CONTEXT},") == 1
    assert files["extensions.conf"].count("ParkedCall(${CONTEXT})") == 1


def test_calls_to_phones_go_out_by_the_front(files: dict[str, str]) -> None:
    assert r"outbound_proxy = sip:127.0.0.1:5060\;lr" in files["pjsip.conf"]
    assert f"contact = sip:101@{ACME}\n" in files["pjsip.conf"]


def test_every_folder_that_is_written_to_is_the_labs(files: dict[str, str], tmp_path: Path) -> None:
    folders = dict(re.findall(r"^(ast\w+) => (.*)$", files["asterisk.conf"], re.MULTILINE))
    only_read = {"astmoddir", "astdatadir", "astagidir", "astsbindir"}
    assert only_read < folders.keys()
    for name, folder in folders.items():
        assert Path(folder).is_relative_to(tmp_path / ("program" if name in only_read else "home"))


def test_no_module_is_loaded_that_is_not_named(files: dict[str, str]) -> None:
    assert "autoload = no" in files["modules.conf"]
    assert files["modules.conf"].count("load = ") - 1 == len(MODULES) == len(set(MODULES))
