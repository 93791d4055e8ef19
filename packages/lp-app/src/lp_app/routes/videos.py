"""Videos: what they are, their frames, and what models predict on them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from lp_app.choosing import video_frames
from lp_app.errors import MissingError
from lp_app.predictions import LONGEST, table_of
from lp_app.routes.shared import Open

router = APIRouter(prefix="/api/videos/{video}")

Width = Annotated[int | None, Query(ge=64, le=8192)]


@router.get("")
def video(video: str, session: Open) -> dict[str, Any]:
    """What a video is, which of its frames are labelled or wait, and who has predicted it."""
    path = session.video(video)
    reader = session.frames.reader(video, path)
    labelled, waiting = video_frames(session, path)
    return {
        "id": video,
        "name": path.name,
        "frames": reader.frames,
        "fps": reader.fps,
        "width": reader.size[1],
        "height": reader.size[0],
        "notes": list(reader.notes),
        "labelled": labelled,
        "waiting": waiting,
        "models": [
            {"id": name, "name": model.name}
            for name, model in session.predictions.models().items()
            if table_of(model, path) is not None
        ],
    }


@router.get("/frames/{index}")
def frame(video: str, index: int, session: Open, width: Width = None) -> Response:
    """A frame as JPEG, at most ``width`` px wide."""
    content = session.frames.frame(video, session.video(video), index, width)
    return Response(
        content, media_type="image/jpeg", headers={"Cache-Control": "private, no-cache"}
    )


@router.get("/predictions/{model}")
def predictions(video: str, model: str, start: int, stop: int, session: Open) -> dict[str, Any]:
    """What a model predicts on the frames ``start`` to ``stop - 1``."""
    table = session.table(session.video(video), model)
    if not 0 <= start <= stop <= start + LONGEST:
        raise MissingError(f"frames are given from 0 on, {LONGEST} at once", where=model)
    found = session.predictions.of(table)
    return {
        "keypoints": list(found.keypoints),
        "individuals": list(found.individuals),
        "start": start,
        "frames": found.frames(start, stop),
    }
