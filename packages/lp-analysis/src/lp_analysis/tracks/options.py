"""What a user may say about the animals and their motion."""

from __future__ import annotations

from dataclasses import dataclass

from lp_analysis.errors import TrackingError


@dataclass(frozen=True)
class TrackingOptions:
    """How individuals are followed over time.

    Lengths are in body sizes: the diagonal of the box around an animal's keypoints.

    Attributes:
        animals: How many animals there are at most; None where that is not known. With a known
            number, no more tracks begin, and a track that was lost may go on anywhere.
        body_size: The size of a body in frame px; None takes it from the poses.
        max_coast: Frames for which a track without a row is predicted; then it is suspended, and
            its velocity is forgotten.
        forget_after: Frames after which a track without a row ends. Tracks of a known number of
            animals never end once they are established.
        established: Rows that a track needs before it survives a loss.
        acceleration: Standard deviation of the change of velocity, in body sizes per frame², at
            first; each track adapts its own.
        first_speed: Standard deviation of the velocity of a new track, in body sizes per frame.
        jitter: Standard deviation of a predicted centre, in body sizes.
        pose_change: Scale of a keypoint's motion relative to the body from frame to frame, in body
            sizes.
        miss_rate: How often a visible animal gets no row.
        new_rate: Rows of new animals, or of none, per frame and area of a body.
        new_score: A row with less score continues a track, but begins none.

    Raises:
        TrackingError: A value is out of range.
    """

    animals: int | None = None
    body_size: float | None = None
    max_coast: int = 10
    forget_after: int = 300
    established: int = 3
    acceleration: float = 0.1
    first_speed: float = 0.5
    jitter: float = 0.03
    pose_change: float = 0.1
    miss_rate: float = 0.05
    new_rate: float = 1e-4
    new_score: float = 0.0

    def __post_init__(self) -> None:
        if self.animals is not None and self.animals < 1:
            raise TrackingError(f"the number of animals must be at least 1, got {self.animals}")
        for name in ("max_coast", "forget_after", "established"):
            if getattr(self, name) < 1:
                raise TrackingError(f"{name} must be at least 1, got {getattr(self, name)}")
        positive = ("acceleration", "first_speed", "jitter", "pose_change", "new_rate", "body_size")
        for name in positive:
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise TrackingError(f"{name} must be positive, got {value}")
        if not 0 < self.miss_rate < 1:
            raise TrackingError(f"miss_rate must be between 0 and 1, got {self.miss_rate}")
