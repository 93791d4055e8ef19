"""Predictions as a dataset of movement in NetCDF: dims time, space, keypoint and individual.

The library movement is not needed: the layout is xarray's. What movement has no place for (image
paths, sets, the scorer) are further coordinates along time, and an attribute.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from lp_io.extras import require
from lp_io.predictions.table import PredictionTable
from lp_io.untrusted import hdf5, probe
from lp_io.untrusted.content import ContentError, library_reading
from lp_io.untrusted.individuals import SINGLE, choose_individual, refuse_wish

_DIMS = ("time", "space", "keypoint", "individual")
_OLD_NAMES = {"keypoints": "keypoint", "individuals": "individual"}  # before movement 0.17
_INDIVIDUAL = "id_0"
_NEAR = 0.01  # frames


def write_movement(table: PredictionTable, path: Path, *, fps: float | None = None) -> list[str]:
    """Write predictions to ``path``, in place.

    Args:
        table: The predictions.
        path: The file.
        fps: Frames per second: time is then in seconds, otherwise in frames.

    Returns:
        What could not be kept: nothing.

    Raises:
        ContentError: A name is no valid text.
        MissingExtraError: xarray or h5netcdf is not installed.
    """
    xarray = require("xarray", "movement")
    require("h5netcdf", "movement")
    along_time: dict[str, Any] = {}
    frames = np.array([i for i in table.index if isinstance(i, int)], dtype=np.int64)
    if len(frames) < len(table):
        frames = np.arange(len(table), dtype=np.int64)
        along_time["image_path"] = ("time", _texts(table.index))
    if table.sets is not None:
        along_time["set"] = ("time", _texts(table.sets))
    unit = {"time_unit": "frames"} if fps is None else {"time_unit": "seconds", "fps": fps}
    dataset = xarray.Dataset(
        data_vars={
            "position": (_DIMS, table.keypoints.transpose(0, 2, 1)[..., None]),
            "confidence": (("time", "keypoint", "individual"), table.confidences[..., None]),
        },
        coords={
            "time": frames if fps is None else frames / fps,
            "space": _texts(["x", "y"]),
            "keypoint": _texts(table.keypoint_names),
            "individual": _texts([_INDIVIDUAL]),
            **along_time,
        },
        attrs={"source_software": "lp", "ds_type": "poses", "scorer": table.scorer, **unit},
    )
    try:
        dataset.to_netcdf(path, engine="h5netcdf")
    except (UnicodeEncodeError, ValueError) as error:
        raise ContentError(f"NetCDF cannot keep a name: {error}") from error
    return []


def _texts(names: Any) -> ndarray:
    texts = [str(name) for name in names]
    lost = [text for text in texts if "\0" in text]
    if lost:
        raise ContentError(f"the name {lost[0]!r} holds a null character, which NetCDF cannot keep")
    return np.array(texts, dtype=object)


def read_movement(path: Path, individual: str | None = None) -> PredictionTable:
    """Read predictions of one animal that movement or lp wrote; dims may have their older names.

    Args:
        path: The file.
        individual: Which animal to take; None takes the only one.

    Raises:
        ContentError: The file is no such dataset, or holds several animals or three dimensions.
        MissingExtraError: xarray or h5netcdf is not installed.
    """
    xarray = require("xarray", "movement")
    require("h5netcdf", "movement")
    probe.check_readable(path)
    with hdf5.opened(path, "movement") as file:
        hdf5.check_members(file)
    with library_reading("xarray"), xarray.open_dataset(path, engine="h5netcdf") as opened:
        dataset = opened.load()
        names = {old: new for old, new in _OLD_NAMES.items() if old in dataset.dims}
        return _table(dataset.rename(names), individual)


def _table(dataset: Any, individual: str | None) -> PredictionTable:
    if "position" not in dataset or set(dataset["position"].dims) != set(_DIMS):
        raise ContentError(f"this is no pose dataset: no 'position' with dims {', '.join(_DIMS)}")
    dataset = _of_one_animal(dataset, individual)
    space = [str(axis) for axis in dataset["space"].values] if "space" in dataset.coords else []
    if sorted(space) != ["x", "y"]:
        raise ContentError("the dataset is not one of positions x and y in a plane")
    position = dataset["position"].sel(space=["x", "y"]).transpose(*_DIMS).values[..., 0]
    names = tuple(str(name) for name in dataset["keypoint"].values)
    if len(set(names)) < len(names):
        raise ContentError("a keypoint is named twice")
    return PredictionTable(
        keypoint_names=names,
        keypoints=np.ascontiguousarray(_floating(position).transpose(0, 2, 1)),
        confidences=_confidences(dataset, (len(position), len(names))),
        index=_index(dataset),
        sets=_coordinate(dataset, "set"),
        scorer=str(
            dataset.attrs.get("scorer") or dataset.attrs.get("source_software") or "tracker"
        ),
    )


def _of_one_animal(dataset: Any, individual: str | None) -> Any:
    """The dataset with one animal, to which keypoints that exist once in the scene belong."""
    if "individual" not in dataset.coords:
        refuse_wish(individual)
        if dataset.sizes["individual"] != 1:
            raise ContentError(
                f"the dataset holds {dataset.sizes['individual']} animals without names"
            )
        return dataset
    names = [str(name) for name in dataset["individual"].values]
    if len(set(names)) < len(names):
        raise ContentError("an animal is named twice")
    chosen = choose_individual(names, individual)
    animal = dataset.isel(individual=[names.index(chosen)])
    if SINGLE not in names or chosen == SINGLE:
        return animal
    scene = dataset.isel(individual=[names.index(SINGLE)])
    of_scene = scene["position"].notnull().any(("time", "space", "individual"))
    return animal.assign(
        {
            variable: animal[variable].where(~of_scene, scene[variable].values)
            for variable in ("position", "confidence")
            if variable in animal and "keypoint" in animal[variable].dims
        }
    )


def _floating(values: ndarray) -> ndarray:
    if values.dtype.kind not in "fiu":
        raise ContentError("the dataset holds something else than numbers")
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def _confidences(dataset: Any, size: tuple[int, int]) -> ndarray:
    """(N, K); a confidence of the whole animal is none of a keypoint, and is not made one."""
    if "confidence" not in dataset or "keypoint" not in dataset["confidence"].dims:
        return np.full(size, np.nan)
    values = dataset["confidence"].transpose("time", "keypoint", "individual").values[..., 0]
    return np.ascontiguousarray(_floating(values))


def _index(dataset: Any) -> tuple[str, ...] | tuple[int, ...]:
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
            raise ContentError("time is in seconds, but the dataset does not say 'fps'")
    numbers = np.rint(times)
    if not (np.abs(times - numbers) < _NEAR).all():
        raise ContentError("a time of the dataset falls between two frames")
    return tuple(int(number) for number in numbers.tolist())


def _coordinate(dataset: Any, name: str) -> tuple[str, ...] | None:
    if name not in dataset.coords or dataset[name].dims != ("time",):
        return None
    return tuple(str(item) for item in dataset[name].values.tolist())
