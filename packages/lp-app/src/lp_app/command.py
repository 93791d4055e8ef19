"""``litpose app``: the app in the browser. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True)
class App:
    """Label, and look at videos and predictions, in the browser."""

    group: ClassVar[str] = "Projects"

    project: Annotated[
        Path,
        typer.Argument(help="A project's folder or config; a new project may be made there."),
    ] = Path()
    videos: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of videos that the app may read; may be given several times."),
    ] = None
    model: Annotated[
        list[Path] | None,
        typer.Option(help="A model directory outside the project, whose predictions are shown."),
    ] = None
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port on this machine; 0 takes a free one.")
    ] = 0
    open_browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the browser.")
    ] = True

    def run(self) -> None:
        """Serve the app on this machine only, until Ctrl-C.

        The address that is printed has a token: who does not have it sees nothing. On another
        machine, reach it through `ssh -L PORT:localhost:PORT`, with the port of the address.
        """
        from lp_app.serving import serve
        from lp_pipeline.cli.session import start_session

        start_session()
        serve(
            self.project,
            folders=self.videos or (),
            models=self.model or (),
            port=self.port,
            browser=self.open_browser,
        )
