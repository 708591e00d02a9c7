"""A bundle as a teacher: the same answers as its graph gives, whatever the size of the student's photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

from models.training.teachers import read_teacher

BIRDS = Path(__file__).parents[2] / "models" / "zoo" / "birds" / "1.0.0"


def test_a_bundle_teaches_what_it_answers() -> None:
    teacher = read_teacher(BIRDS)
    assert teacher.identity == "birds@1.0.0"
    assert len(teacher.class_ids) == 200
    assert teacher.vocabulary is None
    photos = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    (expected,) = ort.InferenceSession(BIRDS / "model.onnx").run(["logits"], {"image": photos})
    images = torch.from_numpy(photos).permute(0, 3, 1, 2).float()
    found = teacher.logits(images, torch.ones(2, 12, 6, dtype=torch.int64))
    assert np.allclose(found.numpy(), expected, atol=1e-4)
    assert teacher.logits(images[:, :, :192, :192], None).shape == (2, 200)
