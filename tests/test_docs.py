"""The code blocks of the documentation run, in order, as they stand."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("packages/*/README.md")),
    *sorted(ROOT.glob("docs/*.md")),
]


def blocks(page, language="python"):
    block = rf"^```{language}\n(.*?)^```"
    return re.findall(block, page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def user_folder(tmp_path, monkeypatch, litpose, model_dir, project):
    """A folder with what the pages call MY_MODEL and MY_VIDEO."""
    shutil.copytree(model_dir, tmp_path / "MY_MODEL")
    shutil.copyfile(project.test_video, tmp_path / "MY_VIDEO.mp4")
    monkeypatch.chdir(tmp_path)
    assert litpose("predict", "MY_MODEL", "MY_VIDEO.mp4").code == 0
    return tmp_path


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_code_of_a_page_runs(page, user_folder):
    namespace = {"__name__": "page"}
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), namespace)  # the pages are ours


def test_every_toml_of_a_page_can_be_read():
    found = [block for page in PAGES for block in blocks(page, "toml")]
    assert found
    for block in found:
        assert tomllib.loads(block)


def test_every_link_to_a_file_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
