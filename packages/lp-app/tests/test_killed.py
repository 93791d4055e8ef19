"""A server that is killed at any moment has lost no acknowledged edit, and torn no file."""

import random
import signal
import threading
import time

import httpx

from lp_data.labels import read_labels

KILLS = 20


def edit(client, image, version, x):
    points = [[x, x / 2, 2], [None, None, 1], [None, None, 0], [x, 1.5, 1]]
    labels = {"animals": [{"name": None, "keypoints": points}], "empty": False}
    body = {"image": image, "version": version, "labels": labels}
    answer = client.put("/api/labels/frame", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["version"]


def test_no_acknowledged_edit_is_lost_by_a_kill(make_project, served):
    folder = make_project()
    running = served(folder)
    videos = running.client.get("/api/project").json()["videos"]
    chosen = {"video": videos[0]["id"], "frames": list(range(0, 30, 5))}
    images = running.client.post("/api/choices", json=chosen).json()["images"]
    rng = random.Random(0)
    acknowledged: dict[str, float] = {}
    sent: dict[str, list[float]] = {image: [] for image in images}  # since then
    number = 0.0
    for _ in range(KILLS):
        versions = {
            image: running.client.get("/api/labels/frame", params={"image": image}).json()
            for image in images
        }
        for image, x in acknowledged.items():
            found = versions[image]["labels"]["animals"][0]["keypoints"][0][0]
            assert found in (x, *sent[image]), "an acknowledged edit is lost"
        killer = threading.Thread(target=_kill, args=(running, rng.uniform(0.0, 0.25)))
        killer.start()
        try:
            while True:
                image = rng.choice(images)
                number += 1.0
                sent[image].append(number)
                version = edit(running.client, image, versions[image]["version"], number)
                versions[image]["version"] = version
                acknowledged[image] = number
                sent[image] = []
        except httpx.TransportError:
            pass
        killer.join()
        if (folder / "CollectedData.csv").exists():
            read_labels(folder / "CollectedData.csv")
        running = served(folder)
    assert number > KILLS
    running.end()
    table = read_labels(folder / "CollectedData.csv")
    written = dict(zip(table.frame, table.points[:, 0, 0].tolist(), strict=True))
    for image, x in acknowledged.items():
        assert written[image] in (x, *sent[image])
    leftovers = [path.name for path in folder.iterdir() if path.name.startswith(".Collected")]
    assert leftovers == []


def _kill(running, after):
    time.sleep(after)
    running.end(signal.SIGKILL)


def test_an_end_as_asked_for_writes_what_is_not_written_yet(make_project, served):
    folder = make_project()
    running = served(folder)
    videos = running.client.get("/api/project").json()["videos"]
    chosen = {"video": videos[0]["id"], "frames": [3]}
    (image,) = running.client.post("/api/choices", json=chosen).json()["images"]
    version = running.client.get("/api/labels/frame", params={"image": image}).json()["version"]
    edit(running.client, image, version, 7.0)
    running.end(signal.SIGTERM)
    assert read_labels(folder / "CollectedData.csv").points[0, 0].tolist() == [7.0, 3.5]
