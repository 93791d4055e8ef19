"""Run the server: on the loopback address only, with a random token in the address it prints."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from lp_app.application import create_app, guarded
from lp_app.errors import AppError
from lp_app.guard import TOKEN
from lp_app.state import AppState
from lp_pipeline.printing import say

ADDRESS = "127.0.0.1"


def serve(
    project: Path,
    *,
    folders: Sequence[Path] = (),
    models: Sequence[Path] = (),
    port: int = 0,
    browser: bool = True,
) -> None:
    """Serve the app until the process is asked to end.

    Args:
        project: A project, or the folder in which one may be made.
        folders: Folders of videos that the app may read besides.
        models: Model directories outside the project.
        port: The port; 0 takes a free one.
        browser: Whether to open the browser.

    Raises:
        LPError: The project cannot be opened, or the port is taken.
    """
    for folder in folders:
        if not folder.is_dir():
            raise AppError("there is no such folder of videos", where=folder)
    listening = _bound(port)
    state = AppState(project, folders, models)
    token = secrets.token_urlsafe(24)
    url = f"http://localhost:{listening.getsockname()[1]}/?{TOKEN}={token}"
    config = uvicorn.Config(
        guarded(create_app(state), token),
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    say(f"the app: {url}")
    say("Ctrl-C ends it")
    if browser:
        threading.Timer(0.5, webbrowser.open, [url]).start()
    uvicorn.Server(config).run([listening])


def _bound(port: int) -> socket.socket:
    """A listening socket of this machine alone.

    Raises:
        AppError: The port is taken.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
        listening.listen(128)  # a browser that is quick waits until the server is there
    except OSError as error:
        listening.close()
        raise AppError(
            f"port {port} cannot be used: {error.strerror}", remedy="choose another --port"
        ) from error
    return listening
