"""`python -m lab.http.pages`: a small web server with the pages that a platform has, by http and https.

/admin is a login page, /api/v1/tenants the REST API's list of tenants (JSON), /provisioning/TENANT.cfg
what that tenant's phones fetch when they start. Nothing in it is secret: no password is ever served.
"""

import argparse
import asyncio
import json
import signal
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

_ADMIN: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{platform}: administration</title></head>
<body><h1>{platform}</h1><form method="post"><label>User <input name="user"></label>
<label>Password <input name="password" type="password"></label><button>Log in</button></form></body></html>
"""
_PHONE: Final = """# The phones of {tenant}
account.1.enable = 1
account.1.sip_server = {tenant}
account.1.outbound_proxy = {proxy}
account.1.transport = udp
account.1.expires = 300
"""


@dataclass(frozen=True, slots=True)
class Platform:
    """What the pages tell: the platform's name, where its phones send (host:port), its tenants' domains."""

    name: str
    proxy: str
    tenants: Sequence[str]


PLATFORM: Final = web.AppKey("platform", Platform)


def application(platform: Platform) -> web.Application:
    """Return the pages of a platform."""
    app = web.Application(client_max_size=4096)
    app[PLATFORM] = platform
    app.router.add_get("/", _home)
    app.router.add_get("/admin", _admin)
    app.router.add_post("/admin", _refused)
    app.router.add_get("/api/v1/tenants", _tenants)
    app.router.add_get("/provisioning/{tenant}.cfg", _provisioning)
    return app


async def _home(request: web.Request) -> web.Response:
    del request
    raise web.HTTPFound("/admin")


async def _admin(request: web.Request) -> web.Response:
    page = _ADMIN.format(platform=request.app[PLATFORM].name)
    return web.Response(text=page, content_type="text/html")


async def _refused(request: web.Request) -> web.Response:
    del request
    return web.Response(status=401, text="Wrong user or password\n")


async def _tenants(request: web.Request) -> web.Response:
    return web.json_response({"tenants": request.app[PLATFORM].tenants})


async def _provisioning(request: web.Request) -> web.Response:
    platform, tenant = request.app[PLATFORM], request.match_info["tenant"]
    if tenant not in platform.tenants:
        return web.Response(status=404, text="No such tenant\n")
    return web.Response(text=_PHONE.format(tenant=tenant, proxy=platform.proxy))


async def _serve(platform: Platform, http: int, https: int, chain: Path, key: Path) -> None:
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    runner = web.AppRunner(application(platform), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", http).start()
        await web.TCPSite(runner, "127.0.0.1", https, ssl_context=context).start()
        await told_to_end.wait()
    finally:
        await runner.cleanup()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m lab.http.pages", description=__doc__)
    parser.add_argument("--http", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--https", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--chain", type=Path, required=True, help="the certificate (PEM)")
    parser.add_argument("--key", type=Path, required=True, help="its private key (PEM)")
    parser.add_argument("platform", type=Path, help="file (JSON): name, proxy, tenants")
    options = parser.parse_args(argv)
    platform = Platform(**json.loads(options.platform.read_text()))
    asyncio.run(_serve(platform, options.http, options.https, options.chain, options.key))


if __name__ == "__main__":
    main()
