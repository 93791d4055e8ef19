"""Which view and session a file is of, by the end of its name.

``mouse1_cam10`` is the view ``cam10`` of the session ``mouse1``: of several views whose names the
end fits, the longest one counts, and a view within a name, or a part of another view's name, does
not. Sessions and views are compared in composed Unicode.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from lp_core.poses import PoseTable
from lp_data.errors import SessionError

_NUMBER = re.compile(r"\d+(?=\D*$)")


class OfView(NamedTuple):
    """What a name says: the session, which may be empty, and the view."""

    session: str
    view: str


@dataclass(frozen=True)
class ViewNames:
    """The views of a project, in the order in which batches and outputs have them.

    Attributes:
        names: V names.
        offsets: For a session and a view, how many frames later the video shows a moment than the
            session counts it, where that is not 0: frame n of the session is frame n + offset of
            the video and of the images that were taken from it.

    Raises:
        SessionError: A name is empty, comes twice or cannot end the name of a file.
    """

    names: tuple[str, ...]
    offsets: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(map(_composed, self.names)))
        for name in self.names:
            if not name.strip() or set(name) & set("/\\"):
                raise SessionError(f"'{name}' cannot be the name of a view", where="view_names")
            if self.names.count(name) > 1:
                raise SessionError(f"the view '{name}' is named twice", where="view_names")

    def __len__(self) -> int:
        """V, the number of views."""
        return len(self.names)

    def split(self, name: str) -> OfView | None:
        """The session and the view that a name ends in, the longest that fits; None where none.

        Args:
            name: Of a folder, or of a file without its ending.
        """
        name = _composed(name)
        if name in self.names:
            return OfView("", name)
        for view in sorted(self.names, key=len, reverse=True):
            session = name.removesuffix(f"_{view}")
            if session not in (name, ""):
                return OfView(session, view)
        return None

    def moment(self, path: str, view: str) -> str:
        """What the images of one frame have in common: their path without the view.

        Args:
            path: Of an image of the view, with forward slashes. A folder's name is the view, or
                ends in ``_`` and the view.
            view: The view.

        Raises:
            SessionError: The folders do not say the view, or say another one.
        """
        *folders, name = path.split("/")
        for place in reversed(range(len(folders))):
            found = self.split(folders[place])
            if found is None:
                continue
            if found.view != view:
                raise SessionError(
                    f"'{path}' is an image of the view '{found.view}', and the label file is that "
                    f"of '{view}'",
                    remedy="list label files in the order of view_names",
                )
            kept = [*folders[:place], *filter(None, [found.session]), *folders[place + 1 :]]
            session = kept[-1] if kept else ""
            return "/".join([*kept, _earlier(name, self.offsets.get((session, view), 0))])
        raise SessionError(
            f"no folder of '{path}' says that it is an image of the view '{view}'",
            remedy=f"put the images into folders like labeled-data/SESSION_{view}",
        )

    def moments(self, table: PoseTable) -> tuple[str, ...]:
        """For each row of labels what it has in common with those of the other views.

        Raises:
            SessionError: The path of an image does not say its view.
        """
        rows = zip(table.image_paths, table.view or (None,) * len(table), strict=True)
        return tuple(path if view is None else self.moment(path, view) for path, view in rows)

    def numbers(self, table: PoseTable) -> tuple[int, ...]:
        """For each row of labels the number of its view; 0 where the table has none."""
        return tuple(
            0 if view is None else self.names.index(view)
            for view in table.view or (None,) * len(table)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        offsets = [[*key, frames] for key, frames in self.offsets.items()]
        return {"names": list(self.names), "offsets": offsets}

    @classmethod
    def from_dict(cls, values: object) -> ViewNames | None:
        """What `to_dict` gave; None of None.

        Raises:
            SessionError: The values are not such.
        """
        if values is None:
            return None
        try:
            named = cast("dict[str, Any]", values)
            offsets = {(str(s), str(v)): int(frames) for s, v, frames in named["offsets"]}
            return cls(tuple(map(str, named["names"])), offsets)
        except (KeyError, TypeError, ValueError) as error:
            raise SessionError("what is kept of the views is damaged") from error


def session_of(moment: str) -> str:
    """The session of what `ViewNames.moment` gives."""
    return moment.rpartition("/")[0].rpartition("/")[2]


def _earlier(name: str, frames: int) -> str:
    """The name of the image so many frames earlier; the same where it has no number."""
    match = _NUMBER.search(name)
    if match is None or frames == 0:
        return name
    number = f"{int(match[0]) - frames:0{len(match[0])}d}"
    return name[: match.start()] + number + name[match.end() :]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
