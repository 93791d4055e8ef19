"""The labelled images of all cameras of a frame together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.geometry.cameras import local_cameras_packed, triangulate_packed
from lp_core.poses import PoseTable
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.augmentation.scene import SceneMotion
from lp_data.datasets.labeled import LabeledDataset, LabeledSample, Moved
from lp_data.datasets.samples import sample_rng
from lp_data.errors import DataModuleError
from lp_data.sessions.names import ViewNames

_MOTION = 1  # so that the motion of a frame is not drawn as its images are augmented


class JointDataset(LabeledDataset):
    """The frames of a label table of several views, for trackers that look at views jointly.

    Sample ``i`` is the images of frame ``i % N`` in the order of the views, for N frames. A view
    that has no image of the frame has a black one, which is not present; its row has no labels, and
    -1 for the row of the table. `collate` makes a batch of such samples in which the images of one
    frame are neighbours.

    Args:
        table: The labels, of one animal.
        data_dir: As for `LabeledDataset`.
        image_size: As for `LabeledDataset`.
        views: The views.
        cameras: For each frame, as `ViewNames.moment` names it, its V cameras as
            `lp_core.geometry.cameras` packs them; None where they are not calibrated. Samples then
            have them to first order around the labels' points in space.
        motion: Moves the animal in space before all of its cameras, where images are augmented and
            cameras calibrated; None for not.
        **options: As for `LabeledDataset`.

    Raises:
        DataModuleError: There are no views, an image has several regions, or the augmenter mirrors
            images; or as `LabeledDataset`.
    """

    def __init__(
        self,
        table: PoseTable,
        data_dir: str | Path,
        image_size: tuple[int, int],
        *,
        views: ViewNames | None,
        cameras: Mapping[str, Float[Tensor, "views parameters"]] | None = None,
        motion: SceneMotion | None = None,
        **options: Any,
    ) -> None:
        if views is None:
            raise DataModuleError(
                "a tracker that looks at several views of a frame together needs their names",
                where="data.view_names",
                remedy="name two cameras or more, or choose another model.model_type",
            )
        if getattr(options.get("augmenter"), "mirrors", False):
            raise DataModuleError(
                "images that are looked at together cannot be flipped: each camera would show "
                "another animal",
                where="training.imgaug_hflip, training.imgaug",
                remedy="switch flips off, or train each view alone without losses of cameras",
            )
        super().__init__(table, data_dir, image_size, views=views, **options)
        self._groups: list[dict[int, int]] = [{} for _ in dict.fromkeys(self._frames)]
        for image, (frame, camera) in enumerate(zip(self._frames, self._cameras, strict=True)):
            if camera in self._groups[frame]:
                raise _several(table, int(self._rows[image][0]), views.names[camera])
            self._groups[frame][camera] = image
        self._motion = motion
        self._space: _Space | None = None
        if cameras is not None:
            moments = dict.fromkeys(views.moments(table))
            packed = torch.stack([cameras[moment] for moment in moments]).double()
            self._space = _Space.of(packed, self._labels())

    @property
    def calibrated(self) -> bool:
        """Whether its batches have the cameras of each frame."""
        return self._space is not None

    def _labels(self) -> Float[Tensor, "frames views keypoints 2"]:
        """The labels of every frame in frame px, NaN where there is none."""
        assert self.views is not None
        shape = (len(self), len(self.views), len(self.table.keypoint_names), 2)
        labels = torch.full(shape, torch.nan, dtype=torch.float64)
        for frame, group in enumerate(self._groups):
            for camera, image in group.items():
                row = self._rows[image][0]
                labels[frame, camera] = torch.from_numpy(self.table.points[row])
        return labels

    def __len__(self) -> int:
        """N, the number of frames."""
        return len(self._groups)

    def samples_of(self, rows: Sequence[int]) -> list[int]:
        """The frames that rows of the table are of, each once, in the order of the rows."""
        images = super().samples_of(rows)
        return list(dict.fromkeys(self._frames[image] for image in images))

    def frame_size(self, sample: int) -> tuple[int, int]:
        """(height, width) of the first image of a frame as it is on disk."""
        return super().frame_size(next(iter(self._groups[sample].values())))

    def __getitem__(self, index: int) -> list[LabeledSample]:  # type: ignore[override]
        """The images of one frame; see the class for ``index``.

        Raises:
            ImageFileError: An image or a neighbour cannot be decoded.
        """
        draw, frame = divmod(index, len(self))
        assert self.views is not None
        images = self._groups[frame]
        space = None if self._space is None else self._space.frame(frame)
        moved: dict[int, Moved] = {}
        if space is not None and self._motion is not None and self.augmenter is not None:
            rng = sample_rng(self.seed, self._epoch.number, frame, draw, _MOTION)
            scene = self._motion(space.cameras, space.points, space.labels, rng)
            space = space._replace(points=scene.points)
            moved = {camera: Moved(scene.labels[camera], scene.warps[camera]) for camera in images}
        found = {
            camera: self._sample(draw, image, moved.get(camera)) for camera, image in images.items()
        }
        like = next(iter(found.values()))
        samples = [
            found[camera] if camera in found else _absent(like, camera)
            for camera in range(len(self.views))
        ]
        if space is None:
            return samples
        local = local_cameras_packed(space.cameras, space.points).float()
        absent = torch.tensor([camera not in found for camera in range(len(self.views))])
        local = torch.where(absent[:, None, None, None], torch.nan, local)
        return [
            {**sample, "cameras": camera} for sample, camera in zip(samples, local, strict=True)
        ]


class _Space(NamedTuple):
    """The cameras of frames, or of one, and where the labels are in space.

    Attributes:
        cameras: (F, V, P) packed.
        labels: (F, V, K, 2) frame px.
        points: (F, K, 3) in world units, NaN where fewer than two views label a keypoint.
    """

    cameras: Tensor
    labels: Tensor
    points: Tensor

    @classmethod
    def of(cls, cameras: Tensor, labels: Tensor) -> _Space:
        """Cameras and labels of frames, with the points that they say."""
        with torch.no_grad():
            return cls(cameras, labels, triangulate_packed(cameras, labels).points)

    def frame(self, number: int) -> _Space:
        """Those of one frame, (V, P), (V, K, 2) and (K, 3)."""
        return _Space(*(part[number] for part in self))


def dataset_class(
    tracker: BaseSupervisedTracker | type[BaseSupervisedTracker],
) -> type[LabeledDataset]:
    """The kind of dataset that a tracker learns from and is evaluated on."""
    return JointDataset if tracker.views == "jointly" else LabeledDataset


def _absent(like: LabeledSample, camera: int) -> LabeledSample:
    """What stands for a camera without an image of a frame of which ``like`` is another image."""
    absent: LabeledSample = {
        **like,
        "images": torch.zeros_like(like["images"]),
        "to_frame": torch.eye(3)[:2],
        "view": camera,
        "present": False,
        "keypoints": torch.full_like(like["keypoints"], torch.nan),
        "visibility": torch.zeros_like(like["visibility"]),
        "table_row": torch.full_like(like["table_row"], -1),
    }
    if "others" in like:
        absent["others"] = torch.full_like(like["others"], torch.nan)
    return absent


def _several(table: PoseTable, row: int, view: str) -> DataModuleError:
    """What is wrong where a view has several regions of a frame, of which a row is the last."""
    if table.individual is not None and table.frame.count(table.frame[row]) > 1:
        return DataModuleError(
            f"the view '{view}' shows several animals, but trackers that look at all views of a "
            "frame together, and losses of calibrated cameras, see one",
            where=table.place(row),
            remedy="choose a model.model_type that looks at every image by itself, and no such "
            "loss; predicted animals are matched between the views of a session",
        )
    return DataModuleError(
        f"the view '{view}' has several regions or images of one frame, but the tracker looks at "
        "one of each view",
        where=table.place(row),
        remedy="give each image one box, or choose another model.model_type",
    )
