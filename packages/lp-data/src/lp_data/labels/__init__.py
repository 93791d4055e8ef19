"""Label tables: hand-labelled keypoints of images, as files hold them and as lp uses them."""

from lp_data.labels.joining import join_tables, read_label_files
from lp_data.labels.reading import read_labels, scan_labels
from lp_data.labels.table import LabelTable, Visibility
from lp_data.labels.writing import write_labels

__all__ = [
    "LabelTable",
    "Visibility",
    "join_tables",
    "read_label_files",
    "read_labels",
    "scan_labels",
    "write_labels",
]
