"""The sessions of a project: how animals move, how they look, what a labeller would note."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

import numpy as np

from lp_synthetic.behaviour import wander
from lp_synthetic.camera import Camera, MirrorCamera, OverheadCamera
from lp_synthetic.look import FAMILIAR, UNFAMILIAR, Look, vary
from lp_synthetic.performance import in_open_field, on_moving_floor
from lp_synthetic.scene import Frame, Scene
from lp_synthetic.settings import CONTEXT, SyntheticSettings
from lp_synthetic.skeleton import keypoint_joints, keypoint_names, skeleton_edges


class Session:
    """One recording; any of its frames can be rendered, in any order, always to the same pixels.

    Args:
        settings: Those of the project.
        name: Stem of its video, and name of its folder of labelled frames.
        number: Tells its random numbers from those of other sessions.
        frames: Its length.
        labels: How many of its frames are labelled.
        video: The video's path within the project; None where none is written.
        look: The look that it varies.

    Attributes:
        individuals: Names of several animals; empty for one.
        keypoint_names: Names of the keypoints of one animal.
        edges: Pairs of them to join by a line.
        labeled: The frames that are labelled, in rising order.
        keypoints: (frames, animals, keypoints, 2) frame px in the order of ``keypoint_names``,
            whether they can be seen or not.
        order: (frames, animals) the animals from the lowest to the uppermost.
    """

    def __init__(
        self,
        settings: SyntheticSettings,
        name: str,
        number: int,
        frames: int,
        labels: int,
        video: str | None,
        look: Look = FAMILIAR,
    ) -> None:
        self._seed = settings.seed, number
        rng = np.random.default_rng(self._seed)
        look = vary(look, rng)
        if settings.overhead:
            look = replace(look, belly=look.fur)  # it is not seen from above
        self.name, self.frames, self.video, self.fps = name, frames, video, settings.fps
        self.individuals = settings.individuals
        self.keypoint_names = tuple(keypoint_names(settings.views))
        self.edges = tuple(skeleton_edges(settings.views))
        self.camera: Camera = MirrorCamera(settings.height, settings.width)
        if settings.overhead:
            self.camera = OverheadCamera(settings.height, settings.width, settings.animal_px)
            acted = in_open_field(rng, settings, frames, look.size, self.camera)
        else:
            acted = on_moving_floor(rng, settings, frames, look.size)
        self._poses, self._slid, self.order = acted.poses, acted.slid, acted.order
        pixels = self.camera.project(self._poses[:, :, keypoint_joints()])[0]
        by_frame = pixels.transpose(1, 0, 3, 2, 4)
        self.keypoints = by_frame.reshape(frames, settings.animals, -1, 2)
        self.labeled = _spread(rng, frames, labels)
        fps = float(settings.fps)
        place = np.clip(0.5 + 0.5 * wander(rng, frames, 2.0 * fps), 0.0, 1.0)
        bright = 1.0 + look.flicker * wander(rng, frames, 0.5 * fps)
        self._lamps = np.stack([place, bright], axis=-1)
        self._scene = Scene(self.camera, look, rng, settings.animals, marked=settings.marked)

    @property
    def images(self) -> tuple[int, ...]:
        """The frames that are written as images: the labelled ones and their neighbours."""
        around = range(-CONTEXT, CONTEXT + 1)
        return tuple(sorted({frame + step for frame in self.labeled for step in around}))

    @property
    def rendered(self) -> tuple[int, ...]:
        """The frames that must be rendered."""
        return tuple(range(self.frames)) if self.video else self.images

    def image_path(self, frame: int) -> str:
        """Where a frame's image lies within the project."""
        return f"labeled-data/{self.name}/img{frame:08d}.png"

    def shoot(self, frame: int) -> Frame:
        """Render one frame."""
        around = np.clip([frame - 1, frame, frame + 1], 0, self.frames - 1)
        order, lamp = self.order[frame].tolist(), self._lamps[frame].tolist()
        rng = np.random.default_rng([*self._seed, frame])
        return self._scene.photograph(self._poses[:, around], order, self._slid[frame], lamp, rng)


def training_sessions(settings: SyntheticSettings) -> list[Session]:
    """The sessions of ``CollectedData.csv``; the first ones are also unlabelled videos."""
    frames = settings.frames_per_video
    shares = np.array_split(np.arange(settings.labeled_frames), settings.sessions)
    videos = [f"videos/{name}.mp4" for name in settings.video_names]
    kinds = zip_longest(settings.session_names, map(len, shares), videos)
    return [
        Session(settings, name, number, frames, labels, video)
        for number, (name, labels, video) in enumerate(kinds)
    ]


def held_out_session(settings: SyntheticSettings) -> Session:
    """The held-out test video."""
    frames = settings.test_frames
    return Session(settings, "test", settings.sessions, frames, 0, "videos_test/test.mp4")


def all_sessions(settings: SyntheticSettings) -> list[Session]:
    """Those of training, the test video, and the out-of-distribution one that is labelled too."""
    frames, labels = settings.ood_frames, settings.ood_labeled_frames
    video, number = "videos_ood/ood.mp4", settings.sessions + 1
    ood = Session(settings, "ood", number, frames, labels, video, UNFAMILIAR)
    return [*training_sessions(settings), held_out_session(settings), ood]


def _spread(rng: np.random.Generator, frames: int, count: int) -> tuple[int, ...]:
    """``count`` frames spread over a session, one at random from each stretch of it."""
    stretches = np.array_split(np.arange(CONTEXT, frames - CONTEXT), count) if count else []
    return tuple(int(rng.choice(stretch)) for stretch in stretches)
