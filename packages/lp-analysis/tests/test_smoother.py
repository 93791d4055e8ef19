"""The smoother against known answers: dense Gaussian posteriors, and data made by its own model."""

import numpy as np
import pytest

from lp_analysis.smoothing.dynamics import Motion
from lp_analysis.smoothing.parameters import Sample, Search, find_parameters, stretches
from lp_analysis.smoothing.projections import AffineViews, CameraViews, OneView
from lp_analysis.smoothing.recursions import Observed, States, filter_part, smooth_part
from lp_analysis.smoothing.smoother import Gate, Observations, Smoother
from lp_core.geometry.cameras import Camera, Rig, local_cameras, project

LIMIT = 20.0


def dense_posterior(motion, observed, series):
    """Means (L, d) and covariances (L, d, d) of a series from one large linear system."""
    d, frames = motion.size, observed.values.shape[1]
    first, spread = motion.first()
    step = motion.moved(np.eye(d)[:, :, None].repeat(len(motion.noise), 2))[:, :, series]
    noise = motion.spread(np.zeros_like(spread), motion.noise)[:, :, series]
    precision, vector = np.zeros((frames * d, frames * d)), np.zeros(frames * d)
    precision[:d, :d] = np.linalg.inv(spread[:, :, series])
    vector[:d] = precision[:d, :d] @ first[:, series]
    for frame in range(frames):
        here = slice(frame * d, frame * d + d)
        for row, weight, value in zip(
            *(part[..., frame, series] for part in observed), strict=True
        ):
            h = np.zeros(d)
            h[: len(row)] = row
            precision[here, here] += weight * np.outer(h, h)
            vector[here] += value * h
        if frame + 1 < frames:
            change = np.zeros((d, frames * d))
            change[:, here] = -step
            change[:, frame * d + d : frame * d + 2 * d] = np.eye(d)
            precision += change.T @ np.linalg.inv(noise) @ change
    covariance = np.linalg.inv(precision)
    blocks = covariance.reshape(frames, d, frames, d)
    return (covariance @ vector).reshape(frames, d), np.stack(
        [blocks[frame, :, frame] for frame in range(frames)]
    )


@pytest.mark.parametrize("dynamics", ["position", "velocity"])
@pytest.mark.parametrize("coords", [1, 3])
@pytest.mark.parametrize(("frames", "share"), [(40, 0.5), (300, 0.5), (300, 0.02)])
def test_smoothed_states_are_the_exact_posterior(dynamics, coords, frames, share):
    random, series = np.random.default_rng(0), 1
    motion = Motion(
        dynamics,
        random.uniform(0.01, 0.1, series),
        random.normal(size=(coords, series)),
        random.uniform(5, 10, (coords, series)),
    )
    shape = (coords, frames, series)
    precisions = random.uniform(0, 2, shape) * (random.random(shape) < share)
    precisions[:, 10:30] = 0  # nothing is seen for a while
    observed = Observed(
        random.normal(size=(coords, *shape)), precisions, precisions * random.normal(size=shape)
    )
    found, after = filter_part(motion, observed, States(*motion.first()))
    smooth = smooth_part(motion, found, after)
    mean, covariance = dense_posterior(motion, observed, 0)
    assert np.allclose(smooth.mean[..., 0].T, mean, rtol=1e-6, atol=1e-8)
    assert np.allclose(
        smooth.covariance[..., 0].transpose(2, 0, 1), covariance, rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("step", [10.0, 0.05, 1e-9])
@pytest.mark.parametrize("unseen", [0, 60])
def test_random_walks_of_one_view_have_the_exact_posterior(step, unseen):
    """Also where steps are so small that nothing is left of them beside the noise."""
    random, series = np.random.default_rng(1), 3
    start = random.normal(size=(1, series))
    motion = Motion("position", np.full(series, step), start, np.full((1, series), 1e4))
    points = random.normal(0, 2, (150, series, 1, 1)).repeat(2, axis=-1)
    points[:unseen], points[90:110, 0] = np.nan, np.nan
    variance = random.uniform(0.2, 3, points.shape)
    observed = OneView().weighed(points, variance).observed
    observed = Observed(*(part[..., ::2] for part in observed))
    found, after = filter_part(motion, observed, States(*motion.first()))
    smooth = smooth_part(motion, found, after)
    for place in range(series):
        mean, covariance = dense_posterior(motion, observed, place)
        assert np.allclose(smooth.mean[0, :, place], mean[:, 0], rtol=1e-6, atol=1e-6)
        assert np.allclose(smooth.covariance[0, 0, :, place], covariance[:, 0, 0], rtol=1e-6)


def observations(points, variance):
    seen = Observations(*points.shape[:3])
    seen.points.write(0, points)
    seen.variance.write(0, np.broadcast_to(variance, points.shape))
    return seen


def walks(frames, tracks, step, noise, seed=0):
    """Random walks and what is seen of them in one view, (F, T, 1, 2)."""
    random = np.random.default_rng(seed)
    truth = 200 + np.cumsum(random.normal(0, step, (frames, tracks, 1, 2)), axis=0)
    return truth, truth + random.normal(0, noise, truth.shape)


def smoothed(points, variance, projection, q, *, gate=None, dynamics="position", part=None):
    seen = observations(points, variance)
    sample = whole(points, variance, projection)
    start, spread = sample.start()
    noise = np.full(points.shape[1] * projection.series, q)
    smoother = Smoother(seen, projection, Motion(dynamics, noise, start, spread), part)
    smoother.run(None if gate is None else Gate(gate, sample.usual_step()))
    states = smoother.states(0, len(points))
    return *projection.seen(states), states, seen.gated.read(0, len(points))


def whole(points, variance, projection):
    """The whole of a video as one stretch."""
    return Sample(points[None], np.broadcast_to(variance, points.shape)[None], projection)


@pytest.mark.parametrize("dynamics", ["position", "velocity"])
def test_a_video_in_parts_is_smoothed_as_in_one_piece(dynamics):
    _, points = walks(1000, 3, 1.0, 1.0)
    points[100:350, 0] = np.nan  # over the end of a part
    points[255, 1] += 90
    whole_video = smoothed(points, 1.0, OneView(), 1.0, gate=LIMIT, dynamics=dynamics)
    in_parts = smoothed(points, 1.0, OneView(), 1.0, gate=LIMIT, dynamics=dynamics, part=128)
    for one, other in zip(whole_video[:2], in_parts[:2], strict=True):
        assert np.allclose(one, other, atol=1e-9)
    assert (whole_video[3] == in_parts[3]).all()
    assert in_parts[3][255, 1, 0]


def test_a_missing_frame_costs_no_track():
    """Fault 76 of ensemble-kalman-smoother: one frame without a value made a whole track NaN."""
    truth, points = walks(400, 2, 1.0, 0.5)
    points[:20, 0] = np.nan
    points[200, 1] = np.nan
    found, spread, *_ = smoothed(points, 0.25, OneView(), 1.0)
    assert np.isfinite(found).all()
    assert np.sqrt(np.mean((found[200, 1] - truth[200, 1]) ** 2)) < 3
    assert spread[5, 0, 0, 0, 0] > 5 * spread[300, 0, 0, 0, 0]  # the less is seen, the less is sure


def test_the_truth_lies_where_the_posterior_says():
    truth, points = walks(4000, 4, 1.0, 2.0)
    found, spread, *_ = smoothed(points, 4.0, OneView(), 1.0)
    square = ((found - truth) ** 2 / np.diagonal(spread, axis1=-2, axis2=-1)).sum(axis=-1)
    assert np.mean(square < 2 * np.log(10)) == pytest.approx(0.9, abs=0.02)


def test_outliers_are_dropped_and_sudden_movements_kept():
    """A jump to another place is believed at once, a single leap is not."""
    _, points = walks(600, 1, 0.3, 0.5)
    points[300:] += 60
    points[450] += 40
    found, _, _, gated = smoothed(points, 0.25, OneView(), 0.09, gate=LIMIT)
    assert gated[:, 0, 0].nonzero()[0].tolist() == [450]
    assert np.abs(found[450] - points[449]).max() < 5


@pytest.mark.parametrize("frames", [900, 20_000])
def test_movement_and_noise_are_found(frames):
    """On the model itself, with its gaps and outliers; a learning rate has no say (fault 91)."""
    random = np.random.default_rng(1)
    _, points = walks(frames, 2, 1.5, 2.0)
    points[random.random(points.shape[:3]) < 0.05] = np.nan
    points[random.random(points.shape[:3]) < 0.01] += 80
    spans = [span for span in stretches(frames) if len(span) == 512]
    parts = np.stack([points[span.start : span.stop] for span in spans])
    sample = Sample(parts, np.ones_like(parts), OneView())
    found = find_parameters(sample, Search(gate=LIMIT))
    assert found.noise == pytest.approx(2.25, rel=0.25)
    assert found.scale == pytest.approx(4.0, rel=0.25)


def test_stretches_are_never_joined():
    """Fault 82: pieces of a video were taken for one; the leap between them would be movement."""
    _, points = walks(512, 1, 0.5, 0.5)
    parts = np.stack([points + 500 * number for number in range(8)])
    found = find_parameters(Sample(parts, np.ones_like(parts), OneView()), Search())
    assert found.noise == pytest.approx(0.25, rel=0.3)


def test_gaps_are_not_taken_for_single_steps():
    """Fault 92: differences over gaps counted as steps of one frame."""
    _, points = walks(2048, 2, 1.0, 0.3)
    points[np.arange(2048) % 4 != 0] = np.nan
    parts = points.reshape(4, 512, 2, 1, 2)
    found = find_parameters(Sample(parts, np.full_like(parts, 0.09), OneView()), Search())
    assert found.noise == pytest.approx(1.0, rel=0.25)


def cameras(count, *, fisheye=False):
    found = []
    for number, angle in enumerate(np.arange(count) * 1.3):
        position = 500.0 * np.array([np.cos(angle), np.sin(angle), 0.6])
        matrix = np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])
        lens = (
            [0.05, -0.02, 0.003, 0.0] if fisheye else [-0.2, 0.05, 0.001, -0.001, 0, 0.1, 0.01, 0]
        )
        found.append(
            Camera.looking_at(
                (0, 0, 0),
                position,
                name=str(number),
                size=(640, 480),
                matrix=matrix,
                distortion=np.array(lens),
                model="fisheye" if fisheye else "pinhole",
            )
        )
    return Rig(tuple(found), "mm")


def in_space(rig, frames, noise, seed=0):
    """A walk in space (F, 3), and what the cameras see of it (F, 1, V, 2)."""
    random = np.random.default_rng(seed)
    truth = np.cumsum(random.normal(0, 1.0, (frames, 3)), axis=0)
    seen = project(rig, truth).transpose(1, 0, 2)[:, None]
    return truth, seen + random.normal(0, 1, seen.shape) * np.reshape(noise, (-1, 1))


@pytest.mark.parametrize("fisheye", [False, True])
def test_calibrated_cameras_of_any_lens_find_the_point(fisheye):
    """Fault 89: rational distortions and fisheye lenses were evaluated as something else."""
    rig = cameras(3, fisheye=fisheye)
    truth, points = in_space(rig, 400, [0.5, 0.5, 0.5])
    points[100:140, 0, 1:] = np.nan  # one view alone for a while, from which no point follows
    _, _, states, _ = smoothed(points, 0.25, CameraViews(rig), 1.0)
    error = np.linalg.norm(states.mean[:, :, 0].T - truth, axis=1)
    assert np.median(error) < 0.6
    assert error[100:140].max() < 15


def test_each_camera_counts_by_its_own_noise():
    """Fault 73: the variances of the first camera were taken for all of them."""
    rig, noise = cameras(3), np.array([5.0, 0.5, 1.0])
    _, points = in_space(rig, 200, noise)
    variance = np.broadcast_to((noise**2)[:, None], points.shape)
    q = 1e6  # frames say nothing of each other
    _, _, states, _ = smoothed(points, variance, CameraViews(rig), q)
    import torch

    J = local_cameras(rig, torch.from_numpy(states.mean[:, 50].T)).numpy()[:, 0, :, :3]
    expected = np.linalg.inv(sum(j.T @ j / s**2 for j, s in zip(J, noise, strict=True)))
    assert np.allclose(states.covariance[:, :, 50, 0], expected, rtol=1e-3)


def test_a_view_that_contradicts_the_others_is_dropped():
    """Faults 32 and 79: one pass for each that was hidden, and never without an end."""
    rig = cameras(4)
    _, points = in_space(rig, 300, [0.5] * 4)
    points[100:160, 0, 2] += 80  # agrees with itself over time, but not with the other views
    points[200, 0, 0] -= 50
    *_, gated = smoothed(points, 0.25, CameraViews(rig), 1.0, gate=LIMIT)
    assert gated[100:160, 0, 2].all()
    assert gated[200, 0].tolist() == [True, False, False, False]
    assert gated.sum() <= 64


def test_views_without_calibration_fill_in_for_each_other():
    random = np.random.default_rng(0)
    latent = np.cumsum(random.normal(0, 1, (500, 3)), axis=0)
    loadings = random.normal(size=(3, 2, 3, 1))
    truth = np.einsum("vai,fi->fva", loadings[..., 0], latent)[:, None]
    points = truth + random.normal(0, 0.3, truth.shape)
    points[200:220, 0, 1] = np.nan
    views = AffineViews(loadings, np.zeros((3, 2, 1)))
    found, spread, *_ = smoothed(points, 0.09, views, 1.0)
    error = np.abs(found[200:220, 0, 1] - truth[200:220, 0, 1])
    assert error.max() < 2
    assert (spread[210, 0, 1].diagonal() > spread[150, 0, 1].diagonal()).all()
