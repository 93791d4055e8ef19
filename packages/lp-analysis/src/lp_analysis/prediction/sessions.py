"""Predict a video, or those of a session together where the tracker needs that."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from lp_analysis.prediction.video_tables import VideoResult, identity_of, write_session
from lp_analysis.prediction.videos import VideoPredictor
from lp_data.inference.joint import JointPredictor, opened_session
from lp_data.regions import Boxes
from lp_data.sessions import Group, others_of


def predict_group(
    by: VideoPredictor,
    views: Sequence[str],
    videos: Group,
    tables: Mapping[str, Path],
    *,
    resume: bool = False,
    boxes: Mapping[str, Boxes | None] | None = None,
) -> dict[str, VideoResult]:
    """Predict every frame of a video, or of those of a session together, writing as it goes.

    Each video gets the tables that `VideoPredictor.predict` writes, with one row for each of its
    own frames. Where another view is absent, or has no such frame, the tracker does without it.

    Args:
        by: What writes the tables.
        views: All views of the project, as the tracker learnt them.
        videos: One video, or those of the session.
        tables: For each of their views the table to write.
        resume: Go on where an interrupted run on the same videos stopped.
        boxes: By view the boxes of its frames; those without are whole.

    Returns:
        What was written, by view.

    Raises:
        LPError: A video cannot be read, or boxes are not those of their video.
    """
    started, own = time.perf_counter(), {v: b for v, b in (boxes or {}).items() if b is not None}
    if by.handler.tracker.views == "each":
        (video,) = videos
        table, given = tables[video.view], own.get(video.view)
        return {video.view: by.predict(video.video, table, resume=resume, boxes=given)}
    with ExitStack() as stack:
        opened = opened_session(videos, by.handler, own, reader=by.reader)
        session = stack.enter_context(opened)
        parts = [
            f"{v.view} {v.offset} "
            + identity_of(by.handler, session.sources[v.view], v.video, own.get(v.view))
            for v in videos
        ]
        rows = {
            v.view: stack.enter_context(
                by.open_table(tables[v.view], f"{list(views)} {parts} {v.view}", resume)
            )
            for v in videos
        }
        name = f"{videos[0].session} ({len(videos)} views)"
        update = stack.enter_context(by.display.task(name, len(session.frames)))
        predictor = JointPredictor.of_session(by.handler, views, session)
        results = write_session(predictor, session, rows, update)
    for v in videos:
        by.finish(tables[v.view], v.video, own.get(v.view), others_of(videos, v))
        if (damage := results[v.view].damage) is not None:
            by.display.message(f"warning: {v.video.name}: {damage}")
    seconds = (time.perf_counter() - started) / len(videos)
    return {view: replace(result, seconds=seconds) for view, result in results.items()}
