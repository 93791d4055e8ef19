"""DeepLabCut projects as its own tools lay them out: index styles, videos, scorers, animals."""

import numpy as np
import pandas
import pytest
import yaml

from lp_io.errors import ConversionError
from lp_io.projects.deeplabcut import read_deeplabcut_project


def project(folder, tables, **config):
    """A DeepLabCut project as its own tools lay it out.

    Tables are given by the folder and the scorer; each is a pandas frame.
    """
    for (video, scorer), frame in tables.items():
        place = folder / "labeled-data" / video
        place.mkdir(parents=True, exist_ok=True)
        frame.to_csv(place / f"CollectedData_{scorer}.csv")
        frame.to_hdf(place / f"CollectedData_{scorer}.h5", key="df_with_missing", mode="w")
    content = {"Task": "t", "scorer": "ann", "video_sets": {}, "bodyparts": [], **config}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


def table(index, values, scorer="ann", bodyparts=("nose", "tail"), individuals=None):
    levels = [[scorer], bodyparts, ["x", "y"]]
    level_names = ["scorer", "bodyparts", "coords"]
    if individuals:
        levels.insert(1, individuals)
        level_names.insert(1, "individuals")
    columns = pandas.MultiIndex.from_product(levels, names=level_names)
    if isinstance(index[0], tuple):
        index = pandas.MultiIndex.from_tuples(index)
    return pandas.DataFrame(np.array(values, dtype=float), index=index, columns=columns)


nan = np.nan
OLD_STYLE = ["labeled-data\\v1\\img002.png", "labeled-data\\v1\\img011.png"]
NEW_STYLE = [("labeled-data", "v2", "img7.png")]


@pytest.mark.parametrize("kept", ["csv", "h5"])
def test_both_index_styles_and_several_videos(tmp_path, kept):
    tables = {
        ("v1", "ann"): table(OLD_STYLE, [[1, 2, nan, nan], [3, 4, 5, 6]]),
        ("v2", "ann"): table(NEW_STYLE, [[7, 8, 9, 10]]),
    }
    folder = project(tmp_path, tables, skeleton=[["nose", "tail"]])
    for file in folder.rglob("CollectedData*"):
        if file.suffix != f".{kept}":
            file.unlink()
    labels = read_deeplabcut_project(folder)
    assert [image.name for image in labels.images] == [
        "labeled-data/v1/img002.png",
        "labeled-data/v1/img011.png",
        "labeled-data/v2/img7.png",
    ]
    assert [image.frame for image in labels.images] == [2, 11, 7]
    np.testing.assert_array_equal(labels.table.points[:, 0], [[1, 2], [3, 4], [7, 8]])
    assert labels.table.codes.tolist() == [[2, 0], [2, 2], [2, 2]]
    assert (labels.table.scorer, labels.left_out) == ("ann", ())
    assert labels.table.skeleton.edges == (("nose", "tail"),)


def test_videos_are_found_by_the_config_or_in_the_project(tmp_path):
    tables = {
        ("v1", "ann"): table(OLD_STYLE, np.ones((2, 4))),
        ("v2", "ann"): table(NEW_STYLE, np.ones((1, 4))),
    }
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "v1.avi").touch()
    sets = {str(tmp_path / "elsewhere" / "v1.avi"): {"crop": ""}, "C:\\old\\place\\v2.mp4": None}
    folder = project(tmp_path / "p", tables, video_sets=sets)
    (folder / "videos").mkdir()
    for name in ("v2.csv", "v2.mp4"):  # DeepLabCut writes its predictions beside the videos
        (folder / "videos" / name).touch()
    labels = read_deeplabcut_project(folder)
    assert [video.name for video in labels.videos] == ["v1.avi", "v2.mp4"]
    assert labels.images[2].video == folder / "videos" / "v2.mp4"


def test_of_several_scorers_one_is_taken_and_the_others_are_told(tmp_path):
    tables = {
        ("v1", "ann"): table(OLD_STYLE, np.ones((2, 4))),
        ("v1", "bob"): table(OLD_STYLE, np.full((2, 4), 2), scorer="bob"),
    }
    folder = project(tmp_path, tables)
    labels = read_deeplabcut_project(folder)
    assert labels.table.points.max() == 1
    assert labels.left_out == ("the labels of bob: another scorer than ann",)
    assert read_deeplabcut_project(folder, scorer="bob").table.points.max() == 2
    with pytest.raises(ConversionError, match="no scorer is named 'bop'") as caught:
        read_deeplabcut_project(folder, scorer="bop")
    assert "did you mean 'bob'" in caught.value.remedy
    project(tmp_path, {}, scorer="cleo")
    with pytest.raises(ConversionError, match="several people have labelled: ann, bob"):
        read_deeplabcut_project(folder)


def test_a_config_that_repeats_itself_endlessly_is_read_at_once(tmp_path):
    folder = project(tmp_path, {("v1", "ann"): table(OLD_STYLE, [[1, 2, 3, 4], [3, 4, 5, 6]])})
    doubling = [f"a{level}: &a{level} [*a{level - 1}, *a{level - 1}]" for level in range(1, 60)]
    lines = ["a0: &a0 [again]", *doubling, "scorer: *a59", "skeleton: *a59", "video_sets: {}"]
    (folder / "config.yaml").write_text("\n".join(lines))
    labels = read_deeplabcut_project(folder)
    assert len(labels.images) == 2
    assert labels.table.skeleton.edges == ()


@pytest.mark.parametrize("how", ["spreadsheet", "pandas"])
def test_label_files_that_another_program_has_saved_again(tmp_path, how):
    folder = project(tmp_path, {("v2", "ann"): table(NEW_STYLE, [[7, 8, 9, 10]])})
    (file,) = folder.rglob("*.csv")
    if how == "pandas":
        pandas.read_csv(file, header=[0, 1, 2]).to_csv(file, index=False)
        assert "Unnamed: 1_level_0" in file.read_text()
    else:
        file.write_text("".join(f"{line},,\n" for line in file.read_text().splitlines()))
    labels = read_deeplabcut_project(folder)
    assert labels.images[0].name == "labeled-data/v2/img7.png"
    assert labels.table.points.tolist() == [[[7, 8], [9, 10]]]
    edit(folder, "10.0,,", "10.0,,4") if how == "spreadsheet" else edit(folder, "10.0", "10.0,4")
    with pytest.raises(ConversionError, match="has no header"):
        read_deeplabcut_project(folder)


def test_two_scorers_in_one_file(tmp_path):
    both = pandas.concat(
        [table(OLD_STYLE, np.full((2, 4), n), scorer=who) for n, who in ((1, "bob"), (2, "ann"))],
        axis=1,
    )
    assert read_deeplabcut_project(project(tmp_path, {("v1", "ann"): both})).table.points.max() == 2


def test_images_without_labels_are_left_out_and_told(tmp_path):
    tables = {("v1", "ann"): table(OLD_STYLE, [[nan] * 4, [3, 4, 5, 6]])}
    labels = read_deeplabcut_project(project(tmp_path, tables))
    assert [image.frame for image in labels.images] == [11]
    assert labels.left_out == ("1 images without any label, which DeepLabCut does not train on",)


def animals(rows):
    return table([f"labeled-data/v/img{i}.png" for i in range(len(rows))], rows,
                 bodyparts=["nose"], individuals=["m1", "m2"])  # fmt: skip


def test_a_project_of_several_animals(tmp_path):
    crowded = project(tmp_path / "a", {("v", "ann"): animals([[1, 2, 3, 4], [5, 6, nan, nan]])})
    (crowded / "labeled-data" / "v2").mkdir()
    with pytest.raises(ConversionError, match="no animal is named 'm3'"):
        read_deeplabcut_project(crowded, individual="m3")
    second = read_deeplabcut_project(crowded, individual="m2")
    assert second.table.points.tolist() == [[[3, 4]]]
    assert second.left_out == ("2 labelled poses of other animals than 'm2'",)
    labels = read_deeplabcut_project(crowded)
    assert labels.table.individual == ("m1", "m2", "m1")
    assert labels.table.points.tolist() == [[[1, 2]], [[3, 4]], [[5, 6]]]
    assert len(labels.images) == 2
    assert labels.left_out == ()


def with_a_corner(folder, *animals):
    """A project with the unique body part ``corner``, and a nose of each animal."""
    parts = [*((name, "nose") for name in animals), ("single", "corner")]
    columns = [("ann", *part, coord) for part in parts for coord in "xy"]
    names = ["scorer", "individuals", "bodyparts", "coords"]
    values = [np.arange(len(columns)), [nan] * (len(columns) - 2) + [8, 9]]
    frame = pandas.DataFrame(
        np.array(values, dtype=float),
        index=[f"labeled-data/v/img{i}.png" for i in range(2)],
        columns=pandas.MultiIndex.from_tuples(columns, names=names),
    )
    return project(folder, {("v", "ann"): frame}, uniquebodyparts=["corner"])


def test_unique_body_parts_are_of_no_animal_where_there_are_several(tmp_path):
    labels = read_deeplabcut_project(with_a_corner(tmp_path, "m1", "m2"))
    assert labels.table.keypoint_names == ("nose",)
    assert labels.table.individual == ("m1", "m2")
    assert labels.left_out == (
        "2 positions of unique body parts ('corner'): they belong to no animal, which --individual "
        "NAME would give them",
    )
    chosen = read_deeplabcut_project(tmp_path, individual="m2").table
    assert chosen.points[0].tolist() == [[2, 3], [4, 5]]


def test_unique_body_parts_belong_to_the_only_animal(tmp_path):
    labels = read_deeplabcut_project(with_a_corner(tmp_path, "m1"))
    assert labels.table.individual is None
    assert labels.table.keypoint_names == ("nose", "corner")
    assert labels.table.points[0].tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: (f / "config.yaml").write_text("a: [1"), "no YAML file"),
        (lambda f: (f / "config.yaml").write_text("!!python/object/apply:os.getcwd []"), "YAML"),
        (lambda f: (f / "config.yaml").write_text("- 1"), "not a config"),
        (lambda f: [p.unlink() for p in f.rglob("Collected*")], "no folder in labeled-data"),
        (lambda f: edit(f, "1.0,", "one,"), "(?s)'one' is not a number.*line 4, column 2"),
        (lambda f: edit(f, ",1.0\n", "\n"), "(?s)the row has 4 cells.*line 4"),
        (lambda f: edit(f, "bodyparts", "bodypart"), "(?s)'bodyparts' is missing.*line 2"),
    ],
)
def test_damaged_deeplabcut_projects_are_refused(tmp_path, change, problem):
    folder = project(tmp_path, {("v1", "ann"): table(OLD_STYLE, np.ones((2, 4)))})
    change(folder)
    with pytest.raises(ConversionError, match=problem):
        read_deeplabcut_project(folder)


def edit(folder, old, new):
    (file,) = folder.rglob("*.csv")
    file.write_text(file.read_text().replace(old, new, 1))
