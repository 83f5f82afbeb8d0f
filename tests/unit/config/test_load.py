"""A configuration that is right, and the files that are not even read."""

import os
import tempfile
import time
from pathlib import Path

import pytest
import trustme

from dialtone.config import Caps, ConfigError, Listen, Problem, load
from dialtone.model import AccessRole, Database, Engine, Flow, Level, NodeKind, Secret, TopologyKind
from tests.unit.config.conftest import ENVIRON, HEAD, WHOLE, Reader, refusals, write_private


def test_the_whole_of_a_configuration_becomes_settings(read: Reader, folder: Path) -> None:
    found = read(WHOLE)
    assert (found.source, found.location) == (folder / "dialtone.yaml", "mtl1")
    assert (found.data, found.listen) == (folder / "data", Listen("127.0.0.1", 9877))
    assert found.external_url == "https://dialtone.example"
    assert found.caps == Caps(series=200_000, calls_per_second=0.5, concurrent_calls=50)
    assert [(r.name, r.url.reveal()) for r in found.receivers] == [
        ("ops", "http://127.0.0.1:9095/hook?key=1")
    ]
    assert [(t.name, t.scope, t.token.reveal()) for t in found.tokens] == [
        ("bob", "ntek.clusterpbx.example", "0123456789abcdef")
    ]
    (main,) = found.topologies
    assert (main.kind, main.nodes) == (TopologyKind.ACTIVE_PASSIVE, ("db1", "db2"))
    assert main.tenants is None, "discovered ones count too"


def test_each_kind_of_node_has_its_endpoint_user_secret_and_options(read: Reader) -> None:
    sip1, pbx1, db1, db2 = read(WHOLE).nodes
    assert (sip1.kind, sip1.endpoint, sip1.options) == (
        NodeKind.OPENSIPS,
        "http://127.0.0.1:8888/mi",
        {"profile": "tenant"},
    )
    assert (sip1.interval, sip1.timeout, sip1.username, sip1.secret) == (15, 2, None, None)
    assert (pbx1.kind, pbx1.endpoint) == (NodeKind.ASTERISK, "tcp://127.0.0.1:5038")
    assert (pbx1.username, pbx1.secret, pbx1.timeout) == ("dialtone", Secret("sesame-ami"), 5)
    assert (db1.kind, db1.endpoint, db1.username) == (NodeKind.MYSQL, "mysql://127.0.0.1:3306", "dialtone")
    assert db1.secret == Secret("sesame-db")
    assert db1.options == {"heartbeat": "dialtone.heartbeat", "heartbeat_every": "1"}
    assert db1.labels == {"site": "mtl", "rack": "12"}
    assert (db2.endpoint, db2.interval, db2.timeout) == ("mysql://[::1]:3307", 2, 2)


@pytest.mark.parametrize("ami", ["tls://pbx1.example", "https://pbx1.example:8089/asterisk/rawman"])
def test_an_asterisk_read_by_tls_may_say_whom_it_trusts_beside_the_configuration(
    read: Reader, folder: Path, ami: str
) -> None:
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    text = WHOLE.replace('ami: "tcp://127.0.0.1"', f'ami: "{ami}", tls: {{ca: ca.pem, name: PBX.Example}}')
    pbx1 = read(text).nodes[1]
    assert pbx1.options == {"tls_ca": str(folder / "ca.pem"), "tls_name": "pbx.example"}
    assert read(text.replace("ca: ca.pem, name: PBX.Example", "verify: false")).nodes[1].options == {
        "tls_verify": "false"
    }
    assert read(text.replace("ca: ca.pem, name: PBX.Example", "verify: true")).nodes[1].options == {}


def test_a_mysql_server_is_asked_by_tls_where_that_is_written(read: Reader, folder: Path) -> None:
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    dsn = 'dsn: "mysql://dialtone@127.0.0.1:3306"'

    def tls_options(tls: str) -> dict[str, str]:
        options = read(WHOLE.replace(dsn, f"{dsn}, tls: {tls}")).nodes[2].options
        return {key: value for key, value in options.items() if key.startswith("tls")}

    ca = str(folder / "ca.pem")
    assert tls_options("{}") == {"tls": "on"}
    assert tls_options("{ca: ca.pem, name: DB.Example}") == {
        "tls": "on",
        "tls_ca": ca,
        "tls_name": "db.example",
    }
    assert tls_options("{verify: false}") == {"tls": "on", "tls_verify": "false"}
    assert not any(key.startswith("tls") for key in read(WHOLE).nodes[2].options)


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        ("", r"tls: says nothing; write \{\}"),
        ("true", "tls"),
        ("{ca: none.pem}", "none.pem can't be read"),
        ("{verify: false, name: db}", "trusts anybody"),
        ("{cert: x}", "cert"),
    ],
)
def test_tls_of_a_mysql_server_that_means_nothing_is_a_problem_and_not_a_connection_in_clear(
    read: Reader, tls: str, words: str
) -> None:
    dsn = 'dsn: "mysql://dialtone@127.0.0.1:3306"'
    with pytest.raises(ConfigError, match=words):
        read(WHOLE.replace(dsn, f"{dsn}, tls: {tls}"))


def test_the_authority_of_an_asterisk_is_found_from_any_folder(
    read: Reader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    read(WHOLE.replace('ami: "tcp://127.0.0.1"', 'ami: "tls://127.0.0.1", tls: {ca: ca.pem}'))
    monkeypatch.chdir(folder)
    pbx1 = load(Path("dialtone.yaml"), environ=ENVIRON).nodes[1]
    assert pbx1.options["tls_ca"] == str(folder / "ca.pem")


def test_an_opensips_may_have_an_address_for_its_events_and_its_own_database(read: Reader) -> None:
    text = WHOLE.replace(
        'mi: "http://127.0.0.1:8888/mi"',
        'mi: "http://127.0.0.1:8888/mi", events: "udp://127.0.0.1:5490", '
        'database: {dsn: "mysql://dialtone@127.0.0.1/opensips", password: {env: DB_PASSWORD}}',
    )
    sip1 = read(text).nodes[0]
    assert sip1.options == {"profile": "tenant", "events": "udp://127.0.0.1:5490"}
    assert sip1.database == Database("mysql://127.0.0.1:3306", "opensips", "dialtone", Secret("sesame-db"))
    assert (sip1.username, sip1.secret) == (None, None), "those are for its management interface"
    assert read(WHOLE).nodes[0].database is None


def test_accounts_are_by_tenant_and_fall_back_to_the_user_for_authentication(read: Reader) -> None:
    accounts = read(WHOLE).accounts
    assert list(accounts) == ["acme.ntek.clusterpbx.example"]
    first, second = accounts["acme.ntek.clusterpbx.example"]
    assert (first.aor, first.auth_user) == ("100@acme.ntek.clusterpbx.example", "acme-100")
    assert (second.auth_user, second.password) == ("101", Secret("sesame-101"))


def test_a_probe_leaves_out_tenants_without_enough_accounts_and_says_so(read: Reader) -> None:
    found = read(WHOLE)
    calls, registers = found.probes
    assert (calls.flow, calls.engine, calls.interval, calls.timeout) == (Flow.CALL, Engine.SIPPY, 60, 10)
    assert calls.tenants == registers.tenants == ("acme.ntek.clusterpbx.example",)
    assert (calls.skipped, registers.skipped) == (("ntek.clusterpbx.example",), ())
    assert found.notes == (
        "probe calls leaves out 1 tenant with too few accounts (call needs 2): ntek.clusterpbx.example (0)",
        (
            "when they fall together, these probes need 3 accounts of a tenant (calls 2, registers 1), and 1 "
            "tenant has fewer; the one that finds none free is inconclusive (account-busy): "
            "acme.ntek.clusterpbx.example (2)"
        ),
    )


def test_one_account_is_enough_to_register_and_not_enough_to_call(read: Reader, folder: Path) -> None:
    write_private(folder / "accounts.csv", "tenant,user,auth_user,password\nntek.clusterpbx.example,1,,x\n")
    probes = """
accounts: {file: accounts.csv}
probes:
  - {name: c, flow: call, target: "sip:h", tenants: [ntek.clusterpbx.example]}
  - {name: r, flow: register, target: "sip:h", tenants: [ntek.clusterpbx.example]}
"""
    calls, registers = read(HEAD + probes).probes
    assert (calls.tenants, calls.skipped) == ((), ("ntek.clusterpbx.example",))
    assert (registers.tenants, registers.skipped) == (("ntek.clusterpbx.example",), ())


def test_the_least_configuration_has_safe_defaults_and_a_note(read: Reader, folder: Path) -> None:
    found = read("location: mtl1\nplatform: {domain: ClusterPBX.example.}\n")
    assert (found.data, found.listen, found.caps) == (folder / "data", Listen("127.0.0.1", 9876), Caps())
    assert found.tree.platform.domain == "clusterpbx.example"
    assert (found.nodes, found.probes, found.tokens, found.external_url) == ((), (), (), None)
    assert found.notes == ("there are no nodes and no probes: nothing is watched",)


def test_zone_and_language_come_from_what_stands_above(read: Reader) -> None:
    tree = read(HEAD + "  - {domain: beta.ntek.clusterpbx.example, timezone: Europe/Paris}\n").tree
    told = [(t.name, t.level, t.timezone, t.language) for t in tree]
    assert told == [
        ("clusterpbx.example", Level.PLATFORM, "America/Montreal", "en"),
        ("NTEK", Level.RESELLER, "America/Montreal", "fr"),
        ("Acme", Level.CLIENT, "America/Montreal", "fr"),
        ("beta.ntek.clusterpbx.example", Level.CLIENT, "Europe/Paris", "fr"),
    ]


def test_levels_and_parents_may_be_given_where_labels_do_not_tell(read: Reader) -> None:
    tree = read(
        HEAD
        + """
  - {domain: a.b.ntek.clusterpbx.example}
  - {domain: direct.clusterpbx.example, level: client}
  - {domain: voice.acme.example, parent: ntek.clusterpbx.example}
  - {domain: whitelabel.example, parent: clusterpbx.example}
  - {domain: shop.whitelabel.example}
  - {domain: x.y.clusterpbx.example, level: reseller}
  - {domain: z.x.y.clusterpbx.example}
"""
    ).tree
    told = {t.domain.removesuffix(".clusterpbx.example"): (t.level.value, t.parent) for t in tree}
    ntek, top = "ntek.clusterpbx.example", "clusterpbx.example"
    assert told["a.b.ntek"] == ("client", ntek)
    assert told["direct"] == ("client", top)
    assert told["voice.acme.example"] == ("client", ntek)
    assert told["whitelabel.example"] == ("reseller", top)
    assert told["shop.whitelabel.example"] == ("client", "whitelabel.example")
    assert told["x.y"] == ("reseller", top)
    assert told["z.x.y"] == ("client", "x.y.clusterpbx.example")
    assert tree.reseller("direct.clusterpbx.example") == top


def a_platform(tenants: int, probes: str) -> str:
    """Return a configuration with so many clients."""
    listed = "\n".join(f"  - {{domain: t{n}.ntek.clusterpbx.example}}" for n in range(tenants))
    return f"{HEAD}{listed}\nprobes:\n{probes}\n"


def test_caps_that_would_hide_an_outage_are_noted_with_what_it_takes(read: Reader) -> None:
    probe = "  - {name: ping, flow: options, target: 'sip:h', interval: 60s, timeout: 10s}"
    told = read(a_platform(198, probe)).notes
    assert len(told) == 1
    assert "concurrent_calls is 50 and would have to be 80." in told[0]
    assert "calls_per_second" not in told[0]
    assert read(a_platform(198, probe) + "caps: {concurrent_calls: 80}\n").notes == ()
    (slow,) = read(a_platform(198, probe) + "caps: {concurrent_calls: 80, calls_per_second: 5}\n").notes
    assert "calls_per_second is 5 and would have to be 7." in slow


@pytest.mark.parametrize(
    ("interval", "timeout", "noted"),
    [
        ("60s", "27s", False),
        ("60s", "28s", True),
        ("10s", "2.25s", False),
        ("10s", "2.5s", True),
        ("10s", "4s", True),
    ],
)
def test_a_probe_that_would_miss_intervals_in_an_outage_is_noted(
    read: Reader, interval: str, timeout: str, noted: bool
) -> None:
    probe = f"  - {{name: calls, flow: call, target: 'sip:h', interval: {interval}, timeout: {timeout}}}"
    told = read(f"{HEAD}accounts: {{file: accounts.csv}}\nprobes:\n{probe}\n").notes
    assert any("every second interval" in note for note in told) is noted


@pytest.mark.parametrize(("interval", "timeout"), [("60s", 10.0), ("25s", 9.75), ("10s", 2.25), ("3s", 0.5)])
def test_the_usual_timeout_leaves_room_for_the_confirmation_and_for_leaving(
    read: Reader, interval: str, timeout: float
) -> None:
    probe = f"  - {{name: calls, flow: call, target: 'sip:h', interval: {interval}}}"
    (found,) = read(f"{HEAD}accounts: {{file: accounts.csv}}\nprobes:\n{probe}\n").probes
    assert found.timeout == timeout


def test_both_engines_may_run_a_probe(read: Reader) -> None:
    probe = "{name: %s, flow: call, engine: %s, target: 'sip:h', tenants: [acme.ntek.clusterpbx.example]}"
    listed = "\n".join(f"  - {probe % (engine, engine)}" for engine in ("sippy", "sipp"))
    found = read(f"{HEAD}accounts: {{file: accounts.csv}}\nprobes:\n{listed}\n").probes
    assert [probe.engine for probe in found] == [Engine.SIPPY, Engine.SIPP]


def test_the_operators_rules_are_a_file_beside_the_configuration(read: Reader, folder: Path) -> None:
    assert read(HEAD).rules is None
    (folder / "rules.yaml").write_text("rules: []\n")
    assert read(HEAD + "alerts: {rules: ./rules.yaml}\n").rules == folder / "rules.yaml"


def test_a_rule_file_that_can_not_be_read_is_a_problem_of_the_configuration(
    read: Reader, folder: Path
) -> None:
    (folder / "rules").mkdir()
    said = refusals(read, HEAD + "alerts: {rules: rules}\n")
    assert said == [f"alerts.rules: the file {folder}/rules is a folder, not a file"]


def test_an_asterisk_may_have_patterns_of_names(read: Reader) -> None:
    text = WHOLE.replace("username: dialtone,", "username: dialtone, names: ['{tenant}-*', '*-*@{tenant}'],")
    assert read(text).nodes[1].options == {"names": "{tenant}-*\n*-*@{tenant}"}
    assert "names" not in read(WHOLE).nodes[1].options


def test_contexts_mean_a_tenant_each_and_the_platform_may_have_some(read: Reader) -> None:
    tree = read(
        "location: mtl1\nplatform: {domain: p.example, contexts: [park]}\n"
        "tenants:\n"
        "  - {domain: a.p.example, contexts: [from-a, 0012], account_codes: [from-a, aa]}\n"
        "  - {domain: b.p.example, account_codes: [bb]}\n"
    ).tree
    assert tree.platform.contexts == ("park",)
    assert tree.by_context("from-a") is tree.by_context("0012") is tree.get("a.p.example")
    assert tree.by_account_code("from-a") is tree.get("a.p.example"), "a code of its own may be a context too"
    assert tree.by_context("bb") is None, "a code is no context"
    assert tree.by_context("park") is tree.platform
    assert tree.get("b.p.example") == tree.by_context("B.p.example.")


@pytest.mark.parametrize("first", ["contexts", "account_codes"])
def test_a_word_is_not_one_tenants_account_code_and_another_ones_context(read: Reader, first: str) -> None:
    second = "account_codes" if first == "contexts" else "contexts"
    said = refusals(
        read,
        "location: mtl1\nplatform: {domain: p.example}\n"
        "tenants:\n"
        f"  - {{domain: a.p.example, {first}: [sales]}}\n"
        f"  - {{domain: b.p.example, {second}: [sales]}}\n",
    )
    place, owner = ("tenants[0]", "b") if first == "contexts" else ("tenants[1]", "a")
    (line,) = said
    assert line.startswith(f"{place}.contexts: 'sales' is an account code of {owner}.p.example; ")


@pytest.mark.parametrize("key", ["contexts", "account_codes"])
@pytest.mark.parametrize("word", ["*", "acme-*", "{tenant}", "{tenant}-*"])
def test_a_pattern_among_codes_or_contexts_is_hinted_to_where_patterns_stand(
    read: Reader, key: str, word: str
) -> None:
    (line,) = refusals(
        read,
        "location: m\nplatform: {domain: p.example}\n"
        f"tenants: [{{domain: a.p.example, {key}: ['{word}']}}]\n",
    )
    assert line.startswith(f"tenants[0].{key}: {word!r} would be a")
    assert "patterns stand in `names` of a node" in line


@pytest.mark.parametrize(
    ("ami", "interval", "noted"),
    [
        ("http://127.0.0.1:8088/rawman", "60s", True),
        ("https://127.0.0.1:8089/rawman", "5m", True),
        ("http://127.0.0.1:8088/rawman", "59s", False),
        ("tcp://127.0.0.1:5038", "5m", False),
    ],
)
def test_an_asterisk_that_is_asked_over_http_too_seldom_is_noted(
    read: Reader, folder: Path, ami: str, interval: str, noted: bool
) -> None:
    write_private(folder / "ami", "geheim")
    login = "username: d, password: {file: ami}"
    node = f"{{name: pbx1, kind: asterisk, ami: '{ami}', {login}, interval: {interval}}}"
    told = read(f"{HEAD}nodes:\n  - {node}\n").notes
    assert any("node pbx1 is asked over HTTP" in note and "httptimeout" in note for note in told) is noted
    assert len(told) == noted


def test_texts_that_older_yaml_takes_for_something_else_stay_texts(read: Reader) -> None:
    tree = read(
        "location: 2026-10-01\nplatform: {domain: p.example, language: no, name: on}\n"
        "tenants: [{domain: a.p.example, name: 1:30, account_codes: [0012, 7, 1e3x]}]\n"
    ).tree
    tenant = tree.get("a.p.example")
    assert tenant is not None
    assert (tree.platform.language, tree.platform.name, tenant.name) == ("no", "on", "1:30")
    assert tenant.account_codes == ("0012", "7", "1e3x")
    assert tree.by_account_code("0012") is tenant
    assert tree.by_account_code("12") is None


def test_an_alias_repeats_what_it_names(read: Reader) -> None:
    found = read(
        "location: mtl1\nplatform: {domain: p.example}\n"
        "nodes:\n"
        '  - {name: a, kind: opensips, mi: "http://h/mi", labels: &site {site: mtl}}\n'
        '  - {name: b, kind: opensips, mi: "http://h/mi", labels: *site}\n'
    )
    assert [node.labels for node in found.nodes] == [{"site": "mtl"}] * 2


def test_no_secret_shows_in_settings_however_they_are_printed(read: Reader) -> None:
    found = read(WHOLE)
    assert "sesame" not in f"{found!r} {found}"
    assert "0123456789abcdef" not in repr(found)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]"])
def test_loopback_needs_no_tokens(read: Reader, host: str) -> None:
    assert read(HEAD + f'listen: "{host}:0"\n').listen == Listen(host.strip("[]"), 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "10.0.0.1", "pbx.example", "localhost.example"])
def test_what_others_can_reach_needs_tokens(read: Reader, host: str) -> None:
    (said,) = refusals(read, HEAD + f'listen: "{host}:9876"\n')
    assert "can be reached by others, and there are no `access:` tokens" in said
    access = "access: {tokens: [{name: a, scope: clusterpbx.example, token: {env: TOKEN}}]}\n"
    assert read(HEAD + f'listen: "{host}:9876"\n' + access).listen.host == host.strip("[]")


def test_a_token_only_reads_unless_it_is_said_to_be_an_operators(read: Reader) -> None:
    token = "{name: %s, scope: clusterpbx.example, token: {env: %s}%s}"
    one, other = token % ("a", "TOKEN", ""), token % ("b", "OTHER", ", role: operator")
    secrets = {"TOKEN": "0123456789abcdef", "OTHER": "fedcba9876543210"}
    found = read(HEAD + f"access: {{tokens: [{one}, {other}]}}\n", environ=secrets)
    assert [(t.name, t.role) for t in found.tokens] == [("a", AccessRole.VIEWER), ("b", AccessRole.OPERATOR)]
    (said,) = refusals(read, HEAD + f"access: {{tokens: [{token % ('c', 'TOKEN', ', role: admin')}]}}\n")
    assert said.startswith("access.tokens[0].role")
    assert "viewer or operator" in said


def test_every_problem_has_its_file_line_and_path(folder: Path) -> None:
    path = folder / "bad.yaml"
    path.write_text("location: mtl1\nplatform: {domain: p.example}\nnodes:\n  - {kind: opensips, mi: x}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert caught.value.problems == (
        Problem("nodes[0].name", 4, "is missing; write for example `name: sip1`"),
        Problem(
            "nodes[0].mi",
            4,
            "must start with http://, https://, udp://, unix:// or fifo://; write http://HOST:PORT/mi",
        ),
    )
    assert str(caught.value).splitlines() == [
        f"{path}:4: nodes[0].name: is missing; write for example `name: sip1`",
        f"{path}:4: nodes[0].mi: must start with http://, https://, udp://, unix:// or fifo://; write http://HOST:PORT/mi",
    ]


def test_a_thousand_problems_are_listed_and_the_rest_counted(read: Reader) -> None:
    said = refusals(read, HEAD + "".join(f"key{n}: 1\n" for n in range(1500)))
    assert len(said) == 1001
    assert said[-1] == "and 500 problems more"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder, not a file"),
        (lambda path: os.mkfifo(path), "is not a regular file"),
        (lambda path: path.write_bytes(b""), "is empty; begin with `location:` and `platform:`"),
        (lambda path: path.write_bytes(b"a: 1\nb: \xff\n"), "is not UTF-8 text (line 2); save it as UTF-8"),
        (
            lambda path: path.write_bytes("location: é".encode("utf-16")),
            "is not UTF-8 text (line 1); save it",
        ),
        (lambda path: path.write_bytes(b"#" * (1 << 20) + b"\n"), "is larger than 1,048,576 bytes"),
        (lambda path: path.write_bytes(b"a: \x00\n"), "a character that YAML forbids (U+0000); take it out"),
        (lambda path: path.symlink_to(path), "can't be opened: Too many levels of symbolic links"),
    ],
    ids=["missing", "folder", "pipe", "empty", "latin-1", "utf-16", "large", "nul", "loop"],
)
def test_a_file_that_can_not_be_read_says_why(tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "dialtone.yaml"
    make(path)  # type: ignore[operator]
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert len(caught.value.problems) == 1


def test_a_file_that_may_not_be_read_says_by_whom() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = write_private(Path(name) / "dialtone.yaml", HEAD, 0o000)
        privileged = os.geteuid() == 0
        if privileged:
            os.seteuid(65534)  # nobody: root may read everything
        try:
            with pytest.raises(ConfigError, match=r"may not be read by this user \(uid [1-9]"):
                load(path, environ={})
        finally:
            if privileged:
                os.seteuid(0)


def test_a_byte_order_mark_does_no_harm(folder: Path) -> None:
    path = folder / "dialtone.yaml"
    path.write_text(HEAD, "utf-8-sig")
    assert load(path, environ={}).location == "mtl1"


def test_ten_thousand_tenants_load_within_seconds(read: Reader) -> None:
    resellers = [f"r{n}.clusterpbx.example" for n in range(100)]
    domains = resellers + [f"c{n}.{resellers[n % 100]}" for n in range(9_900)]
    text = "location: mtl1\nplatform: {domain: clusterpbx.example}\ntenants:\n"
    text += "".join(f"  - {{domain: {domain}, name: Tenant {n}}}\n" for n, domain in enumerate(domains))
    begun = time.perf_counter()
    tree = read(text).tree
    assert time.perf_counter() - begun < 10
    assert len(tree.clients) == 9_900
    assert len(tree.scope(resellers[0]).domains or ()) == 100


def test_a_timeout_may_be_in_milliseconds(read: Reader) -> None:
    [node] = read(HEAD + 'nodes: [{name: sip1, kind: opensips, mi: "http://h/mi", timeout: 500ms}]\n').nodes
    assert node.timeout == 0.5


def test_a_webhooks_address_may_be_as_long_as_chat_services_make_them(read: Reader) -> None:
    url = "https://hooks.example/workflows/" + "k" * 400
    [receiver] = read(HEAD + f"alerts: {{receivers: [{{name: ops, url: '{url}'}}]}}\n").receivers
    assert receiver.url.reveal() == url
