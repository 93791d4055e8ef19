"""Find phrases that `docs/style.md` bans, in sources, configs and documentation.

    python tools/checks/words.py

Each place is printed, and the exit status is 1 where there is one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WHERE = ("packages/*/src/**/*.py", "packages/*/*.md", "docs/*.md", "README.md", "configs/*.yaml")
STYLE_PAGE = ROOT / "docs" / "style.md"  # names them
BANNED = {
    r"\bthe public (package|system|tracker)\b": "name Lightning Pose",
    r"\bas if a stranger\b": "untrusted input",
    r"\banew\b": "again",
    r"\bby chance\b": "at random",
    r"(?<![Tt]here )\bis no (number|image|video|folder|tracker|loss|list|model|text|mapping)\b": (
        "is not a …"
    ),
}


def findings(text: str) -> list[tuple[int, str, str]]:
    """Line number, phrase and what to write instead, of each banned phrase in a text."""
    return [
        (number, match[0], instead)
        for number, line in enumerate(text.splitlines(), 1)
        for pattern, instead in BANNED.items()
        for match in re.finditer(pattern, line)
    ]


def main() -> None:
    """Print every place."""
    paths = [path for pattern in WHERE for path in sorted(ROOT.glob(pattern)) if path != STYLE_PAGE]
    found = [
        f"{path.relative_to(ROOT)}:{number}: '{phrase}': {instead}"
        for path in paths
        for number, phrase, instead in findings(path.read_text(encoding="utf-8"))
    ]
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
