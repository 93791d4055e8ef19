"""Match the animals of the tables of a session, and write the tables with common names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lp_analysis.errors import TrackingError, TriangulationError
from lp_analysis.tracks.files import review_path
from lp_analysis.tracks.review import Doubt, least_certain, read_review, write_review
from lp_analysis.triangulation.association.matching import (
    MatchingOptions,
    Sighting,
    match_views,
)
from lp_core.geometry.cameras import Rig
from lp_core.poses import PoseTable
from lp_core.poses.csv_text import write_csv
from lp_io.predictions import read_predictions, write_predictions

COLUMNS = ("individual", "view", "tracks", "first_frame", "last_frame", "rows", "margin")
_DOUBTS = 100


class MatchedFiles(NamedTuple):
    """What became of the tables of a session.

    Attributes:
        individuals: The animals that two views or more show, which can have points in space.
        alone: Those that one view shows.
        sightings: See `Sighting`.
        doubts: See `MatchedViews`.
        renamed: By view, the rows that have another name than before.
        files: The lists of sightings and of doubts.
    """

    individuals: tuple[str, ...]
    alone: tuple[str, ...]
    sightings: list[Sighting]
    doubts: list[Doubt]
    renamed: dict[str, int]
    files: tuple[Path, Path]

    def told(self) -> str:
        """What was matched, in a line."""
        views = len(self.renamed)
        rows, changed = sum(found.rows for found in self.sightings), sum(self.renamed.values())
        least = min((found.margin for found in self.sightings if found.margin), default=0.0)
        alone = f"; {len(self.alone)} that one view shows have no points" if self.alone else ""
        return (
            f"{len(self.individuals)} animals matched between {views} views by their cameras, with "
            f"margins of {least:.0f} nats or more{alone}; {changed} of {rows} rows renamed: "
            f"{self.files[0]}; moments to review: {self.files[1]}"
        )


def match_files(
    rig: Rig,
    tables: Mapping[str, Path],
    targets: Mapping[str, Path],
    output: Path,
    options: MatchingOptions | None = None,
) -> MatchedFiles:
    """Match the animals of the tables of a session as `match_views` does, and write their names.

    ``<output>_individuals.csv`` lists which animal each view shows under which names, and how sure
    that is; ``<output>_review.csv`` the moments at which two might be exchanged, the least certain
    first. A list of decisions beside a table that is replaced gets the new names, too.

    Args:
        rig: The cameras.
        tables: By view, predictions of several animals in any format.
        targets: By view, the table to write with the common names, which may be the same file.
        output: The name that the lists begin with, without its ending.
        options: How.

    Raises:
        PoseError: A table cannot be read or written.
        TriangulationError: See `match_views`.
    """
    read = {view: read_predictions(path, several=True) for view, path in tables.items()}
    try:
        found = match_views(rig, read, options)
    except TrackingError as error:
        raise TriangulationError(error.problem, where=error.where, remedy=error.remedy) from error
    for view, path in targets.items():
        review = review_path(tables[view])
        if path == tables[view] and review.is_file():
            write_review(review, _renamed(read_review(review), read[view], found.tables[view]))
        write_predictions(found.tables[view], path)
    stem = output.with_suffix("")
    files = stem.with_name(f"{stem.name}_individuals.csv"), review_path(stem)
    write_csv(files[0], _lines(found.sightings), TriangulationError, "the list of individuals")
    write_review(files[1], least_certain(found.doubts, _DOUBTS))
    views = Counter(sighting.individual for sighting in found.sightings)
    together = tuple(name for name in found.individuals if views[name] > 1)
    alone = tuple(name for name in found.individuals if views[name] == 1)
    return MatchedFiles(together, alone, found.sightings, found.doubts, found.renamed, files)


def _lines(sightings: Sequence[Sighting]) -> list[tuple[object, ...]]:
    """The list of sightings, by animal."""
    ordered = sorted(sightings, key=lambda found: (found.individual, found.view))
    rows = [
        (s.individual, s.view, " ".join(s.tracks), s.first, s.last, s.rows, f"{s.margin:.2f}")
        for s in ordered
    ]
    return [COLUMNS, *rows]


def _renamed(doubts: Sequence[Doubt], before: PoseTable, after: PoseTable) -> list[Doubt]:
    """Doubts about a table with the names that its rows have now, at about the same time."""
    frame = np.array(before.frame, dtype=np.int64)
    names, renamed = np.array(before.individual, object), np.array(after.individual, object)

    def name(individual: str, at: int) -> str:
        rows = np.flatnonzero((names == individual) & (renamed != np.array(None)))
        if not len(rows):
            return individual
        return str(renamed[rows[np.abs(frame[rows] - at).argmin()]])

    return [
        doubt._replace(individuals=tuple(name(each, doubt.frame) for each in doubt.individuals))
        for doubt in doubts
    ]
