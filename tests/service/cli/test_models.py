import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bundles import make_bundle, rewrite_manifest
from tests.system_bundles import make_system_bundle

Run = Callable[..., Any]


def test_every_bundle_is_listed_and_a_refused_one_with_its_reason(fieldmark: Run, store: Path) -> None:
    broken = make_bundle(store, name="broken", domain="other")
    (broken / "card.md").unlink()
    result = fieldmark("models", "list", "--store", store, "--json")
    entries = {entry["name"]: entry for entry in map(json.loads, result.out.splitlines())}
    assert result.status == 0
    assert (entries["colours"]["status"], entries["colours"]["classes"]) == ("serving", 3)
    assert (entries["broken"]["status"], entries["broken"]["faults"]) == ("refused", ["card.md is missing"])

    table = fieldmark("models", "list", "--store", store).out
    assert "colours@1.0.0" in table
    assert "card.md is" in table


def test_one_model_is_shown_with_its_card(fieldmark: Run, store: Path) -> None:
    for name in ("colours", "colours@1.0.0"):
        result = fieldmark("models", "show", name, "--store", store)
        assert result.status == 0
        assert "levels: warmth, hue\n" in result.out
        assert result.out.endswith("# colours 1.0.0\n\nMade by the tests.\n")


def test_a_model_shows_its_system_and_what_it_can_explain(fieldmark: Run, tmp_path: Path) -> None:
    make_system_bundle(tmp_path, "pma", explanation={"faithful": False})
    shown = fieldmark("models", "show", "pma", "--store", tmp_path).out
    for line in (
        "system: pma",
        "reads_text: yes",
        "faithful: no",
        "explains: stage_block, stage_weight, phrase_weight",
    ):
        assert f"{line}\n" in shown


def test_an_unknown_model_is_answered_with_those_that_exist(fieldmark: Run, store: Path) -> None:
    result = fieldmark("models", "show", "tints", "--store", store)
    assert (result.status, result.out) == (1, "")
    assert result.err == "fieldmark: There is no model tints. Found: colours@1.0.0.\n"


def test_good_bundles_pass_alone_and_as_a_store(fieldmark: Run, store: Path) -> None:
    folder = store / "colours" / "1.0.0"
    assert fieldmark("models", "check", folder).out == f"{folder}: ok\n"
    result = fieldmark("models", "check", store)
    assert (result.status, result.out) == (0, f"{folder}: ok\n")


def test_every_fault_of_a_bundle_is_named_at_once(fieldmark: Run, store: Path) -> None:
    folder = store / "colours" / "1.0.0"
    (folder / "card.md").unlink()
    (folder / "labels.csv").write_text("class_id,label\n")
    result = fieldmark("models", "check", store, "--json")
    assert result.status == 1
    faults = json.loads(result.out)["faults"]
    assert len(faults) == 3
    assert "card.md is missing" in faults


def test_a_graph_that_does_not_compute_what_it_should_is_a_fault(fieldmark: Run, store: Path) -> None:
    folder = store / "colours" / "1.0.0"
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["outputs"][1]["shape"] = [7]
    rewrite_manifest(folder, outputs=manifest["outputs"])
    result = fieldmark("models", "check", folder)
    assert result.status == 1
    assert "features" in result.out


def test_two_defaults_of_one_domain_are_a_fault(fieldmark: Run, store: Path) -> None:
    make_bundle(store, name="tints")
    result = fieldmark("models", "check", store)
    assert result.status == 1
    assert "  colours is the default of classify/colours already\n" in result.out


def test_versions_of_one_name_may_all_be_defaults(fieldmark: Run, store: Path) -> None:
    make_bundle(store, version="1.1.0")
    assert fieldmark("models", "check", store).status == 0


def test_a_folder_without_bundles_is_named(fieldmark: Run, tmp_path: Path) -> None:
    result = fieldmark("models", "check", tmp_path)
    assert result.status == 1
    assert result.err.startswith(f"fieldmark: {tmp_path} holds no bundle")
