"""Each distribution works from its wheel, alone with what it declares, in an empty environment."""

import pytest

pytestmark = pytest.mark.slow  # builds wheels and environments of their own

OTHERS = (
    "lp_core",
    "lp_models",
    "lp_data",
    "lp_io",
    "lp_analysis",
    "lp_synthetic",
    "lp_runtime",
    "lp_pipeline",
    "lp_app",
)

# What each distribution can do with nothing of ours but what it depends on.
SMOKE = {
    "lp-core": (
        {"lp_core"},
        "import torch\n"
        "from lp_core.geometry.targets import heatmap_targets\n"
        "from lp_core.geometry.decoding import decode_heatmaps\n"
        "maps = heatmap_targets(torch.tensor([[[9.0, 5.0]]]), (32, 32), (8, 8))\n"
        "found = decode_heatmaps(maps, (32, 32))[0]\n"
        "assert (found - torch.tensor([9.0, 5.0])).abs().max() < 1e-3\n",
    ),
    "lp-models": (
        {"lp_core", "lp_models"},
        "import torch\n"
        "from lp_core.registry import MODELS, load_plugin\n"
        "tracker_class = load_plugin(MODELS, 'heatmap')\n"
        "options = tracker_class.Options(keypoint_names=('a', 'b'), image_size=(64, 64),\n"
        "    backbone='resnet10t', backbone_pretrained=False)\n"
        "tracker = tracker_class(options).eval()\n"
        "assert tracker(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape == (1, 2, 16, 16)\n",
    ),
    "lp-data": (
        {"lp_core", "lp_data"},
        "import tempfile, pathlib\n"
        "from lp_data.labels import read_labels\n"
        "file = pathlib.Path(tempfile.mkdtemp()) / 'labels.csv'\n"
        "file.write_text('scorer,a,a\\nbodyparts,nose,nose\\ncoords,x,y\\nimg1.png,1,2\\n')\n"
        "assert read_labels(file).keypoint_names == ('nose',)\n",
    ),
    "lp-io": (
        {"lp_core", "lp_io"},
        "import tempfile, pathlib\n"
        "from lp_io.checkpoint import load_model\n"
        "from lp_core.errors import LPError\n"
        "try:\n"
        "    load_model(pathlib.Path(tempfile.mkdtemp()))\n"
        "except LPError:\n"
        "    pass\n"
        "else:\n"
        "    raise SystemExit('an empty folder was taken for a model')\n",
    ),
    "lp-analysis": (
        {"lp_core", "lp_data", "lp_io", "lp_analysis"},
        "import numpy as np\n"
        "from lp_analysis.rendering.draw import PoseDrawer\n"
        "drawer = PoseDrawer(('nose',), (64, 64))\n"
        "frame = np.zeros((64, 64, 3), np.uint8)\n"
        "assert drawer.draw(frame, np.array([[32.0, 32.0]]), stamp='frame 0').any()\n",
    ),
    "lp-synthetic": (
        {"lp_core", "lp_data", "lp_io", "lp_synthetic"},
        "import tempfile, pathlib\n"
        "from lp_synthetic import SyntheticSettings, generate_project\n"
        "folder = pathlib.Path(tempfile.mkdtemp()) / 'project'\n"
        "assert generate_project(folder, SyntheticSettings.tiny()).label_file.is_file()\n",
    ),
    "lp-runtime": (
        {"lp_core", "lp_data", "lp_io", "lp_runtime"},
        "import sys, tempfile, pathlib\n"
        "from lp_runtime import ExportedModel, ExportError\n"
        "assert 'torch' not in sys.modules\n"
        "try:\n"
        "    ExportedModel.from_dir(pathlib.Path(tempfile.mkdtemp()))\n"
        "except ExportError:\n"
        "    pass\n"
        "else:\n"
        "    raise SystemExit('an empty folder was taken for an exported model')\n",
    ),
    "lp-pipeline": (
        set(OTHERS) - {"lp_app"},
        "import subprocess, sys, pathlib\n"
        "command = pathlib.Path(sys.executable).with_name('litpose')\n"
        "assert 'predict' in subprocess.run([command, '--help'], capture_output=True, text=True,"
        " check=True).stdout\n"
        "from lp_pipeline.config.load import load_config\n",
    ),
    "lp-app": (
        set(OTHERS),
        "import subprocess, sys, pathlib, re, urllib.request\n"
        "command = pathlib.Path(sys.executable).with_name('litpose')\n"
        "app = subprocess.Popen([command, 'app', 'new', '--no-browser'], stdout=subprocess.PIPE,"
        " text=True)\n"
        "address = re.search(r'http\\S+', app.stdout.readline())[0]\n"
        "opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())\n"
        "page = opener.open(address).read().decode()\n"
        'script = re.search(r\'src="(/assets/[^"]+)"\', page)[1]\n'
        "assert opener.open(address.split('/?')[0] + script).read()\n"
        "app.terminate()\n",
    ),
}


@pytest.mark.parametrize("name", SMOKE)
def test_a_wheel_works_alone(name, fresh_environment, tmp_path):
    environment = fresh_environment(name)
    expected, code = SMOKE[name]
    present = environment.run(
        "python",
        "-c",
        f"import importlib.util as u;print(*[n for n in {OTHERS!r} if u.find_spec(n) is not None])",
    )
    assert set(present.split()) == expected
    environment.run("python", "-c", code, cwd=tmp_path)
