"""Pose tables as pandas frames with DeepLabCut's columns, and as xarray datasets of movement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.poses.columns import (
    LEVELS,
    LEVELS_OF_SEVERAL,
    ONE_ANIMAL,
    Animals,
    Content,
    parse_columns,
    wide_of,
)
from lp_core.poses.csv_header import SPLIT_COLUMN
from lp_core.poses.grid import PoseGrid, grid_of, refuse_wish, table_of
from lp_core.poses.skeleton import Skeleton
from lp_core.poses.table import Frames, PoseTable

if TYPE_CHECKING:
    import pandas
    import xarray

_DIMS = ("time", "space", "keypoint", "individual")
_OLD_NAMES = {"keypoints": "keypoint", "individuals": "individual"}  # before movement 0.17
_UNNAMED = "id_0"  # what movement calls an individual without a name
_GIVEN = "individual_names"  # an attribute: "given" where they are no such made-up name
_NEAR = 0.01  # frames
_SPLIT = (SPLIT_COLUMN, "", "")


def to_pandas(table: PoseTable) -> pandas.DataFrame:
    """A frame with the columns of DeepLabCut: three levels, or four with individuals.

    Splits become a last column ``set``.

    Raises:
        PoseError: Two rows are of the same individual in the same frame.
    """
    import pandas

    wide = wide_of(table)
    levels = LEVELS if len(wide.columns[0]) == len(LEVELS) else LEVELS_OF_SEVERAL
    columns = pandas.MultiIndex.from_tuples(wide.columns, names=levels)
    frame = pandas.DataFrame(wide.values, index=list(wide.frame), columns=columns)
    if wide.split is not None:
        frame[(*_SPLIT, "")[: len(levels)]] = list(wide.split)
    return frame


def from_pandas(
    frame: pandas.DataFrame, content: Content | None = None, animals: Animals = ONE_ANIMAL
) -> PoseTable:
    """The poses of a frame with the columns of DeepLabCut.

    Args:
        frame: Its index holds frame numbers, or image paths in one level or in three.
        content: What it should hold; None where it may be labels or predictions.
        animals: Which individuals to take.

    Raises:
        PoseError: See `lp_core.poses.columns.parse_columns`.
    """
    named: list[Any] = frame.columns.to_list()
    names = [tuple(map(str, name)) if isinstance(name, tuple) else (str(name),) for name in named]
    numbers = [place for place, name in enumerate(names) if name[0] != SPLIT_COLUMN]
    layout = parse_columns([names[place] for place in numbers], content, animals)
    split = next((p for p, name in enumerate(names) if name[0] == SPLIT_COLUMN), None)
    return layout.table(
        _numbers(frame.iloc[:, numbers]),
        frames_of_index(frame.index.to_list()),
        None if split is None else tuple(map(str, frame.iloc[:, split])),
    )


def _numbers(frame: pandas.DataFrame) -> ndarray:
    """The values of a frame, in the precision that they have."""
    single = (frame.dtypes == np.float32).all()
    try:
        return frame.to_numpy(dtype=np.float32 if single else np.float64)
    except (TypeError, ValueError) as error:
        raise PoseError(f"a column holds something else than numbers: {error}") from error


def frames_of_index(names: list[Any]) -> Frames:
    """Frame numbers or image paths; a path may be in three parts."""
    if all(isinstance(name, int | np.integer) for name in names):
        return tuple(map(int, names))
    return tuple("/".join(map(str, n)) if isinstance(n, tuple) else str(n) for n in names)


def to_xarray(table: PoseTable, *, fps: float | None = None) -> xarray.Dataset:
    """A dataset as movement has it, with dims time, space, keypoint and individual.

    Time is in frames, or in seconds if ``fps`` is given. What movement has no place for (image
    paths, splits, the scorer) are further coordinates along time, and an attribute.

    Raises:
        PoseError: Two rows are of the same individual in the same frame.
    """
    import xarray

    grid = grid_of(table)
    points = grid.values[..., :-1] if grid.with_third else grid.values
    along_time: dict[str, Any] = {}
    frames = np.array([i for i in grid.frame if isinstance(i, int)], dtype=np.int64)
    if len(frames) < len(grid.frame):
        frames = np.arange(len(grid.frame), dtype=np.int64)
        along_time["image_path"] = ("time", _texts(grid.frame))
    if grid.split is not None:
        along_time["set"] = ("time", _texts(grid.split))
    unit = {"time_unit": "frames"} if fps is None else {"time_unit": "seconds", "fps": fps}
    given = {} if grid.individual is None else {_GIVEN: "given"}
    variables: dict[str, Any] = {"position": (_DIMS, points.transpose(0, 3, 2, 1))}
    if grid.with_third:
        confidence = grid.values[..., -1].transpose(0, 2, 1)
        variables["confidence"] = (("time", "keypoint", "individual"), confidence)
    return xarray.Dataset(
        data_vars=variables,
        coords={
            "time": frames if fps is None else frames / fps,
            "space": _texts("xyz"[: points.shape[-1]]),
            "keypoint": _texts(table.keypoint_names),
            "individual": _texts(grid.individual or [_UNNAMED]),
            **along_time,
        },
        attrs={
            "source_software": "lp", "ds_type": "poses", "scorer": table.scorer, **unit, **given,
        },
    )  # fmt: skip


def _texts(names: Any) -> ndarray:
    return np.array([str(name) for name in names], dtype=object)


def from_xarray(dataset: xarray.Dataset, animals: Animals = ONE_ANIMAL) -> PoseTable:
    """The poses of a dataset of movement, whose dims may have their older, plural names.

    Raises:
        PoseError: It is no such dataset, or holds several animals of which none is chosen.
    """
    dataset = dataset.rename({o: new for o, new in _OLD_NAMES.items() if o in dataset.dims})
    if "position" not in dataset or set(dataset["position"].dims) != set(_DIMS):
        raise PoseError(f"this is not a pose dataset: no 'position' with dims {', '.join(_DIMS)}")
    individual = _individuals(dataset)
    if individual is None:
        refuse_wish(animals.wanted)
    space = [str(axis) for axis in dataset["space"].values] if "space" in dataset.coords else []
    if sorted(space) not in (["x", "y"], ["x", "y", "z"]):
        raise PoseError("the dataset is not one of positions x, y and perhaps z")
    position = dataset["position"].sel(space=sorted(space))
    points = _floating(position.transpose("time", "individual", "keypoint", "space").values)
    parts = [points]
    if "confidence" in dataset and "keypoint" in dataset["confidence"].dims:
        # a confidence of the whole animal is not copied to its keypoints
        values = dataset["confidence"].transpose("time", "individual", "keypoint").values
        parts.append(_floating(values)[..., None])
    else:
        parts.append(np.full((*points.shape[:3], 1), np.nan, points.dtype))
    grid = PoseGrid(
        Skeleton(tuple(str(name) for name in dataset["keypoint"].values)),
        _frames(dataset),
        individual,
        np.concatenate(parts, axis=-1),
        True,
        _coordinate(dataset, "set"),
    )
    if animals.wanted is not None or not animals.several:
        grid = grid.of_individual(animals.wanted)
    attributes = dataset.attrs
    scorer = str(attributes.get("scorer") or attributes.get("source_software") or "tracker")
    return table_of(grid, scorer=scorer)


def _individuals(dataset: xarray.Dataset) -> tuple[str, ...] | None:
    if "individual" not in dataset.coords:
        if dataset.sizes["individual"] != 1:
            raise PoseError(
                f"the dataset holds {dataset.sizes['individual']} animals without names"
            )
        return None
    names = tuple(str(name) for name in dataset["individual"].values)
    if len(set(names)) < len(names):
        raise PoseError("an animal is named twice")
    return None if names == (_UNNAMED,) and _GIVEN not in dataset.attrs else names


def _floating(values: ndarray) -> Float[ndarray, ...]:
    if values.dtype.kind not in "fiu":
        raise PoseError("the dataset holds something else than numbers")
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def _frames(dataset: xarray.Dataset) -> Frames:
    """Image paths, or frame numbers from times in frames or seconds."""
    paths = _coordinate(dataset, "image_path")
    if paths is not None:
        return paths
    if "time" not in dataset.coords:
        return tuple(range(dataset.sizes["time"]))
    times = _floating(dataset["time"].values).astype(np.float64)
    if dataset.attrs.get("time_unit") == "seconds":
        times = times * float(dataset.attrs.get("fps", 0))
        if not dataset.attrs.get("fps"):
            raise PoseError("time is in seconds, but the dataset does not say 'fps'")
    numbers = np.rint(times)
    if not (np.abs(times - numbers) < _NEAR).all():
        raise PoseError("a time of the dataset falls between two frames")
    return tuple(int(number) for number in numbers.tolist())


def _coordinate(dataset: xarray.Dataset, name: str) -> tuple[str, ...] | None:
    if name not in dataset.coords or dataset[name].dims != ("time",):
        return None
    return tuple(str(item) for item in dataset[name].values.tolist())
