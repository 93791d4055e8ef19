"""`litpose convert` brings projects in, takes labels and predictions out, and tells what it did."""

import shutil

import cv2
import numpy as np
import pytest
import sleap_io

from lp_core.poses import PoseTable, Skeleton
from lp_data.labels import read_labels
from lp_data.video.open import open_video
from lp_data.video.writer import VideoWriter
from lp_io.predictions import read_predictions, write_predictions
from lp_pipeline.config.load import load_config


def predicted(names, points, confidence, frame, split=None, scorer="tracker"):
    return PoseTable(
        Skeleton(tuple(names)), points, frame, confidence=confidence, split=split, scorer=scorer
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A video of noise that drifts, and its frames as they are decoded."""
    from fractions import Fraction

    path = tmp_path_factory.mktemp("recorded") / "möuse 1.mp4"
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 255, (48, 256, 3), dtype=np.uint8), (0, 0), 2)
    frames = np.stack([scene[:, 6 * i : 6 * i + 64] for i in range(20)])
    with VideoWriter(path, fps=Fraction(30), size=(48, 64)) as writer:
        writer.write(frames)
    with open_video(path) as source:
        return path, source.read(0, 20)


def slp(folder, video, frames, symmetries=()):
    skeleton = sleap_io.Skeleton(["a", "b"], symmetries=list(symmetries))
    source = sleap_io.Video(str(video), open_backend=False)
    labels = sleap_io.Labels(
        [
            sleap_io.LabeledFrame(
                source,
                frame,
                instances=[sleap_io.Instance.from_numpy(np.full((2, 2), frame), skeleton=skeleton)],
            )
            for frame in frames
        ]
    )
    folder.mkdir(parents=True, exist_ok=True)
    labels.save(str(folder / "labels.slp"), verbose=False)
    return folder / "labels.slp"


def pixels(path):
    return cv2.imread(str(path))[..., ::-1]


def test_sleap_labels_become_a_project_with_its_pictures(litpose, recorded, tmp_path):
    video, frames = recorded
    outcome = litpose("convert", slp(tmp_path / "in", video, [1, 9, 19]), tmp_path / "new")
    assert outcome.code == 0, outcome
    assert "3 labelled images" in outcome.out
    assert "1 images without all neighbouring frames: the video ends before them" in outcome.out
    table = read_labels(tmp_path / "new" / "CollectedData.csv")
    assert table.points[:, 0, 0].tolist() == [1, 9, 19]
    folder = tmp_path / "new" / "labeled-data" / "möuse 1"
    assert sorted(file.name for file in folder.iterdir()) == [
        f"img{n:08d}.png" for n in (0, 1, 2, 3, 7, 8, 9, 10, 11, 17, 18, 19)
    ]
    for number in (0, 3, 9, 11, 18):
        np.testing.assert_array_equal(pixels(folder / f"img{number:08d}.png"), frames[number])
    assert (tmp_path / "new" / "videos" / video.name).resolve() == video
    assert (tmp_path / "new" / "conversion.txt").read_text().startswith("kept: 3 labelled images")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "new"]


def test_the_new_projects_config_trains(litpose, recorded, tmp_path, tiny_training):
    source = slp(tmp_path / "in", recorded[0], range(0, 20, 2))
    assert litpose("convert", source, tmp_path / "new").code == 0
    assert load_config(tmp_path / "new" / "config.yaml", check_paths=True).config.data.num_keypoints
    outcome = litpose(
        "train", tmp_path / "new" / "config.yaml", "-o", tmp_path / "model", *tiny_training
    )
    assert outcome.code == 0, outcome
    assert (tmp_path / "model" / "model.safetensors").is_file()


def deeplabcut_project(folder, video, pictures):
    """A DeepLabCut project with one labelled video."""
    place = folder / "labeled-data" / video.stem
    place.mkdir(parents=True)
    rows = ["scorer,,,ann,ann", "bodyparts,,,nose,nose", "coords,,,x,y"]
    for number, picture in pictures.items():
        cv2.imwrite(str(place / f"img{number:02d}.png"), picture[..., ::-1])
        rows.append(f"labeled-data,{video.stem},img{number:02d}.png,{number},{number + 0.5}")
    (place / "CollectedData_ann.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "config.yaml").write_text(f"scorer: ann\nvideo_sets:\n  '{video}': {{}}\n")
    return folder


def test_a_deeplabcut_project_becomes_ours(litpose, recorded, tmp_path):
    video, frames = recorded
    pictures = {n: frames[n] for n in (5, 12)}
    folder = deeplabcut_project(tmp_path / "dlc", video, pictures)
    outcome = litpose("convert", folder, tmp_path / "new", "--videos", "copy")
    assert "8 neighbouring frames; 2 images have all of theirs" in outcome.out
    table = read_labels(tmp_path / "new" / "CollectedData.csv")
    assert table.image_paths == (
        "labeled-data/möuse 1/img05.png",
        "labeled-data/möuse 1/img12.png",
    )
    np.testing.assert_array_equal(
        pixels(tmp_path / "new/labeled-data/möuse 1/img06.png"), frames[6]
    )
    assert not (tmp_path / "new" / "videos" / video.name).is_symlink()


@pytest.mark.parametrize(
    ("shift", "crop", "reason"),
    [(1, 64, "another frame of the video fits better"), (0, 60, "another frame size")],
)
def test_pictures_that_are_not_the_videos_frames_get_no_neighbours(
    litpose, recorded, tmp_path, shift, crop, reason
):
    video, frames = recorded
    pictures = {n: frames[n + shift][:, :crop] for n in (5, 12)}
    folder = deeplabcut_project(tmp_path / "dlc", video, pictures)
    outcome = litpose("convert", folder, tmp_path / "new")
    assert reason in outcome.out
    assert "0 neighbouring frames" in outcome.out


def test_frames_that_were_selected_far_apart_are_no_advice_for_context(litpose, recorded, tmp_path):
    video, frames = recorded
    selected = dict(enumerate(frames[np.random.default_rng(0).permutation(20)]))
    folder = deeplabcut_project(tmp_path / "dlc", video, selected)
    outcome = litpose("convert", folder, tmp_path / "new")
    assert outcome.code == 0, outcome
    assert "; 0 images have all of theirs" in outcome.out
    assert "nothing shows that these are neighbours in time" in outcome.out
    config = (tmp_path / "new" / "config.yaml").read_text()
    assert "heatmap_mhcrnn would gain little" in config


def test_a_skeleton_comes_in_and_goes_out(litpose, tmp_path):
    folder = tmp_path / "dlc/labeled-data/v"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "img1.png"), np.zeros((16, 24, 3), np.uint8))
    names = ["nose", "tail", "ear, left"]
    columns = [f'"{name}"' for name in names for _ in "xy"]
    rows = ["scorer" + ",ann" * 6, ",".join(["bodyparts", *columns]), "coords" + ",x,y" * 3]
    rows.append("labeled-data/v/img1.png,1,2,3,4,5,6")
    (folder / "CollectedData_ann.csv").write_text("\n".join(rows) + "\n")
    skeleton = "[[nose, tail], [nose, 'ear, left'], [bodypart1, nose], [[nose], tail]]"
    (tmp_path / "dlc/config.yaml").write_text(
        f"scorer: ann\nvideo_sets: {{}}\nskeleton: {skeleton}\n"
    )
    edges = [["nose", "tail"], ["nose", "ear, left"]]

    def imported(source, name):
        outcome = litpose("convert", source, tmp_path / name, "--images", tmp_path / "a")
        assert outcome.code == 0, outcome
        config = load_config(tmp_path / name / "config.yaml", check_paths=True).config
        assert config.data.skeleton == edges
        return outcome.out

    said = imported(tmp_path / "dlc", "a")
    assert "kept: the skeleton of 2 edges" in said
    assert "left out: the pair 'bodypart1' and 'nose' of the skeleton" in said
    for place, target in enumerate(["o.json", "o.slp", "o.pkg.slp", "odlc"]):
        assert litpose("convert", tmp_path / "a", tmp_path / target).code == 0
        imported(tmp_path / target, f"back{place}")


def test_left_and_right_of_sleap_come_in_and_go_out(litpose, recorded, tmp_path):
    source = slp(tmp_path, recorded[0], [3, 5], symmetries=[("a", "b")])
    assert "kept: 1 left-right pairs" in litpose("convert", source, tmp_path / "own").out
    config = load_config(tmp_path / "own/config.yaml", check_paths=True).config
    assert config.data.left_right == [["a", "b"]]
    assert litpose("convert", tmp_path / "own", tmp_path / "back.slp").code == 0
    back = sleap_io.load_slp(str(tmp_path / "back.slp"), open_videos=False)
    assert back.skeleton.symmetry_inds == [(0, 1)]
    outcome = litpose("convert", tmp_path / "own", tmp_path / "o.json")
    assert "left out: 1 left-right pairs" in outcome.out


def test_a_config_that_cannot_be_read_costs_the_skeleton_only(litpose, project, tmp_path):
    shutil.copytree(project.folder, tmp_path / "own")
    (tmp_path / "own" / "config.yaml").write_text("data: {skeletn: [[a, b]]}\n")
    outcome = litpose("convert", tmp_path / "own", tmp_path / "o.json")
    assert outcome.code == 0, outcome
    assert "left out: a skeleton, if config.yaml has one: " in outcome.out


def same_labels(one, other):
    by_name = dict(zip(other.image_paths, range(len(other)), strict=True))
    order = [by_name[name] for name in one.image_paths]
    np.testing.assert_array_equal(one.points, other.points[order])
    np.testing.assert_array_equal(one.codes, other.codes[order])
    assert one.keypoint_names == other.keypoint_names


@pytest.mark.parametrize("target", ["labels.json", "labels.slp", "labels.pkg.slp"])
def test_our_labels_go_out_and_come_back(litpose, project, tmp_path, target):
    out = litpose("convert", project.folder, tmp_path / target)
    assert out.code == 0, out
    assert "CollectedData_new.csv: convert it by its own name" in out.out
    back = litpose("convert", tmp_path / target, tmp_path / "b", "--images", project.folder)
    assert back.code == 0, back
    assert "nothing was left out" in back.out
    same_labels(read_labels(tmp_path / "b/CollectedData.csv"), read_labels(project.label_file))


def test_our_project_becomes_a_deeplabcut_project_and_comes_back(litpose, project, tmp_path):
    out = litpose("convert", project.folder, tmp_path / "dlc")
    assert "occluded: DeepLabCut keeps their positions only" in out.out
    assert litpose("convert", tmp_path / "dlc", tmp_path / "back").code == 0
    back, own = read_labels(tmp_path / "back/CollectedData.csv"), read_labels(project.label_file)
    np.testing.assert_array_equal(back.points, own.points)
    picture = own.image_paths[0]
    assert (tmp_path / "back" / picture).read_bytes() == (project.folder / picture).read_bytes()


@pytest.mark.parametrize(
    "names",
    [
        ["img1.png", "img2.png"],
        ["labeled-data/img1.png", "labeled-data/img2.png"],
        ["a/b/img1.png", "a_b/img1.png"],
        ["images/v/img1.png", "labeled-data/v/img2.png"],
    ],
)
def test_pictures_in_any_folders_become_a_deeplabcut_project(litpose, tmp_path, names):
    own = tmp_path / "own"
    for place, name in enumerate(names):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(own / name), np.full((16, 24, 3), 100 * place, np.uint8))
    rows = "".join(f"{name},{place},{place}\n" for place, name in enumerate(names))
    text = f"scorer,ann/b,ann/b\nbodyparts,nose,nose\ncoords,x,y\n{rows}"
    (own / "CollectedData.csv").write_text(text)
    out = litpose("convert", own, tmp_path / "dlc", "--to", "deeplabcut")
    assert out.code == 0, out
    assert "the scorer 'ann/b'" in out.out
    assert "the folders of" in out.out
    assert litpose("convert", tmp_path / "dlc", tmp_path / "back").code == 0
    back = read_labels(tmp_path / "back/CollectedData.csv")
    for path, points in zip(back.image_paths, back.points, strict=True):
        assert pixels(tmp_path / "back" / path)[0, 0, 0] == 100 * points[0, 0]


def test_a_model_directory_is_no_project(litpose, model_dir, tmp_path):
    outcome = litpose("convert", model_dir, tmp_path / "new")
    refused(outcome, "this is a model of lp", f"such as {model_dir}/predictions.csv")
    assert not (tmp_path / "new").exists()
    assert litpose("convert", model_dir / "predictions.csv", tmp_path / "p.h5").code == 0


def test_labels_without_a_single_picture_make_no_project(litpose, project, tmp_path):
    shutil.copy(project.label_file, tmp_path / "CollectedData.csv")
    outcome = litpose("convert", tmp_path / "CollectedData.csv", tmp_path / "new")
    refused(outcome, "not a single picture", "put the pictures where the label file names them")
    assert not (tmp_path / "new").exists()


def test_all_videos_of_a_deeplabcut_project_are_kept_or_told(litpose, recorded, tmp_path):
    video, frames = recorded
    folder = deeplabcut_project(tmp_path / "dlc", video, {5: frames[5]})
    other = tmp_path / "elsewhere" / "unlabelled.mp4"
    other.parent.mkdir()
    shutil.copy(video, other)
    (folder / "videos").mkdir()
    shutil.copy(video, folder / "videos" / "left.mp4")
    sets = f"scorer: ann\nvideo_sets:\n  '{video}': {{}}\n  '{other}': {{}}\n  gone.mp4: {{}}\n"
    (folder / "config.yaml").write_text(sets)
    outcome = litpose("convert", folder, tmp_path / "new")
    assert outcome.code == 0, outcome
    assert {path.name for path in (tmp_path / "new/videos").iterdir()} == {video.name, other.name}
    assert "left out: the video 'gone.mp4' of video_sets: there is no such file" in outcome.out
    assert "left out: the video 'left.mp4' in videos: video_sets does not name it" in outcome.out


@pytest.mark.parametrize("target", ["p.h5", "p.parquet", "p.json", "p.slp", "p.nc"])
def test_predictions_go_out_and_come_back(litpose, tmp_path, target):
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 99, (5, 2, 2)).astype(np.float32)
    table = predicted(("a", "b"), positions, positions[..., 0] / 99, tuple(range(5)))
    write_predictions(table, tmp_path / "p.csv")
    assert litpose("convert", tmp_path / "p.csv", tmp_path / target).code == 0
    back = litpose("convert", tmp_path / target, tmp_path / "b.csv")
    assert "nothing was left out" in back.out
    np.testing.assert_array_equal(
        read_predictions(tmp_path / "b.csv").points.astype(np.float32), positions
    )


def refused(outcome, *expected):
    assert outcome.code == 2, outcome
    assert outcome.err.startswith("error: ")
    assert len(outcome.err.splitlines()) <= 4
    for text in expected:
        assert text in outcome.err


def test_wrong_wishes_are_refused_and_leave_nothing(litpose, recorded, project, tmp_path):
    source = slp(tmp_path / "in", recorded[0], [1])
    table = tmp_path / "in" / "p.csv"
    write_predictions(predicted(("a",), np.ones((1, 1, 2)), np.ones((1, 1)), (0,)), table)
    new = tmp_path / "new"
    refused(litpose("convert", tmp_path / "none", new), "no such file")
    refused(litpose("convert", source, new, "--to", "slep"), "did you mean 'sleap'")
    refused(litpose("convert", source, tmp_path / "x.json"), "convert to a project first")
    refused(litpose("convert", source, new, "--videos", "move"), "link, copy, none")
    refused(litpose("convert", table, new), "predictions are not labels")
    refused(litpose("convert", project.folder, tmp_path / "x.h5"), "labels cannot become h5")
    refused(litpose("convert", table, tmp_path / "x.doc"), "'.doc' does not tell", "--to")
    dlc = deeplabcut_project(tmp_path / "in" / "dlc", recorded[0], {5: recorded[1][5]})
    refused(litpose("convert", dlc, new, "--to", "deeplabcut"), "a DeepLabCut project already")
    gone = slp(tmp_path / "in2", tmp_path / "gone.mp4", [1])
    refused(litpose("convert", gone, new), "not a single picture", "put the images or videos")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "in2"]


def test_what_is_there_is_replaced_only_on_demand(litpose, recorded, tmp_path):
    source = slp(tmp_path / "in", recorded[0], [1])
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("mine")
    refused(litpose("convert", source, tmp_path / "new"), "--overwrite")
    assert (tmp_path / "new" / "mine.txt").read_text() == "mine"
    refused(litpose("convert", source, tmp_path / "new", "--overwrite"), "so it is not replaced")
    assert (tmp_path / "new" / "mine.txt").read_text() == "mine"
    (tmp_path / "new" / "mine.txt").unlink()
    assert litpose("convert", source, tmp_path / "new").code == 0
    (tmp_path / "new" / "old.txt").touch()
    assert litpose("convert", source, tmp_path / "new", "--overwrite").code == 0
    assert not (tmp_path / "new" / "old.txt").exists()
    shutil.rmtree(tmp_path / "in")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_conversion_replaces_what_it_is_made_from(litpose, project, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(project.folder, mine)
    (mine / "conversion.txt").touch()  # as if an earlier conversion had made it
    before = everything(mine)
    for source, target in ((mine, mine), (mine / project.label_file.name, mine), (mine, tmp_path)):
        outcome = litpose("convert", source, target, "--to", "deeplabcut", "--overwrite")
        refused(outcome, "would be replaced by what is made from it")
        assert everything(mine) == before
    # labels that lie elsewhere, but name the pictures and videos there
    linked = tmp_path / "linked"
    shutil.copytree(mine, linked)
    shutil.rmtree(linked / "labeled-data")
    (linked / "labeled-data").symlink_to(mine / "labeled-data")
    outcome = litpose("convert", linked, mine, "--to", "deeplabcut", "--overwrite")
    refused(outcome, "would be replaced by what is made from it")
    assert everything(mine) == before


def test_a_deeplabcut_project_that_was_made_here_is_replaced(litpose, project, tmp_path):
    arguments = ("convert", project.folder, tmp_path / "dlc")
    outcome = litpose(*arguments)
    assert outcome.code == 0, outcome.err
    assert "next:" not in outcome.out
    made = set(everything(tmp_path / "dlc"))
    (tmp_path / "dlc" / "old.txt").touch()
    assert litpose(*arguments, "--overwrite").code == 0
    assert set(everything(tmp_path / "dlc")) == made
