"""Every route refuses whoever was not let in, and never gives a file from outside the project."""

import re
import shutil
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from fastapi.routing import APIRoute

from lp_app.labels.journal import Journal

SECRET = b"the secret outside the project"
BASE = "http://localhost:8765"
TOKEN = "the-token"
HOSTILE = (
    "../../outside/secret.png",
    "..\\..\\outside\\secret.png",
    "/etc/passwd",
    "%2e%2e/%2e%2e/outside/secret.png",
    "labeled-data/linked/img00000001.png",
    "file:///etc/passwd",
    "\x00",
)


@pytest.fixture
def hostile(make_project, raw_videos, tmp_path):
    """A project in which links lead outside: a video, and the folder of an image that is chosen."""
    folder = make_project()
    outside = tmp_path / "outside"
    (outside / "linked").mkdir(parents=True)
    picture = np.full((8, 8, 3), 200, np.uint8)
    cv2.imwrite(str(outside / "linked" / "img00000001.png"), picture)
    (outside / "secret.png").write_bytes(SECRET)
    shutil.copy(raw_videos / "first.mp4", outside / "evil.mp4")
    (folder / "videos" / "evil.mp4").symlink_to(outside / "evil.mp4")
    (folder / "labeled-data").mkdir()
    (folder / "labeled-data" / "linked").symlink_to(outside / "linked")
    (folder / "labeled-data" / "first").symlink_to(outside)
    journal = Journal(folder / ".lp-app" / "journal.jsonl")
    image = "labeled-data/linked/img00000001.png"
    journal.append(
        {"kind": "choose", "image": image, "file": "CollectedData.csv", "why": "hostile"}
    )
    journal.close()
    return folder


def routes(client):
    """Each method and route of the running app, with its parameters and the schema of its body."""
    app = client.app._app
    found = [route for route in _flat(app.router.routes) if hasattr(route, "dependant")]
    assert len(found) >= 15
    assert not [r for r in _flat(app.router.routes) if not isinstance(r, APIRoute)]
    return [(method, route) for route in found for method in sorted(route.methods)]


def _flat(routes):
    """The routes, and those of routers that were included."""
    for route in routes:
        inner = getattr(getattr(route, "original_router", None), "routes", None)
        if inner is not None:
            yield from _flat(inner)
        else:
            yield route


def filled(route, value):
    """An address of the route with ``value`` for everything that is a text, and a body likewise."""
    path = re.sub(
        r"{(\w+)(:\w+)?}", lambda m: "1" if m[1] == "index" else quote(value, ""), route.path
    )
    texts = [f"{p.name}={quote(value, '')}" for p in route.dependant.query_params]
    if "start" in path or any(p.name == "start" for p in route.dependant.query_params):
        texts = ["start=0", "stop=1"]
    body = None
    for param in route.dependant.body_params:
        schema = param.field_info.annotation.model_json_schema()
        body = {name: _sample(kind, schema, value) for name, kind in schema["properties"].items()}
    return path + ("?" + "&".join(texts) if texts else ""), body


def _sample(kind, schema, value):
    if "enum" in kind or "const" in kind:
        return kind.get("const", kind.get("enum", [""])[0])
    if kind.get("type") == "array":
        return [_sample(kind.get("items", {"type": "string"}), schema, value)]
    if kind.get("type") == "integer":
        return 1
    if kind.get("type") == "object":
        return {"animals": [], "empty": True}
    return value


def test_without_the_token_every_route_is_refused(hostile, opened):
    client = opened(hostile)
    for method, route in routes(client):
        path, body = filled(route, "x")
        client.cookies.clear()
        assert client.request(method, path, json=body).status_code == 401, (method, path)
        client.cookies.set("lp_app_8765", "guessed")
        assert client.request(method, path, json=body).status_code == 401, (method, path)
        client.cookies.clear()
        joined = "&" if "?" in path else "?"
        wrong = client.request(method, f"{path}{joined}token=wrong", json=body)
        assert wrong.status_code == 401, (method, path)


def test_from_another_page_every_route_is_refused(hostile, opened):
    client = opened(hostile)
    for method, route in routes(client):
        path, body = filled(route, "x")
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "http://localhost:9999"},
            {"Origin": "null"},
        ):
            answer = client.request(method, path, json=body, headers=headers)
            assert answer.status_code == 403, (method, path, headers)
        answer = client.request(method, path, json=body, headers={"Host": "evil.example:8765"})
        assert answer.status_code == 421, (method, path)


def test_without_an_origin_nothing_is_changed(hostile, opened):
    client = opened(hostile)
    del client.headers["Origin"]
    changing = [(m, route) for m, route in routes(client) if m not in ("GET", "HEAD")]
    assert len(changing) >= 6
    for method, route in changing:
        path, body = filled(route, "x")
        assert client.request(method, path, json=body).status_code == 403, (method, path)
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get("/api/project", headers=embedded).status_code == 403


def test_no_route_gives_a_file_from_outside(hostile, opened):
    client = opened(hostile)
    evil = next(v for v in client.get("/api/project").json()["videos"] if v["name"] == "evil.mp4")
    assert evil["outside"]
    takes_names = 0
    for method, route in routes(client):
        names = [p for p in route.dependant.path_params if p.name != "index"]
        texts = [p for p in route.dependant.query_params if p.name == "image"]
        body_params = route.dependant.body_params
        for value in (*HOSTILE, evil["id"]):
            path, body = filled(route, value)
            answer = client.request(method, path, json=body)
            assert SECRET not in answer.content, (method, path)
            assert b"root:" not in answer.content, (method, path)
            assert answer.headers.get("content-type") != "image/jpeg", (method, path)
            reads_labels = route.path.endswith("/labels/frame") and value == HOSTILE[4]
            if (names or texts or body_params) and not reads_labels:
                harmless = route.path.endswith(("/individuals", "/choices/drop"))
                assert answer.status_code >= 400 or harmless, (method, path, value)
                takes_names += 1
    assert takes_names > 40


def test_a_frame_is_not_written_through_a_link(hostile, opened, tmp_path):
    client = opened(hostile)
    videos = client.get("/api/project").json()["videos"]
    video = next(v["id"] for v in videos if v["name"] == "first.mp4")
    answer = client.post("/api/choices", json={"video": video, "frames": [3]})
    assert answer.status_code == 403
    assert not list((tmp_path / "outside").glob("img00000003.png"))


def test_a_linked_video_is_shown_where_its_folder_was_given(hostile, opened, tmp_path):
    client = opened(hostile, folders=[tmp_path / "outside"])
    evil = next(v for v in client.get("/api/project").json()["videos"] if v["name"] == "evil.mp4")
    assert evil["outside"] is None
    assert client.get(f"/api/videos/{evil['id']}/frames/0").status_code == 200


def test_pages_may_load_nothing_from_elsewhere(hostile, opened):
    client = opened(hostile)
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    sources = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert sources
    for source in sources:
        assert source.startswith(("/assets/", "data:"))
        if source.startswith("/"):
            assert client.get(source).status_code == 200
