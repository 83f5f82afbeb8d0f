"""The web application, put together."""

from fastapi import FastAPI

from dialtone.web import api, declared, problems, sla
from dialtone.web.context import WebContext
from dialtone.web.gate import Gate
from dialtone.web.operations import operations
from dialtone.web.page import pages


def create_app(context: WebContext) -> FastAPI:
    """Return the application: API, page, /metrics and health; every request goes through the gate."""
    app = FastAPI(
        title="Dialtone",
        summary="What a multi-tenant VoIP platform's tenants feel: flows, servers, alerts",
        version=context.version,
        openapi_url="/api/v1/openapi.json",
        # The interactive pages load scripts from elsewhere, which our content policy forbids.
        docs_url=None,
        redoc_url=None,
        # A redirect would name the host that the request named.
        redirect_slashes=False,
    )
    app.state.context = context
    problems.install(app)
    app.include_router(api.router)
    app.include_router(sla.router)
    app.include_router(declared.router)
    app.include_router(operations(context))
    app.include_router(pages())
    app.add_middleware(Gate, context=context)
    return app
