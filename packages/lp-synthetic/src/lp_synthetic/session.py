"""The sessions of a project: how animals move, how they look, what a labeller would note."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.geometry.cameras import Rig
from lp_synthetic.behaviour import wander
from lp_synthetic.camera import Camera, MirrorCamera, OverheadCamera
from lp_synthetic.errors import SyntheticProjectError
from lp_synthetic.look import FAMILIAR, UNFAMILIAR, Look, vary
from lp_synthetic.performance import Performance, in_open_field, on_moving_floor
from lp_synthetic.rigs import UNIT, RigCamera, build_rig
from lp_synthetic.scene import Frame, Scene
from lp_synthetic.settings import CONTEXT, SyntheticSettings
from lp_synthetic.skeleton import keypoint_joints, keypoint_names, skeleton_edges

TEST, OOD = "test", "ood"
"""Names of the held-out recording, and of the one that looks different."""


class Take(NamedTuple):
    """What happens in a recording, whoever films it.

    Attributes:
        seed: Its random numbers begin with this.
        acted: The poses of the animals.
        look: How it looks.
        labeled: The frames that are labelled, in rising order.
        lamps: (frames, 2) place of the lamp, 0 to 1, and its brightness.
    """

    seed: tuple[int, ...]
    acted: Performance
    look: Look
    labeled: tuple[int, ...]
    lamps: Float[ndarray, "frames 2"]


class Session:
    """What one camera films of a recording; any frame can be rendered, always to the same pixels.

    Args:
        settings: Those of the project.
        recording: The name of the recording.
        take: What happens in it.
        camera: Who films it.
        rng: What the arena and the fur are drawn from.
        folder: The folder of its video within the project; None where none is written.
        view: The name of the camera, where there are several.
        rig: All of them, where there are several.

    Attributes:
        name: Stem of its video, and name of its folder of labelled frames.
        individuals: Names of several animals; empty for one.
        keypoint_names: Names of the keypoints of one animal.
        edges: Pairs of them to join by a line.
        labeled: The frames that are labelled, in rising order.
        keypoints: (frames, animals, keypoints, 2) frame px in the order of ``keypoint_names``,
            whether they can be seen or not.
        order: (frames, animals) the animals from the lowest or farthest to the uppermost or
            nearest.
    """

    def __init__(
        self,
        settings: SyntheticSettings,
        recording: str,
        take: Take,
        camera: Camera,
        rng: np.random.Generator,
        folder: str | None,
        view: str = "",
        rig: Rig | None = None,
    ) -> None:
        self.recording, self.view, self.camera, self._rig = recording, view, camera, rig
        self.name = f"{recording}_{view}" if view else recording
        self.video = f"{folder}/{self.name}.mp4" if folder else None
        self.frames, self.fps = take.acted.poses.shape[1], settings.fps
        self.individuals = settings.individuals
        self.keypoint_names = tuple(keypoint_names(settings.views))
        self.edges = tuple(skeleton_edges(settings.views))
        self.labeled = take.labeled
        self._take = take
        self._poses, self._slid, self.order = take.acted
        pixels, depth = camera.project(self._poses[:, :, keypoint_joints()])
        by_frame = pixels.transpose(1, 0, 3, 2, 4)
        self.keypoints = by_frame.reshape(self.frames, settings.animals, -1, 2)
        if view:
            self.order = np.argsort(-depth.mean(axis=(2, 3)).T, axis=1)
        self._scene = Scene(camera, take.look, rng, settings.animals, marked=settings.marked)

    @property
    def rig(self) -> Rig:
        """The several cameras of the recording.

        Raises:
            SyntheticProjectError: There is one camera, which is not calibrated.
        """
        if self._rig is None:
            raise SyntheticProjectError(f"the camera of '{self.name}' is not calibrated")
        return self._rig

    @property
    def world(self) -> Float[ndarray, "frames animals keypoints 3"]:
        """The keypoints in space, in mm."""
        return self._poses[:, :, keypoint_joints()].swapaxes(0, 1) * UNIT

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
        order, lamp = self.order[frame].tolist(), self._take.lamps[frame].tolist()
        rng = np.random.default_rng([*self._take.seed, frame])
        return self._scene.photograph(self._poses[:, around], order, self._slid[frame], lamp, rng)


def film(
    settings: SyntheticSettings,
    recording: str,
    number: int,
    frames: int,
    labels: int,
    folder: str | None,
    look: Look = FAMILIAR,
) -> list[Session]:
    """One recording, as each camera films it.

    Args:
        settings: Those of the project.
        recording: Its name.
        number: Tells its random numbers from those of other recordings.
        frames: Its length.
        labels: How many of its frames are labelled.
        folder: The folder of its videos within the project; None where none are written.
        look: The look that it varies.
    """
    seed = settings.seed, number
    rng = np.random.default_rng(seed)
    look = vary(look, rng)
    camera: Camera = MirrorCamera(settings.height, settings.width)
    if settings.overhead:
        look = replace(look, belly=look.fur)  # it is not seen from above
        camera = OverheadCamera(settings.height, settings.width, settings.animal_px)
        acted = in_open_field(rng, settings, frames, look.size, camera)
    else:
        acted = on_moving_floor(rng, settings, frames, look.size)
    labeled = _spread(rng, frames, labels)
    fps = float(settings.fps)
    place = np.clip(0.5 + 0.5 * wander(rng, frames, 2.0 * fps), 0.0, 1.0)
    bright = 1.0 + look.flicker * wander(rng, frames, 0.5 * fps)
    take = Take(seed, acted, look, labeled, np.stack([place, bright], axis=-1))
    if settings.cameras == 1:
        return [Session(settings, recording, take, camera, rng, folder)]
    rig = build_rig(settings, number)
    arena = int(rng.integers(2**31))
    return [
        Session(
            settings,
            recording,
            take._replace(seed=(*seed, view)),
            RigCamera.of(rig, view),
            np.random.default_rng(arena),
            folder,
            rig.names[view],
            rig,
        )
        for view in range(len(rig))
    ]


def training_sessions(settings: SyntheticSettings) -> list[Session]:
    """The sessions of the labels to train with; the first ones are also unlabelled videos."""
    frames = settings.frames_per_video
    shares = np.array_split(np.arange(settings.labeled_frames), settings.sessions)
    return [
        session
        for number, (name, labels) in enumerate(zip(settings.session_names, shares, strict=True))
        for session in film(
            settings,
            name,
            number,
            frames,
            len(labels),
            "videos" if number < settings.train_videos else None,
        )
    ]


def held_out_sessions(settings: SyntheticSettings) -> list[Session]:
    """The held-out test videos, one of each camera."""
    return film(settings, TEST, settings.sessions, settings.test_frames, 0, "videos_test")


def ood_sessions(settings: SyntheticSettings) -> list[Session]:
    """The out-of-distribution videos, one of each camera, which are labelled too."""
    frames, labels = settings.ood_frames, settings.ood_labeled_frames
    number = settings.sessions + 1
    return film(settings, OOD, number, frames, labels, "videos_ood", UNFAMILIAR)


def _spread(rng: np.random.Generator, frames: int, count: int) -> tuple[int, ...]:
    """``count`` frames spread over a session, one at random from each stretch of it."""
    stretches = np.array_split(np.arange(CONTEXT, frames - CONTEXT), count) if count else []
    return tuple(int(rng.choice(stretch)) for stretch in stretches)
