"""The driver's connection, with limits to what it takes. Only here, look.py and errors.py know the driver."""

import asyncio
import ssl
from collections.abc import Awaitable, Sequence
from ipaddress import ip_address
from typing import Any, Final

import asyncmy.connection
import asyncmy.errors

from collectors.mysqlclient.errors import GARBAGE, translated
from dialtone.model import CollectError, CollectFailure, Secret, TlsPlan
from dialtone.runtime.tls import TrustError, client_context, why_not

MAX_SESSION_BYTES: Final = 1024 * 1024
"""Most that a server may send in a session, unless its owner says otherwise. The row of a replication channel
has some 3 KiB, and nobody has 256."""

_PROGRAM: Final = "dialtone"
_COM_QUERY: Final = 3
_HEADER: Final = 4
_CLIENT_SSL: Final = 0x0800
_WRONG_NAME: Final = (62, 64)
"""X509_verify_cert_error_string(3): a host's name, an address."""

_WITHOUT_TLS: Final = frozenset({1045, 3159})
"""How accounts are refused that REQUIRE SSL, and all are under require_secure_transport (1045: MariaDB)."""

_OLD_PREFIX: Final = "5.5.5-"
"""MariaDB before 11.0 greets with it, for replicas that know no version of two digits (MariaDB KB)."""


async def guarded(work: Awaitable[Any], where: str, grants: str) -> Any:
    """Return what the driver's work returns; what it raises becomes a CollectError."""
    try:
        return await work
    except asyncmy.errors.MySQLError as error:
        raise translated(error, where, grants) from error
    except GARBAGE as error:
        raise CollectError(
            CollectFailure.PROTOCOL,
            f"{where}: what answers there doesn't speak MySQL's protocol ({type(error).__name__})",
        ) from error


# Sends the password as it is, or hashed in a way that is reversed at once (MySQL before 4.1).
_TELLS_THE_PASSWORD: Final = ("mysql_clear_password", "dialog", "mysql_old_password")


class _Refusal:
    """Takes the place of a plugin that would give the password to whoever answers at that port."""

    def __init__(self, connection: object) -> None:
        del connection

    def authenticate(self, packet: object) -> None:
        del packet
        raise asyncmy.errors.OperationalError(
            2059, "the server wants the password in clear, which is for verified TLS only; nothing was sent"
        )


class UntrustedError(CollectError):
    """TLS failed; `wrong_name` says that the certificate is for somebody else."""

    def __init__(self, error: Exception, where: str, name: str, names: Sequence[str] | None = None) -> None:
        super().__init__(CollectFailure.TLS, f"{where}: {why_not(error, name, names)}")
        self.error, self.where, self.name = error, where, name
        self.wrong_name = isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _WRONG_NAME

    def knowing(self, names: Sequence[str]) -> "UntrustedError":
        """Return the same, with the names that are in the certificate."""
        return UntrustedError(self.error, self.where, self.name, names)


class Connection(asyncmy.connection.Connection):
    """A connection that takes so much and no more; the driver itself believes every length it is told.

    `most` are the bytes that the server may send until the next renew(), `most_packet` those of one row.
    `trusted` is whom the certificate must name, where there is TLS, `verified` whether that is looked at.
    """

    # Inside the driver: its published types leave them out, and a test holds each.
    _proto: Any
    _ssl_context: Any
    _transport: Any
    _host: str
    _secure: bool
    server_version: str
    server_capabilities: int
    where = trusted = ""
    verified = False
    most = most_packet = MAX_SESSION_BYTES
    _taken = 0
    _awaited = 0

    @property
    def version(self) -> str:
        """What the server said it is as it greeted."""
        return self.server_version.removeprefix(_OLD_PREFIX)

    @property
    def private(self) -> bool:
        """Whether nobody listens or is in between: TLS with somebody known, or this very machine."""
        if self._secure:
            return self.verified
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return peer is not None and ip_address(peer[0].partition("%")[0]).is_loopback

    @property
    def usable(self) -> bool:
        """Whether the server is still there, as far as is known without asking it."""
        return bool(self.connected) and not self._stream_broken  # type: ignore[attr-defined]

    def renew(self) -> None:
        """Let the server send as much as at first: a statement begins that has no part in the last."""
        self._taken = 0

    async def read_packet(self, *kind: Any) -> Any:
        """Return the next packet: the one door that everything from the server comes through."""
        packet = await super().read_packet(*kind)  # type: ignore[no-untyped-call]
        size = len(packet.get_all_data())
        self._check_packet(size)
        self._taken += _HEADER + size
        self._awaited = 0
        self._check(self._proto.length - self._proto.pos)
        return packet

    async def _request_authentication(self) -> Any:
        """Encrypt and log in. The server's greeting is there, and nothing of ours has been sent."""
        if self._ssl_context is None:
            return await self._in_clear()
        if not self.server_capabilities & _CLIENT_SSL:
            raise CollectError(
                CollectFailure.TLS,
                f"{self.where}: the server has no TLS, and nothing was sent: give it a certificate "
                "(ssl_cert, ssl_key), or take tls: out, and all that is read passes in clear",
            )
        self._host = self.trusted
        try:
            return await super()._request_authentication()  # type: ignore[misc]
        except (OSError, ValueError) as error:
            if self._secure:
                raise
            raise UntrustedError(error, self.where, self.trusted) from None

    async def _in_clear(self) -> Any:
        """Log in without TLS, with a hint where that may be why nobody is let in: MariaDB doesn't say so."""
        try:
            return await super()._request_authentication()  # type: ignore[misc]
        except asyncmy.errors.MySQLError as error:
            has_tls = self.server_capabilities & _CLIENT_SSL
            if has_tls and len(error.args) == 2 and error.args[0] in _WITHOUT_TLS:
                code, text = error.args
                hint = "it has TLS, and may let in this account by that alone: write tls: {}"
                raise asyncmy.errors.OperationalError(code, f"{text} ({hint})") from None
            raise

    async def _fill_buffer(self, need: int) -> None:
        """Wait for `need` unread bytes, several times for a packet in parts."""
        self._awaited += need
        self._check(self._awaited)
        self._check_packet(self._awaited - _HEADER)
        await super()._fill_buffer(need)  # type: ignore[misc] # inside the driver, so a test holds it

    def _check(self, more: int) -> None:
        if self._taken + more > self.most:
            raise CollectError(
                CollectFailure.TOO_LARGE,
                f"the server sends more than {self.most // 1024} KiB in one session",
            )

    def _check_packet(self, size: int) -> None:
        if size > self.most_packet:
            raise CollectError(
                CollectFailure.TOO_LARGE,
                f"the server sends more than {self.most_packet // 1024} KiB in one row",
            )

    async def send(self, statement: str) -> None:
        """Send a statement; its reply is read packet by packet with read_packet()."""
        await self._execute_command(_COM_QUERY, statement)  # type: ignore[attr-defined]


async def connection(
    place: tuple[str, int],
    *,
    username: str,
    password: Secret | None,
    deadline: float,
    database: str | None,
    tls: TlsPlan | None,
) -> Connection:
    """Return a connection to be made; `place` is host and port. Raises CollectError for a bad file of CAs."""
    where = f"{place[0]}:{place[1]}"
    try:
        # Reading certificates blocks; the context is the same for as long as their file is.
        context = await asyncio.to_thread(client_context, tls) if tls else None
    except TrustError as error:
        raise CollectError(CollectFailure.TLS, f"{where}: {error}") from None
    link = Connection(  # type: ignore[no-untyped-call] # the driver's constructor has no types
        host=place[0],
        port=place[1],
        db=database,
        user=username,
        # Bytes: the driver would encode text as latin-1, and show it where that fails.
        password=password.reveal().encode() if password else b"",
        connect_timeout=deadline,
        autocommit=None,  # nothing to commit; True would send a SET
        ssl=context,
        program_name=_PROGRAM,
        auth_plugin_map={} if tls and tls.verify else dict.fromkeys(_TELLS_THE_PASSWORD, _Refusal),
    )
    link.where, link.trusted = where, (tls.name if tls else None) or place[0]
    link.verified = tls is not None and tls.verify
    return link
