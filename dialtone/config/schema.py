"""The shape of dialtone.yaml: one pydantic model for each kind of entry.

Models are flat: lists of entries are taken apart by the sections, so that one bad entry hides
nothing about the others. What a value may be is in values.py and addresses.py.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, PlainValidator
from pydantic.fields import FieldInfo

from dialtone.config import addresses, dialling, hearing, naming, values
from dialtone.config.files import SecretRef
from dialtone.config.quiet import quiet_spans
from dialtone.config.settings import Listen
from dialtone.model import (
    CODECS,
    FAIR_MOS,
    AccessRole,
    AnsweredBy,
    CalledFrom,
    ChangedBy,
    Engine,
    EventPackage,
    Flow,
    Hears,
    Level,
    Side,
    TopologyKind,
    WeekSpan,
)

LATER: Final = frozenset({"stress", "export"})
"""Top-level keys of the design that this version does not know yet."""

_TOPOLOGIES: Final = tuple(kind for kind in TopologyKind if kind is not TopologyKind.STANDALONE)

Text = Annotated[str, PlainValidator(values.text)]
OptionalText = Annotated[str | None, PlainValidator(values.text)]
Name = Annotated[str, PlainValidator(values.name)]
Domain = Annotated[str, PlainValidator(values.domain)]
Interval = Annotated[float, PlainValidator(values.interval)]
Timeout = Annotated[float, PlainValidator(values.timeout)]
Labels = Annotated[dict[str, str], PlainValidator(values.labels)]
Password = Annotated[SecretRef, PlainValidator(values.secret_ref)]
TenantChoice = Annotated[values.Tenants, PlainValidator(values.tenants)]
Entries = list[object]


class Entry(BaseModel):
    """What all entries have in common: nothing unknown, nothing guessed, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def keys(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Return the fields of an entry by the keys they are written with."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


class Top(Entry):
    """The file itself; entries of its sections are looked at one by one."""

    location: Annotated[Name, Field(examples=["mtl1"])]
    data: Text = "data"
    listen: Annotated[Listen, PlainValidator(addresses.listen)] = Listen("127.0.0.1", 9876)
    external_url: Annotated[str | None, PlainValidator(addresses.external_url)] = None
    platform: Annotated[dict[str, object], Field(examples=["{domain: clusterpbx.example}"])]
    accounts: Annotated[dict[str, object], Field(examples=["{file: accounts.csv}"])] = {}
    caps: Annotated[dict[str, object], Field(examples=["{series: 200000}"])] = {}
    evidence: Annotated[dict[str, object], Field(examples=["{keep: 7d}"])] = {}
    results: Annotated[dict[str, object], Field(examples=["{keep: 30d}"])] = {}
    alerts: Annotated[
        dict[str, object], Field(examples=['{receivers: [{name: ops, url: "http://127.0.0.1:9095/hook"}]}'])
    ] = {}
    access: Annotated[
        dict[str, object],
        Field(examples=["{tokens: [{name: ops, scope: clusterpbx.example, token: {file: secrets/token}}]}"]),
    ] = {}
    tenants: Annotated[Entries, Field(examples=["[{domain: ntek.clusterpbx.example}]"])] = []
    discover: Annotated[Entries, Field(examples=["[{node: sip1}]"])] = []
    nodes: Annotated[
        Entries, Field(examples=['[{name: sip1, kind: opensips, mi: "http://127.0.0.1:8888/mi"}]'])
    ] = []
    topologies: Annotated[
        Entries, Field(examples=["[{name: main, kind: active-passive, nodes: [db1, db2]}]"])
    ] = []
    probes: Annotated[
        Entries, Field(examples=['[{name: ping, flow: options, target: "sip:127.0.0.1:5060"}]'])
    ] = []
    objectives: Annotated[
        Entries, Field(examples=["[{name: telephony, flows: [register, call], target: 99.9%}]"])
    ] = []
    maintenance: Annotated[
        Entries,
        Field(examples=["[{name: patch-night, begins: 2026-11-03T02:00, lasts: 2h, reason: updates}]"]),
    ] = []


class PlatformEntry(Entry):
    """`platform:`"""

    domain: Annotated[Domain, Field(examples=["clusterpbx.example"])]
    name: OptionalText = None
    timezone: Annotated[str | None, PlainValidator(values.timezone)] = None
    language: Annotated[str | None, PlainValidator(values.language)] = None
    labels: Labels = {}
    account_codes: Annotated[tuple[str, ...], PlainValidator(values.account_codes)] = ()
    contexts: Annotated[tuple[str, ...], PlainValidator(values.contexts)] = ()
    logo: OptionalText = None


class TenantEntry(PlatformEntry):
    """One of `tenants:`"""

    domain: Annotated[Domain, Field(examples=["acme.ntek.clusterpbx.example"])]
    parent: Annotated[str | None, PlainValidator(values.domain)] = None
    level: Annotated[str | None, PlainValidator(values.OneOf((Level.RESELLER, Level.CLIENT)))] = None


class NodeEntry(Entry):
    """What nodes of every kind have."""

    name: Annotated[Name, Field(examples=["sip1"])]
    kind: Text
    interval: Interval = 15.0
    timeout: Annotated[float | None, PlainValidator(values.timeout)] = None
    labels: Labels = {}
    username: OptionalText = None
    password: Annotated[SecretRef | None, PlainValidator(values.secret_ref)] = None


class OpensipsEntry(NodeEntry):
    """A node of kind opensips: its management interface (MI)."""

    mi: Annotated[str, PlainValidator(addresses.mi_url), Field(examples=["http://127.0.0.1:8888/mi"])]
    profile: Annotated[str, PlainValidator(values.profile)] = "tenant"
    events: Annotated[str | None, PlainValidator(addresses.events_url)] = None
    database: Annotated[
        dict[str, object] | None,
        Field(
            examples=[
                '{dsn: "mysql://dialtone@127.0.0.1:3306/opensips", password: {file: secrets/opensips-db}}'
            ]
        ),
    ] = None


class DatabaseEntry(Entry):
    """`database:` of an opensips node: where its own tables are (location, presentity, active_watchers)."""

    dsn: Annotated[
        addresses.DatabaseDsn,
        PlainValidator(addresses.DatabaseDsn),
        Field(examples=["mysql://dialtone@127.0.0.1:3306/opensips"]),
    ]
    password: Annotated[SecretRef | None, PlainValidator(values.secret_ref)] = None

    model_config = ConfigDict(arbitrary_types_allowed=True)


class DiscoverEntry(Entry):
    """One of `discover:`; either a node or a database, which discover.py sees to."""

    name: Annotated[str | None, PlainValidator(values.name)] = None
    node: Annotated[str | None, PlainValidator(values.name)] = None
    dsn: Annotated[addresses.DatabaseDsn | None, PlainValidator(addresses.DatabaseDsn)] = None
    password: Annotated[SecretRef | None, PlainValidator(values.secret_ref)] = None
    sql: Annotated[str | None, PlainValidator(values.select)] = None
    every: Annotated[float, PlainValidator(values.discovery_interval)] = 300.0

    model_config = ConfigDict(arbitrary_types_allowed=True)


class AsteriskEntry(NodeEntry):
    """A node of kind asterisk: its manager interface (AMI, or AJAM), which always wants a login."""

    ami: Annotated[str, PlainValidator(addresses.ami_url), Field(examples=["tcp://127.0.0.1:5038"])]
    username: Annotated[Text, Field(examples=["dialtone"])]
    password: Annotated[Password, Field(examples=["{file: secrets/ami}"])]
    tls: dict[str, object] | None = None
    names: Annotated[str | None, PlainValidator(naming.name_patterns)] = None


class MysqlEntry(NodeEntry):
    """A node of kind mysql: MySQL or MariaDB."""

    dsn: Annotated[
        addresses.Dsn, PlainValidator(addresses.Dsn), Field(examples=["mysql://dialtone@127.0.0.1:3306"])
    ]
    heartbeat: Annotated[str | Mapping[str, object] | None, PlainValidator(values.heartbeat)] = None
    tls: dict[str, object] | None = None

    model_config = ConfigDict(arbitrary_types_allowed=True)


class HeartbeatEntry(Entry):
    """`heartbeat:` of a mysql node, with all its keys."""

    table: Annotated[str, PlainValidator(values.table), Field(examples=["dialtone.heartbeat"])]
    every: Annotated[float, PlainValidator(values.heartbeat_interval)] = values.HEARTBEAT_INTERVAL
    writer: dict[str, object] | None = None


class HeartbeatWriterEntry(Entry):
    """`heartbeat.writer:` of a mysql node: as whom `dialtone heartbeat` writes."""

    username: Annotated[Text, Field(examples=["heartbeat"])]
    password: Annotated[Password, Field(examples=["{file: secrets/heartbeat}"])]


class TopologyEntry(Entry):
    """One of `topologies:`"""

    name: Annotated[Name, Field(examples=["main"])]
    kind: Annotated[str, PlainValidator(values.OneOf(_TOPOLOGIES)), Field(examples=["active-passive"])]
    nodes: Annotated[tuple[str, ...], PlainValidator(values.words), Field(examples=["[db1, db2]"])]
    lag: Annotated[float, PlainValidator(values.lag)] = 60.0
    tenants: Annotated[values.Tenants | Mapping[str, object], PlainValidator(values.tenants_or_query)] = "all"


class TenantQueryEntry(DatabaseEntry):
    """`tenants:` of a topology, as a question to a database."""

    sql: Annotated[str | None, PlainValidator(values.select)] = None
    every: Annotated[float, PlainValidator(values.discovery_interval)] = 300.0


class AccountsEntry(Entry):
    """`accounts:`"""

    file: Annotated[Text, Field(examples=["accounts.csv"])]


def _word(words: type[StrEnum]) -> PlainValidator:
    return PlainValidator(values.OneOf(tuple(words)))


class ProbeEntry(Entry):
    """One of `probes:`; which flow knows which key, and what goes together, is in plans.py."""

    name: Annotated[Name, Field(examples=["calls"])]
    flow: Annotated[str, _word(Flow), Field(examples=[Flow.CALL.value])]
    engine: Annotated[str | None, _word(Engine)] = None
    target: Annotated[
        str, PlainValidator(addresses.target), Field(examples=['"sip:127.0.0.1:5060;transport=udp"'])
    ]
    tenants: TenantChoice = "all"
    interval: Interval = 60.0
    timeout: Annotated[float | None, PlainValidator(values.timeout)] = None
    quiet: Annotated[tuple[WeekSpan, ...], PlainValidator(quiet_spans)] = ()
    number: Annotated[str, PlainValidator(dialling.number)] = ""
    dial: Annotated[str, PlainValidator(dialling.dial)] = "{user}"
    consult: Annotated[str, PlainValidator(dialling.dial)] = ""
    answered_by: Annotated[str, _word(AnsweredBy)] = AnsweredBy.CALLEE
    called_from: Annotated[str, _word(CalledFrom)] = CalledFrom.PHONE
    caller_id: Annotated[str, PlainValidator(dialling.number)] = ""
    callee: Annotated[str, PlainValidator(dialling.number)] = ""
    hangs_up: Annotated[str, _word(Side)] = Side.CALLER
    ring: Annotated[float, PlainValidator(values.pause)] = 0.2
    hold: Annotated[float, PlainValidator(values.pause)] = 0.3
    headers: Annotated[tuple[tuple[str, str], ...], PlainValidator(dialling.headers)] = ()
    caller_target: Annotated[str, PlainValidator(addresses.sip_target)] = ""
    outbound_proxy: Annotated[str, PlainValidator(addresses.sip_target)] = ""
    event: Annotated[str, _word(EventPackage)] = EventPackage.PRESENCE
    changed_by: Annotated[str | None, _word(ChangedBy)] = None
    statuses: Annotated[tuple[int, ...], PlainValidator(dialling.statuses)] = ()
    contains: OptionalText = None
    tls: dict[str, object] | None = None
    media: Annotated[bool | Mapping[str, object], PlainValidator(hearing.switch)] = False


class MediaEntry(Entry):
    """`media:` of a probe"""

    seconds: Annotated[float, PlainValidator(hearing.spoken), Field(alias="for")] = 2.0
    hears: Annotated[str | None, _word(Hears)] = None
    dtmf: Annotated[str, PlainValidator(hearing.digits)] = ""
    mos: Annotated[float, PlainValidator(hearing.least_mos)] = FAIR_MOS
    codecs: Annotated[tuple[str, ...], PlainValidator(hearing.codecs)] = CODECS


class TlsEntry(Entry):
    """`tls:` of a probe or a node"""

    ca: OptionalText = None
    name: Annotated[str | None, PlainValidator(values.domain)] = None
    verify: Annotated[bool, PlainValidator(values.truth)] = True


class EvidenceEntry(Entry):
    """`evidence:`"""

    keep: Annotated[float, PlainValidator(values.days)] = 7 * values.DAY
    keep_failures: Annotated[float, PlainValidator(values.days)] = 30 * values.DAY
    every: Annotated[int, PlainValidator(values.NumberIn(1, 1_000_000, whole=True))] = 10
    max_size: Annotated[int, PlainValidator(values.size)] = 10_000_000_000


class ResultsEntry(Entry):
    """`results:`"""

    keep: Annotated[float, PlainValidator(values.days)] = 30 * values.DAY
    most: Annotated[int, PlainValidator(values.NumberIn(10_000, 1_000_000_000, whole=True))] = 1_000_000
    hours: Annotated[float, PlainValidator(values.days)] = 90 * values.DAY


class CapsEntry(Entry):
    """`caps:`"""

    series: Annotated[int, PlainValidator(values.NumberIn(100, 10_000_000, whole=True))] = 200_000
    calls_per_second: Annotated[float, PlainValidator(values.NumberIn(0.1, 1000))] = 10
    concurrent_calls: Annotated[int, PlainValidator(values.NumberIn(1, 10_000, whole=True))] = 50


class AlertsEntry(Entry):
    """`alerts:`"""

    receivers: Entries = []
    rules: OptionalText = None


class ReceiverEntry(Entry):
    """One of `alerts.receivers:`"""

    name: Annotated[Name, Field(examples=["ops"])]
    url: Annotated[str, PlainValidator(addresses.webhook_url), Field(examples=["http://127.0.0.1:9095/hook"])]


class AccessEntry(Entry):
    """`access:`"""

    tokens: Entries = []


class TokenEntry(Entry):
    """One of `access.tokens:`"""

    name: Annotated[Name, Field(examples=["ops"])]
    scope: Annotated[Domain, Field(examples=["ntek.clusterpbx.example"])]
    token: Annotated[Password, Field(examples=["{file: secrets/token}"])]
    role: Annotated[str, _word(AccessRole)] = AccessRole.VIEWER
