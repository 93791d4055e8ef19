"""Smooth with ensemble-kalman-smoother, in an environment of its own; run by `smooth.py`.

It imports nothing of ours. Prints seconds of the processor and of the clock: of the smoother alone
and of everything, from the tables of the members to the smoothed one; and the peak memory in MB.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")


def peak_memory() -> float:
    """MB, on Linux; the resource module also counts what the parent had before this one began."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def clocks() -> tuple[float, float]:
    """Seconds of the processor and of the clock."""
    return time.process_time(), time.perf_counter()


def since(start: tuple[float, float]) -> list[float]:
    """Seconds since then."""
    return [now - then for now, then in zip(clocks(), start, strict=True)]


def main() -> None:
    """Smooth the tables, twice where it is quick, since the first time compiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--smoothness", type=float)
    given = parser.parse_args()
    import numpy as np
    from eks import singlecam_smoother

    found: dict[str, list[float]] = {}
    smoother = singlecam_smoother.run_kalman_smoother

    def timed(*arguments: Any, **named: Any) -> Any:
        start = clocks()
        result = smoother(*arguments, **named)
        np.asarray(result[1]), np.asarray(result[2])
        found["smoother"] = since(start)
        return result

    singlecam_smoother.run_kalman_smoother = timed
    for _ in range(1 if given.smoothness is None else 2):
        start = clocks()
        singlecam_smoother.fit_eks_singlecam(
            [str(table) for table in given.tables],
            str(given.output),
            smooth_param=given.smoothness,
            var_mode="var",
        )
        found["all"] = since(start)
    megabytes = peak_memory()
    print(json.dumps({**found, "megabytes": megabytes}))


if __name__ == "__main__":
    main()
