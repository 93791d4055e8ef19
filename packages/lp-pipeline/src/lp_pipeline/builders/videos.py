"""The videos that a config wants predicted after training, and the boxes of videos and images."""

from __future__ import annotations

from pathlib import Path

from lp_core.poses import PoseTable
from lp_core.regions import RegionSource
from lp_data.errors import VideoError
from lp_data.regions import Boxes, CentredRegions, read_boxes
from lp_data.sessions import Group, prediction_groups
from lp_data.video.listing import find_videos
from lp_io.checkpoint import Manifest
from lp_io.model_directory import TOP_DOWN
from lp_pipeline.config.paths import bbox_files, test_videos_directory
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import PredictionError


def predicted_groups(config: Config, *, jointly: bool = False) -> list[Group]:
    """The videos of ``eval.test_videos_directory`` as a tracker predicts them; none without any.

    Raises:
        SessionError: Videos of several cameras are not those of sessions.
    """
    folder, views = test_videos_directory(config), config.data.view_names
    if folder is None or not folder.exists():
        return []
    if folder.is_dir() and not views and not find_videos(folder).files:
        return []
    near = [Path(config.data.data_dir or ".")]
    try:
        return prediction_groups([folder], views, jointly=jointly, folders=near)[0]
    except VideoError:  # no video there
        return []


def folder_videos(config: Config) -> dict[Path, str]:
    """The videos of ``eval.test_videos_directory``, and the names of their tables."""
    return {v.video: v.table for group in predicted_groups(config) for v in group}


def videos_to_predict(config: Config) -> list[Path]:
    """The videos that are predicted after training; none where the config does not ask for it."""
    return list(folder_videos(config)) if config.eval.predict_vids_after_training else []


def get_boxes(config: Config) -> Boxes | None:
    """The boxes of labelled images, from ``data.bbox_file``; None for whole images.

    Raises:
        BoxFileError: A file of boxes cannot be read.
    """
    files = bbox_files(config)
    return read_boxes(files) if files else None


def regions_of_labels(
    model: Manifest, config: Config | None, table: PoseTable, boxes: Path | None = None
) -> RegionSource | None:
    """The parts of the images of labels that a tracker looks at; None where at whole images.

    Args:
        model: The manifest of the tracker; of one that looks at crops around animals, these are
            around the labelled ones.
        config: Of the tracker; None where it is not known.
        table: The labels.
        boxes: A file of boxes; None takes those that the tracker was trained on.

    Raises:
        BoxFileError: The file cannot be read.
    """
    if boxes is not None:
        return read_boxes([boxes])
    if TOP_DOWN in model.extra:
        height, width = model.extra[TOP_DOWN]["crop_size"]
        return CentredRegions(table, (height, width))
    return None if config is None else get_boxes(config)


def boxes_of_video(config: Config | None, video: Path, given: Path | None = None) -> Boxes | None:
    """The boxes of the frames of a video; None where the tracker looks at whole frames.

    Args:
        config: Of the tracker; None where it is not known.
        video: The video.
        given: A file of boxes, or a folder with a file ``<video>_bbox.csv``; None takes that file
            from beside the video, if the tracker was trained on boxes.

    Raises:
        BoxFileError: The file cannot be read.
        PredictionError: The tracker was trained on boxes, and there are none of this video.
    """
    if given is not None and not given.is_dir():
        return read_boxes([given])
    if given is None and (config is None or not config.data.bbox_file):
        return None
    file = (given or video.parent) / f"{video.stem}_bbox.csv"
    if not file.is_file():
        raise PredictionError(
            "there are no boxes of this video, and the model was trained on boxes"
            if given is None
            else "the folder has no boxes of this video",
            where=f"{video}; looked for {file}",
            remedy="name its boxes by --boxes, or put them there",
        )
    return read_boxes([file])
