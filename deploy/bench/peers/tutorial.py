"""The server that a tutorial teaches: FastAPI, `UploadFile`, a plain function, Pillow, numpy, a default session.

Nothing is wrong in it and nothing is tuned. The graph is the same bundle's with its normalisation cut off (`plain_graph`
in deploy.bench.peers.graph), because here numpy normalises, in float64 as in most examples.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image

GRAPH_VARIABLE = "FIELDMARK_BENCH_PLAIN_GRAPH"
folder = Path(os.environ[GRAPH_VARIABLE])
recipe = json.loads((folder / "recipe.json").read_text())
mean, std = np.array(recipe["mean"]), np.array(recipe["std"])
with (folder / "labels.csv").open(newline="") as file:
    labels = list(csv.DictReader(file))
session = onnxruntime.InferenceSession(folder / "plain.onnx", providers=["CPUExecutionProvider"])
app = FastAPI()


@app.post("/predict")
def predict(image: UploadFile) -> dict[str, list[dict[str, str | float]]]:
    """Classify one photo."""
    picture = Image.open(image.file).convert("RGB").resize((recipe["size_px"],) * 2, Image.Resampling.BILINEAR)
    pixels = (np.array(picture) / 255.0 - mean) / std
    batch = pixels.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
    logits = session.run(None, {session.get_inputs()[0].name: batch})[0][0] / recipe["temperature"]
    exponents = np.exp(logits - logits.max())
    probabilities = exponents / exponents.sum()
    best = np.argsort(-probabilities)[:5]
    return {
        "predictions": [
            {
                "class_id": labels[index]["class_id"],
                "label": labels[index]["label"],
                "probability": float(probabilities[index]),
            }
            for index in best
        ]
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(app, port=parser.parse_args().port, log_level="warning")
