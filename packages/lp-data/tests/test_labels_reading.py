"""Label files as people really have them are read as they are meant."""

from __future__ import annotations

import numpy as np
import pytest

from lp_core.errors import PoseError
from lp_core.poses import Visibility
from lp_data.labels import read_labels, scan_labels

HEADER = "scorer,ann,ann,ann,ann\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n"


@pytest.fixture
def label_file(tmp_path):
    def write(content, name="labels.csv"):
        path = tmp_path / name
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return path

    return write


def test_plain_file(label_file):
    table = read_labels(label_file(HEADER + "labeled-data/v/img01.png,1.5,2,,\nb.png,3,4,5e1,6\n"))
    assert table.image_paths == ("labeled-data/v/img01.png", "b.png")
    assert table.keypoint_names == ("nose", "tail")
    assert table.scorer == "ann"
    np.testing.assert_array_equal(table.points, [[[1.5, 2], [np.nan, np.nan]], [[3, 4], [50, 6]]])
    np.testing.assert_array_equal(table.codes, [[2, 0], [2, 2]])
    assert table.points.dtype == np.float64
    assert table.place(1).endswith("labels.csv, line 5")


def test_three_index_columns_of_deeplabcut(label_file):
    text = (
        "scorer,,,ann,ann\nbodyparts,,,nose,nose\ncoords,,,x,y\nlabeled-data,vid 1,img01.png,1,2\n"
    )
    table = read_labels(label_file(text))
    assert table.image_paths == ("labeled-data/vid 1/img01.png",)
    np.testing.assert_array_equal(table.points, [[[1, 2]]])


@pytest.mark.parametrize("first", ["labeled-data/v/img01.png,,,,", "img01.png,,,,"])
def test_first_row_without_labels_is_an_image(label_file, first):
    table = read_labels(label_file(f"{HEADER}{first}\nb.png,1,2,3,4\n"))
    assert len(table) == 2
    assert np.isnan(table.points[0]).all()
    np.testing.assert_array_equal(table.points[1], [[1, 2], [3, 4]])


def test_row_of_index_names_that_pandas_writes_is_no_image(label_file):
    table = read_labels(label_file(f"{HEADER}image,,,,\nb.png,1,2,3,4\n"))
    assert table.image_paths == ("b.png",)


def test_file_that_pandas_wrote(tmp_path):
    pd = pytest.importorskip("pandas")
    columns = pd.MultiIndex.from_product(
        [["ann"], ["nose", "tail"], ["x", "y"]], names=["scorer", "bodyparts", "coords"]
    )
    index = pd.MultiIndex.from_tuples([("labeled-data", "v", f"img{i}.png") for i in range(3)])
    values = np.arange(12.0).reshape(3, 4)
    values[0] = np.nan
    pd.DataFrame(values, index=index, columns=columns).to_csv(tmp_path / "labels.csv")
    table = read_labels(tmp_path / "labels.csv")
    assert table.image_paths == tuple(f"labeled-data/v/img{i}.png" for i in range(3))
    np.testing.assert_array_equal(table.points, values.reshape(3, 2, 2))


def test_windows_paths(label_file):
    table = read_labels(label_file(HEADER + "labeled-data\\v\\img01.png,1,2,3,4\n"))
    assert table.image_paths == ("labeled-data/v/img01.png",)


def test_byte_order_mark_and_windows_lines(label_file):
    text = (HEADER + "a.png,1,2,3,4\n").replace("\n", "\r\n")
    table = read_labels(label_file(b"\xef\xbb\xbf" + text.encode()))
    np.testing.assert_array_equal(table.points, [[[1, 2], [3, 4]]])


def test_names_with_commas_quotes_and_other_scripts(label_file):
    text = 'scorer,a,a\nbodyparts,"paw, left","paw, left"\ncoords,x,y\n"mäuse, 1/""b"".png",1,2\n'
    table = read_labels(label_file(text))
    assert table.keypoint_names == ("paw, left",)
    assert table.image_paths == ('mäuse, 1/"b".png',)


def test_visible_column(label_file):
    text = (
        "scorer,a,a,a\nbodyparts,nose,nose,nose\ncoords,x,y,visible\n"
        "a.png,1,2,2\nb.png,3,4,1\nc.png,,,1\nd.png,0,0,0\ne.png,5,6,\nf.png,,,\n"
    )
    table = read_labels(label_file(text))
    np.testing.assert_array_equal(table.codes[:, 0], [2, 1, 1, 0, 2, 0])
    assert np.isnan(table.points[2:4]).all()  # a position of 0, 0 that is not labelled is none
    assert not np.isnan(table.points[[0, 1, 4]]).any()


def test_columns_in_any_order(label_file):
    text = "scorer,a,a,a,a\nbodyparts,nose,tail,tail,nose\ncoords,y,x,y,x\na.png,1,2,3,4\n"
    table = read_labels(label_file(text))
    assert table.keypoint_names == ("nose", "tail")
    np.testing.assert_array_equal(table.points, [[[4, 1], [2, 3]]])


def test_one_animal_of_a_multi_animal_project(label_file):
    text = (
        "scorer,,,a,a\nindividuals,,,mouse1,mouse1\nbodyparts,,,nose,nose\ncoords,,,x,y\n"
        "labeled-data,v,img01.png,1,2\n"
    )
    table = read_labels(label_file(text))
    assert table.keypoint_names == ("nose",)
    np.testing.assert_array_equal(table.points, [[[1, 2]]])


def test_blank_lines_and_words_for_nothing(label_file):
    table = read_labels(label_file(HEADER + "\na.png,NaN,nan, NA ,\n,,,,\nb.png, 1 ,2,3,4\n\n"))
    assert table.image_paths == ("a.png", "b.png")
    assert table.codes[0].tolist() == [0, 0]


def test_a_file_without_labels_when_none_are_needed(label_file):
    table = read_labels(label_file(HEADER + "a.png,,,,\n"), require_labels=False)
    assert (table.codes == Visibility.UNLABELED).all()


@pytest.mark.parametrize(
    "header",
    [
        "scorer,a,a,,\nbodyparts,n,n,,\ncoords,x,y,,\n",  # as spreadsheets save deleted columns
        "scorer,,,a,a\nbodyparts,,,n,n\ncoords,,,x,y\n",  # a column between was emptied
        "scorer,a,a,Unnamed: 3_level_0\nbodyparts,n,n,Unnamed: 3_level_1\n"
        "coords,x,y,Unnamed: 3_level_2\n",
    ],
)
def test_columns_that_are_empty_from_top_to_bottom_are_left_out(label_file, header):
    header = header.replace(",,,a,a", ",a,,a").replace(",,,n,n", ",n,,n").replace(",,,x,y", ",x,,y")
    cells = header.splitlines()[0].split(",")
    row = ["a.png", *("" if cell != "a" else "7" for cell in cells[1:])]
    table = read_labels(label_file(header + ",".join(row) + "\n"))
    assert table.keypoint_names == ("n",)
    assert table.scorer == "a"
    np.testing.assert_array_equal(table.points, [[[7, 7]]])


def test_placeholders_that_pandas_writes_for_empty_cells(label_file):
    text = (
        "scorer,Unnamed: 1_level_0,Unnamed: 2_level_0,a,a\n"
        "bodyparts,Unnamed: 1_level_1,Unnamed: 2_level_1,n,n\n"
        "coords,Unnamed: 1_level_2,Unnamed: 2_level_2,x,y\nlabeled-data,v,i.png,1,2\n"
    )
    table = read_labels(label_file(text))
    assert table.image_paths == ("labeled-data/v/i.png",)
    assert table.scorer == "a"


def test_keypoints_that_exist_once_in_the_scene_are_no_animal(label_file):
    text = (
        "scorer,,,a,a,a,a\nindividuals,,,m1,m1,single,single\nbodyparts,,,nose,nose,box,box\n"
        "coords,,,x,y,x,y\nlabeled-data,v,img01.png,1,2,3,4\n"
    )
    table = read_labels(label_file(text))
    assert table.keypoint_names == ("nose", "box")
    np.testing.assert_array_equal(table.points, [[[1, 2], [3, 4]]])


ROW = "a.png,1,2,3,4\n"
ONE = "scorer,a,a\nbodyparts,nose,nose\ncoords,x,y\n"
VISIBLE = "scorer,a,a,a\nbodyparts,nose,nose,nose\ncoords,x,y,visible\n"
MALFORMED = {
    "empty file": (b"", ["empty"]),
    "only blank lines": (b"\n,,\n\n", ["empty"]),
    "only a header": (HEADER, ["no row"]),
    "header cut short": ("scorer,a,a\nbodyparts,n,n\n", ["lacks", "coords"]),
    "no scorer row": (HEADER.split("\n", 1)[1] + ROW, ["'scorer' is missing", "line 1"]),
    "no bodyparts row": (
        "scorer,a,a\ncoords,x,y\na.png,1,2\n",
        ["'bodyparts' is missing", "line 2", "'coords'"],
    ),
    "no coords row": (
        "scorer,a,a\nbodyparts,n,n\na.png,1,2\n",
        ["'coords' is missing", "line 3", "a.png"],
    ),
    "no header": ("a.png,1,2\nb.png,3,4\nc.png,5,6\n", ["'scorer' is missing", "line 1"]),
    "header rows of different length": (
        "scorer,a,a\nbodyparts,n,n,n\ncoords,x,y\na.png,1,2\n",
        ["differ in length", "bodyparts has 4"],
    ),
    "header without keypoints": ("scorer\nbodyparts\ncoords\na.png\n", ["names no keypoint"]),
    "two index columns": (
        "scorer,,a,a\nbodyparts,,n,n\ncoords,,x,y\nd,a.png,1,2\n",
        ["2 columns come before"],
    ),
    "keypoint without a name": (
        "scorer,a,a,a\nbodyparts,n,n,\ncoords,x,y,x\na.png,1,2,3\n",
        ["no keypoint name", "line 2, column 4"],
    ),
    "keypoint twice": (
        "scorer,a,a,a,a\nbodyparts,n,n,n,n\ncoords,x,y,x,y\na.png,1,2,3,4\n",
        ["'n' has two columns 'x': 2 and 4"],
    ),
    "unknown coordinate": (
        "scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,z\na.png,1,2,3\n",
        ["unknown coordinate 'z'", "line 3, column 4 (n)"],
    ),
    "predictions instead of labels": (
        "scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,likelihood\na.png,1,2,3\n",
        ["predictions", "likelihood"],
    ),
    "no y column": (
        "scorer,a,a,a\nbodyparts,n,n,m\ncoords,x,y,x\na.png,1,2,3\n",
        ["'m' has no column 'y'"],
    ),
    "half of several animals": (
        "scorer,a,a\nindividuals,m1,m2\nbodyparts,n,n\ncoords,x,y\na.png,1,2\n",
        ["has no column"],
    ),
    "a line break in a name": (
        'scorer,a,a\nbodyparts,"paw\nleft","paw\nleft"\ncoords,x,y\na.png,1,2\n',
        ["'paw\\nleft' holds a control character", "line 4, column 2"],
    ),
    "several scorers": (
        "scorer,a,a,b,b\nbodyparts,n,n,m,m\ncoords,x,y,x,y\na.png,1,2,3,4\n",
        ["2 scorers: a, b"],
    ),
    "text among numbers": (
        HEADER + "a.png,1,2,3,4\nb.png,1,2,three,4\n",
        ["'three' is not a number", "line 5, column 4 (tail x)"],
    ),
    "infinity": (HEADER + "a.png,1,inf,3,4\n", ["'inf' is not", "line 4, column 3 (nose y)"]),
    "a number too large": (HEADER + "a.png,1,1e999,3,4\n", ["'1e999' is not"]),
    "decimal comma": (HEADER + 'a.png,1,"2,5",3,4\n', ["'2,5' is not", "decimal point"]),
    "thousands with underscores": (HEADER + "a.png,1,1_000,3,4\n", ["'1_000' is not"]),
    "digits of another script": (HEADER + "a.png,1,٣,3,4\n", ["is not a number"]),
    "x without y": (
        HEADER + "a.png,1,,3,4\n",
        ["'nose' has only one coordinate: y is missing", "line 4, column 3"],
    ),
    "y without x": (HEADER + "a.png,1,2,,4\n", ["'tail'", "x is missing", "line 4, column 4"]),
    "visible of 3": (VISIBLE + "a.png,1,2,3\n", ["'visible' is 3", "column 4", "occluded"]),
    "visible of one half": (VISIBLE + "a.png,1,2,0.5\n", ["'visible' is 0.5"]),
    "visible without a position": (VISIBLE + "a.png,,,2\n", ["marked visible", "line 4"]),
    "row too short": (HEADER + "a.png,1,2,3\n", ["4 cells, the header 5", "line 4"]),
    "row too long": (
        HEADER + ROW + "b.png,1,2,3,4,5\n",
        ["6 cells", "column 6 has no header", "line 5"],
    ),
    "cells under an empty header": (
        "scorer,a,a,,\nbodyparts,n,n,,\ncoords,x,y,,\na.png,1,2,3,4\n",
        ["columns 4 and 5 have no header", "line 4"],
    ),
    "image twice": (
        HEADER + "v/a.png,1,2,3,4\nb.png,1,2,3,4\nv\\a.png,5,6,7,8\n",
        ["'v/a.png' has two rows: lines 4 and 6"],
    ),
    "no image path": (HEADER + ",1,2,3,4\n", ["path is empty", "line 4"]),
    "part of a path missing": (
        "scorer,,,a,a\nbodyparts,,,n,n\ncoords,,,x,y\nlabeled-data,,a.png,1,2\n",
        ["empty", "line 4"],
    ),
    "absolute path": (HEADER + "/home/ann/a.png,1,2,3,4\n", ["is absolute", "line 4"]),
    "absolute Windows path": (
        HEADER + "C:\\p\\labeled-data\\v\\a.png,1,2,3,4\n",
        ["absolute one of Windows: 'C:\\p", "as in labeled-data/v/a.png"],
    ),
    "path out of the project": (HEADER + "../other/a.png,1,2,3,4\n", ["leads out", "line 4"]),
    "control character in a path": (HEADER + "a\x07.png,1,2,3,4\n", ["control character"]),
    "no keypoint labelled": (HEADER + "a.png,,,,\nb.png,,,,\n", ["not a single keypoint"]),
    "semicolons": ((HEADER + ROW).replace(",", ";"), ["separated by semicolons"]),
    "tabs": ((HEADER + ROW).replace(",", "\t"), ["separated by tabs"]),
    "an image": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", ["binary"]),
    "Latin-1": ((HEADER + "mäuse.png,1,2,3,4\n").encode("latin-1"), ["UTF-8", "line 4"]),
    "UTF-16": ((HEADER + ROW).encode("utf-16"), ["UTF-16"]),
    "open quotation mark": (HEADER + '"a.png,1,2,3,4\n', ["cannot be parsed", "quotation"]),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_file_says_what_and_where(label_file, case):
    content, words = MALFORMED[case]
    path = label_file(content)
    with pytest.raises(PoseError) as caught:
        read_labels(path)
    for word in [*words, str(path)]:
        assert word in str(caught.value)


def test_every_malformed_file_has_a_message_of_its_own(label_file):
    messages = {}
    for case, (content, _) in MALFORMED.items():
        with pytest.raises(PoseError) as caught:
            read_labels(label_file(content))
        messages[case] = str(caught.value)
    assert len(messages) >= 25
    assert len(set(messages.values())) >= len(messages) - 1  # two are empty in the same way


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(PoseError, match="no such label file"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(PoseError, match="folder"):
        read_labels(tmp_path)


def test_a_scan_lists_everything_wrong_and_keeps_the_rest(label_file):
    text = (
        "a.png,1,2,three,4\nb.png,1,2,3\na.png,5,6,7,8\n../c.png,1,2,3,4\nd.png,1,,3,inf\n"
        "e.png,1,2,3,4\n"
    )
    table, problems = scan_labels(label_file(HEADER + text))
    assert table.image_paths == ("a.png", "d.png", "e.png")
    assert table.codes.tolist() == [[2, 0], [0, 0], [2, 2]]
    words = [str(problem) for problem in problems]
    expected = ["4 cells", "two rows", "leads out", "'three'", "only one", "'inf'"]
    assert len(words) == len(expected)
    for said, word in zip(words, expected, strict=True):
        assert word in said


def test_a_scan_of_a_good_file_finds_nothing(label_file):
    path = label_file(HEADER + "a.png,1,2,,\n")
    table, problems = scan_labels(path)
    assert problems == []
    np.testing.assert_array_equal(table.points, read_labels(path).points)
