"""The API, the pages and who may see what of them."""

from dialtone.web.app import create_app
from dialtone.web.context import Board, Ledger, WebContext, WebToken
from dialtone.web.server import ListenError, open_listener, serve_on

__all__ = [
    "WebToken",
    "Board",
    "Ledger",
    "ListenError",
    "WebContext",
    "create_app",
    "open_listener",
    "serve_on",
]
