"""The bundle format: what a manifest may say, and that its every fault is named at once."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.bundle import check_bundle
from models.labels import read_labels
from models.manifest import FORMAT, MANIFEST_BYTES_LIMIT, BundleError, parse_model_name, read_manifest
from tests.bundles import make_bundle, rewrite_manifest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A sound bundle."""
    return make_bundle(tmp_path)


def test_a_sound_bundle_has_no_faults(bundle: Path) -> None:
    assert check_bundle(bundle) == []
    assert read_manifest(bundle).identity == "colours@1.0.0"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"surprise": 1}, "surprise"),
        ({"version": "one"}, "PEP 440"),
        ({"system": "unheard-of"}, "system"),
        ({"domain": None}, "needs a domain"),
        ({"graphs": {}}, "'main'"),
        ({"graphs": {"main": "other.onnx"}}, "other.onnx has no sha256"),
        ({"backend": "echo"}, "belongs to system 'testing'"),
        ({"image": {"size_px": 8, "fit": "squash"}}, "size_px"),
        ({"calibration": {"temperature": 0}}, "temperature"),
        ({"files": {"../escape": "0" * 64}}, "files"),
        ({"files": {"model.onnx": "abc"}}, "files"),
        ({"name": "Not A Slug"}, "name"),
        ({"system": "pma"}, "a pma bundle needs 'text' of kind 'phrases'"),
        ({"system": "hard_attention"}, "a hard_attention bundle needs 'text' of kind 'question'"),
        ({"system": "referring", "text": {"phrases": 12, "words": 6}}, "of kind 'expression', not 'phrases'"),
        ({"text": {"kind": "question", "length": 30}}, "of system 'plain' reads no text"),
        ({"text": {"kind": "question", "length": 65}}, "text.words.length"),
        ({"task": "ground"}, "for 'ground' must name 'fuse' and 'vision'"),
        ({"text": {"phrases": 12, "words": 6}}, "of system 'plain' reads no text"),
        ({"system": "pma", "text": {"phrases": 12, "words": 6}}, "vocabulary.json has no sha256"),
        ({"system": "pma", "text": {"kind": "speech", "phrases": 2, "words": 6}}, "text.phrases.kind"),
        ({"calibration": {"uncertain_below": -3.0}}, "a probability lies within 0 and 1"),
        ({"calibration": {"score": "luck"}}, "calibration.score"),
        ({"calibration": {"conformal": {"90 %": 0.4}}}, "conformal"),
        ({"calibration": {"conformal_levels": {"genus": {"0.9": 0.4}}}}, "names genus, not among the levels"),
        ({"calibration": {"pooled_temperature": 0}}, "pooled_temperature"),
        ({"explanation": {}}, "explanation.faithful"),
    ],
)
def test_an_impossible_manifest_is_named(bundle: Path, changes: dict[str, Any], fault: str) -> None:
    rewrite_manifest(bundle, **changes)
    faults = check_bundle(bundle)
    assert any(fault in each for each in faults), faults


def test_every_fault_of_the_schema_is_named_at_once(bundle: Path) -> None:
    rewrite_manifest(bundle, surprise=1, system="unheard-of", calibration={"temperature": 0})
    faults = " ".join(check_bundle(bundle))
    assert all(word in faults for word in ("surprise", "system", "temperature"))


def test_everything_that_may_be_measured_is_kept(bundle: Path) -> None:
    rewrite_manifest(
        bundle,
        experimental=True,
        explanation={"faithful": False},
        calibration={
            "score": "energy",
            "uncertain_below": -7.5,
            "conformal_levels": {"warmth": {"0.9": 0.1}},
            "pooled_temperature": 1.4,
            "text_conflict_below": -2.0,
        },
    )
    assert check_bundle(bundle) == []
    manifest = read_manifest(bundle)
    assert (manifest.experimental, manifest.explanation and manifest.explanation.faithful) == (True, False)
    assert (manifest.calibration.score, manifest.calibration.uncertain_below) == ("energy", -7.5)


def test_a_newer_format_is_refused_in_one_sentence(bundle: Path) -> None:
    rewrite_manifest(bundle, format=FORMAT + 1, surprise=1)
    assert check_bundle(bundle) == [
        f"format {FORMAT + 1} is newer than this Fieldmark reads ({FORMAT}); update Fieldmark"
    ]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"3", b" " * (MANIFEST_BYTES_LIMIT + 1)]
)
def test_what_is_no_manifest_is_a_fault_and_no_crash(bundle: Path, content: bytes) -> None:
    (bundle / "manifest.json").write_bytes(content)
    assert check_bundle(bundle)


def test_a_missing_manifest_is_a_fault(tmp_path: Path) -> None:
    assert check_bundle(tmp_path) == ["manifest.json cannot be read (No such file or directory)"]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=JSON)
def test_any_json_is_read_or_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BundleError):
        read_manifest(tmp_path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_changed_value_is_read_or_refused(bundle: Path, data: st.DataObject) -> None:
    sound = json.loads((bundle / "manifest.json").read_bytes())
    key = data.draw(st.sampled_from(sorted(sound)))
    sound[key] = data.draw(JSON)
    folder = bundle.parent / "spoilt"
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(sound))
    try:
        read_manifest(folder)
    except BundleError as error:
        assert error.faults


@pytest.mark.parametrize(
    "rows",
    [
        [["class_id", "label"], ["a", "A"]],
        [["class_id", "label", "level"], ["a", "A", "x"], ["a", "B", "y"]],
        [["label", "class_id", "level"], ["A", "a", "x"]],
        [["class_id", "label", "level"], ["a", "A"]],
        [["class_id", "label", "level"], ["a", "A", "x", "y"]],
        [],
    ],
)
def test_a_label_table_that_does_not_fit_is_refused(tmp_path: Path, rows: list[list[str]]) -> None:
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(BundleError):
        read_labels(tmp_path / "labels.csv", ("level",))


@pytest.mark.parametrize(
    ("text", "parts"),
    [("birds", ("birds", None)), ("birds@1.0.0", ("birds", "1.0.0")), ("a.b-c@2rc1", ("a.b-c", "2rc1"))],
)
def test_model_names(text: str, parts: tuple[str, str | None]) -> None:
    assert parse_model_name(text) == parts


@pytest.mark.parametrize("text", ["", "@1.0.0", "Birds", "birds@", "birds@1@2", "../birds", "b" * 65, "birds\n"])
def test_what_is_no_model_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a model name"):
        parse_model_name(text)
