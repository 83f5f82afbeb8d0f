"""Nodes: the servers that are read, and what one read gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from dialtone.model.metric import Sample, Spread
from dialtone.model.secret import Secret


class NodeKind(StrEnum):
    """What a server is; the collector of that kind reads it."""

    OPENSIPS = "opensips"
    ASTERISK = "asterisk"
    MYSQL = "mysql"


@dataclass(frozen=True, slots=True)
class Database:
    """A database that is read: `endpoint` is mysql://HOST:PORT, without credentials."""

    endpoint: str
    name: str
    username: str
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One server. `endpoint` is the URL of its management interface, without credentials.

    `interval` and `timeout` are seconds; `options` are the kind's own settings as text (each
    collector's module names them). `database` is the one that the server itself keeps its tables in, where
    it may be read beside it.
    """

    name: str
    kind: NodeKind
    endpoint: str
    username: str | None = None
    secret: Secret | None = None
    interval: float = 15.0
    timeout: float = 5.0
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    database: Database | None = None

    @property
    def fresh_for(self) -> float:
        """Seconds for which a reading is shown: three intervals, then its series are withdrawn."""
        return 3 * self.interval


class CollectFailure(StrEnum):
    """Why a node could not be read: a closed list, used as a label value."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    AUTH = "auth"
    DENIED = "denied"
    PROTOCOL = "protocol"
    TOO_LARGE = "too-large"
    SERVER = "server"
    INTERNAL = "internal"


class CollectError(Exception):
    """A node could not be read. `detail` is one line for a person, without secrets."""

    def __init__(self, failure: CollectFailure, detail: str) -> None:
        super().__init__(f"{failure}: {detail}")
        self.failure = failure
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Reading:
    """What one complete poll of one node gave.

    `info` holds texts for the state API that must not become labels (version, last error text);
    keys are lower-case words, with a `/` before a channel or part name where there are several. `unread` says
    of what the configuration names beside the server itself (its database, its events, a heartbeat) why it
    could not be read, by its key in `info`. `spreads` are histograms, which grow from poll to poll.
    """

    samples: tuple[Sample, ...]
    info: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, CollectFailure] = field(default_factory=dict)
    spreads: tuple[Spread, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node as known now; each poll replaces it whole.

    `up` is the last poll's success. `reading` is the last complete one while it is fresh, None once
    it is older than three intervals. `failure` and `detail` say why `up` is False. `duration` is
    the last poll's, in seconds. `since` is when `up` took its present value. Instants are UTC.
    """

    node: Node
    up: bool
    since: datetime
    polled_at: datetime
    duration: float
    read_at: datetime | None = None
    reading: Reading | None = None
    failure: CollectFailure | None = None
    detail: str = ""
