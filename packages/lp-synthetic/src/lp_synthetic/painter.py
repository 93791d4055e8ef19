"""Paint the animal as one view sees it, and find which keypoints it hides itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_synthetic.body import BELLY, EARS, TAIL, TRUNK, SeenBody, SeenPart
from lp_synthetic.camera import Box, Camera
from lp_synthetic.canvas import Canvas, Trace, blurred
from lp_synthetic.drawing import discs, fractal_noise, strip
from lp_synthetic.look import Colour, Look, mixed, with_brightness
from lp_synthetic.skeleton import KEYPOINTS, LIMBS

_PART_OF_KEYPOINT = {"nose": TRUNK, "tail_base": TRUNK, "tail_mid": TAIL, "tail_tip": TAIL}
_PART_OF_KEYPOINT |= {ear: ear for ear in EARS} | {f"paw_{limb}": limb for limb in LIMBS}
_JOINED_PARTS = {"tail_base": (TAIL,)}  # They begin at the keypoint, and so do not hide it.
_OUTLINES = {TRUNK: partial(strip, every=4)} | dict.fromkeys(EARS, discs)
_FUR_SIDE = 320
_FAR_SIDE = 0.72
_FAR_DEPTH = 8.0
_PUPIL: Colour = (22.0, 18.0, 18.0)
_GLINT: Colour = (235.0, 235.0, 235.0)


@dataclass(frozen=True)
class Painting:
    """The animal in one view.

    Attributes:
        box: The part of the frame that it takes up.
        colour: Colour times coverage, 0 to 255.
        alpha: Coverage, 0 to 1.
        traces: Where each part covers the frame, the farthest first.
    """

    box: Box
    colour: Float[ndarray, "h w 3"]
    alpha: Float[ndarray, "h w"]
    traces: tuple[Trace, ...]

    def hides(self, keypoints: Float[ndarray, "keypoints 2"]) -> Bool[ndarray, " keypoints"]:
        """Whether each keypoint (frame px) lies below a part painted after its own."""
        hidden = np.zeros(len(KEYPOINTS), bool)
        for trace in self.traces:
            own = np.array([_PART_OF_KEYPOINT[name] == trace.name for name in KEYPOINTS])
            joined = np.array([trace.name in _JOINED_PARTS.get(name, ()) for name in KEYPOINTS])
            hidden = (hidden | (trace.covers(keypoints) & ~joined)) & ~own
        return hidden


class Painter:
    """Paints one animal in the light of one session, with a random pattern of the fur."""

    def __init__(self, camera: Camera, look: Look, rng: np.random.Generator) -> None:
        self._scale = camera.scale
        self._look = look
        noise = fractal_noise(rng, _FUR_SIDE, _FUR_SIDE, 9.0, stretch=2.2)
        self._fur = (1.0 + look.fleck * noise).astype(np.float32)
        limb = mixed(look.fur, look.belly, 0.25)
        self._colours = {TRUNK: look.fur, TAIL: look.skin}
        self._colours |= dict.fromkeys(EARS, look.ear) | dict.fromkeys(LIMBS, limb)

    def paint(self, body: SeenBody, pose: int, view: int, box: Box) -> Painting:
        """Paint one of the body's poses in one view within a box of the frame."""
        canvas = Canvas(box)
        traces: list[Trace | None] = []
        for name in body.painting_order(pose, view):
            part = body.part(name, pose, view)
            gain = 1.0 if name == TRUNK else _dimmed(float(body.behind[name][pose, view]))
            colour = with_brightness(self._colours[name], gain)
            outline = _OUTLINES.get(name, strip)
            trace = canvas.paint(name, part, colour, outline=outline, on_top=outline is strip)
            traces.append(trace)
            if name in LIMBS:
                paw = body.part(f"paw_{name}", pose, view)
                skin = with_brightness(self._look.skin, gain)
                traces.append(canvas.paint(name, paw, skin, outline=discs))
            if name == TRUNK and trace is not None:
                belly = body.part(BELLY, pose, view)
                canvas.tint(belly, self._look.belly, 4.0 * self._scale, trace)
                self._dye(canvas, body.part(TRUNK, pose, view), trace)
                self._face(canvas, body, pose, view)
        colour = canvas.colour * self._light(canvas, body.part(TRUNK, pose, view), view)[..., None]
        alpha = canvas.alpha * np.float32(1 / 255)
        return Painting(box, colour, alpha, tuple(t for t in traces if t is not None))

    def _light(self, canvas: Canvas, trunk: SeenPart, view: int) -> Float[ndarray, "h w"]:
        """How bright each pixel is: Lambert's law on the relief, times the pattern of the fur."""
        relief = blurred(canvas.relief, 2.0 * self._scale)
        slope_x = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
        slope_y = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
        x, y = self._look.lamp
        y = y if view == 0 else -0.4 * y
        length = math.sqrt(x * x + y * y + 1.0)
        x, y, z = x / length, y / length, 1.0 / length
        lambert = (z - x * slope_x - y * slope_y) / np.sqrt(slope_x**2 + slope_y**2 + 1)
        gain = np.float32(0.42) + np.float32(0.7) * np.maximum(lambert, np.float32(0))
        return gain * self._fur_at(canvas.box, trunk)

    def _fur_at(self, box: Box, trunk: SeenPart) -> Float[ndarray, "h w"]:
        """The pattern of the fur, carried along and turned with the trunk."""
        rear, front = trunk.centres[[6, 18]] - box.origin
        along = (front - rear) / max(float(np.linalg.norm(front - rear)), 1e-6)
        turn = np.array([[along[0], along[1]], [-along[1], along[0]]])
        offset = _FUR_SIDE / 2 - turn @ rear
        to_pattern = np.concatenate([turn, offset[:, None]], axis=1)
        flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, box.shape[::-1]
        edge = cv2.BORDER_REFLECT
        return cv2.warpAffine(self._fur, to_pattern, size, flags=flags, borderMode=edge)

    def _dye(self, canvas: Canvas, trunk: SeenPart, trace: Trace) -> None:
        """The marks on the back."""
        for low, high, dye in self._look.marks:
            first, last = (round(along * (len(trunk.radii) - 1)) for along in (low, high))
            band = SeenPart(trunk.centres[first:last], trunk.radii[first:last])
            canvas.tint(band, dye, 1.5 * self._scale, trace)

    def _face(self, canvas: Canvas, body: SeenBody, pose: int, view: int) -> None:
        """Snout, and the eyes that face the view."""
        trunk, eyes = body.part(TRUNK, pose, view), body.part("eyes", pose, view)
        canvas.spot(SeenPart(trunk.centres[-1:], 0.8 * trunk.radii[-1:]), self._look.skin)
        facing = body.eyes[pose, :, view]
        canvas.spot(SeenPart(eyes.centres[facing], eyes.radii[facing]), _PUPIL)
        glint = eyes.centres[facing] + np.array([0.6, -0.9]) * self._scale
        canvas.spot(SeenPart(glint, 0.35 * eyes.radii[facing]), _GLINT)


def _dimmed(behind: float) -> float:
    """How bright a part is: what lies behind the trunk gets less light."""
    lost = (1.0 - _FAR_SIDE) * (0.5 + 0.5 * behind / _FAR_DEPTH)
    return min(1.0, max(_FAR_SIDE, 1.0 - lost))
