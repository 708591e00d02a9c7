"""The label tables are whole and consistent, and are read and written without loss."""

from collections import defaultdict
from pathlib import Path

import pytest

from models.labels import Label, read_labels
from models.training.data import DataError
from models.training.taxonomy import TABLES, LabelTable, labels_for, read_levels, write_labels

BIRDS = read_levels(TABLES["cub_birds"])
CARS = read_levels(TABLES["stanford_cars"])


def parents(table: LabelTable, child: str, parent: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in table.rows:
        found[row.levels[child]].add(row.levels[parent])
    return found


@pytest.mark.parametrize(("table", "count"), [(BIRDS, 200), (CARS, 196)], ids=["birds", "cars"])
def test_every_class_has_one_row_and_a_label_of_its_own(table: LabelTable, count: int) -> None:
    assert [row.class_id[:4] for row in table.rows] == [f"{number:03d}." for number in range(1, count + 1)]
    assert len({row.label for row in table.rows}) == count


def test_labels_are_words_without_the_underscores_of_the_class_ids() -> None:
    for row in (*BIRDS.rows, *CARS.rows):
        assert "_" not in row.label
        assert row.label == " ".join(row.label.split())


def test_bird_levels_are_nested() -> None:
    assert BIRDS.levels == ("order", "family", "genus", "species")
    for child, parent in [("species", "genus"), ("genus", "family"), ("family", "order")]:
        assert {name: above for name, above in parents(BIRDS, child, parent).items() if len(above) > 1} == {}


def test_bird_names_follow_the_rules_of_zoological_naming() -> None:
    for row in BIRDS.rows:
        genus, epithet = row.levels["species"].split()
        assert genus == row.levels["genus"]
        assert genus.istitle()
        assert epithet.islower()
        assert row.levels["family"].endswith("idae")
        assert row.levels["order"].endswith("iformes")
    assert len({row.levels["species"] for row in BIRDS.rows}) == 200


@pytest.mark.parametrize(
    ("class_id", "label", "species"),
    [
        ("017.Cardinal", "Northern Cardinal", "Cardinalis cardinalis"),
        ("022.Chuck_will_Widow", "Chuck-will's-widow", "Antrostomus carolinensis"),
        ("101.White_Pelican", "American White Pelican", "Pelecanus erythrorhynchos"),
        ("103.Sayornis", "Phoebe", "Sayornis sp."),
        ("110.Geococcyx", "Greater Roadrunner", "Geococcyx californianus"),
        ("146.Forsters_Tern", "Forster's Tern", "Sterna forsteri"),
    ],
)
def test_birds_have_the_names_that_people_use(class_id: str, label: str, species: str) -> None:
    row = BIRDS.ordered([class_id]).rows[0]
    assert (row.label, row.levels["species"]) == (label, species)


def test_car_levels_say_what_the_label_says() -> None:
    assert CARS.levels == ("make", "model", "body", "year")
    for row in CARS.rows:
        assert row.label.startswith(f"{row.levels['make']} {row.levels['model']}")
        assert row.label.endswith(row.levels["year"])
        assert 1990 < int(row.levels["year"]) < 2013


def test_car_bodies_are_the_nine_groups() -> None:
    groups = {"convertible", "coupe", "hatchback", "minivan", "pickup", "sedan", "suv", "van", "wagon"}
    assert {row.levels["body"] for row in CARS.rows} == groups


@pytest.mark.parametrize("table", [BIRDS, CARS], ids=["birds", "cars"])
def test_a_bundles_label_file_reads_back_as_it_was_written(table: LabelTable, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    write_labels(path, table)
    assert read_labels(path, table.levels) == table.rows
    assert read_levels(path) == table


def test_a_label_may_hold_commas_quotes_and_letters_of_any_script(tmp_path: Path) -> None:
    table = LabelTable(
        ("genus",), (Label("a", 'Kiwi, "brown"', {"genus": "Apteryx"}), Label("b", "鳥", {"genus": "é"}))
    )
    write_labels(tmp_path / "labels.csv", table)
    assert read_labels(tmp_path / "labels.csv", ("genus",)) == table.rows


def test_classes_come_in_the_order_of_the_models_outputs() -> None:
    table = labels_for("cub_birds", ["101.White_Pelican", "017.Cardinal"])
    assert [row.label for row in table.rows] == ["American White Pelican", "Northern Cardinal"]
    assert table.levels == BIRDS.levels


def test_a_class_without_a_row_is_named() -> None:
    with pytest.raises(DataError, match="Dodo"):
        labels_for("cub_birds", ["201.Dodo"])


def test_a_users_own_classes_are_labelled_by_their_folders() -> None:
    table = labels_for("my_photos", ["red_kite", "Buzzard"])
    assert table == LabelTable((), (Label("red_kite", "red kite", {}), Label("Buzzard", "Buzzard", {})))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "cannot be read"),
        ("class,label\na,b\n", "columns must be"),
        ("class_id,label,genus,genus\na,b,c,d\n", "columns must be"),
        ("class_id,label,genus\na,b\n", "row 2"),
        ("class_id,label,genus\na,b,c\nd,,f\n", "row 3"),
        ("class_id,label\na,b\na,c\n", "stands twice"),
        ('class_id,label\na,"b\n', "cannot be read"),
    ],
)
def test_a_faulty_table_is_refused_with_its_name_and_fault(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=fault) as caught:
        read_levels(path)
    assert "table.csv" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        read_levels(tmp_path / "none.csv")
