"""The admin API: a web application beside the exchange, on its event loop and on 127.0.0.1.

Imported only by who runs it: FastAPI costs a program a quarter of a second. Each part of `/api/v1`
is a router of its own; here is what holds for all of them: who may call, how much may be sent, and
that every error is problem+json (RFC 9457) with the text that Python gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockex.errors import FaultError, MockexError, NotInjected, ScriptError
from mockex.faults.script_reading import MOST_BYTES
from mockex.server.admin_faults import faults_router
from mockex.server.admin_journal import Cut, journal_router, reset_router
from mockex.server.admin_views import add_views
from mockex.server.desk import Desk
from mockex.server.wire import bound_socket

HOST = "127.0.0.1"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_STOP_S = 1  # what is still answered then is cut off
_PROBLEM = {
    "description": "An error, as RFC 9457 has it; `errors` are places in what was sent.",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "errors": {"type": "array", "items": {"type": "object"}},
                },
            }
        }
    },
}


class Guard:
    """Lets through who calls from this machine and from no other page, and bodies of a size."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        why = _not_allowed(headers.get(b"host", ""), headers.get(b"origin"))
        if why:
            await problem(HTTPStatus.FORBIDDEN, why)(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MOST_BYTES:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"a body is at most {MOST_BYTES >> 20} MiB",
                )
            return message

        await self._app(scope, counted, send)


def _not_allowed(host: str, origin: str | None) -> str:
    """Why a request with these headers is none of ours; empty if it is. A page of another origin
    must not reach us, nor one whose name somebody lets point to this machine."""
    try:
        name = urlsplit(f"http://{host}").hostname
    except ValueError:
        name = None
    if name not in _LOOPBACK:
        return f"Host is {host!r}: only names of this machine are answered"
    if origin is not None and origin != f"http://{host}":
        return f"Origin is {origin!r}: pages of other origins are not answered"
    return ""


def problem(status: int, detail: str, **more: Any) -> JSONResponse:
    """An error as RFC 9457 has it."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": int(status), "detail": detail, **more}
    return JSONResponse(body, status, media_type="application/problem+json")


def admin_app(desk: Desk) -> ASGIApp:
    """The application."""
    # No pages with documentation: they fetch their scripts from elsewhere.
    app = FastAPI(
        title="mockex",
        summary="What is done to a running exchange",
        version="1",
        docs_url=None,
        redoc_url=None,
        responses={"default": _PROBLEM},
    )

    @app.get("/healthz", summary="Whether it answers")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    cut = Cut()
    views = APIRouter()
    add_views(views, desk, cut)
    for router in (views, faults_router(desk), journal_router(desk, cut), reset_router(desk, cut)):
        app.include_router(router, prefix="/api/v1")
    _say_errors(app, desk)
    return Guard(app)


def _say_errors(app: FastAPI, desk: Desk) -> None:
    @app.exception_handler(MockexError)
    async def ours(_: Request, error: MockexError) -> JSONResponse:
        match error:
            case ScriptError():
                errors = [{"line": p.line, "key": p.key, "detail": p.why} for p in error.problems]
                return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), errors=errors)
            case NotInjected(number=number):
                return problem(HTTPStatus.CONFLICT, str(error), id=number)
            case FaultError():
                return problem(HTTPStatus.CONFLICT, str(error))
            case _:
                return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    @app.exception_handler(RequestValidationError)
    async def parameters(_: Request, error: RequestValidationError) -> JSONResponse:
        told = [f"{e['loc'][-1]}: {e['msg']}, got {e.get('input')!r}" for e in error.errors()]
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(told))

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> JSONResponse:
        detail = f"{request.method} {request.url.path}: {error.detail}"
        response = problem(error.status_code, detail)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def broke(_: Request, error: Exception) -> JSONResponse:
        told = f"mockex itself broke: {type(error).__name__}: {error}"
        desk.tell(told)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, told)


@asynccontextmanager
async def serve_admin(desk: Desk, port: int = 0) -> AsyncIterator[str]:
    """Answer on 127.0.0.1 for as long as the block lasts; the base URL. `port` 0: any free one.

    Raises:
        ConfigError: the port cannot be had.
    """
    bound = bound_socket(HOST, port, "admin_port")
    config = uvicorn.Config(
        admin_app(desk),
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_S,
    )
    config.load()
    # Not `serve`: it would take the signals, which belong to who runs the exchange.
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[bound])
    beat = asyncio.create_task(server.main_loop())
    try:
        yield f"http://{HOST}:{bound.getsockname()[1]}"
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        await server.shutdown(sockets=[bound])
