"""Videos whose frames carry their number, projects of them, and the app: in process, and served."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from lp_app.application import create_app, guarded
from lp_app.creation import NewProject, create_project
from lp_app.state import AppState
from lp_core.poses import Skeleton
from lp_data.testing.encoding import Encoding, encode

TOKEN = "the-token"
BASE = "http://localhost:8765"
KEYPOINTS = ("nose", "ear_left", "ear_right", "tail-base")
FRAMES = 30

LAUNCHER = """
import os, sys
from pathlib import Path
from lp_app.serving import serve
for line in sys.stdin:
    project, port, log = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if not child:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1); os.dup2(out, 2)
        sys.stdout = os.fdopen(1, "w", buffering=1)
        try:
            serve(Path(project), port=int(port), browser=False)
        except BaseException as error:
            os.write(2, repr(error).encode())
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


@pytest.fixture(scope="session")
def raw_videos(tmp_path_factory):
    """A folder with two videos of 30 frames of 96×144 px, each of which carries its number."""
    folder = tmp_path_factory.mktemp("raw")
    how = Encoding(count=FRAMES, size=(96, 144), options={"preset": "ultrafast", "g": "10"})
    for name in ("first.mp4", "second.mp4"):
        encode(folder / name, how)
    return folder


@pytest.fixture
def make_project(raw_videos, tmp_path):
    """Makes a project of the two videos."""

    def make(*, individuals=(), how="copy", name="project"):
        folder = tmp_path / name
        skeleton = Skeleton(KEYPOINTS, (("nose", "ear_left"),), (("ear_left", "ear_right"),))
        videos = tuple(sorted(raw_videos.glob("*.mp4")))
        create_project(folder, NewProject(skeleton, videos, how, tuple(individuals)))
        return folder

    return make


@pytest.fixture
def opened():
    """Opens the app in this process, as a browser that has been let in."""
    clients = []

    def call(path, folders=(), models=()):
        state = AppState(Path(path), [Path(folder) for folder in folders], models)
        client = TestClient(guarded(create_app(state), TOKEN), base_url=BASE)
        client.__enter__()
        clients.append(client)
        assert client.get(f"/?token={TOKEN}", follow_redirects=False).status_code == 303
        client.headers["Origin"] = BASE
        client.state = state
        return client

    yield call
    for client in clients:
        client.__exit__(None, None, None)


def video_id(client, name="first.mp4"):
    """The name that requests have for a video."""
    videos = client.get("/api/project").json()["videos"]
    return next(video["id"] for video in videos if video["name"] == name)


class Served:
    """The app in a process of its own, with a client that has been let in."""

    def __init__(self, launcher, project, port, log):
        log.unlink(missing_ok=True)
        launcher.stdin.write(f"{project}\t{port}\t{log}\n")
        launcher.stdin.flush()
        self.process = int(launcher.stdout.readline())
        self._launcher = launcher
        end = time.monotonic() + 60
        while not (found := re.search(r"http://\S+", log.read_text() if log.exists() else "")):
            assert time.monotonic() < end, log.read_text() if log.exists() else "no log"
            time.sleep(0.02)
        self.url = found[0]
        self.base = self.url.split("/?")[0]
        self.client = httpx.Client(base_url=self.base, headers={"Origin": self.base}, timeout=60)
        assert self.client.get(self.url).status_code == 303, log.read_text()

    def end(self, how=signal.SIGTERM):
        """End the process, and wait until it has ended."""
        if self.process:
            os.kill(self.process, how)
            assert self._launcher.stdout.readline() == "ended\n"
            self.process = 0


@pytest.fixture(scope="session")
def launcher():
    """A process that has everything imported, and starts servers quickly."""
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    yield process
    process.stdin.close()
    process.wait(30)


@pytest.fixture
def served(launcher, tmp_path):
    """Serves a project."""
    running = []

    def call(project, port=0):
        running.append(Served(launcher, project, port, tmp_path / "server.log"))
        return running[-1]

    yield call
    for each in running:
        each.end()
        each.client.close()  # not before: a test may be sending while a thread ends the process
