"""Every key of a config, with its type, range, unit and default.

The keys and their meaning are those of Lightning Pose, so that its configs work unchanged. Keys
that are ours are marked so. Where a value may have several forms it is ``Any`` here and checked in
`lp_pipeline.config.checks`. What a docstring says of a key is its description in the JSON schema.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from lp_io.documents.sections import (
    Count,
    Factor,
    Natural,
    NotNegative,
    Positive,
    PositiveShare,
    Rising,
    Section,
    Seed,
    Share,
    ShareOrCount,
    Whole,
    expecting,
)

FileName = Annotated[str, Field(min_length=1)]
Files = Annotated[
    FileName | Annotated[list[FileName], Field(min_length=1)],
    expecting("a file or a list of files"),
]
BoxFiles = Annotated[
    FileName
    | Annotated[list[FileName], Field(min_length=1)]
    | Annotated[dict[str, FileName], Field(min_length=1)],
    expecting("a file, a list of files or a file for each view"),
]
Matches = Annotated[
    list[Whole] | list[Annotated[list[Whole], Field(min_length=1)]],
    expecting(
        "one list of keypoint indices per view in the frame, as [[0, 1], [2, 3]], or one list for "
        "all cameras of view_names, as [0, 1]"
    ),
]
Devices = Annotated[
    Literal["auto"] | Count | Annotated[list[Whole], Field(min_length=1)],
    expecting("'auto', a number above 0 or a list of device numbers"),
]


class ImageResizeDims(Section):
    """Size in model px of the images that the network sees."""

    height: Count | None = None
    width: Count | None = None


class DataConfig(Section):
    """The project: where labels and videos are, and what the keypoints are.

    Attributes:
        image_resize_dims: Model size; null takes 256×256.
        data_dir: The project's folder.
        video_dir: Unlabelled videos for semi-supervised training, relative to ``data_dir`` or
            absolute.
        csv_file: One label file or a list of them, relative to ``data_dir`` or absolute. With
            ``view_names`` a list with the file of each view, in their order.
        extra_labels: Ours: a table of predictions of images, as ``litpose distil`` writes it, which
            trains besides the labels; its likelihoods are the weights of its keypoints in the
            supervised losses. Its images are never in validation or test, and those that are
            labelled by hand keep their labels. Relative to ``data_dir`` or absolute.
        num_keypoints: K; no effect but a check against the label file.
        keypoint_names: The K names; null takes the label file's.
        skeleton: Ours: pairs of keypoint names that drawings join by a line, and that conversions
            keep. It does not change what is learnt.
        left_right: Ours: pairs of keypoint names that flips swap, each keypoint in one pair at
            most; null takes the names that differ in ``left`` and ``right`` only.
        mirrored_column_matches: Lists of keypoint indices, one list per view in the frame. With
            ``view_names`` one list, of the keypoints that are compared between cameras; null for
            all.
        columns_for_singleview_pca: Keypoint indices for the pose PCA; null takes all.
        downsample_factor: The heatmap is 2^factor times smaller than the image.
        bbox_file: Boxes that images are cut to, before anything else: a CSV file with the columns
            x, y, h, w, whose first column names the image; several, for several boxes of each
            image, as a list, or by the view that they show. With ``view_names`` the file of each
            view. Relative to ``data_dir`` or absolute. A video has its boxes beside it, in
            ``<video>_bbox.csv``, whose first column counts the frames.
        view_names: The cameras of the project, two or more. Rows of their label files belong
            together by session and frame, which folders of images named ``<session>_<view>`` say;
            so do videos of these names, or those that ``sessions.csv`` lists.
        camera_params_file: A table whose first column names labelled frames, and whose column
            ``file`` their calibrated cameras; null takes those of ``sessions.csv``,
            ``calibrations/<session>.toml`` or ``calibration.toml``. For trackers that look at all
            views of a frame together. Relative to ``data_dir`` or absolute, as are its files.
    """

    image_resize_dims: ImageResizeDims = ImageResizeDims()
    data_dir: str | None = None
    video_dir: str | None = None
    csv_file: Files = "CollectedData.csv"
    extra_labels: FileName | None = None
    num_keypoints: Count | None = None
    keypoint_names: list[str] | None = None
    skeleton: list[list[str]] | None = None
    left_right: list[list[str]] | None = None
    mirrored_column_matches: Matches | None = None
    columns_for_singleview_pca: list[Whole] | None = None
    downsample_factor: Factor = 2
    bbox_file: BoxFiles | None = None
    view_names: list[FileName] | None = None
    camera_params_file: FileName | None = None


class OptimizerParams(Section):
    """Options of the optimiser; ``weight_decay`` is ours."""

    learning_rate: Positive = 1e-3
    weight_decay: NotNegative | None = None


class MultiStepParams(Section):
    """Multiply the learning rate by ``gamma`` at each milestone: epochs, or steps."""

    milestones: Rising = [150, 200, 250]
    milestone_steps: Rising | None = None
    gamma: Positive = 0.5


class CosineParams(Section):
    """Ours: epochs of linear warm-up, then half a cosine to 0 at the end of training."""

    warmup_epochs: Natural = 0


class SchedulerParams(Section):
    """Options of each learning-rate schedule."""

    multisteplr: MultiStepParams = MultiStepParams()
    cosine: CosineParams = CosineParams()


class TrainingConfig(Section):
    """How to train.

    Attributes:
        imgaug: Augmentation: a preset, or a list or mapping of effects.
        imgaug_hflip: Flip left to right with probability 1/2, swapping ``_left`` and ``_right``.
        imgaug_3d: Turn, scale and move the animal in space before all calibrated cameras of a
            frame; null does so too, false does not. It counts only where a tracker or a loss takes
            the views of a frame together, and not with ``imgaug: none``.
        train_batch_size, val_batch_size, test_batch_size: Labelled images per batch, of all devices
            together; the last is of the predictions of labelled images after training.
        train_prob, val_prob: Shares of the labelled frames; the rest is for testing.
        train_frames: Of the training split: a share up to 1, or a number above 1.
        num_gpus: GPUs to use, at most as many as there are; with several, each batch is divided
            among them. 0 trains on the CPU. Without a GPU it is ignored.
        num_workers: Loader processes; null chooses by the machine's cores.
        unfreezing_epoch, unfreezing_step: When the backbone starts to learn (one of the two).
        min_epochs, max_epochs, min_steps, max_steps: Length; epochs or steps, not both.
        log_every_n_steps: Steps between logged training values.
        check_val_every_n_epoch: Epochs between validations.
        val_check_interval: Batches (above 1) or share of an epoch (up to 1) between validations.
        ckpt_every_n_epochs: Keep a checkpoint every so many epochs; null keeps the best only.
        save_state_every_n_seconds: Ours: seconds between two saves of the state from which the
            training can be resumed; null saves it at the end and at Ctrl-C only.
        early_stopping: Stop when the validation loss no longer falls.
        early_stop_patience: Validations without improvement until then.
        rng_seed_data_pt, rng_seed_model_pt: Seeds of the split, and the model; of batches, both.
        optimizer: Adam or AdamW.
        optimizer_params: Its options.
        lr_scheduler: ``multisteplr``, ``cosine`` or ``constant`` (the latter two are ours).
        lr_scheduler_params: Its options.
        uniform_heatmaps_for_nan_keypoints: Teach the tracker to be unsure of missing keypoints, by
            a target heatmap that is the same everywhere: of those without a position, where the
            label file has no column ``visible``, and of those that augmentation moves off the
            image; false leaves them out of the loss. Keypoints that the label file calls occluded
            (``visible`` 1) are always taught so, those that it calls unlabelled (0) never.
        patch_mask: How many patches of training images are hidden from the joint tracker of several
            cameras: ``init_epoch`` and ``final_epoch`` (or ``init_step`` and ``final_step``), and
            ``init_ratio`` and ``final_ratio``, from 0 to 1; other trackers do not use it.
        accumulate_grad_batches: Batches per optimiser step.
        profiler: One of Lightning's profilers, by name.
        limit_train_batches: Batches (above 1) or share (up to 1) of an epoch that are used.
        steps_per_epoch: Optimiser steps per epoch; null is one pass over the labelled frames.
        precision: Ours: ``32-true``, ``bf16-mixed`` or ``16-mixed``.
        gradient_clip_val: Ours: largest norm of a gradient; null does not clip.
        accelerator: Ours: ``auto``, ``cpu``, ``gpu`` or ``mps``.
        devices: Ours: a number of devices, or a list of their indices, instead of ``num_gpus``;
            ``auto`` leaves it to that.
        num_nodes: Ours: machines.
        strategy: Ours: Lightning's strategy, such as ``auto`` or ``ddp``.
    """

    imgaug: Any = "dlc"
    imgaug_hflip: bool = False
    imgaug_3d: bool | None = None
    train_batch_size: Count = 16
    val_batch_size: Count = 32
    test_batch_size: Count = 32
    train_prob: PositiveShare = 0.95
    val_prob: Share = 0.05
    train_frames: ShareOrCount = 1
    num_gpus: Natural = 1
    num_workers: Natural | None = None
    unfreezing_epoch: Natural | None = 20
    unfreezing_step: Natural | None = None
    min_epochs: Natural | None = None
    max_epochs: Count | None = None
    min_steps: Natural | None = None
    max_steps: Count | None = None
    log_every_n_steps: Count = 10
    check_val_every_n_epoch: Count | None = 5
    val_check_interval: ShareOrCount | None = None
    ckpt_every_n_epochs: Count | None = None
    save_state_every_n_seconds: NotNegative | None = 60
    early_stopping: bool = False
    early_stop_patience: Count = 3
    rng_seed_data_pt: Seed = 0
    rng_seed_model_pt: Seed = 0
    optimizer: Literal["Adam", "AdamW"] = "Adam"
    optimizer_params: OptimizerParams = OptimizerParams()
    lr_scheduler: Literal["multisteplr", "cosine", "constant"] = "multisteplr"
    lr_scheduler_params: SchedulerParams = SchedulerParams()
    uniform_heatmaps_for_nan_keypoints: bool = True
    patch_mask: dict[str, Any] | None = None
    accumulate_grad_batches: Count = 1
    profiler: Literal["simple", "advanced", "pytorch"] | None = None
    limit_train_batches: ShareOrCount | None = None
    steps_per_epoch: Count | None = None
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    gradient_clip_val: Positive | None = None
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: Devices = "auto"
    num_nodes: Count = 1
    strategy: str = "auto"


class ModelConfig(Section):
    """The tracker.

    Attributes:
        model_type: A registered tracker.
        model_name: Names the run in the logs.
        losses_to_use: Unsupervised losses; any makes the training semi-supervised.
        heatmap_loss_type: ``mse``, ``kl`` or ``js``, for trackers that learn from heatmaps; each
            tracker lists those that it takes.
        backbone: A registered backbone, or any timm model that gives feature maps.
        backbone_pretrained: Start from pre-trained weights.
        backbone_checkpoint: A local ``.safetensors`` file with them, instead of the hub.
        checkpoint: What to start from: a model directory, a ``.safetensors`` file, or a ``.ckpt``
            file or model directory of Lightning Pose. Only its weights are taken, as far as they
            fit; those of the backbone must.
        head: Of Lightning Pose; no effect, as each tracker has its own head.
        options: Ours: whatever else the tracker's own options declare. Such keys may also stand
            directly under ``model``.
    """

    model_type: str = "heatmap"
    model_name: str = "test"
    losses_to_use: list[str] | None = []
    heatmap_loss_type: Literal["mse", "kl", "js"] = "mse"
    backbone: str = "resnet50_animal_ap10k"
    backbone_pretrained: bool = True
    backbone_checkpoint: str | None = None
    checkpoint: str | None = None
    head: str | None = None
    options: dict[str, Any] = {}


class ClipLength(Section):
    """Frames per clip."""

    sequence_length: Count = 32


class PredictClipLength(Section):
    """Frames that go through the network at once where videos are predicted after training."""

    sequence_length: Count = 96


class ContextClipLength(Section):
    """Frames per clip for trackers with context."""

    batch_size: Count = 16


class BaseClips(Section):
    """Clips for trackers without context."""

    train: ClipLength = ClipLength()
    predict: PredictClipLength = PredictClipLength()


class ContextClips(Section):
    """Clips for trackers with context."""

    train: ContextClipLength = ContextClipLength()
    predict: PredictClipLength = PredictClipLength()


class ClipSeed(Section):
    """Seed of the clips."""

    seed: Seed = 123456


class ClipsConfig(Section):
    """Clips of unlabelled video, under Lightning Pose's name ``dali`` with any reader.

    Attributes:
        base: For trackers without context.
        context: For trackers with context.
        general: The seed.
        reader: Ours: a registered video reader, or ``auto``.
    """

    base: BaseClips = BaseClips()
    context: ContextClips = ContextClips()
    general: ClipSeed = ClipSeed()
    reader: str = "auto"


class EvalConfig(Section):
    """What happens after training.

    Attributes:
        predict_vids_after_training: Predict the videos in ``test_videos_directory``.
        test_videos_directory: A folder of videos; null takes ``data.video_dir``.
        save_vids_after_training: Also write labelled videos.
        colormap: The colours of the keypoints: ``distinct``, or matplotlib's name of a map.
        confidence_thresh_for_vid: Confidence below which a keypoint is not drawn: the calibrated
            one where the model carries a calibration, else the likelihood. Of a model whose surest
            keypoints do not reach it, nine tenths of their confidence counts.
    """

    predict_vids_after_training: bool = True
    test_videos_directory: str | None = None
    save_vids_after_training: bool = False
    colormap: str = "distinct"
    confidence_thresh_for_vid: Share = 0.9


class AnnealWeightConfig(Section):
    """How the weight of the unsupervised losses rises over the epochs.

    Attributes:
        attr_name: Of Lightning Pose, which takes one word only; no effect.
        init_val: The weight at the beginning.
        increase_factor: What is added in each epoch after ``freeze_until_epoch``.
        final_val: The largest weight.
        freeze_until_epoch: The last epoch with the first weight.
    """

    attr_name: Literal["total_unsupervised_importance"] = "total_unsupervised_importance"
    init_val: Share = 0.0
    increase_factor: NotNegative = 0.01
    final_val: Share = 1.0
    freeze_until_epoch: Natural = 60


class CallbacksConfig(Section):
    """Callbacks with options."""

    anneal_weight: AnnealWeightConfig = AnnealWeightConfig()


class AnimalsConfig(Section):
    """Ours: several animals in a frame, or one that is small in it.

    Attributes:
        top_down: Whether animals are found first, and the tracker then looks at each in a crop;
            null does so where a labelled image has several.
        crop_size: The longer side of crops in frame px; null takes the largest labelled animal and
            a quarter more.
        crop_jitter: How far crops are moved at random in training, as a share of their size.
        copy_paste: Share of the crops that in training get an animal of another crop, in contact
            with their own.
        count: How many animals there are at most; null where that is not known.
        detector_type: The registered tracker that finds them.
        detector: What of the other keys differs for it, such as ``{model: {backbone: resnet18}}``.
    """

    top_down: bool | None = None
    crop_size: Annotated[int, Field(ge=8)] | None = None
    crop_jitter: Annotated[float, Field(ge=0, le=0.25)] = 0.1
    copy_paste: Share = 0.5
    count: Count | None = None
    detector_type: str = "centroid"
    detector: dict[str, Any] = {}


class Config(Section):
    """A whole config.

    Attributes:
        data: The project.
        training: How to train.
        model: The tracker.
        dali: Clips of unlabelled video.
        losses: Options of each loss by its name, such as ``temporal: {log_weight: 11, epsilon:
            20}``.
        eval: What happens after training.
        callbacks: Callbacks with options.
        animals: Ours: several animals in a frame.
        hydra: Of Lightning Pose's launcher; no effect.
        creation_datetime: Written by training; no effect when read.
    """

    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    model: ModelConfig = ModelConfig()
    dali: ClipsConfig = ClipsConfig()
    losses: dict[str, Any] = {}
    eval: EvalConfig = EvalConfig()
    callbacks: CallbacksConfig = CallbacksConfig()
    animals: AnimalsConfig = AnimalsConfig()
    hydra: Any = None
    creation_datetime: str | None = None
