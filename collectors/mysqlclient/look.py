"""A look at the certificate of a server that should have another name, so that it can be told."""

import asyncio
from collections.abc import Sequence

import asyncmy.errors

from collectors.mysqlclient.connection import Connection
from collectors.mysqlclient.errors import GARBAGE
from dialtone.model import CollectError, TlsPlan
from dialtone.runtime.tls import TrustError, client_context, names_in


class _SeenError(Exception):
    """The server's certificate was seen."""


class _Look(Connection):
    """Goes as far as TLS, to see whose certificate it is, and sends nothing through it."""

    names: Sequence[str] = ()

    def write_packet(self, payload: bytes) -> None:
        if self._secure:
            self.names = names_in(self._transport.get_extra_info("peercert") or {})
            raise _SeenError
        super().write_packet(payload)


async def names_at(place: tuple[str, int], tls: TlsPlan, deadline: float) -> Sequence[str] | None:
    """Return for whom a server's certificate is; None where that can't be learnt.

    All but the name is verified. That is a connection of its own, and it logs in nowhere.
    """
    look = None
    try:
        context = await asyncio.to_thread(client_context, tls, by_name=False)
        look = _Look(  # type: ignore[no-untyped-call]
            host=place[0],
            port=place[1],
            user="-",
            connect_timeout=deadline,
            autocommit=None,
            ssl=context,
        )
        look.trusted = tls.name or place[0]
        await look.connect()
    except _SeenError:
        return look.names if look is not None else None
    except (asyncmy.errors.MySQLError, CollectError, TrustError, *GARBAGE):
        return None
    finally:
        if look is not None:
            look.close()
    return None
