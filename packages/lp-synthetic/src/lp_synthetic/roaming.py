"""What several animals do in an open field: wander, meet, leave the picture and come back.

Positions are complex numbers, x + iy, in the units of ``skeleton``; (0, 0) is the middle of the
field.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_synthetic.behaviour import Motion, smooth
from lp_synthetic.skeleton import BODY_LENGTH

_TURN = 5.5  # at most, in radians per second
_RUN = 330.0  # units per second
_NOSE_AHEAD = 78.0  # of the middle of the trunk
_FLANK = 15.0
_OUTSIDE = 135.0  # so far from the edge that not even the tail is seen


Plan = dict[str, int]
"""How often a ``crossing``, ``touch`` and ``absence`` is to begin, evenly spread over the time."""

Half = tuple[float, float]
"""Half the width and the height of what the camera sees, in units of ``skeleton``."""

_TAKE_PART = {"absence": 1, "touch": 2, "crossing": 2}
_ENDED = True


@dataclass
class _Walker:
    """An animal that walks to a goal."""

    place: complex
    heading: float
    speed: float = 0.0
    goal: complex = 0j
    pace: float = 0.0
    stroll: Iterator[None] = field(default_factory=lambda: iter(()))

    def send(self, goal: complex, pace: float) -> None:
        self.goal, self.pace = goal, pace

    def turn(self, angle: float, pace: float) -> None:
        """Walk in a direction relative to the present one."""
        self.send(self.place + cmath.rect(2.0 * BODY_LENGTH, self.heading + angle), pace)

    def is_within(self, distance: float) -> bool:
        """Whether the goal is that near."""
        return abs(self.goal - self.place) < distance

    def step(self, seconds: float) -> None:
        """Turn to the goal, on the spot if need be, and walk."""
        way = self.goal - self.place
        off = math.remainder(cmath.phase(way) - self.heading, 2 * math.pi) if abs(way) > 4 else 0.0
        wanted = min(self.pace, 5.0 * abs(way)) * max(0.0, math.cos(off)) ** 2
        self.speed += (wanted - self.speed) * min(1.0, seconds / 0.1)
        turn = max(-_TURN, min(_TURN, 5.0 * off)) if self.pace else 0.0
        self.heading += turn * seconds
        self.place += cmath.rect(self.speed * seconds, self.heading)


class _Field:
    """The part of the floor that the camera sees, and what may happen on it.

    Each errand is an iterator that steers its walkers in every frame until it is done.
    """

    def __init__(self, rng: np.random.Generator, half: Half, fps: float) -> None:
        self._rng, self._half, self._fps = rng, half, fps

    def anywhere(self, share: float = 0.8) -> complex:
        x, y = (share * half * self._rng.uniform(-1.0, 1.0) for half in self._half)
        return complex(x, y)

    def _inner(self, place: complex, share: float) -> complex:
        """The nearest place that is not at the edge."""
        x, y = (share * half for half in self._half)
        return complex(max(-x, min(x, place.real)), max(-y, min(y, place.imag)))

    def errand(self, kind: str, walkers: list[_Walker]) -> Iterator[None]:
        """What these walkers do to make something happen."""
        if kind == "absence":
            return self._leave(*walkers)
        guest, host = walkers
        return self._touch(guest, host) if kind == "touch" else self._cross(guest, host)

    def _wait(
        self, low: float, high: float | None = None, until: Callable[[], bool] = lambda: False
    ) -> Iterator[None]:
        """Go on for some seconds, drawn from a range, or until something has happened."""
        seconds = low if high is None else self._rng.uniform(low, high)
        for _ in range(max(1, round(seconds * self._fps))):
            if until():
                break
            yield

    def wander(self, walker: _Walker) -> Iterator[None]:
        """Walk somewhere, perhaps rest there."""
        walker.send(self.anywhere(), self._rng.uniform(70.0, 220.0))
        yield from self._wait(0.8, 2.5, lambda: walker.is_within(15.0))
        if self._rng.random() < 0.4:
            walker.pace = 0.0
            yield from self._wait(0.2, 1.0)

    def _cross(self, one: _Walker, other: _Walker) -> Iterator[None]:
        """Meet between the two, and walk straight on."""
        aside = 1j * (other.place - one.place) * self._rng.uniform(-0.35, 0.35)
        meeting = self._inner(0.5 * (one.place + other.place) + aside, 0.62)

        def meet() -> bool:
            ways = [abs(meeting - walker.place) for walker in (one, other)]
            for walker, way in zip((one, other), ways, strict=True):
                walker.send(meeting, max(60.0, _RUN * way / max(ways)))
            return max(ways) < 0.35 * BODY_LENGTH

        yield from self._wait(2.5, until=meet)
        for walker in (one, other):
            walker.turn(0.0, 0.75 * _RUN)
        yield from self._wait(0.75)

    def _touch(self, guest: _Walker, host: _Walker) -> Iterator[None]:
        """Walk up to the nearest part of an animal that stops, sniff, and turn away."""

        def approach() -> bool:
            along = cmath.rect(1.0, host.heading)
            nose = guest.place + cmath.rect(_NOSE_AHEAD, guest.heading)
            part = ((nose - host.place) * along.conjugate()).real
            spot = host.place + max(-30.0, min(62.0, part)) * along
            gap = abs(spot - nose) - _FLANK
            guest.send(spot, min(0.8 * _RUN, max(0.0, 4.0 * gap)))
            return gap < 1.0

        host.send(self._inner(host.place, 0.75), 120.0)
        yield from self._wait(0.4, until=approach)
        host.pace = 0.0
        yield from self._wait(2.1, until=approach)
        guest.pace = 0.0
        yield from self._wait(0.3, 0.9)
        guest.turn(math.pi + self._rng.uniform(-0.7, 0.7), 200.0)
        yield from self._wait(0.9)

    def _leave(self, walker: _Walker) -> Iterator[None]:
        """Walk out over the nearest edge, stay away for a while, and come back elsewhere."""
        x, y = walker.place.real, walker.place.imag
        right, top = (half + _OUTSIDE for half in self._half)
        if right - abs(x) < top - abs(y):
            x = math.copysign(right, x)
        else:
            y = math.copysign(top, y)
        walker.send(complex(x, y), 0.8 * _RUN)
        yield from self._wait(3.0, until=lambda: walker.is_within(10.0))
        walker.pace = 0.0
        yield from self._wait(0.4, 1.5)
        walker.send(self.anywhere(0.6), 0.7 * _RUN)
        yield from self._wait(1.6)


def roam(
    rng: np.random.Generator, animals: int, frames: int, fps: float, half: Half, plan: Plan
) -> list[Motion]:
    """Draw how each animal moves through an open field; they may meet more often than planned."""
    area = _Field(rng, half, fps)
    free = [_Walker(area.anywhere(), rng.uniform(-np.pi, np.pi)) for _ in range(animals)]
    walkers, busy = tuple(free), dict[Iterator[None], list[_Walker]]()
    begun = dict.fromkeys(plan, 0)
    track = np.empty((animals, frames, 4))
    for frame in range(frames):
        for kind, wanted in plan.items():
            due = math.ceil(wanted * min(1.0, (frame + 1) / (0.95 * frames)))
            if begun[kind] < due and len(free) >= _TAKE_PART[kind]:
                chosen = [free.pop(rng.integers(len(free))) for _ in range(_TAKE_PART[kind])]
                busy[area.errand(kind, chosen)] = chosen
                begun[kind] += 1
        for errand in [errand for errand in busy if next(errand, _ENDED)]:
            free += busy.pop(errand)
        for walker in free:
            if next(walker.stroll, _ENDED):
                walker.stroll = area.wander(walker)
        for walker, row in zip(walkers, track[:, frame], strict=True):
            walker.step(1.0 / fps)
            row[:] = walker.place.real, walker.place.imag, walker.heading, walker.speed
    return [_motion(rows, fps) for rows in track]


def _motion(rows: Float[ndarray, "frames 4"], fps: float) -> Motion:
    """The motion of one animal from its (x, y, heading, speed)."""
    heading, speed = (smooth(rows[:, column], 0.06 * fps) for column in (2, 3))
    return Motion(speed, heading, rows[:, :2].copy(), np.zeros((len(rows), 2)))
