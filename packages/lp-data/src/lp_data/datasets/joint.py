"""The labelled images of all cameras of a frame together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.poses import PoseTable
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.datasets.labeled import LabeledDataset, LabeledSample
from lp_data.errors import DataModuleError
from lp_data.sessions.names import ViewNames


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
            `lp_core.geometry.cameras` packs them; None where they are not calibrated.
        **options: As for `LabeledDataset`.

    Raises:
        DataModuleError: There are no views, or an image has several regions; or as
            `LabeledDataset`.
    """

    def __init__(
        self,
        table: PoseTable,
        data_dir: str | Path,
        image_size: tuple[int, int],
        *,
        views: ViewNames | None,
        cameras: Mapping[str, Float[Tensor, "views parameters"]] | None = None,
        **options: Any,
    ) -> None:
        if views is None:
            raise DataModuleError(
                "a tracker that looks at several views of a frame together needs their names",
                where="data.view_names",
                remedy="name two cameras or more, or choose another model.model_type",
            )
        super().__init__(table, data_dir, image_size, views=views, **options)
        self._packed = None
        if cameras is not None:
            moments = dict.fromkeys(views.moments(table))
            self._packed = [cameras[moment] for moment in moments]
        self._groups: list[dict[int, int]] = [{} for _ in dict.fromkeys(self._frames)]
        for image, (frame, camera) in enumerate(zip(self._frames, self._cameras, strict=True)):
            if camera in self._groups[frame]:
                row = int(self._rows[image][0])
                raise DataModuleError(
                    f"the view '{views.names[camera]}' has several regions or images of one frame, "
                    "but the tracker looks at one of each view",
                    where=table.place(row),
                    remedy="give each image one box, or choose another model.model_type",
                )
            self._groups[frame][camera] = image

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
        found = {camera: self._sample(draw, image) for camera, image in images.items()}
        like = next(iter(found.values()))
        samples = [
            found[camera] if camera in found else _absent(like, camera)
            for camera in range(len(self.views))
        ]
        if self._packed is None:
            return samples
        packed = zip(samples, self._packed[frame], strict=True)
        return [{**sample, "cameras": camera} for sample, camera in packed]


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
