"""Every key of a config has an effect that can be observed, or says that it has none."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from lp_core.display import SILENT
from lp_core.errors import LPError
from lp_core.geometry.cameras import Camera, Rig
from lp_core.options import plain_options
from lp_core.trackers.weights import weights_digest
from lp_io.calibration import write_rig
from lp_io.documents.sections import keys_of
from lp_io.training_state.metrics_log import MetricsLog
from lp_pipeline.builders.data import get_clips, get_data_module, get_dataset
from lp_pipeline.builders.devices import training_devices
from lp_pipeline.builders.labels import drawing_style, get_labels
from lp_pipeline.builders.losses import get_loss_factories, training_labels
from lp_pipeline.builders.model import (
    batches_per_epoch,
    get_optimization,
    get_options,
    get_tracker_class,
)
from lp_pipeline.builders.videos import videos_to_predict
from lp_pipeline.builders.views import get_cameras, get_views
from lp_pipeline.config.json_schema import schema_json
from lp_pipeline.config.load import load_config
from lp_pipeline.config.schema import Config
from lp_pipeline.evaluation.after_training import chunk_length
from lp_pipeline.training.fit import training_callbacks
from lp_pipeline.training.setup import set_up
from lp_pipeline.training.trainer import get_trainer

CLIPS = ("dali.base.train.sequence_length=4", "dali.context.train.batch_size=8")
SEMI = ("model.losses_to_use=[temporal]", *CLIPS)
CONTEXT = ("model.model_type=heatmap_mhcrnn", "model.feature_stride=null")
STEPS = ("training.max_epochs=null", "training.max_steps=9")
TOP_DOWN = "animals.top_down=true"
TWO_VIEWS = "data.view_names=['00','01']"
JOINT = ("model.model_type=heatmap_multiview_transformer", "model.backbone=test_vit",
         "model.feature_stride=null", TWO_VIEWS, "data.csv_file={views}")  # fmt: skip
CALIBRATED = "data.camera_params_file={cameras}"
LENS = np.array([[90.0, 0, 48], [0, 90, 48], [0, 0, 1]])
STEPWISE = "training.lr_scheduler_params.multisteplr"


class Look:
    """What a config makes, part by part, in a form that can be compared."""

    def __init__(self, loaded):
        self.config = loaded.config
        self.training = loaded.config.training
        self.kind = get_tracker_class(self.config)

    def labels(self):
        table = get_labels(self.config)
        return table.keypoint_names, digest(table.points), digest(table.codes), len(table)

    def cameras(self):
        labels, views = get_labels(self.config), get_views(self.config)
        found = get_cameras(self.config, labels, views) or {}
        return {frame: digest(packed.numpy()) for frame, packed in found.items()}

    def dataset(self):
        return get_dataset(self.config, self.kind, get_labels(self.config))

    def samples(self):
        dataset = self.dataset()
        found = [dataset[row] for row in range(4)]
        samples = [one for each in found for one in (each if isinstance(each, list) else [each])]
        parts = [
            digest(sample[name].numpy()) for sample in samples for name in ("images", "keypoints")
        ]
        return parts, [sample["visibility"].tolist() for sample in samples]

    def training_images(self):
        dataset = self.module().dataset
        return [digest(dataset[row]["images"].numpy()) for row in range(len(dataset))]

    def module(self):
        return get_data_module(self.config, self.kind, self.dataset())

    def loaders(self):
        module = self.module()
        names = (
            "split",
            "train_batch_size",
            "val_batch_size",
            "test_batch_size",
            "num_workers",
            "seed",
        )
        steps = batches_per_epoch(self.training, module.steps_per_epoch)
        return [getattr(module, name) for name in names], steps

    def clips(self):
        clips = get_clips(self.config, self.kind)
        frames = [digest(clips[i]["frames"].numpy()) for i in range(2)]
        reader = type(clips._source(0))
        return len(clips), frames, reader

    def losses(self):
        factories = get_loss_factories(self.config, self.kind, self.module())
        return [
            {name: plain_options(loss.options) for name, loss in factory.losses.items()}
            for factory in factories
            if factory is not None
        ]

    def fitted(self):
        module = self.module()
        table, views = module.dataset.table, module.dataset.views
        return repr(training_labels(self.config, table, module.split.train, views=views))

    def options(self):
        return get_options(self.config, self.kind, get_labels(self.config).keypoint_names)

    def optimization(self):
        return get_optimization(self.training, 4)

    def trainer(self, folder="unused"):
        trainer = get_trainer(self.config, Path(folder), [], 4, MetricsLog(Path(folder)))
        plain = ("max_epochs", "min_epochs", "max_steps", "min_steps", "accumulate_grad_batches",
                 "gradient_clip_val", "limit_train_batches", "log_every_n_steps", "num_nodes",
                 "check_val_every_n_epoch", "val_check_interval", "precision")  # fmt: skip
        parts = [type(trainer.profiler), type(trainer.strategy), trainer.loggers[0].name]
        return [getattr(trainer, name) for name in plain], parts

    def devices(self):
        return training_devices(self.training, gpus=4)

    def callbacks(self):
        made = training_callbacks(self.config, lambda folder, metrics: None, Path("unused"), SILENT)
        return {type(one).__name__: settings(one) for one in made}

    def animals(self):
        setup = set_up(self.config)
        return setup.extra, setup.detector and setup.detector.model_dump()

    def after(self):
        evaluation = self.config.eval
        style = drawing_style(self.config)
        drawn = style, evaluation.save_vids_after_training
        return videos_to_predict(self.config), chunk_length(self.config, self.kind), drawn


def settings(callback):
    plain = (int, float, str, type(None))
    found = {k: v for k, v in vars(callback).items() if isinstance(v, plain)}
    return {k: v for k, v in found.items() if k != "_start_time"}


def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


EFFECTS = {
    "data.image_resize_dims.height": ("96", "options"),
    "data.image_resize_dims.width": ("96", "options"),
    "data.data_dir": ("{other}", "labels"),
    "data.video_dir": ("videos_test", "clips", *SEMI),
    "data.csv_file": ("{other}/CollectedData.csv", "labels"),
    "data.extra_labels": ("{extra}", "labels"),
    "data.bbox_file": ("{boxes}", "samples"),
    "data.keypoint_names": ("{names}", "labels"),
    "data.view_names": ("['00','01']", "fitted", "data.csv_file={views}"),
    "data.camera_params_file": ("{cameras}", "cameras", "data.csv_file={views}", TWO_VIEWS),
    "data.mirrored_column_matches": ("[[0,1],[2,3]]", "fitted"),
    "data.columns_for_singleview_pca": ("[0,1,2]", "fitted"),
    "data.skeleton": ("[[nose_top,tail_base_top]]", "after"),
    "data.left_right": ("[[nose_top,tail_base_top]]", "samples", "training.imgaug_hflip=true"),
    "data.downsample_factor": ("1", "options"),
    "training.imgaug": ("none", "samples"),
    "training.imgaug_hflip": ("true", "samples"),
    "training.imgaug_3d": ("false", "samples", CALIBRATED, *JOINT),
    "training.patch_mask": ("{{init_epoch: 3, final_epoch: 9}}", "options", *JOINT),
    "training.train_batch_size": ("3", "loaders"),
    "training.val_batch_size": ("3", "loaders"),
    "training.test_batch_size": ("3", "loaders"),
    "training.train_prob": ("0.5", "loaders"),
    "training.val_prob": ("0.1", "loaders"),
    "training.train_frames": ("5", "loaders"),
    "training.num_gpus": ("3", "devices"),
    "training.num_workers": ("1", "loaders"),
    "training.unfreezing_epoch": ("3", "optimization"),
    "training.unfreezing_step": ("3", "optimization", "training.unfreezing_epoch=null"),
    "training.min_epochs": ("1", "trainer", "training.max_epochs=7"),
    "training.max_epochs": ("7", "trainer"),
    "training.min_steps": ("2", "trainer", *STEPS),
    "training.max_steps": ("7", "trainer", "training.max_epochs=null"),
    "training.log_every_n_steps": ("2", "trainer"),
    "training.check_val_every_n_epoch": ("2", "trainer"),
    "training.val_check_interval": ("0.5", "trainer"),
    "training.ckpt_every_n_epochs": ("1", "callbacks"),
    "training.save_state_every_n_seconds": ("3", "callbacks"),
    "training.early_stopping": ("true", "callbacks"),
    "training.early_stop_patience": ("9", "callbacks", "training.early_stopping=true"),
    "training.rng_seed_data_pt": ("3", "loaders"),
    "training.rng_seed_model_pt": ("3", "weights"),
    "training.optimizer": ("AdamW", "optimization"),
    "training.optimizer_params.learning_rate": ("0.5", "optimization"),
    "training.optimizer_params.weight_decay": ("0.5", "optimization"),
    "training.lr_scheduler": ("cosine", "optimization"),
    f"{STEPWISE}.milestones": ("[1,2]", "optimization"),
    f"{STEPWISE}.milestone_steps": ("[1,2]", "optimization", f"{STEPWISE}.milestones=[]"),
    f"{STEPWISE}.gamma": ("0.9", "optimization"),
    "training.lr_scheduler_params.cosine.warmup_epochs": ("2", "optimization"),
    "training.uniform_heatmaps_for_nan_keypoints": ("false", "options"),
    "training.accumulate_grad_batches": ("2", "trainer"),
    "training.profiler": ("simple", "trainer"),
    "training.limit_train_batches": ("1", "trainer"),
    "training.steps_per_epoch": ("20", "loaders"),
    "training.precision": ("bf16-mixed", "trainer"),
    "training.gradient_clip_val": ("0.5", "trainer"),
    "training.accelerator": ("cpu", "devices"),
    "training.devices": ("2", "devices"),
    "training.num_nodes": ("2", "trainer"),
    "training.strategy": ("ddp", "trainer"),
    "model.model_type": ("regression", "options", "model.feature_stride=null"),
    "model.model_name": ("other", "trainer"),
    "model.losses_to_use": ("[temporal]", "losses", *CLIPS),
    "model.heatmap_loss_type": ("kl", "losses"),
    "model.backbone": ("resnet18", "options"),
    "model.backbone_pretrained": ("true", "options"),
    "model.backbone_checkpoint": ("{weights}", "options"),
    "model.checkpoint": ("{model}", "weights"),
    "model.options": ("{{context_head: trajectory}}", "options", *CONTEXT),
    "dali.base.train.sequence_length": ("5", "clips", *SEMI),
    "dali.base.predict.sequence_length": ("5", "after"),
    "dali.context.train.batch_size": ("6", "clips", *SEMI, *CONTEXT),
    "dali.context.predict.sequence_length": ("5", "after", *CONTEXT),
    "dali.general.seed": ("3", "clips", *SEMI),
    "dali.reader": ("opencv", "clips", *SEMI),
    "losses": ("{{temporal: {{epsilon: 7.0}}}}", "losses", *SEMI),
    "eval.predict_vids_after_training": ("true", "after"),
    "eval.test_videos_directory": ("videos_test", "after", "eval.predict_vids_after_training=true"),
    "eval.save_vids_after_training": ("true", "after"),
    "eval.colormap": ("viridis", "after"),
    "eval.confidence_thresh_for_vid": ("0.1", "after"),
    "callbacks.anneal_weight.init_val": ("0.5", "callbacks", *SEMI),
    "callbacks.anneal_weight.increase_factor": ("0.5", "callbacks", *SEMI),
    "callbacks.anneal_weight.final_val": ("0.5", "callbacks", *SEMI),
    "callbacks.anneal_weight.freeze_until_epoch": ("5", "callbacks", *SEMI),
    "animals.top_down": ("true", "animals"),
    "animals.crop_size": ("64", "animals", TOP_DOWN),
    "animals.crop_jitter": ("0.2", "samples", TOP_DOWN),
    "animals.copy_paste": ("0.0", "training_images", TOP_DOWN, "data.csv_file={animals}"),
    "animals.count": ("3", "animals", TOP_DOWN),
    "animals.detector_type": ("regression", "animals", TOP_DOWN),
    "animals.detector": ("{{training: {{max_epochs: 3}}}}", "animals", TOP_DOWN),
}
"""By key: another value, where its effect is observed, and settings that the effect needs."""

WITHOUT = {
    "data.num_keypoints": "7",
    "model.head": "heatmap_cnn",
    "hydra": "{run: {dir: x}}",
    "creation_datetime": "now",
    "callbacks.anneal_weight.attr_name": "other",
}
"""Keys that say that they have no effect, each with a value."""

IDLE = {"training.imgaug_3d": "true", "training.patch_mask": "{init_epoch: 3}"}
"""Keys that have no effect on a tracker of one view."""


def test_every_key_is_observed_or_says_that_it_has_no_effect():
    keys = {".".join(path): description(path) for path in keys_of(Config)}
    assert set(keys) == {*EFFECTS, *WITHOUT}
    for key, text in keys.items():
        assert ("no effect" in text) == (key in WITHOUT), key


def description(path):
    """What the JSON schema says of a key."""
    schema = schema_json()
    entry = schema["properties"][path[0]]
    for name in path[1:]:
        section = schema["$defs"][entry["anyOf"][0]["$ref"].rpartition("/")[2]]
        entry = section["properties"][name]
    return entry.get("description", "")


@pytest.fixture(scope="module")
def words(project, model_dir, tmp_path_factory):
    """What stands in the values of `EFFECTS` for places of this test."""
    other = shutil.copytree(project.folder, tmp_path_factory.mktemp("other") / "project")
    lines = (other / "CollectedData.csv").read_text().splitlines()
    boxes = [f"{line.split(',')[0]},4,3,40,50" for line in lines[3:]]
    (other / "boxes.csv").write_text("\n".join([",x,y,h,w", *boxes]) + "\n")
    (other / "CollectedData.csv").write_text("\n".join(lines[:-3]) + "\n")
    names = lines[1].split(",")[1::3]
    views = [other / f"{view}.csv" for view in ("00", "01")]
    one = [line for line in lines[3:-3] if "session_00/" in line]
    for line in one:  # as if the two sessions were two cameras, which see the same
        image = other / line.split(",")[0]
        shutil.copy(image, image.parent.with_name("session_01") / image.name)
    for number, path in enumerate(views):
        own = [line.replace("session_00/", f"session_0{number}/") for line in one]
        path.write_text("\n".join([*lines[:3], *own]) + "\n")
    aside = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])
    cameras = [
        Camera(view, (96, 96), LENS, rotation=turn, translation=np.array([0, 0, 300.0]))
        for view, turn in (("00", np.eye(3)), ("01", aside))
    ]
    write_rig(Rig(tuple(cameras)), other / "rig.toml")
    own = {line.split(",")[0].replace("n_00/", f"n_0{n}/") for line in one for n in (0, 1)}
    rows = [f"{path},{other / 'rig.toml'}" for path in sorted(own)]
    (other / "cameras.csv").write_text("\n".join(["frame,file", *rows]) + "\n")
    heads, columns = [line.split(",") for line in lines[:3]], len(lines[0].split(",")) - 1
    heads.insert(1, ["individuals", *["anna"] * columns])
    animals = [",".join([*head, *head[1:]]) for head in heads]
    animals[1] = ",".join([*heads[1], *["ben"] * columns])
    animals += [line + "," * columns for line in lines[4:-3]]
    (other / "animals.csv").write_text("\n".join(animals) + "\n")
    predicted = ["labeled-data/session_00/img00.png" + ",5.0,5.0,0.5" * (columns // 3)]
    extra = [line.replace("visible", "likelihood") for line in lines[:3]]
    (other / "extra.csv").write_text("\n".join([*extra, *predicted]) + "\n")
    return {
        "extra": other / "extra.csv",
        "animals": other / "animals.csv",
        "cameras": other / "cameras.csv",
        "views": f"[{views[0]},{views[1]}]",
        "other": other,
        "boxes": other / "boxes.csv",
        "names": f"[{','.join(dict.fromkeys(names))}]".replace(f",{names[-1]}", ""),
        "model": model_dir,
        "weights": model_dir / "model.safetensors",
    }


@pytest.fixture(scope="module")
def base(config_file, tiny_training):
    return lambda *settings: load_config(config_file, (*tiny_training, *settings))


@pytest.mark.parametrize("key", EFFECTS)
def test_a_key_has_the_effect_that_it_promises(key, base, words):
    value, observer, *needs = EFFECTS[key]
    needs = [need.format(**words) for need in needs]
    before, after = base(*needs), base(*needs, f"{key}={value.format(**words)}")
    if observer == "weights":
        assert weights(before.config) != weights(after.config)
    else:
        assert getattr(Look(before), observer)() != getattr(Look(after), observer)()


def weights(config):
    return weights_digest(set_up(config).tracker)


@pytest.mark.parametrize("key", WITHOUT | IDLE)
def test_a_key_without_effect_is_noted_or_refused(key, base):
    if key == "creation_datetime":
        return  # replaced by training
    assert key in said_of(base, f"{key}={(WITHOUT | IDLE)[key]}")


def said_of(base, setting):
    """The error or the notes that a setting leads to."""
    try:
        loaded = base(setting)
        get_labels(loaded.config)
    except LPError as error:
        return str(error)
    return " ".join(loaded.notes)
