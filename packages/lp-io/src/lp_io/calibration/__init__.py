"""Files of calibrated cameras: Anipose's TOML, OpenCV's YAML, JARVIS and DANNCE."""

from lp_io.calibration.checking import packed_rigs, rig_errors
from lp_io.calibration.reading import read_rig
from lp_io.calibration.toml import write_rig

__all__ = ["packed_rigs", "read_rig", "rig_errors", "write_rig"]
