"""Plug-ins are found through entry points, also those of a distribution that is not ours."""

import sys

import pytest

from lp_core.errors import UnknownNameError
from lp_core.registry import BACKBONES, LOSSES, PluginError, load_plugin, name_of, registered


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a small distribution on the path, as an installer would."""

    def add(name, entries, modules):
        folder = tmp_path / name
        info = folder / f"{name}-1.2.3.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
        (info / "entry_points.txt").write_text(entries)
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        for module in modules:
            monkeypatch.delitem(sys.modules, module, raising=False)

    return add


def test_a_third_party_plug_in_is_found_with_its_distribution(install):
    install("mine", "[lp.losses]\nmy_loss = my_mod:MyLoss\n", {"my_mod": "class MyLoss: pass\n"})
    plugin = registered(LOSSES)["my_loss"]
    assert (plugin.distribution, plugin.version) == ("mine", "1.2.3")
    loaded = load_plugin(LOSSES, "my_loss")
    assert loaded.__name__ == "MyLoss"
    assert name_of(LOSSES, loaded) == "my_loss"


def test_an_unknown_name_lists_the_known_ones_and_the_nearest(install):
    install("mine", "[lp.losses]\nmy_loss = my_mod:MyLoss\n", {"my_mod": "class MyLoss: pass\n"})
    with pytest.raises(UnknownNameError, match="unknown loss 'my_los'") as error:
        load_plugin(LOSSES, "my_los")
    assert "did you mean 'my_loss'?" in str(error.value)


def test_two_distributions_that_claim_one_name_are_refused(install):
    install("one", "[lp.losses]\nsame = mod_one:A\n", {"mod_one": "class A: pass\n"})
    install("two", "[lp.losses]\nsame = mod_two:B\n", {"mod_two": "class B: pass\n"})
    with pytest.raises(PluginError, match="registered twice") as error:
        registered(LOSSES)
    assert "one" in str(error.value)
    assert "two" in str(error.value)


def test_a_plug_in_that_cannot_be_imported_names_its_distribution(install):
    install("broken", "[lp.losses]\nbad = bad_mod:Missing\n", {"bad_mod": "import no_such_thing\n"})
    with pytest.raises(PluginError, match="no_such_thing") as error:
        load_plugin(LOSSES, "bad")
    assert "broken 1.2.3" in str(error.value)


def test_the_public_backbones_are_registered():
    assert "resnet50_animal_ap10k" in registered(BACKBONES)
