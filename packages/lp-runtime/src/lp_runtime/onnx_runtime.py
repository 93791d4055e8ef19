"""Graphs run by onnxruntime."""

from __future__ import annotations

import numpy as np

from lp_runtime.contract import Found, Images
from lp_runtime.errors import ExportError


class OnnxRuntime:
    """Runs an ONNX graph on the processor.

    Args:
        graph: The bytes of a ``.onnx`` file; it cannot refer to other files.
        threads: Threads of one operation; None for the runtime's own choice.

    Raises:
        ExportError: onnxruntime is not installed, or does not take the graph.
    """

    def __init__(self, graph: bytes, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ExportError(
                "exported models need onnxruntime", remedy="pip install 'lp-runtime[onnx]'"
            ) from error
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors have no base class of their own
            text = str(error).splitlines()[0]
            raise ExportError(f"onnxruntime does not take this graph: {text}") from error

    def run(self, images: Images) -> Found:
        """See `lp_runtime.contract.Runtime`."""
        keypoints, confidences = self._session.run(
            ["keypoints", "confidences"], {"frames": np.ascontiguousarray(images)}
        )
        return Found(keypoints, confidences)
