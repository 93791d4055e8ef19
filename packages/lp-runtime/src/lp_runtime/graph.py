"""A tracker as one graph, from uint8 frames to keypoints in model px and confidences."""

from __future__ import annotations

import logging
import warnings

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.export import Dim

from lp_core.trackers.folding import with_folded_backbone
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_runtime.errors import ExportError

_MOST_FRAMES = 4096  # at once


class FrameGraph(nn.Module):
    """Normalisation, network and decoding of a tracker, which looks at whole images."""

    def __init__(self, tracker: BaseSupervisedTracker) -> None:
        super().__init__()
        self.tracker = with_folded_backbone(tracker.cpu().eval())

    def forward(
        self, frames: UInt8[Tensor, "frames 3 height width"]
    ) -> tuple[Float[Tensor, "rows keypoints 2"], Float[Tensor, "rows keypoints"]]:
        """Keypoints in model px and confidences: of each image, or of a run less its margins."""
        same = torch.eye(3)[:2].repeat(frames.shape[0], 1, 1)
        found = self.tracker.predict_step({"frames": frames, "to_frame": same})
        return found.keypoints.float(), found.confidences.float()


def refuse_unsupported(tracker: BaseSupervisedTracker) -> None:
    """Refuse a tracker that is not a function of the frames of one camera alone.

    Raises:
        ExportError: It is one.
    """
    name = type(tracker).__name__
    if tracker.instances == "many":
        problem = f"{name} finds any number of animals, which no fixed graph does"
    elif tracker.views == "jointly":
        problem = f"{name} looks at several views of a frame together"
    elif tracker.resizes_frames:
        problem = f"{name} resizes frames by itself, on its device"
    else:
        return
    raise ExportError(
        f"{problem}; such trackers cannot be exported yet", remedy="predict with the model itself"
    )


def onnx_graph(tracker: BaseSupervisedTracker, chunk: int) -> bytes:
    """The bytes of an ONNX file of a tracker, for any number of frames at once.

    Args:
        tracker: A trained tracker of one animal; it is moved to the CPU.
        chunk: How many frames are usual.

    Raises:
        ExportError: The tracker cannot be exported, or the libraries for it are not installed.
    """
    refuse_unsupported(tracker)
    height, width = tracker.options.image_size
    # tracing takes a single row for a constant; the graph takes one as well
    fewest = tracker.context_frames + 1
    frames = torch.zeros(max(chunk, fewest), 3, height, width, dtype=torch.uint8)
    number = Dim("frames", min=fewest, max=_MOST_FRAMES)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            program = torch.onnx.export(
                FrameGraph(tracker), (frames,), dynamo=True, input_names=["frames"],
                output_names=["keypoints", "confidences"],
                dynamic_shapes={"frames": {0: number}}, verbose=False,
            )  # fmt: skip
    except ImportError as error:
        raise ExportError(
            f"exporting needs the library {error.name or error}",
            remedy="pip install 'lp-runtime[export]'",
        ) from error
    except Exception as error:  # errors of tracing have no base class of their own
        text = str(error).strip().splitlines()[0]
        raise ExportError(
            f"{type(tracker).__name__} cannot be traced as one graph: {text}",
            remedy="predict_step must not branch on values or on the number of frames",
        ) from error
    assert program is not None  # dynamo=True gives a program
    graph: bytes = program.model_proto.SerializeToString()
    return graph
