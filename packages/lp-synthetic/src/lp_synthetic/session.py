"""The sessions of a project: how the animal moves, how it looks, what a labeller would note."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from lp_synthetic.behaviour import Motion, wander
from lp_synthetic.camera import Camera
from lp_synthetic.look import FAMILIAR, UNFAMILIAR, Look, vary
from lp_synthetic.pose import animate
from lp_synthetic.scene import Frame, Scene
from lp_synthetic.settings import CONTEXT, SyntheticSettings
from lp_synthetic.skeleton import VIEWS, keypoint_joints


@dataclass(frozen=True)
class Shot:
    """One rendered frame; keypoints in the order of ``keypoint_names``.

    Attributes:
        image: RGB.
        codes: 0 outside the view, 1 hidden, 2 visible.
        unguessable: Whether a human could not place the keypoint.
    """

    image: UInt8[ndarray, "height width 3"]
    codes: Int[ndarray, " keypoints"]
    unguessable: Bool[ndarray, " keypoints"]


class Session:
    """One recording; any of its frames can be rendered, in any order, always to the same pixels.

    Args:
        settings: Frame size, frame rate and the range of behaviour.
        name: Stem of its video, and name of its folder of labelled frames.
        seed: Source of everything random.
        frames: Its length.
        labels: How many of its frames are labelled.
        video: The video's path within the project; None where none is written.
        look: The look that it varies.

    Attributes:
        labeled: The frames that are labelled, in rising order.
        poses: (frames, joints, 3) world positions of the joints.
        keypoints: (frames, keypoints, 2) frame px in the order of ``keypoint_names``, whether
            they can be seen or not.
    """

    def __init__(
        self,
        settings: SyntheticSettings,
        name: str,
        seed: tuple[int, ...],
        *,
        frames: int,
        labels: int,
        video: str | None,
        look: Look = FAMILIAR,
    ) -> None:
        rng = np.random.default_rng(seed)
        look = vary(look, rng)
        self.name, self.frames, self.video, self.fps = name, frames, video, settings.fps
        self.camera = Camera(settings.height, settings.width)
        rate = float(settings.fps)
        self.poses, motion = animate(rng, frames, rate, float(settings.max_turn), look.size)
        self.keypoints = _keypoints(self.camera, self.poses)
        self.labeled = _spread(rng, frames, labels)
        self._slid = _floor_slid(motion, look.size, rate)
        self._lamps = _lamps(rng, look, frames, rate)
        self._scene = Scene(self.camera, look, rng)
        self._seed = seed

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

    def shoot(self, frame: int) -> Shot:
        """Render one frame."""
        around = np.clip([frame - 1, frame, frame + 1], 0, self.frames - 1)
        place, brightness = self._lamps[frame].tolist()
        rng = np.random.default_rng([*self._seed, frame])
        picture: Frame = self._scene.photograph(
            self.poses[around], self._slid[frame], (place, brightness), rng
        )
        return Shot(picture.image, picture.visibility.T.ravel(), picture.unguessable.T.ravel())


def training_sessions(settings: SyntheticSettings) -> list[Session]:
    """The sessions of ``CollectedData.csv``; the first ones are also unlabelled videos."""
    shares = np.array_split(np.arange(settings.labeled_frames), settings.sessions)
    return [
        Session(
            settings,
            name,
            (settings.seed, number),
            frames=settings.frames_per_video,
            labels=len(share),
            video=f"videos/{name}.mp4" if name in settings.video_names else None,
        )
        for number, (name, share) in enumerate(zip(settings.session_names, shares, strict=True))
    ]


def held_out_session(settings: SyntheticSettings) -> Session:
    """The held-out test video."""
    return Session(
        settings,
        "test",
        (settings.seed, settings.sessions),
        frames=settings.test_frames,
        labels=0,
        video="videos_test/test.mp4",
    )


def unfamiliar_session(settings: SyntheticSettings) -> Session:
    """The out-of-distribution session, whose labels are ``CollectedData_new.csv``."""
    return Session(
        settings,
        "ood",
        (settings.seed, settings.sessions + 1),
        frames=settings.ood_frames,
        labels=settings.ood_labeled_frames,
        video="videos_ood/ood.mp4",
        look=UNFAMILIAR,
    )


def _keypoints(
    camera: Camera, poses: Float[ndarray, "frames joints 3"]
) -> Float[ndarray, "frames keypoints 2"]:
    pixels, _ = camera.project(poses[:, keypoint_joints()])
    return np.concatenate([pixels[:, :, view] for view in range(len(VIEWS))], axis=1)


def _spread(rng: np.random.Generator, frames: int, count: int) -> tuple[int, ...]:
    """``count`` frames spread over a session, one at random from each stretch of it."""
    stretches = np.array_split(np.arange(CONTEXT, frames - CONTEXT), count) if count else []
    return tuple(int(rng.choice(stretch)) for stretch in stretches)


def _floor_slid(motion: Motion, size: float, fps: float) -> Float[ndarray, "frames 2"]:
    """How far the floor has moved in the world; paws in stance move along with it."""
    slid = np.cumsum(motion.floor_velocity, axis=0) / fps
    # The animal is resized about the point of the floor below it, which moves too.
    return (1.0 - size) * motion.position - size * slid


def _lamps(
    rng: np.random.Generator, look: Look, frames: int, fps: float
) -> Float[ndarray, "frames 2"]:
    """Place (0 to 1) and brightness of the lamp in each frame."""
    place = np.clip(0.5 + 0.5 * wander(rng, frames, 2.0 * fps), 0.0, 1.0)
    return np.stack([place, 1.0 + look.flicker * wander(rng, frames, 0.5 * fps)], axis=-1)
