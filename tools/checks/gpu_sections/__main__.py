"""Measurements of ``gpu.py``; each section prints one line of JSON.

    python -m gpu_sections training_step --device cuda --folder WORK      # from tools/checks

Times on a GPU are taken after ``torch.cuda.synchronize()``. Figures of the network alone are
measured in the same process as ours, on the same batch.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from gpu_sections import prediction, steps, suite, training
from gpu_sections.shared import Found

SECTIONS: dict[str, Callable[[argparse.Namespace], Found]] = {
    function.__name__: function
    for function in (
        suite.environment,
        suite.project,
        suite.tests,
        steps.losses_log_on_device,
        steps.synchronisations,
        steps.distributed,
        training.training_step,
        training.training_run,
        training.resumption,
        prediction.agreement,
        prediction.decoding,
        prediction.prediction,
    )
}


def main() -> None:
    """Run one section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--folder", type=Path, required=True, help="where to work")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    print(json.dumps(SECTIONS[options.section](options)))


if __name__ == "__main__":
    main()
