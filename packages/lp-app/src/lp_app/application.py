"""The application: the routes, the built client, and errors in the words of the user."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp

from lp_app.errors import AppError, MissingError, OutsideError
from lp_app.guard import Guard
from lp_app.labels.store import FrameConflictError
from lp_app.routes import choices, labels, project, videos
from lp_app.state import AppState
from lp_core.errors import LPError, writing_remedy

CLIENT = "client"
"""The folder of the package with the built client."""


def create_app(state: AppState) -> FastAPI:
    """The application without its guard; see `guarded`.

    Raises:
        AppError: The client is not built.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        state.close()

    app = FastAPI(title="lp", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.lp = state
    app.state.client = _client()
    for routes in (project, videos, choices, labels):
        app.include_router(routes.router)
    app.add_api_route("/", index, methods=["GET"], include_in_schema=True)
    app.add_api_route("/assets/{name}", asset, methods=["GET"])
    app.add_exception_handler(FrameConflictError, _conflict)
    app.add_exception_handler(LPError, _told)
    app.add_exception_handler(OSError, _disk)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


def guarded(app: FastAPI, token: str) -> ASGIApp:
    """The application as it is served: every request passes `lp_app.guard` first."""
    return Guard(app, token)


def _client() -> dict[str, bytes]:
    """The files of the client by their path.

    Raises:
        AppError: It is not built.
    """
    folder = files("lp_app").joinpath(CLIENT)
    if not folder.joinpath("index.html").is_file():
        raise AppError(
            "the client of the app is not built",
            where=str(folder),
            remedy="install Node 20 or newer, and install lp-app again (`make` does both)",
        )
    return dict(_contents(folder, ""))


def _contents(folder: Traversable, before: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        name = f"{before}{entry.name}"
        found += _contents(entry, f"{name}/") if entry.is_dir() else [(name, entry.read_bytes())]
    return found


def index(request: Request) -> Response:
    """The page of the client."""
    content: bytes = request.app.state.client["index.html"]
    return Response(content, media_type="text/html; charset=utf-8")


def asset(name: str, request: Request) -> Response:
    """A file of the client."""
    found: bytes | None = request.app.state.client.get(f"assets/{name}")
    if found is None:
        raise MissingError("the client has no such file", where=name)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = "text/javascript" if name.endswith(".js") else kind
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(found, media_type=kind, headers=headers)


def _told(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LPError)
    status = 422
    if isinstance(error, MissingError):
        status = 404
    elif isinstance(error, OutsideError):
        status = 403
    return JSONResponse(
        {"problem": error.problem, "where": error.where, "remedy": error.remedy}, status
    )


def _conflict(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FrameConflictError)
    current = {"version": error.current.version, "labels": error.current.to_json()}
    content = {"problem": error.problem, "where": error.where, "remedy": error.remedy}
    return JSONResponse({**content, "current": current}, 409)


def _disk(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OSError)
    problem = error.strerror or str(error)
    content = {"problem": problem, "where": error.filename, "remedy": writing_remedy(error)}
    return JSONResponse(content, 507)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return JSONResponse({"problem": first["msg"], "where": place, "remedy": None}, 422)
