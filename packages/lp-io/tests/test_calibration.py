"""Calibrated cameras from the files of every tool, and what is said of files that are wrong."""

import cv2
import numpy as np
import pytest
import scipy.io
import torch

from lp_core.geometry.cameras import Camera, Rig, project, rotation_matrix
from lp_io.calibration import read_rig, write_rig
from lp_io.errors import CalibrationFileError

MATRIX = np.array([[500.25, 0.0, 317.5], [0.0, 510.125, 241.0], [0.0, 0.0, 1.0]])
BROWN = np.array([-0.2, 0.05, 0.001, -0.002, 0.01])


def camera(name, seed=0, **values):
    random = np.random.default_rng(seed)
    known = {
        "size": (640, 480),
        "matrix": MATRIX,
        "distortion": BROWN,
        "rotation": rotation_matrix(random.normal(0, 1, 3)),
        "translation": random.normal(0, 100, 3),
    }
    return Camera(name=name, **{**known, **values})


@pytest.fixture
def rig():
    return Rig(
        (
            camera("top"),
            camera("side", 1, distortion=np.array([0.05, -0.01, 0.002, 0.001]), model="fisheye"),
            camera("back", 2, distortion=np.array([0.3, -0.1, 0, 0, 0.01, 0.5, -0.1, 0.02])),
            camera("front", 3, distortion=np.zeros(0)),
        ),
        "mm",
    )


def assert_same(one, other):
    assert one.names == other.names
    assert [c.size for c in one] == [c.size for c in other]
    torch.testing.assert_close(one.packed(), other.packed(), atol=1e-12, rtol=0)


def toml(*tables):
    return "\n".join(tables)


def table(key, name="top", **changes):
    values = {
        "size": "[640, 480]",
        "matrix": MATRIX.tolist(),
        "distortions": BROWN.tolist(),
        "rotation": "[0.1, 0.2, 0.3]",
        "translation": "[1, 2, 3]",
        **changes,
    }
    lines = [f"{k} = {v}" for k, v in values.items() if v is not None]
    return "\n".join([f"[{key}]", f'name = "{name}"', *lines, ""])


def test_toml_keeps_everything(rig, tmp_path):
    path = tmp_path / "calibrations" / "session.toml"
    write_rig(rig, path)
    back = read_rig(path)
    assert_same(back, rig)
    assert back.unit == "mm"
    assert back["side"].model == "fisheye"


def test_toml_of_many_cameras_keeps_their_order_for_every_reader(tmp_path):
    """Fault 10: other tools read the tables in the order of their keys as texts."""
    path = tmp_path / "rig.toml"
    rig = Rig(tuple(camera(f"c{i}", i) for i in range(12)))
    write_rig(rig, path)
    keys = [line for line in path.read_text().splitlines() if line.startswith("[cam")]
    assert keys == sorted(keys)
    assert_same(read_rig(path), rig)


def test_cameras_have_their_names_and_the_order_of_numbered_tables(tmp_path):
    """Fault 10: cam_10 is the eleventh table, and a camera is known by its name, not its place."""
    path = tmp_path / "rig.toml"
    path.write_text(toml(*(table(f"cam_{i}", f"view{11 - i}") for i in range(12))))
    assert read_rig(path).names == tuple(f"view{11 - i}" for i in range(12))


def test_tables_that_are_not_cameras_are_left_out(tmp_path):
    """Fault 11: an extra table is not a camera."""
    path = tmp_path / "rig.toml"
    extra = '[metadata]\nadjusted = false\nerror = 0.3\nunit = "mm"\n[notes]\nby = "me"\n'
    path.write_text(toml(table("cam_0"), extra))
    rig = read_rig(path)
    assert rig.names == ("top",)
    assert rig.unit == "mm"


def test_distortion_may_be_nested_and_of_any_known_number(tmp_path):
    """Fault 13: cameras of one rig differ in the number of their coefficients."""
    path = tmp_path / "rig.toml"
    path.write_text(
        toml(
            table("cam_0", "a", distortions="[[-0.1, 0.2, 0, 0, 0]]"),
            table("cam_1", "b", distortions="[-0.1, 0.2, 0, 0, 0, 0.1, 0, 0]"),
            table("cam_2", "c", distortions=None),
            table("cam_3", "d", distortions="[0.1, 0, 0, 0]", fisheye="true"),
        )
    )
    assert [c.distortion.size for c in read_rig(path)] == [5, 8, 0, 4]
    assert project(read_rig(path), np.array([[0.0, 0.0, 5.0]])).shape == (4, 1, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (table("cam_0", matrix=None), "camera 'top': there is no 'matrix'"),
        (table("cam_0", size=None), "does not say how large its images are"),
        (table("cam_0", size="[640, 480.5]"), "whole pixels"),
        (table("cam_0", matrix="[[1, 2], [3, 4]]"), r"'matrix' should be 3 × 3 numbers"),
        (table("cam_0", matrix='"none"'), "'matrix' should be numbers"),
        (table("cam_0", matrix="[[500, 0, 1], [0, 500, 1], [0, 0, 500]]"), "not one of a camera"),
        (table("cam_0", translation="[1, nan, 2]"), "'translation' has values that are not finite"),
        (table("cam_0", distortions="[1, 2, 3]"), "distortion coefficients, got 3"),
        (table("cam_0", fisheye='"yes"'), "'fisheye' should be true or false"),
        (table("cam_0") + table("cam_1"), "have the name top"),
        ("[metadata]\n", "no tables of cameras"),
        ("cam_0 = [", "not TOML"),
    ],
)
def test_wrong_toml_names_the_camera_and_key(text, message, tmp_path):
    path = tmp_path / "rig.toml"
    path.write_text(text)
    with pytest.raises(CalibrationFileError, match=message) as error:
        read_rig(path)
    assert error.value.where == str(path)


def opencv_file(path, camera, **extra):
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    file.write("image_width", camera.size[0])
    file.write("image_height", camera.size[1])
    file.write("camera_matrix", camera.matrix)
    file.write("distortion_coefficients", camera.distortion[None])
    file.write("R", camera.rotation)
    file.write("T", camera.translation[:, None])
    for key, value in extra.items():
        file.write(key, value)
    file.release()


def test_opencv_files_in_a_folder(rig, tmp_path):
    for number, camera in enumerate(rig):
        if camera.model == "pinhole" and camera.distortion.size:
            opencv_file(tmp_path / f"{camera.name}.yml", camera, number=number)
    opencv_file(tmp_path / "side.yaml", rig["side"], camera_model="fisheye")
    (tmp_path / "notes.txt").write_text("by me")
    assert_same(read_rig(tmp_path), rig.subset(["back", "side", "top"]))
    assert_same(read_rig(tmp_path / "side.yaml"), rig.subset(["side"]))


def test_a_folder_of_numbered_cameras_is_in_their_order(tmp_path):
    """Fault 10."""
    for number in (0, 2, 10):
        opencv_file(tmp_path / f"cam{number}.yaml", camera(f"cam{number}"))
    assert read_rig(tmp_path).names == ("cam0", "cam2", "cam10")


def jarvis_file(path, camera):
    """JARVIS multiplies rows from the left, and says nothing of the size."""
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    file.write("intrinsicMatrix", np.ascontiguousarray(camera.matrix.T))
    file.write("distortionCoefficients", camera.distortion[None])
    file.write("R", np.ascontiguousarray(camera.rotation.T))
    file.write("T", camera.translation[:, None])
    file.release()


def test_a_jarvis_folder(tmp_path):
    rig = Rig((camera("Camera_A", 4), camera("Camera_B", 5)))
    for each in rig:
        jarvis_file(tmp_path / f"{each.name}.yaml", each)
    assert_same(read_rig(tmp_path, {"Camera_A": (640, 480), "Camera_B": (640, 480)}), rig)
    with pytest.raises(CalibrationFileError, match="'Camera_A': the file does not say how large"):
        read_rig(tmp_path)
    # a point as JARVIS projects it: rows times matrices
    point = np.array([3.0, -2.0, 700.0])
    plain = camera("Camera_A", 4, distortion=np.zeros(0))
    rows = np.vstack([plain.rotation.T, plain.translation]) @ plain.matrix.T
    image = np.append(point, 1.0) @ rows
    expected = project(Rig((plain,)), point)[0]
    if image[2] > 0:
        np.testing.assert_allclose(image[:2] / image[2], expected, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("%YAML:1.0\nimage_width: 1\n", "no camera is in it"),
        ("K: !!python/object/apply:os.getcwd []\n", "not YAML"),
        ("- 1\n- 2\n", "no keys and values"),
        ("a: [", "not YAML"),
        (
            "K: !!opencv-matrix\n  rows: 2\n  cols: 3\n  data: [1, 2]\n",
            "line 1: a matrix is damaged",
        ),
        ("K: [1, 2, 3]\nimage_width: 4\nimage_height: 4\n", r"'camera_matrix' should be 3 × 3"),
    ],
)
def test_wrong_yaml_is_told(text, message, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(CalibrationFileError, match=message) as error:
        read_rig(path)
    assert error.value.where == str(path)


def matlab(camera):
    """The struct of a camera as MATLAB has it: rows from the left, pixels from 1."""
    matrix = camera.matrix.copy()
    matrix[:2, 2] += 1
    k = camera.distortion
    return {
        "K": matrix.T,
        "r": camera.rotation.T,
        "t": camera.translation[None],
        "RDistort": k[[0, 1, 4]],
        "TDistort": k[[2, 3]],
    }


@pytest.mark.parametrize("count", [1, 3])
def test_a_label3d_file(count, tmp_path):
    rig = Rig(tuple(camera(f"Cam{i}", i) for i in range(count)))
    params, names = np.empty((count, 1), object), np.empty((1, count), object)
    for i, each in enumerate(rig):
        params[i, 0], names[0, i] = matlab(each), each.name
    labels = np.zeros((4, 4))
    scipy.io.savemat(tmp_path / "a.mat", {"params": params, "camnames": names, "labels": labels})
    sizes = dict.fromkeys(rig.names, (640, 480))
    assert_same(read_rig(tmp_path / "a.mat", sizes), rig)


def test_dannce_files_of_single_cameras(tmp_path):
    rig = Rig((camera("hires_cam1", 1), camera("hires_cam2", 2)))
    for each in rig:
        scipy.io.savemat(tmp_path / f"{each.name}_params.mat", matlab(each))
    sizes = dict.fromkeys(rig.names, (640, 480))
    assert_same(read_rig(tmp_path, sizes), rig)


def test_wrong_matlab_files_are_told(tmp_path):
    path, sizes = tmp_path / "a.mat", {"a": (640, 480)}
    path.write_bytes(b"MATLAB 7.3 MAT-file" + bytes(600))
    with pytest.raises(CalibrationFileError, match=r"version 7\.3"):
        read_rig(path, sizes)
    path.write_bytes(b"\x80\x04nonsense" * 30)
    with pytest.raises(CalibrationFileError, match="scipy cannot make sense of it"):
        read_rig(path, sizes)
    values = matlab(camera("a"))
    scipy.io.savemat(path, {**values, "K": camera("a").matrix})
    with pytest.raises(CalibrationFileError, match="camera 'a': 'K' is not in MATLAB's order"):
        read_rig(path, sizes)
    del values["t"]
    scipy.io.savemat(path, values)
    with pytest.raises(CalibrationFileError, match="camera 'a': there is no 't'"):
        read_rig(path, sizes)


def test_other_files_and_folders_are_told(tmp_path):
    with pytest.raises(CalibrationFileError, match="no file of a camera is in this folder"):
        read_rig(tmp_path)
    with pytest.raises(CalibrationFileError, match="no such file"):
        read_rig(tmp_path / "a.toml")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(CalibrationFileError, match="not known how to read") as error:
        read_rig(tmp_path / "a.json")
    assert ".toml" in str(error.value)
