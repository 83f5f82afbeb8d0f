"""`python -m lab.front.bridge`: OpenSIPS 3.6's MI over HTTP, answered by a Kamailio.

For the lab alone: where there is no OpenSIPS, the collector still has a live server to read. It
is no translation of everything, see lab/front/commands.py for what it answers.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from lab.front import envelope
from lab.front.commands import Commands
from lab.front.rpc import DatagramKamailio, RpcError

PATH: Final = "/mi"

_BODY_SECONDS: Final = 2.0
_COMMANDS: Final = web.AppKey("commands", Commands)
_HTML: Final = "<html><body>{}</body></html>"


def application(commands: Commands) -> web.Application:
    """Return the HTTP application that speaks for these commands."""
    app = web.Application(client_max_size=envelope.MAX_REQUEST)
    app[_COMMANDS] = commands
    app.router.add_route("*", PATH, _mi)
    app.router.add_route("*", "/{path:.*}", _elsewhere)
    return app


async def _mi(request: web.Request) -> web.Response:
    """Answer one request as OpenSIPS 3.6.8 does, save that replies without a body end properly."""
    if request.method == "GET":
        return web.Response(status=405)
    if request.method != "POST":
        return _html(406, "Unsupported HTTP request!")
    if request.content_type != "application/json":
        return _hung_up(request)
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.read()
    except (web.HTTPRequestEntityTooLarge, TimeoutError):
        return web.Response(status=400)
    if not body:
        return web.Response(status=400)
    try:
        parsed = envelope.parse(body)
    except envelope.BadEnvelope as bad:
        return _json(envelope.failure(bad.id, bad.error))
    try:
        reply = envelope.result(parsed.id, await request.app[_COMMANDS].answer(parsed))
    except envelope.MiError as error:
        reply = envelope.failure(parsed.id, error)
    except RpcError as error:
        # A dead OpenSIPS gives no reply; this one says at least why.
        return web.Response(status=502, text=f"{error}\n")
    return _json(reply) if parsed.wants_reply else web.Response(status=202)


async def _elsewhere(request: web.Request) -> web.Response:
    del request
    return _html(400, "Unable to parse URL!")


def _hung_up(request: web.Request) -> web.Response:
    """OpenSIPS closes the connection on a body of another type, without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=400)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _html(status: int, message: str) -> web.Response:
    return web.Response(status=status, text=_HTML.format(message), content_type="text/html")


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m lab.front.bridge", description=__doc__)
    parser.add_argument("--listen", required=True, help="host:port for HTTP")
    parser.add_argument("--kamailio", required=True, type=Path, help="its JSON-RPC socket (UNIX datagrams)")
    parser.add_argument("--profile", required=True, help="its dialog profile")
    parser.add_argument("values", nargs="+", help="the values that the profile can have")
    options = parser.parse_args(argv)
    host, _, port = options.listen.rpartition(":")
    commands = Commands(DatagramKamailio(options.kamailio), options.profile, tuple(options.values))
    web.run_app(application(commands), host=host, port=int(port), print=None, access_log=None)


if __name__ == "__main__":
    main()
