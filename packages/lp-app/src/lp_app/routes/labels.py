"""Labels: the images of the project, and what is labelled on each."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from lp_app.choosing import is_of
from lp_app.errors import AppError
from lp_app.frames.encoding import LABELLING_QUALITY, jpeg
from lp_app.labels.frame import FrameLabels
from lp_app.routes.shared import Body, Open
from lp_app.state import Session
from lp_data.datasets.neighbours import frame_number
from lp_data.images import read_image

router = APIRouter(prefix="/api/labels")


class EditBody(Body):
    """The labels of an image from now on, and the version of those that were edited."""

    image: str
    version: str
    labels: dict[str, Any]


@router.get("")
def images(session: Open) -> dict[str, Any]:
    """Every image that is labelled or waits, in the order of labelling."""
    videos = session.videos()
    found = [_listed(session, image, videos) for image in session.store.images()]
    return {"images": found, "unsaved": session.store.unsaved}


def _listed(session: Session, image: str, videos: dict[str, Any]) -> dict[str, Any]:
    labels, choice = session.store.labels(image), session.store.choice(image)
    video = next((name for name, path in videos.items() if is_of(image, path)), None)
    state = "waiting" if choice else "labelled" if labels.is_labelled else "empty"
    return {
        "image": image,
        "video": video,
        "frame": frame_number(image),
        "state": state,
        "why": choice.why if choice else "",
        "animals": len(labels.animals),
        "points": sum(bool(k.code) for animal in labels.animals for k in animal.keypoints),
    }


@router.get("/frame")
def frame(image: str, session: Open) -> dict[str, Any]:
    """What is labelled on an image."""
    return _frame(session, image, session.store.labels(image))


def _frame(session: Session, image: str, labels: FrameLabels) -> dict[str, Any]:
    file = session.store.file_of(image)
    return {
        "image": image,
        "version": labels.version,
        "labels": labels.to_json(),
        "keypoints": list(file.keypoints),
        "several": file.several,
    }


@router.put("/frame")
def edit(body: EditBody, session: Open) -> dict[str, Any]:
    """Replace the labels of an image; they are on the disk when this is answered."""
    file = session.store.file_of(body.image)
    labels = FrameLabels.from_json(body.labels, len(file.keypoints))
    _check_names(session, labels, several=file.several)
    return _frame(session, body.image, session.store.edit(body.image, labels, body.version))


def _check_names(session: Session, labels: FrameLabels, *, several: bool) -> None:
    """Refuse animals that the label file cannot hold."""
    if not several and (len(labels.animals) > 1 or any(a.name for a in labels.animals)):
        raise AppError("the label file holds one animal without a name for each image")
    unknown = [
        animal.name
        for animal in labels.animals
        if animal.name is not None and animal.name not in session.project.individuals
    ]
    if unknown:
        raise AppError(f"the project has no animal '{unknown[0]}'", remedy="add it first")


@router.get("/image")
def image(image: str, session: Open) -> Response:
    """The picture of an image, as JPEG in frame px."""
    picture = read_image(session.image(image))
    content = jpeg(picture, quality=LABELLING_QUALITY)
    return Response(
        content, media_type="image/jpeg", headers={"Cache-Control": "private, no-cache"}
    )
