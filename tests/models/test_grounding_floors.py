from pathlib import Path

import pytest

from models.evaluation.grounding.floors import Detector
from models.training.data import DataError


@pytest.mark.parametrize("content", [None, b"no graph"])
def test_a_file_that_is_no_detector_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "yolox.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"yolox\.onnx cannot be read as a detector; name YOLOX-Nano's ONNX file"):
        Detector(path)
