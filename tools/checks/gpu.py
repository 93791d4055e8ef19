"""Check lp on a machine with a GPU, in one command, and write a report.

    tools/checks/gpu_wheels.sh .wheels                       # where there is a network
    python3 tools/checks/gpu.py --wheels .wheels --out report   # on the machine with the GPU
    python tools/checks/gpu.py --device cpu --quick --out report  # try the script itself

Needs Linux and a Python with PyTorch, torchvision, timm and PyTorch Lightning; nothing is
downloaded. Each section runs in its own process with a time limit, so a crash of one costs only
that section. ``report/report.md`` and ``report/report.json`` are rewritten after every section.
The exit code is 1 if a section failed. The package ``gpu_sections`` holds the measurements.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {
    "environment": 60,
    "project": 60,
    "tests": 150,
    "losses_log_on_device": 60,
    "synchronisations": 60,
    "distributed": 60,
    "training_step": 120,
    "training_run": 120,
    "resumption": 60,
    "agreement": 60,
    "decoding": 60,
    "prediction": 90,
}
"""Seconds that each section may take, in the order in which they run."""


def install(wheels: Path, target: Path) -> None:
    """Install wheels into a folder of their own.

    Args:
        wheels: A folder that ``gpu_wheels.sh`` filled.
        target: Where to install to.
    """
    files = sorted(map(str, wheels.glob("*.whl")))
    if not files:
        raise SystemExit(f"{wheels} holds no wheels; fill it with tools/checks/gpu_wheels.sh")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-compile", "--upgrade", "--target", str(target), *files]
    subprocess.run(command, check=True)


def environment(target: Path | None) -> dict[str, str]:
    """The variables that a section runs with: this tree's packages, then the installed wheels."""
    sources = [str(Path(__file__).parent)]
    sources += [str(path) for path in sorted(ROOT.glob("packages/*/src"))]
    installed = [str(target)] if target else []
    inherited = filter(None, [os.environ.get("PYTHONPATH")])
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([*sources, *installed, *inherited])}
    linked = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "link_ffmpeg.py")],
        capture_output=True,
        text=True,
        env=variables,
        check=False,
    )
    if linked.returncode == 0:
        variables["LD_LIBRARY_PATH"] = linked.stdout.strip()
    return variables


def run_section(
    name: str, options: argparse.Namespace, folder: Path, variables: dict[str, str]
) -> dict[str, Any]:
    """Run one section in a process of its own.

    Returns:
        ``seconds``, and ``found`` (what it measured) or ``error`` (the end of its output).
    """
    command = [sys.executable, "-m", "gpu_sections", name, "--device", options.device]
    command += ["--folder", str(folder), *(["--quick"] if options.quick else [])]
    start = time.perf_counter()
    limit = LIMITS[name] * (10 if options.device == "cpu" else 1)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=variables, timeout=limit, check=False
        )
        error = "" if done.returncode == 0 else (done.stdout + done.stderr)[-6000:]
        output = done.stdout
    except subprocess.TimeoutExpired as expired:
        error = f"took longer than {limit} s\n{_text(expired.stdout)}\n{_text(expired.stderr)}"
        error, output = error[-6000:], ""
    seconds = round(time.perf_counter() - start, 1)
    if error:
        return {"seconds": seconds, "error": error}
    return {"seconds": seconds, "found": json.loads(output.splitlines()[-1])}


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def write_report(results: dict[str, dict[str, Any]], folder: Path) -> None:
    """Write what was found so far as JSON and as Markdown."""
    (folder / "report.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    lines = ["# lp on a GPU", ""]
    for name, result in results.items():
        lines += [f"## {name.replace('_', ' ').capitalize()} ({result['seconds']} s)", ""]
        if "error" in result:
            lines += ["**failed**", "", "```", result["error"].strip(), "```", ""]
        else:
            lines += [*_tables(result["found"]), ""]
    (folder / "report.md").write_text("\n".join(lines), encoding="utf-8")


def _tables(found: dict[str, Any]) -> list[str]:
    """Rows of a table for lists of records, and one line for each other value."""
    lines: list[str] = []
    for key, value in found.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            columns = list(dict.fromkeys(column for row in value for column in row))
            lines += ["", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
            lines += [
                "| " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |"
                for row in value
            ]
            lines.append("")
        else:
            lines.append(f"- {key}: {_cell(value)}")
    return lines


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def main() -> None:
    """Run the sections and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", type=Path, help="wheels to install first")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="smallest sizes, to try the script")
    parser.add_argument("--only", nargs="*", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--seconds", type=float, default=480, help="start no section after these")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        target = work / "site" if options.wheels else None
        if options.wheels and target:
            install(options.wheels, target)
        variables = environment(target)
        for section in options.only:
            if time.perf_counter() - begin > options.seconds:
                results[section] = {"seconds": 0, "error": "not started: out of time"}
            else:
                results[section] = run_section(section, options, work, variables)
            write_report(results, options.out)
            state = "failed" if "error" in results[section] else "done"
            print(f"{section}: {state} in {results[section]['seconds']} s", flush=True)
    raise SystemExit(any("error" in result for result in results.values()))


if __name__ == "__main__":
    main()
