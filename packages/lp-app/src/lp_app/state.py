"""What a running app holds: its project, once there is one, and what serves it."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lp_app.errors import MissingError, ProjectError
from lp_app.frames.service import FrameService
from lp_app.labels.journal import Journal
from lp_app.labels.store import LabelStore, Saver
from lp_app.lock import FolderLock
from lp_app.places import Places
from lp_app.predictions import Predictions, name_of, table_of
from lp_app.project import Project, is_new, open_project, with_individuals
from lp_core.atomic import atomic_text
from lp_core.errors import LPError, unwritable_as
from lp_data.check import check_project
from lp_data.check.report import ProjectReport
from lp_data.video.listing import find_videos

_INDIVIDUALS = "individuals.json"


class Health:
    """What `litpose check` says of a project, found on a thread of its own."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.report: ProjectReport | None = None
        self.error: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether the check has not ended yet."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Check the project, unless that is being done."""
        with self._lock:
            if not self.is_running:
                self._thread = threading.Thread(target=self._check, daemon=True)
                self._thread.start()

    def _check(self) -> None:
        project = self._project
        files = [file.path for file in project.label_files if file.path.exists()]
        try:
            self.report = check_project(
                project.folder, label_files=files or None, video_dir=project.video_dir
            )
            self.error = None
        except (LPError, OSError) as error:
            self.error = str(error)


@dataclass
class Session:
    """An open project, and what serves it."""

    project: Project
    lock: FolderLock
    store: LabelStore
    saver: Saver
    frames: FrameService
    predictions: Predictions
    health: Health
    _listed: tuple[int, dict[str, Path]] = field(default_factory=lambda: (-1, {}), repr=False)

    def videos(self) -> dict[str, Path]:
        """The videos of the project by the name that requests have for them.

        Their folder is listed again when something was added to it or removed.
        """
        folder = self.project.video_dir
        changed = folder.stat().st_mtime_ns if folder.is_dir() else 0
        if self._listed[0] != changed:
            found = {name_of(video): video for video in self.project.videos()}
            self._listed = (changed, found)
        return self._listed[1]

    def video(self, name: str) -> Path:
        """A video that the app may read.

        Raises:
            MissingError: There is no such video.
            OutsideError: A link leads out of the folders that the app was given.
        """
        found = self.videos().get(name)
        if found is None:
            raise MissingError("the project has no such video", where=name)
        return self.project.places.checked(found)

    def image(self, image: str) -> Path:
        """The file of an image of the project that the app may read.

        Raises:
            MissingError: It is neither labelled nor chosen.
            OutsideError: A link leads out of the folders that the app was given.
        """
        if not self.store.knows(image):
            raise MissingError("the project has no such image", where=image)
        return self.project.places.checked(self.project.folder / image)

    def table(self, video: Path, model: str) -> Path:
        """The predictions of a video by a model.

        Raises:
            MissingError: There is no such model, or it has not predicted the video.
        """
        folder = self.predictions.models().get(model)
        found = None if folder is None else table_of(folder, video)
        if found is None:
            raise MissingError("there are no such predictions of the video", where=model)
        return found

    def add_individuals(self, names: Sequence[str]) -> None:
        """Let the project have more animals, which labels need not name yet.

        Raises:
            ProjectError: The file that lists them cannot be written.
        """
        self.project = with_individuals(self.project, names)
        _write_individuals(self.project)

    def close(self) -> None:
        """Write what is not written yet, and give everything back."""
        self.saver.close()
        self.frames.close()
        self.lock.release()


def open_session(project: Project, models: Sequence[Path] = ()) -> Session:
    """Open what serves a project.

    Raises:
        LPError: Another app has it open, or it cannot be written to.
    """
    with unwritable_as(ProjectError, "the app's folder in the project", project.app_folder):
        project.app_folder.mkdir(exist_ok=True)
        lock = FolderLock(project.app_folder)
        lock.acquire()
        try:
            project = with_individuals(project, _listed_individuals(project))
            _write_individuals(project)
            store = LabelStore(project.label_files, Journal(project.app_folder / "journal.jsonl"))
        except BaseException:
            lock.release()
            raise
    return Session(
        project,
        lock,
        store,
        Saver(store),
        FrameService(),
        Predictions([project.folder, *models]),
        Health(project),
    )


def _listed_individuals(project: Project) -> list[str]:
    try:
        found = json.loads((project.app_folder / _INDIVIDUALS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    names: list[Any] = found if isinstance(found, list) else []
    return [name for name in names if isinstance(name, str) and name.strip()]


def _write_individuals(project: Project) -> None:
    file = project.app_folder / _INDIVIDUALS
    names = list(project.individuals)
    if names and names != _listed_individuals(project):
        with (
            unwritable_as(ProjectError, "the list of animals", file),
            atomic_text(file) as stream,
        ):
            json.dump(names, stream, ensure_ascii=False)


class AppState:
    """One project at a time, or the folder in which one may be made.

    Args:
        path: A project, or where one may be made.
        folders: Folders of videos that the app may read besides.
        models: Model directories outside the project, whose predictions are shown.

    Raises:
        LPError: The project cannot be opened.
    """

    def __init__(
        self, path: Path, folders: Sequence[Path] = (), models: Sequence[Path] = ()
    ) -> None:
        self.path = path
        self.folders, self.models = tuple(folders), tuple(models)
        self._changing = threading.Lock()
        self.session = None if is_new(path) else self._opened(path)

    def _opened(self, path: Path) -> Session:
        return open_session(open_project(path, self.folders), self.models)

    def opened(self) -> Session:
        """The open project.

        Raises:
            MissingError: There is none yet.
        """
        if self.session is None:
            raise MissingError("there is no project yet", where=self.path)
        return self.session

    def sources(self) -> dict[str, Path]:
        """The videos that a new project may have, by the name that requests have for them."""
        folders = [*self.folders, self.path, self.path / "videos"]
        videos = [
            video
            for folder in dict.fromkeys(folders)
            if folder.is_dir()
            for video in find_videos(folder).files
        ]
        places = Places.of([*self.folders, self.path])
        return {name_of(video): video for video in videos if places.holds(video)}

    def create(self, make: Any) -> Session:
        """Make a project in the folder, and open it.

        Args:
            make: Makes it in a folder, and gives its config.

        Raises:
            LPError: There is one already, or it cannot be made.
        """
        with self._changing:
            if self.session is not None:
                raise ProjectError("there is a project already", where=self.path)
            self.session = self._opened(make(self.path))
            return self.session

    def close(self) -> None:
        """Close the project."""
        if self.session is not None:
            self.session.close()
            self.session = None
