"""OpenSIPS's management interface (MI), over whatever transport a server offers.

The server has one process for MI a transport: a request that hangs makes every other one wait. So there is
one request in flight, a deadline on each, a cap on the reply, and a closed list of cheap commands.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Protocol, Self
from urllib.parse import urlsplit

from collectors.opensips.datagram import Datagrams
from collectors.opensips.fifo import Fifo
from collectors.opensips.http import JsonRpcOverHttp, MiJson
from collectors.opensips.jsonrpc import NO_SUCH_METHOD, NOT_FOUND, MiRefused, Params
from dialtone.model import CollectError, CollectFailure, Node, Secret

READ_ONLY_COMMANDS: Final = frozenset(
    {
        "clusterer_list",
        "clusterer_list_cap",
        "clusterer_list_shtags",
        "domain:dump",
        "domain_dump",
        "dr_gw_status",
        "dr_reload_status",
        "ds_list",
        "event_subscribe",
        "get_statistics",
        "lb_list",
        "list_all_profiles",
        "list_statistics",
        "pike:list",
        "pike_list",
        "profile_get_values",
        "ps",
        "rl_list",
        "version",
    }
)
"""All that this client can send. All of it reads but event_subscribe, which changes what events the server
sends us and for how long, and nothing else. Dumps (ul_dump, dlg_list, t_hash) are quadratic and block MI."""

_NEWER_NAMES: Final = {"domain_dump": "domain:dump", "pike_list": "pike:list"}
"""What 4.0 calls a command whose older name it has no more; those of all others it still takes."""


_SOONER: Final = 0.9
"""Share of a deadline after which a transport may give up, before who waits for the whole poll does."""


class Transport(Protocol):
    """How a server is asked. Errors are CollectError: the vendor's and the library's exceptions end here.

    A reply without a body is the result None; the caller sees to the deadline.
    """

    async def ask(self, command: str, params: Params) -> object | MiRefused:
        """Return a command's result, or how it was refused."""

    async def aclose(self) -> None:
        """Let go of what is open; a later command opens it anew."""


def transport_of(
    endpoint: str,
    username: str | None = None,
    password: Secret | None = None,
    *,
    patience: float | None = None,
) -> Transport:
    """Return the transport of an MI address.

    http(s)://…/json is mi_json of 1.11 to 2.4, every other path JSON-RPC; udp://HOST:PORT and unix:///PATH
    are mi_datagram, fifo:///PATH is mi_fifo, each of 3.x and 4.x. `patience` is for those that have
    more to say of a silence than that there was one.
    """
    url = urlsplit(endpoint)
    if url.scheme in ("udp", "unix"):
        return Datagrams(endpoint)
    if url.scheme == "fifo":
        return Fifo(endpoint, patience=patience)
    if url.path.rstrip("/").endswith("/json"):
        return MiJson(endpoint, username, password)
    return JsonRpcOverHttp(endpoint, username, password)


def client_of(node: Node) -> "MiClient":
    """Return a client of an opensips node."""
    return MiClient(node.endpoint, deadline=node.timeout, username=node.username, password=node.secret)


class MiClient:
    """Sends read-only commands to one server, one at a time; for its address see transport_of.

    `deadline` is seconds for one command. `short` says that a reply has to fit into a datagram.
    """

    def __init__(
        self, endpoint: str, *, deadline: float, username: str | None = None, password: Secret | None = None
    ) -> None:
        self._transport = transport_of(endpoint, username, password, patience=_SOONER * deadline)
        self._where = endpoint
        self._deadline = deadline
        self._turn = asyncio.Lock()
        self._names: dict[str, str] = {}
        self.short = urlsplit(endpoint).scheme in ("udp", "unix")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; a later command opens a new one."""
        await self._transport.aclose()

    async def statistics(self, groups: Sequence[str]) -> object | MiRefused:
        """Return get_statistics of these groups, or how it was refused.

        From 3.x on a server leaves out a group that it lacks; older ones refuse all of them for it (404).
        """
        reply = await self._command("get_statistics", {"statistics": [f"{group}:" for group in groups]})
        return MiRefused(NOT_FOUND, "nothing of that name") if reply is None else reply

    async def list_statistics(self) -> object | MiRefused:
        """Return what statistics there are, and of which kind each is, or how it was refused."""
        return await self._command("list_statistics", {})

    async def profile_values(self, profile: str) -> object | MiRefused:
        """Return the values of a dialog profile with their live dialogs, or how it was refused.

        None, a reply without a body, is a profile without a dialog; on 1.11 also one that there is not.
        """
        return await self._command("profile_get_values", {"profile": profile})

    async def profiles(self) -> object | MiRefused:
        """Return the names of the dialog profiles, each with whether it has values (older servers: "1")."""
        return await self._command("list_all_profiles", {})

    async def listed(self, command: str, partition: str = "") -> object | MiRefused:
        """Return what a command of a module lists, None for nothing, or how it was refused.

        drouting lists one `partition` at a time, where it has any.
        """
        return await self._command(command, {"partition_name": partition} if partition else {})

    async def domains(self) -> object | MiRefused:
        """Return what domain_dump lists, the domain module's cache (db_mode 1), or how it was refused."""
        return await self._command("domain_dump", {})

    async def subscribe(self, event: str, socket: str, seconds: int) -> object | MiRefused:
        """Have the server send an event to a socket (udp:HOST:PORT, unix:PATH), or return how it was refused.

        400 is an event that it lacks, or a socket of a kind that it can't send to. Again it is a renewal.
        """
        return await self._command(
            "event_subscribe", {"event": event, "socket": socket, "expire": str(seconds)}
        )

    async def version(self) -> object:
        """Return the reply to version: {"Server": text}."""
        reply = await self._command("version", {})
        if isinstance(reply, MiRefused):
            raise reply.error()
        return reply

    async def _command(self, command: str, params: Params) -> object | MiRefused:
        if command not in READ_ONLY_COMMANDS:
            raise ValueError(f"{command!r} is not on the list of read-only commands")
        try:
            async with asyncio.timeout(self._deadline), self._turn:
                name = self._names.get(command, command)
                reply = await self._transport.ask(name, params)
                if command in _NEWER_NAMES and _has_no_such(reply):
                    other = command if name != command else _NEWER_NAMES[command]
                    reply = await self._transport.ask(other, params)
                    if not _has_no_such(reply):
                        self._names[command] = other
                return reply
        except TimeoutError:
            await self.aclose()
            raise CollectError(
                CollectFailure.TIMEOUT, f"no reply to {command} from {self._where} in {self._deadline:g} s"
            ) from None


def _has_no_such(reply: object | MiRefused) -> bool:
    return isinstance(reply, MiRefused) and reply.code == NO_SUCH_METHOD
