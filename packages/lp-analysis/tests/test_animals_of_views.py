"""Which tracks of several cameras show the same animal, whatever their views call them."""

from dataclasses import replace

import numpy as np
import pytest

from lp_analysis.errors import TriangulationError
from lp_analysis.triangulation import MatchingOptions, match_views
from lp_analysis.triangulation.association.clustering import clusters_of
from lp_analysis.triangulation.association.exchanges import cheapest_stretches, toggle_margins
from lp_core.errors import CameraError
from lp_core.geometry.cameras import Camera, Rig, project
from lp_core.poses import PoseTable, Skeleton, concatenate

NAMES = ("nose", "ear", "neck", "hip", "tail")
FRAMES = 120


def camera(name, azimuth):
    position = np.array([500 * np.cos(azimuth), 500 * np.sin(azimuth), 300.0])
    matrix = np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])
    lens = np.array([-0.2, 0.05, 0.001, 0.0, 0.0])
    return Camera.looking_at(
        (0, 0, 0),
        position,
        name=name,
        size=(640, 480),
        matrix=matrix,
        distortion=lens,
    )


RIG = Rig(tuple(camera(f"cam{n}", a) for n, a in enumerate((0.0, 1.6, 3.1, 4.6))), "mm")


def bodies(animals=3, frames=FRAMES, seed=0):
    """(F, A, K, 3) animals of 60 mm that walk in an arena of 300 mm, and turn."""
    random = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / 30
    speed, phase = random.uniform(0.5, 1.5, (2, animals)), random.uniform(0, 6.3, (3, animals))
    middle = np.stack(
        [
            100 * np.sin(time * speed[0] + phase[0]),
            100 * np.sin(time * speed[1] + phase[1]),
            np.full((frames, animals), 20.0),
        ],
        axis=-1,
    )
    heading = phase[2] + np.cumsum(random.normal(0, 0.05, (frames, animals)), axis=0)
    along = np.linspace(-30, 30, len(NAMES))
    bend = 8 * np.array([0, 1, 0, -1, 0])
    x = along * np.cos(heading)[..., None] - bend * np.sin(heading)[..., None]
    y = along * np.sin(heading)[..., None] + bend * np.cos(heading)[..., None]
    height = np.broadcast_to(np.array([5.0, 12, 8, 10, 0]), x.shape)
    return middle[:, :, None] + np.stack([x, y, height], axis=-1)


def table(points, names, present=None, confidence=0.9):
    """The rows of a view, (F, A, K, 2), whose animals have names by frame, (F, A)."""
    frames, animals = points.shape[:2]
    names = np.broadcast_to(np.asarray(names, object), (frames, animals))
    present = np.ones((frames, animals), bool) if present is None else present
    frame, animal = np.nonzero(present)
    return PoseTable(
        Skeleton(NAMES),
        points[frame, animal],
        tuple(frame.tolist()),
        individual=tuple(names[frame, animal].tolist()),
        confidence=np.full((len(frame), len(NAMES)), confidence),
    )


def noisy(seen, px=1.0, seed=0):
    return seen + np.random.default_rng(seed).normal(0, px, seen.shape)


def permuted(animals=3, seed=0):
    """By view other names of the same animals."""
    random = np.random.default_rng(seed)
    return [[f"track_{n}" for n in random.permutation(animals)] for _ in RIG]


def tables_of(seen, names, present=None):
    return {
        view: table(seen[v], names[v], None if present is None else present[v])
        for v, view in enumerate(RIG.names)
    }


def animals_by_name(found, truth):
    """Of each name the animals that have it in any view; truth is (F, A) present per view."""
    by_name = {}
    for v, view in enumerate(RIG.names):
        if view in found.tables:
            _, animal = np.nonzero(truth[v])
            for name, number in zip(found.tables[view].individual, animal.tolist(), strict=True):
                by_name.setdefault(name, set()).add(number)
    return by_name


WHOLE = np.ones((len(RIG), FRAMES, 3), bool)


def assert_recovered(found, truth=WHOLE, animals=3):
    by_name = animals_by_name(found, truth)
    assert len(by_name) == animals, by_name
    assert sorted(map(sorted, by_name.values())) == [[animal] for animal in range(animals)]


def test_names_of_each_view_become_one(tmp_path):
    seen = noisy(project(RIG, bodies()))
    found = match_views(RIG, tables_of(seen, permuted()))
    assert_recovered(found)
    assert found.individuals == ("track_0", "track_1", "track_2")
    assert len(found.sightings) == 12
    assert min(sighting.margin for sighting in found.sightings) == 30
    for view, own in tables_of(seen, permuted()).items():
        np.testing.assert_array_equal(found.tables[view].points, own.points)
        assert found.tables[view].frame == own.frame


def test_names_that_agree_stay():
    seen = noisy(project(RIG, bodies()))
    found = match_views(RIG, tables_of(seen, [["ann", "bob", "cid"]] * 4))
    assert found.renamed == dict.fromkeys(RIG.names, 0)
    assert set(found.individuals) == {"ann", "bob", "cid"}


def test_one_view_that_names_them_otherwise_is_outvoted():
    seen = noisy(project(RIG, bodies()))
    names = [["ann", "bob", "cid"]] * 3 + [["bob", "ann", "cid"]]
    found = match_views(RIG, tables_of(seen, names))
    assert found.renamed == {"cam0": 0, "cam1": 0, "cam2": 0, "cam3": 2 * FRAMES}


def test_the_order_of_the_views_does_not_matter():
    seen = noisy(project(RIG, bodies(seed=3)), 2.0)
    tables = tables_of(seen, permuted(seed=2))
    one = match_views(RIG, tables)
    turned = Rig(RIG.cameras[::-1], RIG.unit)
    other = match_views(turned, dict(reversed(tables.items())))
    assert one.individuals == other.individuals
    assert one.sightings == other.sightings
    assert one.doubts == other.doubts
    for view in RIG.names:
        assert one.tables[view].individual == other.tables[view].individual


@pytest.mark.parametrize("swapped", [0, 3])
def test_an_exchange_in_one_view_is_undone(swapped):
    """Two animals of a view have each other's names from a frame on."""
    seen = noisy(project(RIG, bodies()))
    names = [np.tile(np.array(own, object), (FRAMES, 1)) for own in permuted()]
    names[swapped][70:, [0, 2]] = names[swapped][70:, [2, 0]]
    found = match_views(RIG, tables_of(seen, names))
    assert_recovered(found)


def test_a_short_exchange_is_undone():
    seen = noisy(project(RIG, bodies()))
    names = [np.tile(np.array(own, object), (FRAMES, 1)) for own in permuted()]
    names[1][50:60, :2] = names[1][50:60, 1::-1]
    assert_recovered(match_views(RIG, tables_of(seen, names)))


def test_two_views_tell_which_of_them_exchanged():
    """Both orders go together from then on, but in one view the animals jump."""
    seen = noisy(project(RIG, bodies()))
    names = [np.tile(np.array(own, object), (FRAMES, 1)) for own in permuted()]
    names[2][70:, :2] = names[2][70:, 1::-1]
    tables = {view: own for view, own in tables_of(seen, names).items() if view in ("cam1", "cam2")}
    found = match_views(RIG, tables)
    assert_recovered(found)
    assert sum(found.renamed.values()) > 0


def test_all_views_exchange_at_the_same_time():
    """Only the jump of both animals in each view tells that."""
    seen = noisy(project(RIG, bodies()))
    names = [np.tile(np.array(own, object), (FRAMES, 1)) for own in permuted()]
    for own in names:
        own[70:, :2] = own[70:, 1::-1]
    assert_recovered(match_views(RIG, tables_of(seen, names)))


def test_what_views_miss_and_make_up():
    """Rows lack, a track breaks, one of ten keypoints is far off, and some rows are false."""
    random = np.random.default_rng(5)
    world = bodies(seed=1)
    seen = noisy(project(RIG, world), 1.5)
    wrong = random.random(seen.shape[:4]) < 0.1
    seen[wrong] += random.normal(0, 30, (wrong.sum(), 2))
    present = random.random((4, FRAMES, 3)) > 0.1
    present[0, 40:60, 1] = False
    names = [np.tile(np.array(own, object), (FRAMES, 1)) for own in permuted()]
    names[0][60:, 1] = "track_9"
    tables = tables_of(seen, names, present)
    false = seen[2, 30:34, 0] + random.uniform(40, 60, 2)
    more = PoseTable(
        Skeleton(NAMES), false, tuple(range(30, 34)), individual=("track_8",) * 4,
        confidence=np.full((4, len(NAMES)), 0.6),
    )  # fmt: skip
    tables["cam2"] = concatenate([tables["cam2"], more])
    found = match_views(RIG, tables)
    invented = {found.tables["cam2"].individual[-1]}
    assert len({*found.tables["cam2"].individual[-4:]}) == 1
    trimmed = {**found.tables, "cam2": found.tables["cam2"].rows(slice(0, -4))}
    assert_recovered(found._replace(tables=trimmed), present)
    assert not invented & {*found.tables["cam1"].individual}


def test_an_animal_of_one_view_is_matched_with_none():
    seen = noisy(project(RIG, bodies()))
    present = WHOLE.copy()
    present[[0, 1, 3], :, 1] = False  # the second is seen by cam2 alone
    found = match_views(RIG, tables_of(seen, permuted(), present))
    assert_recovered(found, present)
    alone = [sighting for sighting in found.sightings if sighting.margin == 0]
    assert [sighting.view for sighting in alone] == ["cam2"]


def test_different_animals_are_not_matched_by_force():
    """Each view shows one animal, but not the same one."""
    seen = noisy(project(RIG, bodies()))
    present = np.zeros((4, FRAMES, 3), bool)
    present[0, :, 0] = present[1, :, 1] = present[2, :, 2] = True
    tables = tables_of(seen, permuted(), present)
    del tables["cam3"]
    assert_recovered(match_views(RIG, tables), present[:3])


def test_a_known_number_joins_tracks_that_all_views_lose_at_once():
    """The third animal is carried elsewhere, and then has a track of its own in each view."""
    walked, names = bodies(), permuted()
    walked[60:, 2] += (150, -120, 0)
    seen = noisy(project(RIG, walked))
    late = np.broadcast_to(np.array(names, object)[:, None], (len(RIG), FRAMES, 3)).copy()
    late[:, 60:, 2] = "track_7"
    present = WHOLE.copy()
    present[:, 40:60, 2] = False
    tables = tables_of(seen, late, present)
    assert len(match_views(RIG, tables).individuals) == 4
    assert_recovered(match_views(RIG, tables, MatchingOptions(animals=3)), present)


def test_a_known_number_leaves_rows_of_no_animal_without_a_name():
    seen, names = noisy(project(RIG, bodies())), permuted()
    ghost = noisy(project(RIG, bodies(4))[:, :, 3:], seed=5)
    seen = np.concatenate([seen, ghost], axis=2)
    present = np.concatenate([WHOLE, np.zeros((len(RIG), FRAMES, 1), bool)], axis=2)
    present[0, 30:50, 3] = True  # one view takes something else for an animal
    tables = tables_of(seen, [[*own, "track_9"] for own in names], present)
    assert len(match_views(RIG, tables).individuals) == 4
    found = match_views(RIG, tables, MatchingOptions(animals=3))
    assert len(found.individuals) == 3
    of_ghost = np.array(found.tables["cam0"].individual, object)[np.nonzero(present[0])[1] == 3]
    assert (of_ghost == np.array(None)).all()
    with pytest.raises(TriangulationError, match="at least 1 animal"):
        MatchingOptions(animals=0)


def test_animals_come_one_after_the_other():
    """Views overlap in part of the video only."""
    seen = noisy(project(RIG, bodies()))
    present = WHOLE.copy()
    present[0, 60:], present[1, :40], present[2, 90:], present[3, :80] = (False,) * 4
    found = match_views(RIG, tables_of(seen, permuted(), present))
    assert_recovered(found, present)


def test_rows_without_a_track_are_matched_where_they_stand():
    seen = noisy(project(RIG, bodies()))
    tables = tables_of(seen, permuted())
    some = list(tables["cam1"].individual)
    some[90:96] = [None] * 6
    tables["cam1"] = replace(tables["cam1"], individual=tuple(some))
    assert_recovered(match_views(RIG, tables))


def test_tables_without_tracks_are_followed_first():
    seen = noisy(project(RIG, bodies()))
    tables = tables_of(seen, [[None] * 3] * 4)
    assert_recovered(match_views(RIG, tables))


def test_offsets_and_the_order_of_keypoints():
    seen = noisy(project(RIG, bodies()))
    tables = tables_of(seen, permuted())
    late = tables["cam1"]
    tables["cam1"] = replace(late, frame=tuple(frame + 7 for frame in late.frame))
    tables["cam2"] = tables["cam2"].select_keypoints(NAMES[::-1])
    found = match_views(RIG, tables, MatchingOptions(offsets={"cam1": 7}))
    assert_recovered(found)
    assert found.sightings[3].view == "cam1"
    assert (found.sightings[3].first, found.sightings[3].last) == (0, FRAMES - 1)


def test_a_close_call_is_named():
    """Two animals meet while neither view sees them: who is who afterwards is a guess."""
    world = bodies(2)
    sure = match_views(RIG, tables_of(noisy(project(RIG, world)), permuted(2)))
    world[:, 1] += world[60, 0, 2] - world[60, 1, 2]
    present = WHOLE[:, :, :2].copy()
    present[:, 50:71] = False
    tables = tables_of(noisy(project(RIG, world)), permuted(2), present)
    guessed = match_views(RIG, {view: tables[view] for view in ("cam0", "cam1")})
    least = min(guessed.doubts, key=lambda doubt: doubt.margin)
    assert (least.frame, least.view) == (71, None)
    assert least.margin < 25
    assert not sure.doubts


def test_empty_tables_and_one_animal():
    seen = noisy(project(RIG, bodies(1)))
    tables = {view: table(seen[v], [["track_4"]]) for v, view in enumerate(RIG.names)}
    tables["cam3"] = tables["cam3"].rows([])
    found = match_views(RIG, tables)
    assert found.individuals == ("track_0",)
    assert len(found.tables["cam3"]) == 0


def test_wrong_tables_are_refused():
    seen = project(RIG, bodies())
    tables = tables_of(seen, permuted())
    with pytest.raises(TriangulationError, match="at least 2 views, got 1"):
        match_views(RIG, {"cam0": tables["cam0"]})
    other = replace(tables["cam1"], skeleton=Skeleton(("paw", *NAMES[1:])))
    with pytest.raises(TriangulationError, match="different keypoints: nose, paw"):
        match_views(RIG, tables | {"cam1": other})
    twice = replace(tables["cam1"], individual=("track_0",) * len(tables["cam1"]))
    with pytest.raises(TriangulationError, match="'track_0' has two rows in frame 0"):
        match_views(RIG, tables | {"cam1": twice})
    with pytest.raises(CameraError, match="no camera 'side'"):
        match_views(RIG, tables | {"side": tables["cam1"]})
    with pytest.raises(TriangulationError, match="noise must be above 0"):
        MatchingOptions(noise=0.0)


def test_clusters_are_the_best_of_a_small_graph():
    """Against all partitions of six nodes, two of which may not be together."""
    random = np.random.default_rng(0)
    right = 0
    for _ in range(20):
        true = random.integers(0, 3, 6)
        edges = np.array([(a, b) for a in range(6) for b in range(a)])
        sign = np.where(true[edges[:, 0]] == true[edges[:, 1]], 3.0, -3.0)
        weight = sign + random.normal(0, 1, len(edges))
        apart = edges[(true[edges[:, 0]] != true[edges[:, 1]])][:1]
        found = clusters_of(6, edges, weight, apart)
        same = true[:, None] == true
        right += bool(((found[:, None] == found) == same).all())
        for a, b in apart:
            assert found[a] != found[b]
    assert right == 20


def test_exchanges_are_the_cheapest_of_all():
    random = np.random.default_rng(1)
    for _ in range(20):
        loss, toggle = random.normal(0, 2, 8), random.uniform(-1, 3, 8)
        costs = {}
        for code in range(2**8):
            state = (code >> np.arange(8)) & 1
            changed = np.append(False, np.diff(state) != 0)
            costs[code] = (loss * state).sum() + toggle[changed].sum()
        where, gain = cheapest_stretches(loss, toggle)
        assert gain == pytest.approx(-min(costs.values()))
        assert costs[int((where * 2 ** np.arange(8)).sum())] == pytest.approx(-gain)
        margin = toggle_margins(loss, toggle)
        for place in range(1, 8):
            change = [c for c in costs if ((c >> place) ^ (c >> (place - 1))) & 1]
            best = min(costs[c] for c in change) - min(costs.values())
            assert margin[place] == pytest.approx(best)
