"""The shapes of the API's answers. Instants are UTC (RFC 3339), durations seconds."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from dialtone.model import (
    COUNTS,
    MEDIA_FIGURES,
    TIMINGS,
    AlertEvent,
    AlertState,
    CollectFailure,
    Engine,
    FailureCode,
    Flow,
    Found,
    Impact,
    Level,
    MediaStream,
    NodeKind,
    NodeState,
    Origin,
    Outcome,
    ProbeResult,
    Sample,
    Severity,
    Spread,
    Tenant,
    stream_to_json,
)
from dialtone.web.overview import Health, Overview, TenantView
from dialtone.web.ratios import Share, Source, TenantRatios

T = TypeVar("T")


def _named(meanings: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {meaning}" for name, meaning in meanings.items())


class Answer(BaseModel):
    """What all answers have in common: they are what they say, nothing more."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listing(Answer, Generic[T]):
    """Some things, and how to ask for more."""

    items: list[T]
    next: str | None = Field(None, description="Give it as `cursor` for the next page; null at the end")


class MediaOut(Answer):
    """One direction of a call, as its listener had it."""

    speaker: str = Field(description="caller, callee, or platform for who is none of ours")
    listener: str
    found: Found = Field(
        description="voice of the other phone; echo: its own, come back; other: that of another call"
    )
    codec: str = Field(description="What came, by its name in SDP; empty for nothing")
    sent: int | None = Field(description="Packets that the speaker says to have sent, if known")
    received: int = Field(description="Packets of those that came, each once")
    lost: int = Field(description="Packets of those that never came")
    late: int = Field(description="Packets that came after the modelled jitter buffer had played on")
    duplicates: int
    reordered: int
    loss_ratio: float | None = Field(description=f"{MEDIA_FIGURES['loss_ratio']}; the late ones not")
    jitter: float = Field(description=f"Seconds. {MEDIA_FIGURES['jitter']}")
    buffer: float = Field(description="Seconds: the size of the modelled jitter buffer")
    burst: float = Field(description="BurstR of ITU-T G.107: 1 where losses come at random")
    rtt: float | None = Field(description=f"Seconds. {MEDIA_FIGURES['rtt']}")
    delay: float | None = Field(description="Seconds from mouth to ear, by half the round trip")
    mos: float | None = Field(description=f"{MEDIA_FIGURES['mos']}; null where nothing right was heard")
    digits: str = Field(description="Telephone events that came (RFC 4733)")

    @classmethod
    def of(cls, stream: MediaStream) -> "MediaOut":
        """Show a direction."""
        return cls(**stream_to_json(stream))


class ResultOut(Answer):
    """How one probe ended."""

    id: str
    probe: str
    flow: Flow
    engine: Engine
    tenant: str
    target: str = Field(description="The SIP URI or the URL that was tried; a URL without its secrets")
    location: str = Field(description="Where the probe ran")
    account: str = Field(description="The phone that the probe was; empty where it had none")
    origin: Origin
    slot: int = Field(description="floor(planned UTC / interval)")
    attempt: int = Field(description="2 is the confirmation of a failed first")
    started: datetime
    duration: float = Field(description="Seconds")
    outcome: Outcome = Field(description="inconclusive: our own side was broken; never downtime")
    timings: dict[str, float] = Field(description=f"Seconds by name. {_named(TIMINGS)}")
    counts: dict[str, int] = Field(description=f"Requests by name. {_named(COUNTS)}")
    media: list[MediaOut] = Field(description="Each direction that was listened to")
    sip_status: int | None = Field(description="The final response that decided; of flow http its status")
    certificate_expires: datetime | None = Field(description="When the server's TLS certificate ends")
    failure: FailureCode | None
    detail: str = Field(description="The failure in words")

    @classmethod
    def of(cls, result: ProbeResult) -> "ResultOut":
        """Show a result."""
        return cls(
            id=result.id,
            probe=result.probe,
            flow=result.flow,
            engine=result.engine,
            tenant=result.tenant,
            target=result.target,
            location=result.location,
            account=result.account,
            origin=result.origin,
            slot=result.slot,
            attempt=result.attempt,
            started=result.started,
            duration=result.duration,
            outcome=result.outcome,
            timings=dict(result.timings),
            counts=dict(result.counts),
            media=[MediaOut.of(stream) for stream in result.media],
            sip_status=result.sip_status,
            certificate_expires=result.certificate_expires,
            failure=result.failure.code if result.failure else None,
            detail=result.failure.detail if result.failure else "",
        )


class AlertOut(Answer):
    """One alert as it stands."""

    fingerprint: str = Field(description="Names the same trouble for its whole life")
    rule: str
    severity: Severity
    state: AlertState
    since: datetime = Field(description="When the state was entered")
    started: datetime | None = Field(description="When it began firing")
    tenant: str | None
    node: str | None
    flow: str | None
    channel: str | None
    probe: str | None
    location: str | None
    topology: str | None = Field(description="The databases it is about; null where it is about none")
    tenants: list[str] = Field(description="Whose data they hold, if it concerns them; the first")
    tenants_total: int = Field(description="How many tenants that are in all")
    value: float | None
    cause: str

    @classmethod
    def of(cls, event: AlertEvent) -> "AlertOut":
        """Show an alert."""
        return cls(
            fingerprint=event.fingerprint,
            rule=event.rule,
            severity=event.severity,
            state=event.state,
            since=event.since,
            started=event.started,
            tenant=event.tenant,
            node=event.node,
            flow=event.flow,
            channel=event.channel,
            probe=event.probe,
            location=event.location,
            topology=event.topology,
            tenants=list(event.tenants),
            tenants_total=event.tenants_total,
            value=event.value,
            cause=event.cause,
        )


class DatabaseOut(Answer):
    """Databases that hold a tenant's data, as the tenant may know of them."""

    topology: str
    impact: Impact = Field(
        description="Of what is wrong with them: none; exposed: one more failure would be felt; hurt: it is"
    )


class TenantOut(Answer):
    """A tenant and how its flows last ended."""

    domain: str
    name: str
    level: Level
    parent: str | None = Field(description="The tenant above; null where it is none of yours")
    configured: bool = Field(description="false: found on a server, and gone when it is listed there no more")
    health: Health = Field(description="By its own flows: the worst last outcome")
    flows: list[ResultOut]
    alerts_firing: int
    databases: list[DatabaseOut] = Field(description="The topologies that hold its data")

    @classmethod
    def of(cls, view: TenantView) -> "TenantOut":
        """Show a tenant."""
        tenant: Tenant = view.tenant
        return cls(
            domain=tenant.domain,
            name=tenant.name,
            level=tenant.level,
            parent=tenant.parent,
            configured=tenant.configured,
            health=view.health,
            flows=[ResultOut.of(flow) for flow in view.flows],
            alerts_firing=sum(a.state is AlertState.FIRING for a in view.alerts),
            databases=[DatabaseOut(topology=name, impact=impact) for name, impact in view.databases],
        )


class ShareOut(Answer):
    """Counts and the ratios that they make; a ratio without a denominator is null."""

    counts: dict[str, int] = Field(description=f"Requests by name; 0 where missing. {_named(COUNTS)}")
    ser: float | None = Field(description="Session establishment ratio (RFC 6076 4.6)")
    seer: float | None = Field(description="Session establishment effectiveness ratio (4.7)")
    isa: float | None = Field(description="Ineffective session attempts (4.8)")
    ira: float | None = Field(description="Ineffective registration attempts (4.2)")
    scr: float | None = Field(description="Session completion ratio (4.9)")

    @classmethod
    def of(cls, share: Share) -> "ShareOut":
        """Show counts with their ratios."""
        return cls(counts=dict(share.counts), **asdict(share.ratios))


class TenantRatiosOut(Answer):
    """A tenant's ratios."""

    tenant: str
    level: Level
    own: ShareOut = Field(description="Of the tenant's own probes or traffic")
    below: int = Field(description="How many tenants are below it, at any depth")
    subtree: ShareOut | None = Field(description="Of the tenant and all below it in sum; null where none is")

    @classmethod
    def of(cls, found: TenantRatios) -> "TenantRatiosOut":
        """Show a tenant's figures."""
        return cls(
            tenant=found.tenant.domain,
            level=found.tenant.level,
            own=ShareOut.of(found.own),
            below=found.below,
            subtree=None if found.subtree is None else ShareOut.of(found.subtree),
        )


class RatiosOut(Answer):
    """Ratios of RFC 6076 of a time: of scheduled probes that were conclusive, or of the tenants' traffic."""

    source: Source
    since: datetime = Field(
        description="The beginning of the hour that was asked for: counts are kept by hours"
    )
    until: datetime
    items: list[TenantRatiosOut]


class NodeOut(Answer):
    """A server and its last poll."""

    name: str
    kind: NodeKind
    up: bool
    since: datetime = Field(description="When `up` took its present value")
    polled_at: datetime
    duration: float = Field(description="The last poll's, in seconds")
    read_at: datetime | None = Field(description="The last complete reading")
    failure: CollectFailure | None
    detail: str

    @classmethod
    def of(cls, state: NodeState) -> "NodeOut":
        """Show a node."""
        return cls(**_node(state))


class SampleOut(Answer):
    """One value; `labels` are in the order of the metric's label names (see /metrics)."""

    metric: str
    labels: list[str]
    value: float
    at: datetime

    @classmethod
    def of(cls, sample: Sample) -> "SampleOut":
        """Show a sample."""
        return cls(metric=sample.metric, labels=list(sample.labels), value=sample.value, at=sample.at)


class SpreadOut(Answer):
    """A histogram; `labels` and buckets are in the order of the metric's (see /metrics)."""

    metric: str
    labels: list[str]
    counts: list[int] = Field(
        description="How many values fell into each bucket, and past the last; not cumulative, growing from"
        " poll to poll"
    )
    sum: float = Field(description="Of all values")
    at: datetime

    @classmethod
    def of(cls, spread: Spread) -> "SpreadOut":
        """Show a histogram."""
        metric, labels, counts, total, at = spread
        return cls(metric=metric, labels=list(labels), counts=list(counts), sum=total, at=at)


class NodeDetailOut(NodeOut):
    """A server with its last complete reading, while that is fresh."""

    info: dict[str, str] = Field(description="Texts: version, last errors")
    samples: list[SampleOut]
    spreads: list[SpreadOut] = Field(description="Histograms")

    @classmethod
    def of(cls, state: NodeState) -> "NodeDetailOut":
        """Show a node with its figures."""
        reading = state.reading
        return cls(
            **_node(state),
            info=dict(reading.info) if reading else {},
            samples=[SampleOut.of(sample) for sample in reading.samples] if reading else [],
            spreads=[SpreadOut.of(spread) for spread in reading.spreads] if reading else [],
        )


class Counts(Answer):
    """How many of each."""

    tenants: int
    flows: dict[Outcome, int] = Field(description="Flows by last outcome")
    alerts: dict[AlertState, int]
    nodes: int | None = Field(description="null where nodes are not yours to see")
    nodes_down: int | None


class StatusOut(Answer):
    """Everything at once, worst first."""

    version: str
    location: str
    at: datetime
    health: Health
    counts: Counts
    tenants: list[TenantOut]
    alerts: list[AlertOut] = Field(description="Those that pend or fire")

    @classmethod
    def of(cls, seen: Overview, *, version: str, location: str, at: datetime, nodes: bool) -> "StatusOut":
        """Show the overview; `nodes` is whether the reader may know of servers."""
        return cls(
            version=version,
            location=location,
            at=at,
            health=seen.health,
            counts=Counts(
                tenants=len(seen.tenants),
                flows={outcome: seen.ended(outcome) for outcome in Outcome},
                alerts={
                    state: sum(a.state is state for a in seen.alerts)
                    for state in (AlertState.FIRING, AlertState.PENDING)
                },
                nodes=len(seen.nodes) if nodes else None,
                nodes_down=seen.nodes_down if nodes else None,
            ),
            tenants=[TenantOut.of(view) for view in seen.tenants],
            alerts=[AlertOut.of(alert) for alert in seen.alerts],
        )


def _node(state: NodeState) -> Mapping[str, object]:
    return {
        "name": state.node.name,
        "kind": state.node.kind,
        "up": state.up,
        "since": state.since,
        "polled_at": state.polled_at,
        "duration": state.duration,
        "read_at": state.read_at,
        "failure": state.failure,
        "detail": state.detail,
    }
