"""Choose frames to label."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from lp_app.choosing import MOST, choose, suggest_by_looks, suggest_by_model, suggest_evenly
from lp_app.routes.shared import Body, Open

router = APIRouter(prefix="/api")


class ChoiceBody(Body):
    """Frames of a video, and why they were chosen."""

    video: str
    frames: list[int] = Field(min_length=1, max_length=MOST)
    why: str = Field("by hand", max_length=200)


class SuggestBody(Body):
    """How many frames of which video, and by what: the looks, or the predictions of a model."""

    video: str
    count: int = Field(ge=1, le=MOST)
    how: Literal["even", "looks", "model"]
    model: str = ""


class ImagesBody(Body):
    """Images whose choice is taken back."""

    images: list[str] = Field(max_length=10_000)


@router.post("/choices", status_code=201)
def add(body: ChoiceBody, session: Open) -> dict[str, Any]:
    """Let frames wait to be labelled; their images are in the project afterwards."""
    return {"images": choose(session, body.video, body.frames, body.why)}


@router.post("/choices/suggest")
def suggest(body: SuggestBody, session: Open) -> dict[str, Any]:
    """Frames that may be worth labelling, each with its reason; nothing is written."""
    if body.how == "even":
        found = suggest_evenly(session, body.video, body.count)
    elif body.how == "looks":
        found = suggest_by_looks(session, body.video, body.count)
    else:
        found = suggest_by_model(session, body.video, body.count, body.model)
    return {"suggestions": [each._asdict() for each in found]}


@router.post("/choices/drop")
def drop(body: ImagesBody, session: Open) -> dict[str, Any]:
    """Take back the choice of images that are not labelled."""
    session.store.drop(body.images)
    return {"images": session.store.images()}
