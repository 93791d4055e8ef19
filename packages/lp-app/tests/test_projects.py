"""Projects are opened and made, frames chosen, and labels edited, over the interface."""

import json
import shutil
import time

import cv2
import numpy as np
import pytest
import yaml

from lp_app.errors import ProjectError
from lp_app.project import open_project
from lp_app.state import AppState
from lp_data.check import check_project
from lp_data.labels import read_labels
from lp_data.testing.encoding import read_codes
from lp_pipeline.config.load import load_config
from lp_synthetic import SyntheticSettings, generate_project


def ids(client):
    return {video["name"]: video["id"] for video in client.get("/api/project").json()["videos"]}


def put(client, image, animals, empty=False):
    frame = client.get("/api/labels/frame", params={"image": image}).json()
    body = {
        "image": image,
        "version": frame["version"],
        "labels": {"animals": animals, "empty": empty},
    }
    return client.put("/api/labels/frame", json=body)


def animal(*points, name=None):
    return {"name": name, "keypoints": [list(point) for point in points]}


NOTHING = (None, None, 0)


@pytest.mark.parametrize("how", ["link", "copy"])
def test_a_project_is_made_of_videos_and_labelled(how, opened, raw_videos, tmp_path):
    folder = tmp_path / "new"
    client = opened(folder, folders=[raw_videos])
    assert client.get("/api/project").json()["open"] is False
    sources = client.get("/api/sources").json()
    assert [source["name"] for source in sources] == ["first.mp4", "second.mp4"]
    body = {
        "videos": [source["id"] for source in sources],
        "how": how,
        "keypoints": ["nose", "ear_left", "ear_right"],
        "edges": [["nose", "ear_left"]],
        "left_right": [["ear_left", "ear_right"]],
    }
    assert client.post("/api/project", json=body).status_code == 201
    assert (folder / "videos" / "first.mp4").is_symlink() == (how == "link")
    config = load_config(folder / "config.yaml").config
    assert config.data.keypoint_names == ["nose", "ear_left", "ear_right"]
    assert config.data.skeleton == [["nose", "ear_left"]]

    even = {"video": ids(client)["first.mp4"], "count": 3, "how": "even"}
    found = client.post("/api/choices/suggest", json=even)
    frames = [each["frame"] for each in found.json()["suggestions"]]
    assert frames == [5, 15, 25]
    chosen = {"video": ids(client)["first.mp4"], "frames": frames, "why": "at even distances"}
    images = client.post("/api/choices", json=chosen).json()["images"]
    assert images == [f"labeled-data/first/img{frame:08d}.png" for frame in frames]
    picture = cv2.imread(str(folder / images[1]))
    assert read_codes(picture[None, ..., ::-1]) == [15]
    beside = cv2.imread(str(folder / "labeled-data/first/img00000017.png"))
    assert read_codes(beside[None, ..., ::-1]) == [17]

    points = animal((1.25, 2.5, 2), (3, 4, 1), (None, None, 1))
    assert put(client, images[1], [points]).status_code == 200
    client.state.session.store.save()
    table = read_labels(folder / "CollectedData.csv")
    assert table.frame == (images[1],)
    assert table.points[0, :2].tolist() == [[1.25, 2.5], [3, 4]]
    assert table.codes.tolist() == [[2, 1, 1]]
    report = check_project(folder)
    assert not report.errors
    assert report.neighbours.num_proved == 1
    states = [each["state"] for each in client.get("/api/labels").json()["images"]]
    assert sorted(states) == ["labelled", "waiting", "waiting"]
    assert client.get("/api/project").json()["waiting"] == 2


def test_several_animals_are_named_before_they_are_labelled(opened, raw_videos, tmp_path):
    folder = tmp_path / "new"
    client = opened(folder, folders=[raw_videos])
    sources = client.get("/api/sources").json()
    body = {"videos": [sources[0]["id"]], "keypoints": ["nose"], "individuals": ["a", "b"]}
    assert client.post("/api/project", json=body).json()["individuals"] == ["a", "b"]
    video = ids(client)["first.mp4"]
    (image, other) = client.post("/api/choices", json={"video": video, "frames": [4, 9]}).json()[
        "images"
    ]
    assert put(client, image, [animal((5, 6, 2), name="b")]).status_code == 200
    assert put(client, image, [animal((5, 6, 2), name="nobody")]).status_code == 422
    assert client.post("/api/individuals", json={"names": ["c"]}).status_code == 200
    two = [animal((5, 6, 2), name="b"), animal((7, 8, 2), name="c")]
    assert put(client, image, two).status_code == 200
    assert put(client, other, [], empty=True).status_code == 200
    client.state.close()
    table = read_labels(folder / "CollectedData.csv")
    assert list(zip(table.frame, table.individual or (), strict=True)) == [
        (image, "b"), (image, "c"), (other, None),
    ]  # fmt: skip
    again = opened(folder)
    assert again.get("/api/project").json()["individuals"] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"keypoints": []}, "at least one keypoint"),
        ({"keypoints": ["a", "a"]}, "named twice"),
        ({"keypoints": ["a\nb"]}, "cannot be the name"),
        ({"videos": []}, "at least one video"),
        ({"videos": ["0123"]}, "no such video"),
        ({"individuals": ["untracked_0"]}, "meaning of its own"),
        ({"edges": [["a", "nobody"]]}, "nobody"),
    ],
)
def test_a_project_that_would_be_wrong_is_not_made(change, told, opened, raw_videos, tmp_path):
    folder = tmp_path / "new"
    client = opened(folder, folders=[raw_videos])
    videos = [source["id"] for source in client.get("/api/sources").json()]
    answer = client.post("/api/project", json={"videos": videos, "keypoints": ["a"], **change})
    assert answer.status_code in (404, 422)
    assert told in answer.json()["problem"]
    assert not (folder / "config.yaml").exists()


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    settings = SyntheticSettings.tiny()
    return generate_project(tmp_path_factory.mktemp("synthetic") / "project", settings)


@pytest.mark.parametrize("by", ["folder", "config"])
def test_a_project_of_lightning_pose_keeps_its_labels(by, synthetic, opened, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(synthetic.folder, folder)
    before = read_labels(folder / "CollectedData.csv")
    config = tmp_path / "elsewhere.yaml"
    data = {"data_dir": str(folder), "video_dir": "videos", "csv_file": "CollectedData.csv"}
    config.write_text(yaml.safe_dump({"data": data}))
    client = opened(folder if by == "folder" else config)
    images = client.get("/api/labels").json()["images"]
    assert {each["image"] for each in images if each["state"] == "labelled"} >= set(before.frame)
    image = before.frame[0]
    frame = client.get("/api/labels/frame", params={"image": image}).json()
    edited = frame["labels"]["animals"]
    edited[0]["keypoints"][0] = [12.5, 13.75, 2]
    assert put(client, image, edited).status_code == 200
    client.state.session.store.save()
    after = read_labels(folder / "CollectedData.csv")
    assert after.frame == before.frame
    assert after.points[0, 0].tolist() == [12.5, 13.75]
    np.testing.assert_array_equal(after.points[0, 1:], before.points[0, 1:])
    np.testing.assert_array_equal(after.points[1:], before.points[1:])
    np.testing.assert_array_equal(after.codes[1:], before.codes[1:])


def test_the_health_is_what_check_says(make_project, opened):
    folder = make_project()
    client = opened(folder)
    assert client.post("/api/health").status_code == 202
    while (found := client.get("/api/health").json())["running"]:
        time.sleep(0.05)
    report = check_project(folder)
    assert [each["problem"] for each in found["report"]["problems"]] == [
        each.problem for each in report.problems
    ]
    assert [each["frames"] for each in found["report"]["videos"]] == [30, 30]


def test_two_apps_do_not_open_one_project(make_project, opened):
    folder = make_project()
    opened(folder)
    with pytest.raises(ProjectError, match="open in another app"):
        AppState(folder)


def test_what_is_no_project_is_told(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("Task: mice\nscorer: me\nbodyparts: [nose]\nproject_path: x\n")
    with pytest.raises(Exception, match=r"litpose convert|unknown|another tool"):
        open_project(tmp_path)


def test_predictions_are_given_by_frame(make_project, opened):
    folder = make_project()
    tables = folder / "models" / "first_model" / "video_preds"
    tables.mkdir(parents=True)
    rows = "".join(f"{n},{n}.5,{2 * n}.25,0.{n % 10}1\n" for n in range(30))
    text = f"scorer,m,m,m\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n{rows}"
    (tables / "first.csv").write_text(text)
    client = opened(folder)
    video = ids(client)["first.mp4"]
    (model,) = client.get(f"/api/videos/{video}").json()["models"]
    assert model["name"] == "first_model"
    found = client.get(
        f"/api/videos/{video}/predictions/{model['id']}", params={"start": 10, "stop": 12}
    ).json()
    assert found["keypoints"] == ["nose"]
    assert found["frames"][0] == [{"name": None, "keypoints": [[10.5, 20.25, 0.01]]}]
    assert found["frames"][1] == [{"name": None, "keypoints": [[11.5, 22.25, 0.11]]}]
    other = ids(client)["second.mp4"]
    assert client.get(f"/api/videos/{other}").json()["models"] == []


def test_frames_are_suggested_by_looks_and_by_a_models_doubts(synthetic, opened, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(synthetic.folder, folder)
    client = opened(folder)
    video = client.get("/api/project").json()["videos"][0]
    known = client.get(f"/api/videos/{video['id']}").json()["labelled"]
    body = {"video": video["id"], "count": 3, "how": "looks"}
    found = client.post("/api/choices/suggest", json=body).json()["suggestions"]
    assert len(found) == 3
    assert all(each["why"] for each in found)
    assert not {each["frame"] for each in found} & set(known)

    frames = client.get(f"/api/videos/{video['id']}").json()["frames"]
    leap = next(n for n in range(3, frames - 3) if not {n - 1, n, n + 1} & set(known))
    rows = "".join(f"{n},{20 + 60 * (n == leap)},20.0,0.9\n" for n in range(frames))
    tables = folder / "model" / "video_preds"
    tables.mkdir(parents=True)
    text = f"scorer,m,m,m\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n{rows}"
    (tables / f"{video['stem']}.csv").write_text(text)
    (model,) = client.get(f"/api/videos/{video['id']}").json()["models"]
    body = {"video": video["id"], "count": 1, "how": "model", "model": model["id"]}
    answer = client.post("/api/choices/suggest", json=body)
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["suggestions"]
    assert abs(found["frame"] - leap) <= 1
    assert "moves" in found["why"] or "leap" in found["why"] or "px" in found["why"]


def test_a_choice_can_be_taken_back_until_it_is_labelled(make_project, opened):
    client = opened(make_project())
    video = ids(client)["first.mp4"]
    images = client.post("/api/choices", json={"video": video, "frames": [1, 2]}).json()["images"]
    four = animal((1, 1, 2), NOTHING, NOTHING, NOTHING)
    assert put(client, images[0], [four]).status_code == 200
    left = client.post("/api/choices/drop", json={"images": images}).json()["images"]
    assert left == images[:1]
    found = client.get(f"/api/videos/{video}").json()
    assert (found["labelled"], found["waiting"]) == ([1], [])
    assert client.post("/api/choices", json={"video": video, "frames": [1]}).json() == {
        "images": []
    }


def test_a_stale_edit_is_answered_with_what_is_there(make_project, opened):
    client = opened(make_project())
    video = ids(client)["first.mp4"]
    (image,) = client.post("/api/choices", json={"video": video, "frames": [1]}).json()["images"]
    version = client.get("/api/labels/frame", params={"image": image}).json()["version"]
    mine = animal((1, 1, 2), NOTHING, NOTHING, NOTHING)
    assert put(client, image, [mine]).status_code == 200
    theirs = {"animals": [animal((9, 9, 2), NOTHING, NOTHING, NOTHING)], "empty": False}
    body = {"image": image, "version": version, "labels": theirs}
    answer = client.put("/api/labels/frame", json=body)
    assert answer.status_code == 409
    assert answer.json()["current"]["labels"]["animals"] == [json.loads(json.dumps(mine))]
