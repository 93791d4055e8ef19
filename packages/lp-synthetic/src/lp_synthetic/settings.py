"""What can be chosen about a synthetic project."""

from __future__ import annotations

from dataclasses import dataclass

from lp_synthetic.errors import SyntheticProjectError
from lp_synthetic.skeleton import VIEWS

CONTEXT = 2
"""Neighbours that are written on either side of each labelled frame."""

_SMALLEST_SIDE = 64
_FEWEST_FRAMES = 2 * CONTEXT + 2
_MOST_ANIMALS = 6
_BODY_SHARE = 0.22
_SHORTEST_BODY = 20


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
        max_turn: How far the animal on the moving floor turns away from the right of the frame, in
            degrees.
        animals: Animals in every frame, 1 to 6. Several are filmed from above in an open field.
        marked: Whether each animal has its own colour and marks; otherwise all look the same.
        open_field: Whether one animal, too, is filmed in the open field, not on the moving floor.
        body_length_px: Length of the animals in the open field from nose to tail base, in frame px;
            None for 0.22 of the shorter side of the frame.
        crossings: How often per minute two animals cross at least, see `lp_synthetic.contacts`;
            None for 10 times one less than there are animals.
        touches: How often per minute two animals touch at least; None for 3 times one less.
        absences: How often per minute an animal leaves the frame and comes back at least; None for
            twice for each of several animals.

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
    animals: int = 1
    marked: bool = False
    open_field: bool = False
    body_length_px: float | None = None
    crossings: float | None = None
    touches: float | None = None
    absences: float | None = None

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

    @classmethod
    def several(cls, animals: int, seed: int = 0) -> SyntheticSettings:
        """Several animals: 60 labelled frames, and a test video of a minute."""
        return cls(seed=seed, animals=animals, labeled_frames=60, test_frames=1800)

    @property
    def video_names(self) -> tuple[str, ...]:
        """Stems of the unlabelled training videos."""
        return self.session_names[: self.train_videos]

    @property
    def session_names(self) -> tuple[str, ...]:
        """Stems of all sessions with labelled frames; the first ones are training videos."""
        return tuple(f"session_{number:02d}" for number in range(self.sessions))

    @property
    def overhead(self) -> bool:
        """Whether the animals are filmed from above."""
        return self.open_field or self.animals > 1

    @property
    def individuals(self) -> tuple[str, ...]:
        """Names of several animals; empty for one."""
        return tuple(f"mouse{number + 1}" for number in range(self.animals * (self.animals > 1)))

    @property
    def views(self) -> tuple[str, ...]:
        """Suffixes of the keypoint names; none where there is one view."""
        return () if self.overhead else VIEWS

    @property
    def animal_px(self) -> float:
        """Length of an animal in the open field, in frame px."""
        return self.body_length_px or _BODY_SHARE * min(self.height, self.width)

    def plan(self, frames: int) -> dict[str, int]:
        """How often each kind of event happens at least in so many frames."""
        others = self.animals - 1
        usual = {"absence": 2.0 * self.animals * (others > 0), "touch": 3.0 * others}
        usual["crossing"] = 10.0 * others
        asked = {"absence": self.absences, "touch": self.touches, "crossing": self.crossings}
        minutes = frames / (60.0 * self.fps)
        rates = {kind: usual[kind] if rate is None else rate for kind, rate in asked.items()}
        return {kind: int(rate * minutes) for kind, rate in rates.items()}

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
            (
                1 <= self.animals <= _MOST_ANIMALS,
                f"animals is {self.animals}, not within 1 and {_MOST_ANIMALS}",
            ),
            (
                self.animals > 1 or not self.marked,
                "marked tells several animals apart, but animals is 1",
            ),
            (
                self.overhead or self.body_length_px is None,
                "body_length_px is of the open field, but open_field is not set",
            ),
            (
                _SHORTEST_BODY <= self.animal_px <= 0.5 * min(self.height, self.width)
                or not self.overhead,
                f"body_length_px is {self.animal_px:g}, not within {_SHORTEST_BODY} and half the "
                "shorter side of the frame",
            ),
            *(
                ((rate or 0) >= 0, f"{name} is {rate}, but must not be negative")
                for name, rate in (
                    ("crossings", self.crossings),
                    ("touches", self.touches),
                    ("absences", self.absences),
                )
            ),
            (
                self.animals > 1 or not (self.crossings or self.touches),
                "crossings and touches need two animals, but animals is 1",
            ),
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
