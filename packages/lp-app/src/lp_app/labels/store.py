"""All labels of a project: read from its label files, edited through the journal."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lp_app.errors import ConflictError, MissingError
from lp_app.labels.frame import FrameLabels
from lp_app.labels.journal import Entry, Journal
from lp_app.labels.label_file import Frames, LabelFile, read_label_file
from lp_core.errors import LPError

_log = logging.getLogger(__name__)

NOTHING = FrameLabels()


@dataclass(frozen=True)
class Choice:
    """A frame that waits to be labelled.

    Attributes:
        image: Its image in the project.
        file: The name of the label file that its labels go to.
        why: Why it was chosen, in words.
    """

    image: str
    file: str
    why: str


class FrameConflictError(ConflictError):
    """A frame that has other labels than the ones that an edit was made of.

    Attributes:
        current: Its labels now.
    """

    def __init__(self, image: str, current: FrameLabels) -> None:
        super().__init__(
            "the labels of this frame were changed elsewhere in the meantime",
            where=image,
            remedy="look at what is there now, and edit again",
        )
        self.current = current


class LabelStore:
    """The labels of a project, for any number of threads of one process.

    An edit is in the journal, on the disk, before `edit` returns; `save` then writes the label
    files. When a store is opened, what the journal has beyond the label files is written to them.

    Args:
        files: The label files, the one of new images first.
        journal: The journal.
    """

    def __init__(self, files: Sequence[LabelFile], journal: Journal) -> None:
        self._files = {file.path.name: file for file in files}
        self._journal = journal
        self._lock = threading.RLock()
        self._frames: dict[str, FrameLabels] = {}
        self._file_of: dict[str, str] = {}
        self._choices: dict[str, Choice] = {}
        self._pending: dict[str, int] = {}  # images with edits that their file lacks, by number
        self._number = 0
        self._edited = 0.0
        self.problems: dict[str, str] = {}  # by label file why it cannot be written
        for name, file in self._files.items():
            for image, labels in file.frames.items():
                self._frames.setdefault(image, labels)
                self._file_of.setdefault(image, name)
        self._replay()
        self.save()

    # ---------------------------------------------------------------------------- reading

    def images(self) -> list[str]:
        """The labelled images in the order of the files, then those that wait."""
        with self._lock:
            self._take_outside_changes()
            known = [image for image, labels in self._frames.items() if labels.has_row]
            return list(dict.fromkeys([*known, *self._choices]))

    def labels(self, image: str) -> FrameLabels:
        """The labels of an image.

        Raises:
            MissingError: It is neither labelled nor chosen.
        """
        with self._lock:
            self._take_outside_changes()
            self._check_known(image)
            return self._frames.get(image, NOTHING)

    def choice(self, image: str) -> Choice | None:
        """Why an image was chosen, if it was and is not labelled yet."""
        with self._lock:
            labelled = self._frames.get(image, NOTHING).has_row
            return None if labelled else self._choices.get(image)

    def knows(self, image: str) -> bool:
        """Whether an image is labelled or chosen."""
        with self._lock:
            return image in self._choices or image in self._frames

    def file_of(self, image: str) -> LabelFile:
        """The label file that an image belongs to.

        Raises:
            MissingError: It is neither labelled nor chosen, or its file is not of the project.
        """
        with self._lock:
            self._check_known(image)
            file = self._files.get(self._file_of.get(image) or self._choices[image].file)
        if file is None:
            raise MissingError("its label file is not one of the project", where=image)
        return file

    def _check_known(self, image: str) -> None:
        if not self.knows(image):
            raise MissingError("the project has no such image", where=image)

    # ---------------------------------------------------------------------------- editing

    def edit(self, image: str, labels: FrameLabels, version: str) -> FrameLabels:
        """Replace the labels of an image; they are on the disk when this returns.

        Args:
            image: The image.
            labels: Its labels from now on.
            version: `FrameLabels.version` of the labels that the edit was made of.

        Raises:
            FrameConflictError: The image has other labels by now.
            MissingError: It is neither labelled nor chosen.
            OSError: The disk is full or fails.
        """
        with self._lock:
            before = self.labels(image)
            if before.version == labels.version:
                return labels  # sent once more, as the answer was lost
            if before.version != version:
                raise FrameConflictError(image, before)
            file = self._file_of.get(image) or self._choices[image].file
            number = self._number + 1
            self._journal.append(
                {
                    "kind": "edit",
                    "number": number,
                    "file": file,
                    "image": image,
                    "before": before.to_json(),
                    "after": labels.to_json(),
                }
            )
            self._number = number
            self._apply(image, file, labels, number)
            return labels

    def _apply(self, image: str, file: str, labels: FrameLabels, number: int) -> None:
        self._frames[image], self._file_of[image] = labels, file
        self._pending[image] = number
        self._edited = time.monotonic()
        if not labels.has_row and image not in self._choices:  # so that it stays in reach
            self._choices[image] = Choice(image, file, "its labels were removed")

    def choose(self, choices: Sequence[Choice]) -> None:
        """Add images that wait to be labelled; their files must be there."""
        with self._lock:
            for choice in choices:
                if not self.knows(choice.image):
                    self._journal.append({"kind": "choose", **asdict(choice)})
                    self._choices[choice.image] = choice

    def drop(self, images: Sequence[str]) -> None:
        """Take back the choice of images that are not labelled; the others stay."""
        with self._lock:
            for image in images:
                if self.choice(image) is not None:
                    self._journal.append({"kind": "drop", "image": image})
                    del self._choices[image]
                    self._frames.pop(image, None)

    # ---------------------------------------------------------------------------- saving

    @property
    def unsaved(self) -> int:
        """How many images have edits that the label files lack, though the journal has them."""
        return len(self._pending)

    @property
    def seconds_since_edit(self) -> float:
        """How long ago the last edit was."""
        return time.monotonic() - self._edited

    def save(self) -> None:
        """Write the label files that lack edits.

        A file that another program has broken, or that cannot be written, is left as it is and told
        in `problems`; its edits stay in the journal.
        """
        with self._lock:
            for name in dict.fromkeys(self._file_of[image] for image in self._pending):
                file = self._files.get(name)
                if file is None:
                    self.problems[name] = f"there is no label file '{name}' any more"
                    continue
                try:
                    self._take_outside_change(name, file)
                    file.write(self._frames_of(name))
                except LPError as error:
                    self.problems[name] = str(error)
                    continue
                self.problems.pop(name, None)
                self._journal.append({"kind": "saved", "file": name, "number": self._number})
                for image in [i for i in self._pending if self._file_of[i] == name]:
                    del self._pending[image]

    def _frames_of(self, name: str) -> dict[str, FrameLabels]:
        return {
            image: labels for image, labels in self._frames.items() if self._file_of[image] == name
        }

    def close(self) -> None:
        """Write what is not written yet, and give back the journal."""
        self.save()
        self._journal.close()

    # ------------------------------------------------------------------- changes from elsewhere

    def _take_outside_changes(self) -> None:
        for name, file in self._files.items():
            try:
                self._take_outside_change(name, file)
            except LPError as error:
                self.problems[name] = str(error)

    def _take_outside_change(self, name: str, file: LabelFile) -> None:
        """Read a file again that another program has changed.

        Edits that it lacks stay; what it says of their images instead is kept in the journal.
        """
        if not file.is_changed():
            return
        if not file.path.exists():
            file.forget()
            for image, labels in self._frames_of(name).items():
                if labels.has_row:
                    self._pending.setdefault(image, self._number)
            return
        found = read_label_file(file.path)
        if found.keypoints != file.keypoints:
            file.refuse_other_keypoints()
        before = file.frames
        file.take(found)
        self.problems.pop(name, None)
        self._merge(name, found.frames, before)

    def _merge(self, name: str, found: Frames, before: Frames) -> None:
        """Take the labels that a file has now, but for images with edits that it lacks."""
        gone = [image for image in self._frames_of(name) if image not in found]
        for image in gone:
            if image not in self._pending:
                del self._frames[image], self._file_of[image]
        for image, labels in found.items():
            if image not in self._pending:
                self._frames[image], self._file_of[image] = labels, name
            elif labels != before.get(image, NOTHING):
                _log.warning("%s: changed here and elsewhere; the edit here stays", image)
                theirs = {"kind": "replaced", "image": image, "labels": labels.to_json()}
                self._journal.append(theirs)

    # ---------------------------------------------------------------------------- the journal

    def _replay(self) -> None:
        """Take from the journal what the label files lack, and the choices."""
        edits: dict[str, Entry] = {}
        for entry in self._journal.entries():
            try:
                self._replay_one(entry, edits)
            except (KeyError, TypeError, ValueError, LPError):
                _log.warning("%s: an entry is not understood", self._journal.path)
        for image, entry in edits.items():
            file = self._files.get(entry["file"])
            if file is not None:
                labels = FrameLabels.from_json(entry["after"], len(file.keypoints))
                self._apply(image, entry["file"], labels, entry["number"])

    def _replay_one(self, entry: Mapping[str, Any], edits: dict[str, Entry]) -> None:
        kind = entry["kind"]
        if kind == "choose":
            self._choices[entry["image"]] = Choice(entry["image"], entry["file"], entry["why"])
        elif kind == "drop":
            self._choices.pop(entry["image"], None)
        elif kind == "edit":
            self._number = max(self._number, int(entry["number"]))
            FrameLabels.from_json(entry["after"], len(self._files[entry["file"]].keypoints))
            edits[str(entry["image"])] = dict(entry)
            self._choices.setdefault(
                entry["image"], Choice(entry["image"], entry["file"], "it was labelled before")
            )
        elif kind == "saved":
            for image in [i for i, e in edits.items() if e["file"] == entry["file"]]:
                if edits[image]["number"] <= entry["number"]:
                    del edits[image]


class Saver:
    """Writes the label files of a store soon after edits, on a thread of its own.

    Args:
        store: The store.
        pause: Seconds without an edit after which files are written.
        longest: Seconds after which they are written even while edits go on.
    """

    def __init__(self, store: LabelStore, pause: float = 0.5, longest: float = 5.0) -> None:
        self._store, self._pause, self._longest = store, pause, longest
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lp-app-saver", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        waited = 0.0
        while not self._stop.wait(self._pause / 2):
            if not self._store.unsaved:
                waited = 0.0
                continue
            waited += self._pause / 2
            if self._store.seconds_since_edit >= self._pause or waited >= self._longest:
                try:
                    self._store.save()
                except OSError:
                    _log.exception("the label files cannot be written; the journal has the edits")
                waited = 0.0

    def close(self) -> None:
        """Stop, and write what is not written yet."""
        self._stop.set()
        self._thread.join()
        self._store.close()
