"""Which bundles serve, and who answers for a name and a domain."""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.manifest import MANIFEST_NAME
from service.engine import shelf as shelves
from service.engine.bundle import Bundle
from service.engine.loader import Loader
from service.engine.shelf import Shelf
from tests.bundles import make_bundle, rewrite_manifest
from tests.pointing_bundles import make_answer_bundle, make_ground_bundle


def fill(store: Path) -> Shelf:
    return Shelf([store], Loader(testing_backends=True))


def faults(shelf: Shelf) -> dict[str, list[str]]:
    return {entry.identity: entry.faults for entry in shelf.entries if entry.status == "refused"}


def test_the_highest_version_answers_for_its_name(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        make_bundle(tmp_path, version=version, backend="echo")
    shelf = fill(tmp_path)
    assert shelf.answering == {"colours": "colours@1.10.0"}
    assert shelf.domains == {"colours": "colours@1.10.0"}
    assert {entry.identity: entry.default for entry in shelf.entries} == {
        "colours@1.10.0": True,
        "colours@1.9.0": False,
    }


def test_a_default_file_pins_a_version(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0"):
        make_bundle(tmp_path, version=version, backend="echo")
    (tmp_path / "colours" / "default").write_text("1.0.0\n")
    assert fill(tmp_path).answering == {"colours": "colours@1.0.0"}


def test_where_the_highest_version_is_broken_the_next_one_answers(tmp_path: Path) -> None:
    make_bundle(tmp_path, version="1.0.0", backend="echo")
    (make_bundle(tmp_path, version="2.0.0", backend="echo") / "card.md").write_text("changed")
    shelf = fill(tmp_path)
    assert shelf.answering == {"colours": "colours@1.0.0"}
    assert faults(shelf) == {"colours@2.0.0": ["card.md does not have the sha256 that the manifest states"]}


def test_a_bundle_whose_files_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    make_bundle(tmp_path, version="1.0.0", backend="echo")
    card = make_bundle(tmp_path, version="2.0.0", backend="echo") / "card.md"
    card.unlink()
    card.symlink_to(tmp_path / "nowhere")
    shelf = fill(tmp_path)
    assert shelf.answering == {"colours": "colours@1.0.0"}
    assert [fault for fault in faults(shelf)["colours@2.0.0"] if "card.md" in fault]


def test_of_two_defaults_for_a_domain_the_second_is_refused(tmp_path: Path) -> None:
    for name in ("hues", "colours"):
        make_bundle(tmp_path, name=name, backend="echo")
    shelf = fill(tmp_path)
    assert shelf.domains == {"colours": "colours@1.0.0"}
    assert faults(shelf) == {"hues@1.0.0": ["colours@1.0.0 is the default of classify/colours already"]}
    assert list(shelf.bundles) == ["colours@1.0.0"]


@pytest.mark.parametrize("is_older_marked", [False, True])
def test_where_a_second_default_is_refused_its_older_version_answers_unless_it_is_one_too(
    tmp_path: Path, is_older_marked: bool
) -> None:
    make_bundle(tmp_path, name="alpha", backend="echo")
    make_bundle(tmp_path, name="beta", version="1.0.0", default=is_older_marked, backend="echo")
    make_bundle(tmp_path, name="beta", version="2.0.0", backend="echo")
    shelf = fill(tmp_path)
    refused = ["beta@1.0.0", "beta@2.0.0"] if is_older_marked else ["beta@2.0.0"]
    assert faults(shelf) == {one: ["alpha@1.0.0 is the default of classify/colours already"] for one in refused}
    assert shelf.answering == {"alpha": "alpha@1.0.0"} | ({} if is_older_marked else {"beta": "beta@1.0.0"})
    assert shelf.domains == {"colours": "alpha@1.0.0"}
    assert len(shelf.entries) == 3


def test_an_older_version_marked_as_default_disturbs_nobody(tmp_path: Path) -> None:
    make_bundle(tmp_path, name="hues", version="1.0.0", backend="echo")
    make_bundle(tmp_path, name="hues", version="2.0.0", backend="echo", default=False)
    make_bundle(tmp_path, name="colours", backend="echo")
    shelf = fill(tmp_path)
    assert shelf.domains == {"colours": "colours@1.0.0"}
    assert not faults(shelf)


@pytest.mark.parametrize(("names", "domains"), [(["a"], {"colours": "a@1.0.0"}), (["a", "b"], {})])
def test_a_bundle_that_is_alone_in_its_domain_needs_no_mark(
    tmp_path: Path, names: list[str], domains: dict[str, str]
) -> None:
    for name in names:
        make_bundle(tmp_path, name=name, default=False, backend="echo")
    assert fill(tmp_path).domains == domains


def test_fakes_are_admitted_only_where_that_was_asked_for(tmp_path: Path) -> None:
    make_bundle(tmp_path, backend="crash")
    shelf = Shelf([tmp_path], Loader())
    assert faults(shelf) == {"colours@1.0.0": ["backend 'crash' is for tests and not admitted here"]}


def test_a_task_without_its_words_is_refused(tmp_path: Path) -> None:
    rewrite_manifest(make_bundle(tmp_path, backend="echo"), task="ground")
    assert faults(fill(tmp_path)) == {
        "colours@1.0.0": ["a bundle for 'ground' needs 'text' of kind 'expression', not None"]
    }


def test_a_task_without_domains_has_one_default(tmp_path: Path) -> None:
    make_ground_bundle(tmp_path)
    make_answer_bundle(tmp_path)
    make_bundle(tmp_path, backend="echo")
    shelf = fill(tmp_path)
    assert shelf.pointing == {"ground": "pointer@1.0.0", "answer": "teller@1.0.0"}
    assert [(entry.task, entry.reads_text, entry.explains) for entry in shelf.entries if entry.name != "colours"] == [
        ("ground", False, []),
        ("answer", False, ["kept", "relevance"]),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
FIELDS = ("format", "name", "version", "image", "outputs", "graphs", "files", "calibration", "fake", "backend")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=3))
def test_any_change_of_a_manifest_is_served_or_refused_and_never_raised(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, object]
) -> None:
    store = tmp_path_factory.mktemp("store")
    folder = make_bundle(store, backend="echo")
    rewrite_manifest(folder, **changes)
    (entry,) = fill(store).entries
    assert (entry.status == "refused") == bool(entry.faults)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200))
def test_any_bytes_as_a_manifest_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    store = tmp_path_factory.mktemp("store")
    (make_bundle(store, backend="echo") / MANIFEST_NAME).write_bytes(content)
    assert list(faults(fill(store))) == ["colours@1.0.0"]


def test_an_interrupt_while_bundles_load_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        make_bundle(tmp_path, version=f"1.{number}.0", backend="echo")
    once = iter([True])
    is_waiting, wait = threading.Event(), shelves.wait

    def wait_for(loading: Collection[Future[Bundle]]) -> object:
        is_waiting.set()
        return wait(loading)

    class Interrupting(Loader):
        def load(self, folder: Path) -> Bundle:
            is_waiting.wait()
            if next(once, False):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            return super().load(folder)

    monkeypatch.setattr(shelves, "wait", wait_for)
    before = set(threading.enumerate())
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            Shelf([tmp_path], Interrupting(testing_backends=True))
    finally:
        signal.signal(signal.SIGINT, former)
    assert set(threading.enumerate()) == before
