"""What could not serve does not start: one clear sentence and exit status 1; a broken bundle never stops a good one."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tests.bundles import make_bundle, rewrite_manifest
from tests.drills.service_process import PATIENCE_S, require, service, start_process


async def drill(folder: Path, seconds: float) -> list[str]:
    """Try every refusal, then a store in which one bundle is broken and one is good."""
    good, broken, fakes = folder / "good", folder / "broken", folder / "fakes"
    make_bundle(good)
    make_bundle(fakes, backend="echo")
    bundle = make_bundle(broken)
    (bundle / "model.onnx").write_bytes(b"not a graph")
    _refuses("missing", folder / "missing")
    _refuses("sha256", broken)
    _refuses("insecure", good, "--host", "0.0.0.0")
    _refuses("for tests", fakes, testing_backends="false")
    _refuses("CUDA", good, "--device", "cuda")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        _refuses(str(taken.getsockname()[1]), good, "--port", str(taken.getsockname()[1]))
    spoilt = make_bundle(good, name="spoilt", domain="shapes")
    rewrite_manifest(spoilt, format=99)
    with service(good) as running:
        models = json.loads(running.get("/v1/models")[1])["models"]
        states = {model["name"]: model["status"] for model in models}
        require(states == {"colours": "serving", "spoilt": "refused"}, f"the models are {states}")
    return ["six starts refused with a sentence, one broken bundle left out beside a good one"]


def _refuses(word: str, store: Path, *arguments: str, **settings: object) -> None:
    """Start a service that must not start; its last words must hold `word`."""
    process = start_process(store, *arguments, **settings)
    errors = process.communicate(timeout=PATIENCE_S)[1]
    last = errors.strip().splitlines()[-1] if errors.strip() else ""
    require(process.returncode == 1, f"{word}: the exit status is {process.returncode}, not 1\n{errors[-800:]}")
    require(word.lower() in last.lower(), f"{word}: the last words do not say so: {last!r}")
    require("Traceback" not in errors, f"{word}: a trace is shown\n{errors[-800:]}")
