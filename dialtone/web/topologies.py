"""The shapes of the API's answers about topologies: database servers that replicate to each other."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from dialtone.model import (
    Check,
    CheckState,
    Impact,
    KnownTopology,
    Link,
    Member,
    Role,
    TopologyKind,
    Trouble,
)
from dialtone.web.models import Answer


class MemberOut(Answer):
    """A server of a topology."""

    node: str
    up: bool
    role: Role
    writable: bool | None = Field(description="null while that is unknown")
    version: str
    status: str = Field(description="Of a Galera node its state, in the server's words")
    clock_offset: float | None = Field(description="Seconds that its clock is ahead of ours")
    clock_error: float | None = Field(description="How far off `clock_offset` may be, in seconds")

    @classmethod
    def of(cls, member: Member) -> "MemberOut":
        """Show a server."""
        return cls(
            node=member.node,
            up=member.up,
            role=member.role,
            writable=member.writable,
            version=member.version,
            status=member.status,
            clock_offset=member.clock_offset,
            clock_error=member.clock_error,
        )


class LinkOut(Answer):
    """A channel: who replicates from whom."""

    replica: str = Field(description="A node")
    channel: str = Field(description="Its name; `default` for the one without")
    source: str | None = Field(description="A node; null where the source is none of the topology's")
    address: str = Field(description="The source's host:port, as the replica has it")
    io_running: bool = Field(description="It receives")
    sql_running: bool = Field(description="It applies")
    lag: float | None = Field(description="Seconds beyond `delay`; null while unknown")
    measured: bool = Field(description="`lag` is by a heartbeat; false: the replica itself says so")
    delay: float = Field(description="Seconds that it is meant to be behind")
    gap: int | None = Field(description="Transactions that it has not applied; null where that can't be told")

    @classmethod
    def of(cls, link: Link) -> "LinkOut":
        """Show a channel."""
        return cls(
            replica=link.replica,
            channel=link.channel,
            source=link.source,
            address=link.address,
            io_running=link.io_running,
            sql_running=link.sql_running,
            lag=link.lag,
            measured=link.measured,
            delay=link.delay,
            gap=link.gap,
        )


class CheckOut(Answer):
    """Something that is wrong, or may be."""

    trouble: Trouble
    state: CheckState = Field(description="suspect: the next poll tells whether it lasts")
    node: str | None = Field(description="null where it is the topology's")
    channel: str | None
    value: float = Field(description="What was measured: seconds, a count, or 1")
    detail: str = Field(description="The server's error, or what was seen, in one line")
    impact: Impact = Field(description="What the tenants have of it")
    since: datetime | None = Field(
        description="Since when it has been seen in a row; null while it is a suspicion"
    )

    @classmethod
    def of(cls, check: Check, since: datetime | None) -> "CheckOut":
        """Show a check."""
        return cls(
            trouble=check.trouble,
            state=check.state,
            node=check.node,
            channel=check.channel,
            value=check.value,
            detail=check.detail,
            impact=check.impact,
            since=since,
        )


class TopologyOut(Answer):
    """Database servers that replicate to each other. One that stands alone has kind standalone."""

    name: str
    kind: TopologyKind
    at: datetime = Field(description="When it was judged last")
    impact: Impact = Field(description="The worst of its troubles'")
    members: list[MemberOut]
    links: list[LinkOut]
    checks: dict[CheckState, int] = Field(
        description="How many checks came out how; what can't be judged is not among them"
    )
    troubles: list[CheckOut] = Field(description="The checks that are not fine, the certain and worst first")
    max_lag: float = Field(description="Seconds that a replica may be behind")
    switches: int = Field(description="How often the writing server changed since the start of the service")
    tenants_count: int = Field(description="How many tenants' data it holds")

    @classmethod
    def of(cls, known: KnownTopology) -> "TopologyOut":
        """Show a topology."""
        return cls(**_topology(known))


class TopologyDetailOut(TopologyOut):
    """A topology with its tenants."""

    tenants: list[str] = Field(description="The domains whose data it holds, in the order of the tree")

    @classmethod
    def of(cls, known: KnownTopology) -> "TopologyDetailOut":
        """Show a topology with its tenants."""
        return cls(**_topology(known), tenants=list(known.state.tenants))


def _topology(known: KnownTopology) -> Mapping[str, object]:
    state = known.state
    suspects = [check for check in state.checks if check.state is CheckState.SUSPECT]
    return {
        "name": state.topology.name,
        "kind": state.topology.kind,
        "at": state.at,
        "impact": state.impact,
        "members": [MemberOut.of(member) for member in state.members],
        "links": [LinkOut.of(link) for link in state.links],
        "checks": {word: sum(check.state is word for check in state.checks) for word in CheckState},
        "troubles": [
            *(CheckOut.of(check, known.since.get(check.key)) for check in state.troubles),
            *(CheckOut.of(check, None) for check in suspects),
        ],
        "max_lag": state.topology.lag,
        "switches": state.switches,
        "tenants_count": len(state.tenants),
    }
