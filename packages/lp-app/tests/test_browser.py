"""The app as a person uses it, in a real Chromium."""

import shutil
import signal
import time

import cv2
import numpy as np
import pytest

from lp_data.labels import read_labels
from lp_data.testing.encoding import read_codes

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

if CHROMIUM:
    playwright.expect.set_options(timeout=60_000)

FRAMES = (7, 12, 21)
PLACES = [(20.25, 30.5), (60.0, 41.75), (101.5, 70.0), (33.3, 80.1)]  # frame px
HEIGHT, WIDTH = 96, 144


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium):
    """A window of 1280×800 px on a scaled display; no script may fail in it."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 800}, device_scale_factor=1.5, color_scheme="dark"
    )
    context.set_default_timeout(60_000)
    errors = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []


class Screen:
    """Where a picture of frame px is on the screen."""

    def __init__(self, page):
        self.overlay = page.get_by_test_id("overlay")
        self.mouse = page.mouse

    def at(self, x, y):
        """The place of a point in frame px, whose pixels have their centres at whole numbers."""
        box = self.overlay.bounding_box()
        scale, left, top = (
            float(self.overlay.get_attribute(f"data-{name}")) for name in ("scale", "left", "top")
        )
        return box["x"] + left + (x + 0.5) * scale, box["y"] + top + (y + 0.5) * scale

    def click(self, x, y):
        self.mouse.click(*self.at(x, y))

    def number(self, page):
        """The number that the frame on the screen carries."""
        (left, top), (right, bottom) = self.at(-0.5, -0.5), self.at(WIDTH - 0.5, HEIGHT - 0.5)
        clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        picture = cv2.imdecode(np.frombuffer(page.screenshot(clip=clip), np.uint8), 1)
        return read_codes(picture[None, ..., ::-1])[0]


def until(check, what):
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def choose(page, base, frames):
    """Choose frames by hand; the number on the screen is that of the frame."""
    page.goto(f"{base}/#/choose/")
    screen = Screen(page)
    for frame in frames:
        page.get_by_test_id("frame").fill(str(frame))
        page.get_by_test_id("frame").press("Enter")
        playwright.expect(page.get_by_test_id("shown")).to_have_text(f"frame {frame}")
        assert screen.number(page) == frame
        page.get_by_role("button", name=f"Add frame {frame}").click()
        playwright.expect(page.get_by_text("waits already")).to_be_visible()
    return screen


def open_label(page, base):
    page.goto(f"{base}/#/label/")
    playwright.expect(page.get_by_test_id("image")).to_contain_text("img000000")
    page.wait_for_function(
        "document.querySelector('[data-testid=overlay]').getAttribute('data-scale') > 1"
    )
    return Screen(page)


def saved(page):
    playwright.expect(page.get_by_test_id("saving")).to_have_text("all saved")


def table_once(folder, check):
    """The labels on disk, as soon as they are as expected."""
    file = folder / "CollectedData.csv"

    def holds():
        try:
            return check(read_labels(file))
        except Exception:
            return False

    until(holds, file.read_text() if file.exists() else "there is no label file")
    return read_labels(file)


def test_frames_are_chosen_and_labelled_by_mouse_at_zoom_1_and_4(context, make_project, served):
    folder = make_project()
    app = served(folder)
    page = context.new_page()
    page.goto(app.url)
    playwright.expect(page.get_by_role("link", name="Choose frames", exact=True)).to_be_visible()
    choose(page, app.base, FRAMES)
    screen = open_label(page, app.base)
    for place in range(len(FRAMES)):
        if place == 1:
            page.get_by_role("button", name="1×").click()
        if place == 2:
            page.get_by_role("button", name="Fit").click()
            page.mouse.move(*screen.at(72, 48))
            page.get_by_role("button", name="4×").click()
        scale = float(screen.overlay.get_attribute("data-scale"))
        assert scale == {0: scale, 1: 1.0, 2: 4.0}[place]
        for x, y in PLACES[:3]:
            screen.click(x, y)
        page.keyboard.press("x")  # the last keypoint is not there
        page.keyboard.press(" ")
    saved(page)
    table = table_once(folder, lambda table: (table.codes > 0).sum() == 12)
    assert table.frame == tuple(f"labeled-data/first/img{frame:08d}.png" for frame in FRAMES)
    np.testing.assert_allclose(table.points[:, :3], [PLACES[:3]] * 3, atol=0.5)
    assert table.codes.tolist() == [[2, 2, 2, 1]] * 3
    assert np.isnan(table.points[:, 3]).all()

    # drag, undo as far as it goes, redo
    page.keyboard.press("Home")
    playwright.expect(page.get_by_test_id("image")).to_contain_text("img00000007")
    page.keyboard.press("f")
    page.mouse.move(*screen.at(*PLACES[1]))
    page.mouse.down()
    page.mouse.move(*screen.at(80, 50), steps=4)
    page.mouse.up()
    moved = table_once(folder, lambda table: abs(table.points[0, 1, 0] - 80) < 0.5)
    np.testing.assert_allclose(moved.points[0, 1], [80, 50], atol=0.5)
    page.keyboard.press("o")
    table_once(folder, lambda table: table.codes[0, 1] == 1)
    for _ in range(2):
        page.keyboard.press("Control+z")
    back = table_once(folder, lambda table: table.codes[0, 1] == 2)
    np.testing.assert_array_equal(back.points, table.points)
    page.keyboard.press("Control+Shift+z")
    table_once(folder, lambda table: abs(table.points[0, 1, 0] - 80) < 0.5)


def test_two_tabs_never_overwrite_each_other_silently(context, make_project, served):
    folder = make_project()
    app = served(folder)
    one, two = context.new_page(), context.new_page()
    one.goto(app.url)
    choose(one, app.base, FRAMES[:1])
    mine = open_label(one, app.base)
    two.goto(app.url)
    theirs = open_label(two, app.base)
    theirs.click(*PLACES[0])
    saved(two)
    mine.click(*PLACES[1])
    playwright.expect(one.get_by_role("heading", name="Changed elsewhere")).to_be_visible()
    table = table_once(folder, lambda table: table.codes.any())
    np.testing.assert_allclose(table.points[0, 0], PLACES[0], atol=0.5)
    one.get_by_role("button", name="Put mine over them").click()
    saved(one)
    table = table_once(folder, lambda table: abs(table.points[0, 0, 0] - PLACES[1][0]) < 0.5)


def test_an_edit_made_while_the_server_is_dead_is_sent_when_it_is_back(
    context, make_project, served
):
    folder = make_project()
    app = served(folder)
    page = context.new_page()
    page.goto(app.url)
    choose(page, app.base, FRAMES[:1])
    screen = open_label(page, app.base)
    screen.click(*PLACES[0])
    saved(page)
    app.end(signal.SIGKILL)
    screen.click(*PLACES[1])
    playwright.expect(page.get_by_test_id("saving")).to_contain_text("not saved")
    again = served(folder, port=int(app.base.rpartition(":")[2]))
    playwright.expect(page.get_by_test_id("saving")).to_contain_text("started again")
    context.new_page().goto(again.url)
    saved(page)
    table = table_once(folder, lambda table: (table.codes[0] == 2).sum() == 2)
    np.testing.assert_allclose(table.points[0, :2], PLACES[:2], atol=0.5)


def test_a_frame_is_labelled_by_keyboard_only(context, make_project, served):
    folder = make_project()
    app = served(folder)
    page = context.new_page()
    page.goto(app.url)
    page.goto(f"{app.base}/#/choose/")
    playwright.expect(page.get_by_test_id("shown")).to_have_text("frame 0")
    page.locator("body").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    playwright.expect(page.get_by_test_id("shown")).to_have_text("frame 3")
    page.keyboard.press("Enter")
    playwright.expect(page.get_by_text("waits already")).to_be_visible()
    page.keyboard.press("l")
    playwright.expect(page.get_by_test_id("image")).to_contain_text("img00000003")
    playwright.expect(page.get_by_text("Click where nose is")).to_be_visible()
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")
    for key in ("Shift+ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    page.keyboard.press("s")
    page.keyboard.press("x")
    table = table_once(folder, lambda table: table.codes[0].tolist() == [2, 1, 0, 0])
    moved = ((WIDTH - 1) / 2 + 11, (HEIGHT - 1) / 2 - 1)  # from the middle
    np.testing.assert_allclose(table.points[0, 0], moved, atol=0.5)
    page.keyboard.press("?")
    playwright.expect(page.get_by_role("heading", name="Keys")).to_be_visible()
