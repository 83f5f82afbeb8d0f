"""compose.yaml and the files it mounts fit together, and open nothing that they shouldn't."""

import csv
import importlib.util
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
import yaml

from dialtone.config import load

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: Final[Mapping[str, dict[str, Any]]] = COMPOSE["services"]
MANAGEMENT: Final = {"8888", "5038", "3306"}
"""Ports of MI, AMI and MySQL."""


@pytest.fixture
def made() -> ModuleType:
    """Return deploy/make_secrets.py, which is a program and no package."""
    spec = importlib.util.spec_from_file_location("make_secrets", ROOT / "deploy" / "make_secrets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def mounts() -> Iterator[tuple[str, str, str, str]]:
    """Yield (service, source, place in the container, mode)."""
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source, place, *mode = mount.split(":")
            yield name, source, place, mode[0] if mode else ""


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in service.get("environment", {}).items()}


def test_every_mounted_file_exists_and_is_read_only() -> None:
    ours = [(source, mode) for _, source, _, mode in mounts() if source.startswith(".")]

    assert ours
    for source, mode in ours:
        assert (ROOT / source).exists(), source
        assert mode == "ro", source


def test_every_named_volume_is_declared_and_used() -> None:
    used = {source for _, source, _, _ in mounts() if not source.startswith(".")}

    assert used == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_to_a_tag(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].rpartition(":")

    assert image
    assert tag not in {"", "latest"}


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only_and_never_a_management_port(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        host, _, inside = str(port).rsplit(":", 2)
        assert host == "127.0.0.1"
        assert inside not in MANAGEMENT


@pytest.mark.parametrize("name", ["opensips", "asterisk", "db1", "db2"])
def test_the_watched_servers_publish_nothing(name: str) -> None:
    assert "ports" not in SERVICES[name]
    assert "network_mode" not in SERVICES[name]


def test_the_management_network_has_no_way_out() -> None:
    assert COMPOSE["networks"]["management"]["internal"] is True


def test_mi_and_ami_listen_on_the_management_network_alone() -> None:
    script = (ROOT / "deploy/opensips/opensips.cfg").read_text(encoding="utf-8")
    manager = (ROOT / "deploy/asterisk/manager.conf").read_text(encoding="utf-8")
    addresses = {
        name: SERVICES[name]["networks"]["management"]["ipv4_address"] for name in ("opensips", "asterisk")
    }

    assert f'modparam("httpd", "ip", "{addresses["opensips"]}")' in script
    assert f"bindaddr = {addresses['asterisk']}" in manager


def test_no_secret_stands_in_the_environment() -> None:
    for service in SERVICES.values():
        for key, value in environment(service).items():
            if re.search(r"PASSWORD|SECRET|TOKEN", key):
                assert key.endswith("_FILE"), key
                assert value.startswith("/run/dialtone/"), key


def test_nobody_sees_the_secrets_of_another_container() -> None:
    for name, source, place, mode in mounts():
        if source.startswith("secrets-") and name != "secrets":
            assert source == f"secrets-{'mysql' if name.startswith('db') else name}"
            assert (place, mode) == ("/run/dialtone", "ro")


def test_everything_waits_for_the_secrets() -> None:
    for name, service in SERVICES.items():
        if name != "secrets":
            assert service["depends_on"]["secrets"]["condition"] == "service_completed_successfully"


def test_each_secret_that_is_named_is_made(made: ModuleType) -> None:
    folders = {"db1": "mysql", "db2": "mysql"}
    files = made.contents()
    for name, service in SERVICES.items():
        for value in environment(service).values():
            if value.startswith("/run/dialtone/"):
                assert Path(value).name in files[folders.get(name, name)]
    init = (ROOT / "deploy/mysql/init.sh").read_text(encoding="utf-8")
    assert set(re.findall(r"/run/dialtone/(\w+)", init)) <= set(files["mysql"])
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    credentials = prometheus["scrape_configs"][0]["authorization"]["credentials_file"]
    assert Path(credentials).name in files["prometheus"]


def test_secrets_are_made_once_private_and_different_each_time(made: ModuleType, tmp_path: Path) -> None:
    assert made.write(tmp_path) is True
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert made.write(tmp_path) is False
    after = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}

    assert before == after
    for path, text in after.items():
        if text:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert os.geteuid() != 0 or path.stat().st_uid == made.OWNERS[path.parent.name]
    assert made.contents()["dialtone"] != made.contents()["dialtone"]


def test_the_phones_of_the_probes_are_the_subscribers_of_the_front(made: ModuleType) -> None:
    files = made.contents()
    accounts = csv.DictReader(files["dialtone"]["accounts.csv"].splitlines())
    rows = [line.split(":", 3) for line in files["opensips"]["subscriber"].splitlines()[1:]]

    assert [(row["user"], row["tenant"], row["password"]) for row in accounts] == [
        (user, tenant, password) for _, user, tenant, password in rows
    ]


def test_the_configuration_of_the_service_is_valid(made: ModuleType, tmp_path: Path) -> None:
    made.write(tmp_path)
    text = (ROOT / "deploy/dialtone.yaml").read_text(encoding="utf-8")
    config = tmp_path / "dialtone.yaml"
    config.write_text(
        text.replace("/run/dialtone", str(tmp_path / "dialtone")).replace("/var/lib/dialtone", str(tmp_path)),
        encoding="utf-8",
    )

    settings = load(config)

    assert [token.scope for token in settings.tokens] == ["clusterpbx.example"]
    assert all(probe.tenants == made.TENANTS and not probe.skipped for probe in settings.probes)
    assert settings.notes == ()
    assert SERVICES["dialtone"]["ports"] == [f"127.0.0.1:{settings.listen.port}:{settings.listen.port}"]


def test_the_service_reads_the_servers_where_compose_puts_them(made: ModuleType, tmp_path: Path) -> None:
    text = (ROOT / "deploy/dialtone.yaml").read_text(encoding="utf-8")
    configured = yaml.safe_load(text)
    node = {entry["name"]: entry for entry in configured["nodes"]}
    address = {
        name: {network: options["ipv4_address"] for network, options in SERVICES[name]["networks"].items()}
        for name in ("opensips", "asterisk")
    }

    assert f"//{address['opensips']['management']}:" in node["sip1"]["mi"]
    assert f"//{address['asterisk']['management']}:" in node["pbx1"]["ami"]
    assert all(name in SERVICES for name in ("db1", "db2"))
    for probe in configured["probes"]:
        assert f"sip:{address['opensips']['voice']}:5060" in probe["target"]


def test_asterisk_knows_every_tenant_with_phones(made: ModuleType) -> None:
    pjsip = (ROOT / "deploy/asterisk/pjsip.conf").read_text(encoding="utf-8")

    for tenant in made.TENANTS:
        assert f"accountcode = {tenant}\n" in pjsip
        assert f"match_header = X-Tenant: {tenant}\n" in pjsip


def test_asterisk_can_tell_its_time_zone_without_which_its_uptime_is_not_known() -> None:
    modules = (ROOT / "deploy/asterisk/modules.conf").read_text(encoding="utf-8")
    assert "load = func_strings.so" in modules


def test_the_replicas_logs_are_not_named_after_a_container_that_may_be_made_anew() -> None:
    settings = (ROOT / "deploy/mysql/pair.cnf").read_text(encoding="utf-8")
    assert re.search(r"^relay_log = \w+$", settings, re.MULTILINE)


def test_grafana_is_given_the_generated_dashboards() -> None:
    provider = yaml.safe_load((ROOT / "deploy/grafana/dashboards/dialtone.yaml").read_text(encoding="utf-8"))
    folder = provider["providers"][0]["options"]["path"]
    places = {place: source for name, source, place, _ in mounts() if name == "grafana"}
    home = environment(SERVICES["grafana"])["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]

    assert places[folder] == "./dashboards/generated"
    assert (ROOT / places[folder] / Path(home).name).is_file()
    assert Path(home).parent == Path(folder)


def test_the_image_holds_every_package_of_the_service_and_runs_as_the_owner_of_its_secrets(
    made: ModuleType,
) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.search(r"^packages = \[(.*)\]$", project, re.MULTILINE)

    assert packages is not None
    for package in re.findall(r'"(\w+)"', packages[1]):
        assert f"COPY {package} {package}\n" in dockerfile
        assert f"!{package}\n" in (ROOT / ".dockerignore").read_text(encoding="utf-8")
    assert f"--uid {made.OWNERS['dialtone']} " in dockerfile
    assert "\nUSER dialtone\n" in dockerfile
    assert "--require-hashes" in dockerfile


@pytest.mark.opensips
@pytest.mark.skipif(shutil.which("opensips") is None, reason="no opensips program is on PATH")
def test_opensips_accepts_its_script(tmp_path: Path) -> None:
    program = shutil.which("opensips")
    assert program is not None
    # On this machine the module folder is another, and the container's addresses don't exist.
    modules = next(Path(program).resolve().parents[1].glob("lib*/**/opensips/modules"))
    script = (ROOT / "deploy/opensips/opensips.cfg").read_text(encoding="utf-8")
    local = re.sub(r"172\.30\.\d+\.\d+", "127.0.0.1", script).replace(
        "/usr/lib/x86_64-linux-gnu/opensips/modules", str(modules)
    )
    (tmp_path / "opensips.cfg").write_text(local, encoding="utf-8")

    result = subprocess.run(
        [program, "-C", "-f", str(tmp_path / "opensips.cfg")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert result.returncode == 0, result.stderr
