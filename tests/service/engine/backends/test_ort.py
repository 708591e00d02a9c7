"""ONNX Runtime sessions: their options, their errors, and both ways to run them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.manifest import read_manifest
from service.engine.backends import ort
from service.engine.backends.base import Border, EngineError
from service.engine.backends.ort import BoundSession, OrtBackend, OrtSession
from tests.bundles import make_bundle

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)


@pytest.fixture
def session(tmp_path: Path) -> OrtSession:
    folder = make_bundle(tmp_path)
    return OrtBackend().load(folder, read_manifest(folder), "main")


def test_a_session_tells_its_borders(session: OrtSession) -> None:
    assert session.inputs == (Border("image", "uint8", (None, 32, 32, 3)),)
    assert session.outputs[0] == Border("logits", "float32", (None, 3))


def test_only_the_named_outputs_come_back(session: OrtSession) -> None:
    assert list(session.run({"image": IMAGES}, ["activation", "logits"])) == ["activation", "logits"]


def test_a_failed_run_is_an_engine_error(session: OrtSession) -> None:
    with pytest.raises(EngineError, match="image"):
        session.run({"image": IMAGES[:, :5]}, ["logits"])
    with pytest.raises(EngineError):
        session.run({"image": IMAGES}, ["no such output"])


def test_binding_gives_the_same_as_plain_running(session: OrtSession) -> None:
    names = ["logits", "activation"]
    plain, bound = session.run({"image": IMAGES}, names), BoundSession(session._session).run({"image": IMAGES}, names)
    assert all(np.array_equal(plain[name], bound[name]) for name in names)


def test_one_session_serves_several_threads(session: OrtSession) -> None:
    expected = session.run({"image": IMAGES}, ["logits"])["logits"]
    differing: list[object] = []

    def run_often() -> None:
        for _ in range(50):
            found = session.run({"image": IMAGES}, ["logits"])["logits"]
            if not np.array_equal(found, expected):
                differing.append(found)

    threads = [threading.Thread(target=run_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not differing


def test_a_session_brings_no_threads_of_its_own_and_does_not_spin() -> None:
    options = ort.session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.get_session_config_entry("session.inter_op.allow_spinning") == "0"
    assert options.enable_cpu_mem_arena


def test_running_adds_no_thread_to_the_process(session: OrtSession) -> None:
    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    before = threads()
    session.run({"image": IMAGES}, ["logits"])
    assert threads() == before


@pytest.mark.gpu
def test_a_gpu_gives_the_cpus_answers(tmp_path: Path, session: OrtSession) -> None:
    folder = make_bundle(tmp_path, name="on-gpu")
    on_gpu = OrtBackend("cuda").load(folder, read_manifest(folder), "main")
    found, expected = (one.run({"image": IMAGES}, ["logits"])["logits"] for one in (on_gpu, session))
    assert np.allclose(found, expected, atol=1e-3)
