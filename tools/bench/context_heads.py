"""Errors of one frame and of five on fast, blurred and hidden keypoints, by context head.

    python tools/bench/context_heads.py --workdir WORK [--weights FILE] [--seeds 0 1 2]

Makes the synthetic project in the work folder, trains every variant with the same labelled frames
and seeds, predicts the held-out videos, compares with the exact truth, and writes the tables into
docs/context.md. Each finished run leaves a JSON file; the next start, after whatever interruption,
skips it. A run takes one to five minutes on one CPU core.

The backbone starts from ImageNet weights: those in --weights, a .safetensors file, or the hub's.
"""

from __future__ import annotations

from synthetic_study import ROOT, STRETCHES, Variant, errors_table, fill, paired_table, start

DOCUMENT = ROOT / "docs/context.md"
LABELS = 80
"""As many as the steps of one epoch show, 10 batches of 8."""
SIDE = 128
"""Model px: the errors of smaller images are the same from frame to frame, and no context helps."""
VARIANTS = {
    "supervised": Variant("one frame"),
    "recurrent": Variant("recurrent", "recurrent", images=40),
    "fusion": Variant("fusion", "fusion", images=40),
    "trajectory": Variant("trajectory", "trajectory"),
}
PAIRS = [
    ("supervised", "trajectory"),
    ("recurrent", "trajectory"),
    ("supervised", "recurrent"),
]


def main() -> None:
    """Run what is missing, then write the tables."""
    study, writes = start(__doc__.splitlines()[0], VARIANTS, LABELS, SIDE)
    if not writes:
        return
    ran = {name for name, _ in study.results()}
    names = [name for name in VARIANTS if name in ran]
    parts = {
        "familiar errors": errors_table(study, names, "familiar_"),
        "ood errors": errors_table(study, names),
        "ood fast": paired_table(study, PAIRS, "fast"),
        "ood hidden": paired_table(study, PAIRS, "hidden"),
    }
    for stretch in STRETCHES:
        parts[f"familiar {stretch}"] = paired_table(study, PAIRS, f"familiar_{stretch}")
    fill(DOCUMENT, parts)


if __name__ == "__main__":
    main()
