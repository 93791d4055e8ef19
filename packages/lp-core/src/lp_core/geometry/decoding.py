"""Keypoints and confidences from heatmaps, by looking at a window around each map's peak.

The position of a peak is the mean of a sharpened map over the window, corrected for what the window
and the sampling on a grid do to that mean: among Gaussians of the width that targets have, we take
the one whose mean over the same cells equals the observed mean. So a perfect Gaussian is decoded
exactly, also where the image's edge cuts it, and any other map is decoded to its local mean. The
result is differentiable.

The confidence is compatible with Lightning Pose's ``likelihood``: upsample, blur, softmax with
temperature 1000, then the mass of the 5×5 pixels around the keypoint. Only the window is upsampled;
cells outside count as constant within a cell.

Most maps have one peak. Of an undecided map, with several candidates or none, the highest peak is a
poor guess: it is as far off as the candidates are from each other. So the position moves from the
peak towards the mean of all candidates where less than half of the mass is near the peak. With half
of it or more, no other point has a smaller mean distance from a keypoint that is distributed like
the mass (Fermat and Weber's problem), and the peak stays where it is.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from lp_core.geometry.targets import SIGMA, cells_to_pixels, pixels_to_cells

RADIUS = 4
"""Cells on each side of the peak that count."""

SHARPNESS = 2.0
"""Power to which a map is raised before its mean is taken: it mutes what is not the peak."""

TEMPERATURE = 1000.0
"""Lightning Pose's softmax temperature; it gives ``likelihood`` its meaning."""

DECIDED = 0.5
"""Share of the mass near a peak from which on the peak alone is the position."""

_NEWTON_STEPS = 3


def _peaks(
    maps: Float[Tensor, "maps cells_y cells_x"],
) -> tuple[Int[Tensor, " maps"], Int[Tensor, " maps"]]:
    """(row, column) of the largest cell of each map."""
    maps = maps.detach()
    # the largest of each row first: a maximum is quicker to find than its place
    row = maps.amax(dim=2).argmax(dim=1)
    column = maps[torch.arange(maps.shape[0], device=maps.device), row].argmax(dim=1)
    return row, column


def _axis_window(
    peak: Int[Tensor, " maps"], length: int
) -> tuple[Int[Tensor, "maps window"], Bool[Tensor, "maps window"]]:
    """Cells of one axis around the peak, and which of them exist."""
    cells = peak.unsqueeze(1) + torch.arange(-RADIUS, RADIUS + 1, device=peak.device)
    return cells, (cells >= 0) & (cells < length)


def _gaussian_moments(
    centre: Float[Tensor, " maps"],
    offsets: Float[Tensor, " window"],
    exists: Bool[Tensor, "maps window"],
) -> tuple[Float[Tensor, " maps"], Float[Tensor, " maps"]]:
    """Mean, and its derivative by the centre, of a sharpened target over the existing cells."""
    variance = SIGMA**2 / SHARPNESS
    exponents = (offsets - centre.unsqueeze(1)).square() / (-2 * variance)
    weights = exponents.masked_fill(~exists, -torch.inf).softmax(dim=1)
    mean = (weights * offsets).sum(dim=1)
    spread = (weights * (offsets - mean.unsqueeze(1)).square()).sum(dim=1)
    return mean, (spread / variance).clamp_min(1e-3)


def _centre(
    profile: Float[Tensor, "maps window"], exists: Bool[Tensor, "maps window"]
) -> Float[Tensor, " maps"]:
    """Centre of a window's profile relative to the peak, in cells.

    Newton's method finds the Gaussian whose mean over the existing cells is the profile's. The last
    step alone carries the gradient, which is then that of the solution (implicit function theorem).
    """
    reach = profile.shape[1] // 2
    offsets = torch.arange(-reach, reach + 1, dtype=profile.dtype, device=profile.device)
    observed = (profile * offsets).sum(dim=1) / profile.sum(dim=1)
    centre = observed.detach()
    for _ in range(_NEWTON_STEPS):
        mean, slope = _gaussian_moments(centre, offsets, exists)
        centre = (centre + (observed.detach() - mean) / slope).clamp(-reach, reach)
    mean, slope = _gaussian_moments(centre, offsets, exists)
    return centre + (observed - mean) / slope


def _window(
    maps: Float[Tensor, "maps cells_y cells_x"],
    rows: Int[Tensor, "maps window"],
    columns: Int[Tensor, "maps window"],
) -> Float[Tensor, "maps window window"]:
    """The cells at ``rows`` × ``columns`` of each map; those beyond the edge repeat the edge."""
    height, width = maps.shape[1:]
    flat = rows.clamp(0, height - 1).unsqueeze(2) * width + columns.clamp(0, width - 1).unsqueeze(1)
    return maps.flatten(1).gather(1, flat.flatten(1)).unflatten(1, flat.shape[1:])


def binomial_blur(signal: Float[Tensor, "*shape"], dim: int) -> Float[Tensor, "*shape"]:
    """Blur along one dimension by (1 4 6 4 1)/16; beyond the ends there are zeros.

    As sums of shifted copies, since a convolution on a GPU may round to 10 bits, which a softmax of
    temperature `TEMPERATURE` would show.
    """
    length = signal.shape[dim]
    padding = [0, 0] * (signal.ndim - 1 - dim % signal.ndim) + [2, 2]
    taps = [F.pad(signal, padding).narrow(dim, first, length) for first in range(5)]
    return (taps[0] + taps[4]) / 16 + (taps[1] + taps[3]) / 4 + taps[2] * 0.375


def _upsampling(doublings: int, like: Tensor) -> Float[Tensor, "window pixels"]:
    """The matrix that upsamples one axis of a window as Lightning Pose does, of ``like``'s type.

    Each doubling is a bicubic interpolation (half-pixel centres) and a binomial blur of five taps.
    It is made on the device, from nothing that would have to be copied there.
    """
    signal = torch.eye(2 * RADIUS + 1, dtype=like.dtype, device=like.device)
    for _ in range(doublings):
        size = (1, 2 * signal.shape[1])
        signal = F.interpolate(
            signal[:, None, None], size=size, mode="bicubic", align_corners=False
        )[:, 0, 0]
        signal = binomial_blur(signal, 1)
    return signal


def _mass_within(
    pixels: Float[Tensor, "maps columns rows"],
    columns: Bool[Tensor, "maps columns"],
    rows: Bool[Tensor, "maps rows"],
) -> Float[Tensor, " maps"]:
    """Sum over the chosen columns and rows of each map."""
    by_row = columns.unsqueeze(1).to(pixels.dtype) @ pixels
    return (by_row @ rows.unsqueeze(2).to(pixels.dtype)).flatten()


def _exponential(
    maps: Float[Tensor, "maps rows columns"], shift: Float[Tensor, " maps"]
) -> Float[Tensor, "maps rows columns"]:
    """exp(temperature * map - shift), kept within what float32 holds.

    Below, numbers would be denormal, which are slow and add nothing; above, another peak is so much
    higher than this one that the confidence is 0 in any case.
    """
    exponents = torch.add(-shift[:, None, None], maps, alpha=TEMPERATURE)
    return exponents.clamp_(-80, 70).exp_()


@torch.no_grad()
def _confidences(
    maps: Float[Tensor, "maps cells_y cells_x"],
    window: Float[Tensor, "maps window window"],
    columns_exist: Bool[Tensor, "maps window"],
    rows_exist: Bool[Tensor, "maps window"],
    centre: Float[Tensor, "maps 2"],
    doublings: int,
) -> Float[Tensor, " maps"]:
    """Share of the softmax's mass in the 5×5 pixels around ``centre``, in cells off the peak."""
    scale = 2**doublings
    upsample = _upsampling(doublings, window)
    pixels = (window @ upsample).transpose(1, 2) @ upsample  # (maps, columns, rows)
    shift = pixels.amax(dim=(1, 2)) * TEMPERATURE
    mass = _exponential(pixels, shift)
    columns = columns_exist.repeat_interleave(scale, 1)
    rows = rows_exist.repeat_interleave(scale, 1)
    everywhere = _exponential(maps, shift).sum(dim=(1, 2))
    inside = _mass_within(_exponential(window, shift), rows_exist, columns_exist)
    outside = (everywhere - inside).clamp_min(0) * scale**2
    index = torch.arange(pixels.shape[1], device=pixels.device)
    pixel = ((centre + RADIUS + 0.5) * scale - 0.5).round()
    near_columns, near_rows = ((index - pixel[:, axis, None]).abs() <= 2 for axis in (0, 1))
    near = _mass_within(mass, columns & near_columns, rows & near_rows)
    return (near / (_mass_within(mass, columns, rows) + outside)).clamp(0, 1)


@torch.no_grad()
def _means_and_shares(
    maps: Float[Tensor, "maps cells_y cells_x"], peaks: Float[Tensor, "maps 2"]
) -> tuple[Float[Tensor, "maps 2"], Float[Tensor, " maps"]]:
    """Mean of each map's candidates, and how much of their mass is in the window around a peak.

    Candidates are what a softmax of temperature `TEMPERATURE` leaves of the map, as in Lightning
    Pose's soft-argmax, but of a map of half its height and width, each of whose cells is the mean
    of 4×4 cells. That halves the height of a target's peak, so it is doubled. Peaks and means are
    (x, y) in cells.
    """
    coarse = 2 * F.avg_pool2d(maps.unsqueeze(1), 4, stride=2, padding=2).squeeze(1)
    mass = _exponential(coarse, coarse.amax(dim=(1, 2)) * TEMPERATURE)
    total = mass.sum(dim=(1, 2))
    sums, near = [], mass
    for axis, length in enumerate((mass.shape[2], mass.shape[1])):
        cells = 2 * torch.arange(length, dtype=mass.dtype, device=mass.device) - 0.5
        sums.append((mass * cells.reshape(-1, *[1] * axis)).sum(dim=(1, 2)))
        within = (cells - peaks[:, axis, None]).abs() <= RADIUS + 0.5
        near = near * within.unsqueeze(1 + axis)
    return torch.stack(sums, dim=1) / total.unsqueeze(1), near.sum(dim=(1, 2)) / total


def decode_heatmaps(
    heatmaps: Float[Tensor, "batch keypoints cells_y cells_x"], image_size: tuple[int, int]
) -> tuple[Float[Tensor, "batch keypoints 2"], Float[Tensor, "batch keypoints"]]:
    """Where each keypoint is, and how sure its map is of that.

    That is the highest peak, or, in an undecided map, a place between it and the mean of all
    candidates: keypoints that a tracker is unsure of are then less far off on average.

    Args:
        heatmaps: (B, K, h, w), non-negative, each map with sum 1.
        image_size: (H, W) of the image in model px.

    Returns:
        keypoints: (B, K, 2) model px, differentiable in ``heatmaps``; the gradient is that of the
            peak's position. A map of equal cells is decoded to the middle of the image.
        confidences: (B, K) from 0 to 1, without gradient: those of `decode_peaks`.
    """
    peaks, confidences = decode_peaks(heatmaps, image_size)
    size = (heatmaps.shape[2], heatmaps.shape[3])
    maps = heatmaps.detach().flatten(0, 1).float()
    cells = pixels_to_cells(peaks.detach(), image_size, size).flatten(0, 1)
    means, shares = (part.unflatten(0, peaks.shape[:2]) for part in _means_and_shares(maps, cells))
    doubt = (1 - shares / DECIDED).clamp_min(0).unsqueeze(-1)
    candidates = cells_to_pixels(means, size, image_size)
    return peaks + doubt * (candidates - peaks.detach()), confidences


def decode_peaks(
    heatmaps: Float[Tensor, "batch keypoints cells_y cells_x"], image_size: tuple[int, int]
) -> tuple[Float[Tensor, "batch keypoints 2"], Float[Tensor, "batch keypoints"]]:
    """Positions and confidences of the highest peak of each map.

    Args:
        heatmaps: (B, K, h, w), non-negative, each map with sum 1.
        image_size: (H, W) of the image in model px.

    Returns:
        (B, K, 2) model px, differentiable, near the first cell for a map of equal cells; and
        confidences (B, K) from 0 to 1, without gradient.
    """
    batch, keypoints, height, width = heatmaps.shape
    maps = heatmaps.reshape(-1, height, width).float()
    row, column = _peaks(maps)
    rows, rows_exist = _axis_window(row, height)
    columns, columns_exist = _axis_window(column, width)
    exists = rows_exist.unsqueeze(2) & columns_exist.unsqueeze(1)
    window = _window(maps, rows, columns)
    highest = window.detach()[:, RADIUS, RADIUS, None, None].clamp_min(1e-20)
    weights = ((window / highest).clamp_min(1e-6) ** SHARPNESS) * exists
    # both axes at once, as maps of their own
    profiles = torch.cat([weights.sum(dim=1), weights.sum(dim=2)])
    centres = _centre(profiles, torch.cat([columns_exist, rows_exist]))
    offset = centres.unflatten(0, (2, -1)).transpose(0, 1)
    cells = offset + torch.stack([column, row], dim=1)
    pixels = cells_to_pixels(cells.unflatten(0, (batch, keypoints)), (height, width), image_size)
    doublings = max(0, round(math.log2(image_size[0] / height)))
    # under autocast its matrix products would round heatmaps to 8 bits
    with torch.autocast(maps.device.type, enabled=False):
        confidences = _confidences(
            maps.detach(), window.detach(), columns_exist, rows_exist, offset.detach(), doublings
        )
    return pixels, confidences.unflatten(0, (batch, keypoints))
