"""What the routes have in common."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict

from lp_app.state import AppState, Session


def app_state(request: Request) -> AppState:
    """What the running app holds."""
    state: AppState = request.app.state.lp
    return state


def session(request: Request) -> Session:
    """The open project.

    Raises:
        MissingError: There is none yet.
    """
    return app_state(request).opened()


State = Annotated[AppState, Depends(app_state)]
Open = Annotated[Session, Depends(session)]


class Body(BaseModel):
    """The body of a request, which has no other fields than these."""

    model_config = ConfigDict(extra="forbid")
