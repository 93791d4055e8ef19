"""The machine, and the GPU tests of the suite."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

from gpu_sections.shared import ROOT, Found, synthetic_project


def environment(options: argparse.Namespace) -> Found:
    """What this machine is."""
    from importlib.metadata import version

    found: Found = {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "lightning": version("pytorch-lightning"),
        "timm": version("timm"),
        "cores": len(os.sched_getaffinity(0)),
        "TF32 of convolutions": torch.backends.cudnn.allow_tf32,
        "TF32 of matrix products": torch.backends.cuda.matmul.allow_tf32,
    }
    if options.device == "cuda":
        found["GPU"] = torch.cuda.get_device_name()
        found["CUDA"] = torch.version.cuda
    return found


def project(options: argparse.Namespace) -> Found:
    """Make the synthetic project that the other sections use."""
    start = time.perf_counter()
    synthetic_project(options)
    return {"seconds to generate a project": time.perf_counter() - start}


def tests(options: argparse.Namespace) -> Found:
    """The GPU tests of the suite."""
    report = options.folder / "tests.xml"
    marker = "gpu" if options.device == "cuda" else "gpu and not slow"
    paths = [str(path) for path in sorted({_file(line) for line in _marked_files()})]
    command = [sys.executable, "-m", "pytest", "-q", "-m", marker, f"--junitxml={report}", *paths]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode not in (0, 1) or not report.exists():  # 1: tests failed, told below
        raise SystemExit(f"pytest ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    rows, counts = [], Counter[str]()
    for case in ET.parse(report).iter("testcase"):  # a file that this process just wrote
        outcomes = {child.tag: child for child in case}
        kind = next((tag for tag in ("failure", "error", "skipped") if tag in outcomes), "passed")
        counts[kind] += 1
        if kind != "passed":
            message = (outcomes[kind].get("message") or "")[:400]
            name = f"{case.get('classname')}::{case.get('name')}"
            rows.append({"test": name, "outcome": kind, "message": message})
    if counts["failure"] or counts["error"]:
        print(done.stdout[-8000:])
        raise SystemExit(json.dumps({**counts, "not passed": rows}, indent=1))
    return {**counts, "not passed": rows}


def _marked_files() -> Iterator[Path]:
    for folder in ("tests", "packages"):
        for path in (ROOT / folder).rglob("test_*.py"):
            if "mark.gpu" in path.read_text(encoding="utf-8"):
                yield path


def _file(path: Path) -> Path:
    return path.relative_to(ROOT)
