"""What the bundle of a run is for follows from its recipe, its data and what the user states."""

from __future__ import annotations

from dataclasses import replace

import pytest

from export.provenance import grounding_licence, licence_of
from export.role import role_of
from models.training.data import DataError
from models.training.runs import RunRecord

OWN = RunRecord("plain", "own", "folder", ("a", "b"), "mobilenet_v2", 224, "squash", 1, 0)
ROUTER = replace(OWN, system="router", recipe="router", class_ids=("birds", "cars", "neither"))


@pytest.mark.parametrize(
    ("record", "stated", "domain"),
    [(OWN, None, "mine"), (OWN, "moths", "moths"), (replace(OWN, dataset="stanford_cars"), None, "cars")],
)
def test_a_classifier_answers_for_the_stated_domain_or_that_of_its_data(
    record: RunRecord, stated: str | None, domain: str
) -> None:
    role = role_of(record, stated, "mine")
    assert (role.system, role.task, role.domain, role.is_router) == ("plain", "classify", domain, False)


def test_a_router_answers_for_none_and_is_tested_on_real_scenes_too() -> None:
    role = role_of(ROUTER, None, "router")
    assert (role.system, role.task, role.domain, role.tests) == ("router", "route", None, ("test", "subjects"))


def test_a_router_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(DataError, match="needs the class 'neither'; the run knows a, b"):
        role_of(replace(ROUTER, class_ids=("a", "b")), None, "router")
    with pytest.raises(DataError, match="leave --domain birds out"):
        role_of(ROUTER, "birds", "router")


def test_a_router_has_the_terms_of_all_its_sets_or_the_stated_ones() -> None:
    licence = licence_of(ROUTER, None)
    assert licence.research_only
    assert [credit for credit in licence.attribution if "VISUAL OBJECT CLASSES" in credit.upper()]
    assert licence_of(ROUTER, "CC0-1.0").name == "CC0-1.0"


def test_grounding_that_saw_birds_has_the_terms_of_both_sets() -> None:
    alone, joined = (
        grounding_licence("yolox_nano", None, None),
        grounding_licence("yolox_nano", "cub_birds", "expressions.csv.gz"),
    )
    assert "CUB-200-2011" not in alone.name
    assert "PASCAL VOC" in joined.name
    assert "CUB-200-2011" in joined.name
    assert set(alone.attribution) < set(joined.attribution)
