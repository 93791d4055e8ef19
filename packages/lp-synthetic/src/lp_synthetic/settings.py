"""What can be chosen about a synthetic project."""

from __future__ import annotations

from dataclasses import dataclass

from lp_synthetic.errors import SyntheticProjectError

CONTEXT = 2
"""Neighbours that are written on either side of each labelled frame."""

_SMALLEST_SIDE = 64
_FEWEST_FRAMES = 2 * CONTEXT + 2


@dataclass(frozen=True)
class SyntheticSettings:
    """The size and the difficulty of a synthetic project.

    Attributes:
        seed: Everything random is drawn from it.
        height: Height of every frame in frame px; even, at least 64.
        width: Width of every frame in frame px; even, at least 64.
        labeled_frames: Frames in ``CollectedData.csv``, spread over all sessions.
        sessions: Recording sessions that the labelled frames come from.
        train_videos: How many of these sessions are also written as unlabelled videos.
        frames_per_video: Length of every session in frames.
        test_frames: Length of the held-out test video in frames.
        ood_frames: Length of the out-of-distribution video in frames.
        ood_labeled_frames: Frames of it that are labelled, in ``CollectedData_new.csv``.
        fps: Frames per second of every video.
        max_turn: How far the animal turns away from the right of the frame, in degrees.

    Raises:
        SyntheticProjectError: The settings contradict each other or cannot be rendered.
    """

    seed: int = 0
    height: int = 256
    width: int = 256
    labeled_frames: int = 240
    sessions: int = 8
    train_videos: int = 2
    frames_per_video: int = 300
    test_frames: int = 300
    ood_frames: int = 300
    ood_labeled_frames: int = 24
    fps: int = 30
    max_turn: float = 40.0

    def __post_init__(self) -> None:
        self._check_frame_size()
        self._check_lengths()
        self._check_counts()

    @classmethod
    def tiny(cls, seed: int = 0) -> SyntheticSettings:
        """A project that is made in about a second, for tests."""
        return cls(
            seed=seed,
            height=96,
            width=96,
            labeled_frames=12,
            sessions=2,
            train_videos=1,
            frames_per_video=24,
            test_frames=16,
            ood_frames=12,
            ood_labeled_frames=3,
        )

    @property
    def video_names(self) -> tuple[str, ...]:
        """Stems of the unlabelled training videos."""
        return self.session_names[: self.train_videos]

    @property
    def session_names(self) -> tuple[str, ...]:
        """Stems of all sessions with labelled frames; the first ones are training videos."""
        return tuple(f"session_{number:02d}" for number in range(self.sessions))

    def _check_frame_size(self) -> None:
        for name in ("height", "width"):
            value = getattr(self, name)
            if value < _SMALLEST_SIDE or value % 2:
                raise SyntheticProjectError(
                    f"{name} is {value}, but H.264 with 4:2:0 colour needs even sides and the "
                    f"animal needs at least {_SMALLEST_SIDE} px",
                    remedy=f"set {name} to an even number from {_SMALLEST_SIDE}",
                )

    def _check_lengths(self) -> None:
        for name in ("frames_per_video", "test_frames", "ood_frames"):
            value = getattr(self, name)
            if value < _FEWEST_FRAMES:
                raise SyntheticProjectError(
                    f"{name} is {value}, too few for labelled frames with ±{CONTEXT} neighbours",
                    remedy=f"set {name} to at least {_FEWEST_FRAMES}",
                )

    def _check_counts(self) -> None:
        rules = [
            (self.seed >= 0, f"seed is {self.seed}, but must not be negative"),
            (self.fps >= 1, f"fps is {self.fps}, but must be at least 1"),
            (0 <= self.max_turn <= 180, f"max_turn is {self.max_turn}, not within 0 and 180"),
            (self.sessions >= 1, f"sessions is {self.sessions}, but must be at least 1"),
            (
                0 <= self.train_videos <= self.sessions,
                f"train_videos is {self.train_videos}, but there are {self.sessions} sessions",
            ),
            (
                self.labeled_frames >= self.sessions,
                f"labeled_frames is {self.labeled_frames}, fewer than sessions ({self.sessions})",
            ),
            (
                self.labeled_frames <= self.sessions * (self.frames_per_video - 2 * CONTEXT),
                f"labeled_frames is {self.labeled_frames}, more than {self.sessions} sessions of "
                f"{self.frames_per_video} frames hold",
            ),
            (
                1 <= self.ood_labeled_frames <= self.ood_frames - 2 * CONTEXT,
                f"ood_labeled_frames is {self.ood_labeled_frames}, not within 1 and "
                f"{self.ood_frames - 2 * CONTEXT} (ood_frames less its ends)",
            ),
        ]
        for met, problem in rules:
            if not met:
                raise SyntheticProjectError(problem, remedy="change the synthetic settings")
