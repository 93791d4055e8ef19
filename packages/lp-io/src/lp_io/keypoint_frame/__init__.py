"""Tables with DeepLabCut's columns: scorer, animal, keypoint and coordinate.

DeepLabCut keeps labels and predictions in pandas tables of this kind, in CSV and in HDF5; lp reads
and writes them without pandas and without its pickles.
"""

from lp_io.keypoint_frame.frame import KeypointFrame

__all__ = ["KeypointFrame"]
