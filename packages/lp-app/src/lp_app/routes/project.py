"""The project: what it holds, how it is made, and its health."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from lp_app.creation import NewProject, check_names, create_project
from lp_app.errors import MissingError
from lp_app.predictions import name_of
from lp_app.routes.shared import Body, Open, State
from lp_app.state import Session
from lp_core.poses import Skeleton
from lp_data.check.report import ProjectReport

router = APIRouter(prefix="/api")


class CreateBody(Body):
    """What a project is made of; videos by the names of ``/api/sources``."""

    videos: list[str]
    how: Literal["link", "copy"] = "link"
    keypoints: list[str]
    edges: list[tuple[str, str]] = Field(default_factory=list)
    left_right: list[tuple[str, str]] = Field(default_factory=list)
    individuals: list[str] = Field(default_factory=list)


class IndividualsBody(Body):
    """Names of animals to add."""

    names: list[str] = Field(max_length=200)


@router.get("/project")
def project(state: State) -> dict[str, Any]:
    """The open project, or the folder in which one may be made."""
    if state.session is None:
        return {"open": False, "folder": str(state.path.absolute())}
    return _project(state.session)


def _project(session: Session) -> dict[str, Any]:
    found, store = session.project, session.store
    skeleton = found.skeleton
    return {
        "open": True,
        "name": found.folder.absolute().name,
        "folder": str(found.folder.absolute()),
        "config": found.config.name if found.config else None,
        "keypoints": list(skeleton.names),
        "edges": [skeleton.places(edge) for edge in skeleton.edges],
        "left_right": [skeleton.places(pair) for pair in skeleton.with_sides_by_name().left_right],
        "individuals": list(found.individuals),
        "views": list(found.views.names) if found.views else [],
        "label_files": [file.path.name for file in found.label_files],
        "videos": [_video(session, name, path) for name, path in session.videos().items()],
        "problems": list(store.problems.values()),
        "unsaved": store.unsaved,
        "waiting": sum(store.choice(image) is not None for image in store.images()),
    }


def _video(session: Session, name: str, path: Path) -> dict[str, Any]:
    inside = session.project.places.holds(path)
    where = None if inside else str(path.resolve().parent)
    return {"id": name, "name": path.name, "stem": path.stem, "outside": where}


@router.get("/sources")
def sources(state: State) -> list[dict[str, Any]]:
    """The videos that a new project may have."""
    return [
        {"id": name, "name": path.name, "folder": str(path.parent.absolute())}
        for name, path in state.sources().items()
    ]


@router.post("/project", status_code=201)
def create(body: CreateBody, state: State) -> dict[str, Any]:
    """Make a project of videos, and open it."""
    known = state.sources()
    unknown = [name for name in body.videos if name not in known]
    if unknown:
        raise MissingError("there is no such video", where=unknown[0])
    new = NewProject(
        Skeleton(tuple(body.keypoints), tuple(body.edges), tuple(body.left_right)),
        tuple(known[name] for name in dict.fromkeys(body.videos)),
        body.how,
        tuple(body.individuals),
    )
    made = state.create(partial(create_project, new=new))
    made.add_individuals(body.individuals)
    return _project(made)


@router.post("/individuals")
def add_individuals(body: IndividualsBody, session: Open) -> dict[str, Any]:
    """Let the project have more animals."""
    check_names("animal", body.names)
    session.add_individuals(body.names)
    return {"individuals": list(session.project.individuals)}


@router.post("/health", status_code=202)
def check_health(session: Open) -> dict[str, Any]:
    """Check the project, as `litpose check` does; `GET` tells what it finds."""
    session.health.start()
    return {"running": True}


@router.get("/health")
def health(session: Open) -> dict[str, Any]:
    """What the last check has found."""
    found = session.health
    report = None if found.report is None else _report(session, found.report)
    return {"running": found.is_running, "error": found.error, "report": report}


def _report(session: Session, report: ProjectReport) -> dict[str, Any]:
    return {
        "frames": report.num_frames,
        "labelled": report.num_labelled_frames,
        "animals": report.num_animals,
        "share": report.share_labelled,
        "keypoints": [each._asdict() for each in report.keypoints],
        "individuals": [each._asdict() for each in report.animals],
        "problems": [each._asdict() for each in report.problems],
        "videos": [
            {
                "id": name_of(each.path),
                "frames": each.num_frames,
                "width": each.size[1],
                "height": each.size[0],
                "fps": float(each.fps),
                "codec": each.codec,
            }
            for each in report.videos
        ],
        "neighbours": report.neighbours.num_proved,
        "edited": session.store.unsaved > 0,
    }
