"""What is true in space: the cameras of each recording, and every keypoint in mm."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lp_core.poses import PoseTable, Skeleton
from lp_io.calibration import write_rig
from lp_io.points3d import Points3D, write_points3d
from lp_synthetic.labelling import SCORER
from lp_synthetic.project import CALIBRATIONS
from lp_synthetic.session import Session

_DECIMALS = 5


def write_space(folder: Path, sessions: Iterable[Session]) -> None:
    """Write the cameras of recordings, and where every keypoint is in every frame, in mm.

    Args:
        folder: The folder of the project.
        sessions: What one of several cameras films of each recording.
    """
    for session in sessions:
        write_rig(session.rig, folder / CALIBRATIONS / f"{session.recording}.toml")
        points = Points3D(_table(session), unit=session.rig.unit)
        write_points3d(points, folder / f"truth/{session.recording}_3d.csv")


def _table(session: Session) -> PoseTable:
    frames, animals = session.world.shape[:2]
    return PoseTable(
        Skeleton(session.keypoint_names, session.edges),
        session.world.reshape(frames * animals, -1, 3).round(_DECIMALS),
        tuple(frame for frame in range(frames) for _ in range(animals)),
        individual=session.individuals * frames or None,
        scorer=SCORER,
    )
