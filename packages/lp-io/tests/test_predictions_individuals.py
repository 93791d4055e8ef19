"""Tables of several animals: one is chosen, and what exists once in the scene belongs to it."""

import json

import numpy as np
import pandas
import pytest
import sleap_io
import xarray

from lp_core.errors import PoseError
from lp_io.predictions import read_predictions

PARTS = {"m1": ["nose", "tail"], "m2": ["nose", "tail"], "single": ["corner"]}
VALUE = {"m1": 1.0, "m2": 2.0, "single": 3.0}
COORDS = ("x", "y", "likelihood")


def deeplabcut_frame(animals):
    """Every number tells the animal that it belongs to; confidences are a tenth of that."""
    columns, values = [], []
    for animal in animals:
        for part in PARTS[animal]:
            for coord in COORDS:
                columns.append(("DLC", animal, part, coord))
                values.append(VALUE[animal] * (0.1 if coord == "likelihood" else 1))
    names = ["scorer", "individuals", "bodyparts", "coords"]
    index = pandas.MultiIndex.from_tuples(columns, names=names)
    return pandas.DataFrame(np.tile(values, (3, 1)), columns=index)


def write_deeplabcut(path, animals):
    frame = deeplabcut_frame(animals)
    if path.suffix == ".csv":
        frame.to_csv(path)
    elif path.suffix == ".h5":
        frame.to_hdf(path, key="df_with_missing", mode="w")
    else:
        frame.to_parquet(path)


def write_sleap(path, animals):
    skeleton = sleap_io.Skeleton(["nose", "tail"])
    tracks = {animal: sleap_io.Track(animal) for animal in animals}
    video = sleap_io.Video("v.mp4", open_backend=False)
    frames = [
        sleap_io.LabeledFrame(
            video=video,
            frame_idx=number,
            instances=[
                sleap_io.PredictedInstance.from_numpy(
                    np.full((2, 2), VALUE[animal]),
                    skeleton=skeleton,
                    point_scores=np.full(2, 0.1 * VALUE[animal]),
                    score=0.5,
                    track=track,
                )
                for animal, track in tracks.items()
            ],
        )
        for number in range(3)
    ]
    sleap_io.Labels(frames).save(str(path), verbose=False)


def write_coco(path, animals):
    path.write_text(
        json.dumps(
            {
                "images": [{"id": i, "file_name": f"f{i}", "frame_number": i} for i in range(3)],
                "categories": [{"id": 1, "name": "mouse", "keypoints": ["nose", "tail"]}],
                "annotations": [
                    {
                        "id": 10 * i + n,
                        "image_id": i,
                        "category_id": 1,
                        "track_id": animal,
                        "keypoints": [VALUE[animal], VALUE[animal], 2] * 2,
                        "keypoint_scores": [0.1 * VALUE[animal]] * 2,
                    }
                    for i in range(3)
                    for n, animal in enumerate(animals)
                ],
            }
        )
    )


def write_movement(path, animals):
    parts = ["nose", "tail", "corner"]
    position = np.full((3, 2, len(parts), len(animals)), np.nan)
    for place, animal in enumerate(animals):
        for part in PARTS[animal]:
            position[:, :, parts.index(part), place] = VALUE[animal]
    xarray.Dataset(
        {
            "position": (("time", "space", "keypoint", "individual"), position),
            "confidence": (("time", "keypoint", "individual"), 0.1 * position[:, 0]),
        },
        coords={
            "time": range(3), "space": ["x", "y"], "keypoint": parts, "individual": list(animals),
        },
    ).to_netcdf(path, engine="h5netcdf")  # fmt: skip


WRITERS = {
    ".csv": write_deeplabcut,
    ".h5": write_deeplabcut,
    ".parquet": write_deeplabcut,
    ".nc": write_movement,
    ".slp": write_sleap,
    ".json": write_coco,
}
WITH_SCENE = [".csv", ".h5", ".parquet", ".nc"]


def assert_is(table, **values):
    """Whether the table holds the keypoints of those animals."""
    assert len(table) == 3
    for part, animal in values.items():
        column = table.keypoint_names.index(part)
        np.testing.assert_array_equal(table.points[:, column], VALUE[animal])
        np.testing.assert_allclose(table.confidence[:, column], 0.1 * VALUE[animal])


@pytest.mark.parametrize("suffix", WITH_SCENE)
def test_what_exists_once_in_the_scene_is_no_animal(tmp_path, suffix):
    path = tmp_path / f"p{suffix}"
    WRITERS[suffix](path, ["m1", "single"])
    assert_is(read_predictions(path), nose="m1", tail="m1", corner="single")
    assert_is(read_predictions(path, individual="m1"), nose="m1", tail="m1", corner="single")
    assert_is(read_predictions(path, individual="single"), corner="single")


@pytest.mark.parametrize("suffix", WITH_SCENE)
def test_of_several_animals_one_is_chosen_with_what_is_in_the_scene(tmp_path, suffix):
    path = tmp_path / f"p{suffix}"
    WRITERS[suffix](path, ["m1", "m2", "single"])
    assert_is(read_predictions(path, individual="m2"), nose="m2", tail="m2", corner="single")


@pytest.mark.parametrize("suffix", WRITERS)
def test_several_animals_are_told_with_the_way_to_choose(tmp_path, suffix):
    path = tmp_path / f"p{suffix}"
    WRITERS[suffix](path, ["m1", "m2"])
    assert_is(read_predictions(path, individual="m2"), nose="m2", tail="m2")
    with pytest.raises(PoseError, match="one is taken here") as caught:
        read_predictions(path)
    assert caught.value.remedy == "choose one with litpose convert --individual: m1, m2"
    with pytest.raises(PoseError, match="no animal is named 'm3'") as caught:
        read_predictions(path, individual="m3")
    assert "there are: m1, m2" in caught.value.remedy


def test_a_table_without_animals_has_none_to_choose(tmp_path):
    frame = deeplabcut_frame(["m1"]).droplevel("individuals", axis=1)
    frame.to_csv(tmp_path / "p.csv")
    frame.to_hdf(tmp_path / "p.h5", key="df_with_missing", mode="w")
    for name in ("p.csv", "p.h5"):
        with pytest.raises(PoseError, match="names no animals"):
            read_predictions(tmp_path / name, individual="m1")
