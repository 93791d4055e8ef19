"""What can be chosen about a synthetic project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lp_synthetic.errors import SyntheticProjectError
from lp_synthetic.skeleton import VIEWS

VIEW_NAMES = ("top", "front", "left", "right", "back", "side")
"""Names of cameras around the arena."""

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
        max_turn: How far the animal on the moving floor turns from the right of the frame, degrees.
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
        cameras: Calibrated cameras around the arena, 1 to 6; see `lp_synthetic.rigs`. With several,
            animals neither leave nor cross unless they are asked to.
        fisheye: Whether every third of several cameras has a fisheye lens.
        glass_floor: Whether the first of three or more cameras looks up through a floor of glass,
            and the others stand low, as in a laboratory that measures paws in space.

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
    cameras: int = 1
    fisheye: bool = True
    glass_floor: bool = False

    def __post_init__(self) -> None:
        for met, problem in self._rules():
            if not met:
                raise SyntheticProjectError(problem, remedy="change the synthetic settings")

    @classmethod
    def tiny(cls, seed: int = 0) -> SyntheticSettings:
        """A project that is made in about a second, for tests."""
        return cls(
            seed, 96, 96, labeled_frames=12, sessions=2, train_videos=1, frames_per_video=24,
            test_frames=16, ood_frames=12, ood_labeled_frames=3,
        )  # fmt: skip

    @classmethod
    def several(cls, animals: int, seed: int = 0) -> SyntheticSettings:
        """Several animals: 60 labelled frames, and a test video of a minute."""
        return cls(seed=seed, animals=animals, labeled_frames=60, test_frames=1800)

    @classmethod
    def multiview(cls, cameras: int, seed: int = 0, animals: int = 1) -> SyntheticSettings:
        """Several cameras: 60 labelled frames of each view, and a test video of ten seconds."""
        return cls(
            seed=seed, cameras=cameras, animals=animals, labeled_frames=60, sessions=6,
            test_frames=300, ood_frames=120, ood_labeled_frames=12,
        )  # fmt: skip

    @property
    def session_names(self) -> tuple[str, ...]:
        """Stems of all sessions with labelled frames."""
        return tuple(f"session_{number:02d}" for number in range(self.sessions))

    @property
    def video_names(self) -> tuple[str, ...]:
        """Stems of the unlabelled training videos: the first sessions."""
        return self.session_names[: self.train_videos]

    @property
    def overhead(self) -> bool:
        """Whether the animals are in the open field."""
        return self.open_field or self.animals > 1 or self.cameras > 1

    @property
    def view_names(self) -> tuple[str, ...]:
        """Names of several cameras; empty for one."""
        names = ("below", *VIEW_NAMES[1:]) if self.glass_floor else VIEW_NAMES
        return names[: self.cameras] if self.cameras > 1 else ()

    @property
    def views(self) -> tuple[str, ...]:
        """Suffixes of the keypoint names; none where there is one view."""
        return () if self.overhead else VIEWS

    @property
    def individuals(self) -> tuple[str, ...]:
        """Names of several animals; empty for one."""
        return tuple(f"mouse{number + 1}" for number in range(self.animals * (self.animals > 1)))

    @property
    def animal_px(self) -> float:
        """Length of an animal in the open field, in frame px."""
        return self.body_length_px or _BODY_SHARE * min(self.height, self.width)

    def plan(self, frames: int) -> dict[str, int]:
        """How often each kind of event happens at least in so many frames."""
        others = self.animals - 1
        usual_of = {"absence": 2.0 * self.animals if others else 0.0, "crossing": 10.0 * others}
        if self.cameras > 1:  # animals are solid, and the rig looks at the middle of the arena
            usual_of = dict.fromkeys(usual_of, 0.0)
        rates = {
            "absence": (self.absences, usual_of["absence"]),
            "touch": (self.touches, 3.0 * others),
            "crossing": (self.crossings, usual_of["crossing"]),
        }
        minutes = frames / (60.0 * self.fps)
        return {
            kind: int((usual if asked is None else asked) * minutes)
            for kind, (asked, usual) in rates.items()
        }

    def _rules(self) -> Iterator[tuple[bool, str]]:
        """Whether each rule is met, and what to say where it is not."""
        for name in ("height", "width"):
            side = getattr(self, name)
            good = side >= _SMALLEST_SIDE and side % 2 == 0
            yield good, f"{name} is {side}, not an even number from {_SMALLEST_SIDE}"
        for name in ("frames_per_video", "test_frames", "ood_frames"):
            count = getattr(self, name)
            problem = f"{name} is {count}, less than {_FEWEST_FRAMES}: labelled frames need"
            yield count >= _FEWEST_FRAMES, f"{problem} {CONTEXT} neighbours on either side"
        for name in ("seed", "crossings", "touches", "absences"):
            value = getattr(self, name)
            yield (value or 0) >= 0, f"{name} is {value}, but must not be negative"
        yield self.fps >= 1, f"fps is {self.fps}, but must be at least 1"
        yield 0 <= self.max_turn <= 180, f"max_turn is {self.max_turn}, not within 0 and 180"
        yield from self._rules_of_counts()
        yield from self._rules_of_animals()

    def _rules_of_counts(self) -> Iterator[tuple[bool, str]]:
        sessions, labels = self.sessions, f"labeled_frames is {self.labeled_frames}"
        yield sessions >= 1, f"sessions is {sessions}, but must be at least 1"
        problem = f"train_videos is {self.train_videos}, but there are {sessions} sessions"
        yield 0 <= self.train_videos <= sessions, problem
        yield self.labeled_frames >= sessions, f"{labels}, fewer than sessions ({sessions})"
        problem = f"{labels}, more than {sessions} sessions of {self.frames_per_video} frames hold"
        yield self.labeled_frames <= sessions * (self.frames_per_video - 2 * CONTEXT), problem
        most, count = self.ood_frames - 2 * CONTEXT, self.ood_labeled_frames
        problem = f"ood_labeled_frames is {count}, not within 1 and {most} (ood_frames less its"
        yield 1 <= count <= most, f"{problem} ends)"

    def _rules_of_animals(self) -> Iterator[tuple[bool, str]]:
        yield (
            1 <= self.cameras <= len(VIEW_NAMES),
            (f"cameras is {self.cameras}, not within 1 and {len(VIEW_NAMES)}"),
        )
        yield (
            self.cameras > 2 or not self.glass_floor,
            f"glass_floor needs a camera below it and two beside it, but cameras is {self.cameras}",
        )
        several, most = self.animals > 1, 0.5 * min(self.height, self.width)
        problem = f"animals is {self.animals}, not within 1 and {_MOST_ANIMALS}"
        yield 1 <= self.animals <= _MOST_ANIMALS, problem
        yield several or not self.marked, "marked tells several animals apart, but animals is 1"
        meet = self.crossings or self.touches
        yield several or not meet, "crossings and touches need two animals, but animals is 1"
        for name in ("body_length_px", "absences"):
            free = self.overhead or not getattr(self, name)
            yield free, f"{name} is of the open field, but open_field is not set"
        problem = f"body_length_px is {self.animal_px:g}, not within {_SHORTEST_BODY} and half the"
        good = not self.overhead or _SHORTEST_BODY <= self.animal_px <= most
        yield good, f"{problem} shorter side of the frame"
