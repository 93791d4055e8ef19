"""Errors on a look that no label shows: supervised, semi-supervised, with and without context.

    python tools/bench/out_of_distribution.py --workdir WORK [--weights FILE] [--seeds 0 1 2]

Makes the synthetic project in the work folder, trains every variant with 25 labelled frames and
every seed, predicts the out-of-distribution video, compares with the exact truth, and writes the
tables into docs/out_of_distribution.md. Each finished run leaves a JSON file; the next start, after
whatever interruption, skips it. A run takes one to six minutes on one CPU core.

The backbone starts from ImageNet weights: those in --weights, a .safetensors file, or the hub's.
"""

from __future__ import annotations

from synthetic_study import ALL, ROOT, Study, Variant, errors_table, fill, paired_table, start

DOCUMENT = ROOT / "docs/out_of_distribution.md"
FAMILIAR = "videos"
LABELS = 25

MAIN = {
    "supervised": Variant("supervised"),
    "semi": Variant("semi-supervised", videos=ALL, images=16),
    "trajectory": Variant("context (trajectory)", "trajectory"),
    "semi_trajectory": Variant(
        "semi-supervised context (trajectory)", "trajectory", ALL, images=12
    ),
}
RECURRENT = {"recurrent": Variant("context (recurrent)", "recurrent", images=40)}
CONTROLS = {
    "semi_11": Variant("all videos, log_weight 11", None, ALL, 11.0, images=16),
    "semi_familiar": Variant("only the familiar videos, log_weight 5", None, FAMILIAR, images=16),
}
VARIANTS = MAIN | CONTROLS | RECURRENT


def write_document(study: Study) -> None:
    """Put the tables between the marks in the document; its prose stays."""
    semi = [("supervised", "semi"), ("trajectory", "semi_trajectory")]
    heads = [
        ("supervised", "trajectory"),
        ("recurrent", "trajectory"),
        ("semi", "semi_trajectory"),
    ]
    compared = [*MAIN, *RECURRENT]
    parts = {
        "errors": errors_table(study, compared),
        "paired": paired_table(study, semi),
        "familiar": errors_table(study, compared, "familiar_"),
        "heads fast": paired_table(study, heads, "fast"),
        "heads hidden": paired_table(study, heads, "hidden"),
        "controls": errors_table(study, [*CONTROLS, "semi"]),
    }
    fill(DOCUMENT, parts)


def main() -> None:
    """Run what is missing, then write the tables."""
    study, writes = start(__doc__.splitlines()[0], VARIANTS, LABELS)
    if writes:
        write_document(study)


if __name__ == "__main__":
    main()
