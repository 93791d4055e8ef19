"""The label files of a project: which frames of videos they have, and what is added to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lp_analysis.errors import SuggestionError
from lp_analysis.suggestion.accepting import Accepted, accept_suggestions
from lp_analysis.suggestion.extraction import (
    Extracted,
    check_keypoints,
    extract_frames,
    known_images,
    labelled_frames,
    suggested_file,
)
from lp_analysis.suggestion.suggest import Suggestion
from lp_data.labels import read_labels
from lp_data.sessions import ViewNames


@dataclass(frozen=True)
class LabelFiles:
    """The label files of a project, of one camera or of each.

    Attributes:
        files: The files, which are in the project's folder; in the order of the views, where there
            are several cameras. None of them where there is no project.
        views: The cameras; None for one.
    """

    files: tuple[Path, ...] = ()
    views: ViewNames | None = None

    def file_of(self, video: Path) -> Path:
        """The label file that frames of a video belong to: the first one, or that of its view.

        Raises:
            SuggestionError: There is no label file, or the video is of none of the views.
        """
        if not self.files:
            raise SuggestionError(
                "frames are extracted into a project", remedy="name it by --project"
            )
        if self.views is None:
            return self.files[0]
        found = self.views.split(video.stem)
        if found is None:
            raise SuggestionError(
                f"the name of the video does not end in a view: {', '.join(self.views.names)}",
                where=video,
                remedy="rename it to SESSION_VIEW",
            )
        return self.files[self.views.names.index(found.view)]

    def accept(self, checked: Path) -> Accepted:
        """Add checked guesses to the label file that they are of, or to the first one.

        Raises:
            LPError: There is no label file, or a file cannot be read or written.
        """
        if not self.files:
            raise SuggestionError("guesses of which project?", remedy="name it by --project")
        own = (file for file in self.files if suggested_file(file).name == checked.name)
        return accept_suggestions(checked, next(own, self.files[0]))

    def of_one_camera(self) -> Path:
        """The first label file.

        Raises:
            SuggestionError: There is none, or there are several cameras.
        """
        if self.views is not None or not self.files:
            raise SuggestionError(
                "extra labels are of one camera, but the project has several",
                where=", ".join(map(str, self.files)),
            )
        return self.files[0]

    def labelled(self, videos: Sequence[Path]) -> dict[Path, set[int]]:
        """For each video the frames that are labelled, or wait to be.

        Raises:
            PoseError: A file cannot be read.
        """
        images = {image for file in self.files for image in known_images(file)}
        return {video: labelled_frames(images, video) for video in videos}

    def check(self, keypoints: Collection[str]) -> None:
        """Refuse a model of keypoints that the project does not have.

        Raises:
            SuggestionError: It is such a model.
            PoseError: A file cannot be read.
        """
        for file in self.files:
            names = read_labels(file, require_labels=False).keypoint_names
            check_keypoints(keypoints, names, file)

    def extract(
        self,
        suggestions: Sequence[Suggestion],
        tables: Mapping[Path, Path] | None = None,
        scorer: str = "suggested",
    ) -> list[Extracted]:
        """Put suggested frames into the project; see `extract_frames`.

        Raises:
            LPError: A file cannot be read or written.
        """
        of_file: dict[Path, list[Suggestion]] = {}
        for each in suggestions:
            of_file.setdefault(self.file_of(each.video), []).append(each)
        return [
            extract_frames(some, file, tables=tables, scorer=scorer)
            for file, some in of_file.items()
        ]
