"""Cut a project whose frames show several views, as in a mirror, into one of several cameras.

    python tools/cut_views.py PROJECT TARGET top=0,0,396,166 bot=0,166,396,240

Each view is its name and its box in every frame: x, y, width and height in px. Its keypoints are
those whose names end in ``_`` and its name, without that ending; those that not all views have
are left out. Images go to ``labeled-data/<session>_<view>/``, videos to
``videos*/<session>_<view>.mp4`` and labels to ``CollectedData_<view>.csv``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import cv2

from lp_core.poses import PoseTable, Skeleton, write_pose_csv
from lp_core.regions import Box
from lp_data.images import read_image
from lp_data.labels import read_labels
from lp_data.regions import cut
from lp_data.video.listing import find_videos
from lp_data.video.open import open_video
from lp_data.video.writer import VideoWriter

_CHUNK = 64
_QUALITY = 12


def cut_views(project: Path, target: Path, views: Mapping[str, Box]) -> None:
    """Write the project of several cameras into a new folder."""
    for labels in sorted(project.glob("CollectedData*.csv")):
        table = read_labels(labels)
        parts = shared_parts(table, views)
        for view, box in views.items():
            name = f"CollectedData_{view}{labels.stem.removeprefix('CollectedData')}.csv"
            write_pose_csv(of_view(table, view, box, parts), target / name)
        for folder in {(project / path).parent for path in table.image_paths}:
            for image in sorted(folder.glob("*.png")):
                path = image.relative_to(project).as_posix()
                for view, box in views.items():
                    cut_image(image, target / path_of(path, view), box)
    for folder in sorted(project.glob("videos*")):
        for video in find_videos(folder).files:
            cut_video(video, target / folder.name, views)


def shared_parts(table: PoseTable, views: Mapping[str, Box]) -> list[str]:
    """The keypoints that every view has, without the ending."""
    named = [
        [n.removesuffix(f"_{view}") for n in table.keypoint_names if n.endswith(f"_{view}")]
        for view in views
    ]
    return [name for name in named[0] if all(name in others for others in named)]


def of_view(table: PoseTable, view: str, box: Box, parts: list[str]) -> PoseTable:
    """The labels of one view, in px of its own images."""
    own = table.select_keypoints([f"{part}_{view}" for part in parts])
    return replace(
        own,
        skeleton=Skeleton(tuple(parts)),
        points=own.points - [box.x, box.y],
        frame=tuple(path_of(path, view) for path in own.image_paths),
    )


def path_of(path: str, view: str) -> str:
    """Where the image of a view is: its folder's name gets the view at the end."""
    folder, name = PurePosixPath(path).parent, PurePosixPath(path).name
    session = folder.name if len(folder.parts) > 1 else "session"
    return f"{folder.parts[0]}/{session}_{view}/{name}"


def cut_image(image: Path, target: Path, box: Box) -> None:
    """One image."""
    target.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(target), cv2.cvtColor(cut(read_image(image), box), cv2.COLOR_RGB2BGR))


def cut_video(video: Path, folder: Path, views: Mapping[str, Box]) -> None:
    """One video, into one for each view."""
    with open_video(video) as source:
        for view, box in views.items():
            path = folder / f"{video.stem}_{view}.mp4"
            size = (box.height, box.width)
            with VideoWriter(path, fps=source.fps, size=size, quality=_QUALITY) as writer:
                for frames in source.chunks(_CHUNK):
                    for frame in frames:
                        writer.write(cut(frame, box))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("views", nargs="+", metavar="NAME=X,Y,WIDTH,HEIGHT")
    arguments = parser.parse_args()
    named = (text.partition("=") for text in arguments.views)
    views = {name: Box(*map(int, box.split(","))) for name, _, box in named}
    cut_views(arguments.project, arguments.target, views)


if __name__ == "__main__":
    main()
