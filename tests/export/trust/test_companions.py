"""The models that an export is held against: bundles and runs, read once, refused where they do not go with the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.trust.companions import Folders, read_bundle, read_companions
from models.manifest import BundleError
from models.preprocess import Pixels
from models.training.data import DataError
from models.training.runs import read_record
from tests.bundles import make_bundle
from tests.system_bundles import make_system_bundle


def test_a_run_answers_as_its_bundle_does(run: Path, bundle: Path, images: Pixels) -> None:
    record = read_record(run)
    of_run, of_bundle = (read_companions(Folders(unknown=folder), record).unknown for folder in (run, bundle))
    assert of_run is not None
    assert of_bundle is not None
    assert (of_run.identity, of_bundle.identity) == ("plain run tiny", "colours@1.0.0")
    assert of_run.class_ids == of_bundle.class_ids == record.class_ids
    assert np.allclose(of_run.run(images)["logits"], of_bundle.run(images)["logits"], rtol=1e-3, atol=1e-3)


def test_without_names_there_are_none(run: Path) -> None:
    found = read_companions(Folders(), read_record(run))
    assert (found.student, found.unknown, found.plain) == (None, None, None)


def test_companions_that_do_not_go_with_the_run_are_refused(run: Path, bundle: Path, tmp_path: Path) -> None:
    plain = read_record(run)
    textual = replace(plain, system="pma", class_ids=("a", "b"))
    with pytest.raises(DataError, match="--student is held against texts, and plain reads none"):
        read_companions(Folders(student=bundle), plain)
    with pytest.raises(DataError, match="--unknown chooses a score of photos, and pma answers by a text, too"):
        read_companions(Folders(unknown=bundle), textual)
    with pytest.raises(DataError, match=r"colours@1.0.0 has other classes than the run"):
        read_companions(Folders(student=bundle), textual)
    student = make_system_bundle(tmp_path, "pma_student")
    with pytest.raises(DataError, match=r"is of system pma_student; one of system plain is needed"):
        read_companions(Folders(plain=student), plain)


def test_a_bundle_that_reads_texts_is_no_companion(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pma@1.0.0 does not answer from the photo alone"):
        read_bundle(make_system_bundle(tmp_path, "pma"))


def test_a_broken_bundle_is_named_with_its_faults(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "labels.csv").unlink()
    with pytest.raises(BundleError, match=r"labels.csv is missing"):
        read_bundle(folder)
