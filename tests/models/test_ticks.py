"""A photo's text comes from that photo's ticks alone: not from its class, not from what is unknown."""

import csv
import gzip
import inspect
import shutil
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest

from models.training.data import DataError
from models.training.ticks import PHRASES, Attributes, photo_phrases, read_attributes, read_states
from models.training.wording import Noise, photo_sentence, training_phrases

TABLE = """attribute_id,group,value,raw_ticks_known
1,has_size,small_(5_-_9_in),1
2,has_primary_color,blue,0
3,has_primary_color,brown,1
4,has_primary_color,white,1
5,has_bill_length,shorter_than_head,1
6,has_bill_shape,hooked_seabird,1
7,has_bill_color,grey,1
8,has_crown_color,red,0
9,has_crown_color,buff,0
10,has_head_pattern,eyering,1
11,has_wing_color,black,1
"""
FORMER = "10110111" + "011"
READERS = [photo_phrases, photo_sentence]


@pytest.fixture
def attributes(tmp_path: Path) -> Attributes:
    path = tmp_path / "attributes.csv"
    path.write_text(TABLE)
    return read_attributes(path)


def all_phrases(states: str, attributes: Attributes) -> set[str]:
    return {phrase for seed in range(40) for phrase in photo_phrases(states, attributes, Random(seed))}


def test_ticks_are_worded_as_people_word_them(attributes: Attributes) -> None:
    found = all_phrases(FORMER, attributes)
    assert {"small brown and white bird", "hooked grey bill", "red crown", "eyering", "black wings"} <= found


def test_a_group_is_now_and_then_split_into_two_phrases(attributes: Attributes) -> None:
    assert {"small bird", "brown and white bird"} <= all_phrases(FORMER, attributes)


def test_what_is_unknown_or_not_ticked_is_never_said(attributes: Attributes) -> None:
    assert all_phrases("0?100000000", attributes) == {"brown bird"}
    assert all_phrases("?" * 11, attributes) == set()


def test_one_seed_gives_one_text(attributes: Attributes) -> None:
    for read in READERS:
        assert read(FORMER, attributes, Random(3)) == read(FORMER, attributes, Random(3))


def test_a_text_has_at_most_the_phrases_that_are_asked_for(attributes: Attributes) -> None:
    assert len(photo_phrases(FORMER, attributes, Random(0), limit=2)) == 2


@pytest.mark.parametrize("read", [photo_phrases, photo_sentence, training_phrases])
def test_a_text_is_made_of_states_names_and_chance_alone(read: object) -> None:
    """By construction: no class, no photo, no folder can reach it."""
    assert set(inspect.signature(read).parameters) <= {"states", "attributes", "rng", "limit", "noise"}  # type: ignore[arg-type]


def test_states_of_another_length_are_refused_with_both_numbers(attributes: Attributes) -> None:
    with pytest.raises(DataError, match="10 states; the attribute table has 11"):
        photo_phrases("0" * 10, attributes, Random(0))


def test_ids_with_a_gap_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "attributes.csv"
    path.write_text("attribute_id,group,value\n2,has_size,large\n")
    with pytest.raises(DataError, match="attribute_id '2' in row 1"):
        read_attributes(path)


def test_states_with_another_sign_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "states.csv"
    path.write_text("image_id,states\n7,01x\n")
    with pytest.raises(DataError, match="photo 7"):
        read_states(path)


@pytest.fixture(scope="module")
def birds(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Attributes, dict[str, str]]:
    """Read from a folder that holds nothing but the two files."""
    folder = tmp_path_factory.mktemp("ticks")
    for name in ("attributes.csv", "image_attributes.csv.gz"):
        shutil.copy(data_folder / "cub_birds" / name, folder)
    return read_attributes(folder / "attributes.csv"), read_states(folder / "image_attributes.csv.gz")


@pytest.fixture(scope="module")
def photos_by_class(data_folder: Path) -> dict[str, list[str]]:
    with gzip.open(data_folder / "cub_birds" / "index.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["framing"] == "crop"]
    photos: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        photos[row["class_name"]].append(row["image_id"])
    return photos


@pytest.mark.data
def test_shuffling_ticks_within_a_class_changes_its_texts(
    birds: tuple[Attributes, dict[str, str]], photos_by_class: dict[str, list[str]]
) -> None:
    attributes, states = birds
    total = changed = 0
    for photos in photos_by_class.values():
        for photo, donor in zip(photos, [*photos[1:], photos[0]], strict=True):
            own, other = (photo_phrases(states[name], attributes, Random(photo)) for name in (photo, donor))
            total += 1
            changed += own != other
    assert total == 11_788
    assert changed / total > 0.99, f"only {changed} of {total} texts follow their photo's ticks"


@pytest.mark.data
def test_no_text_holds_the_name_of_its_class(
    birds: tuple[Attributes, dict[str, str]], photos_by_class: dict[str, list[str]]
) -> None:
    attributes, states = birds
    for name, photos in photos_by_class.items():
        words = name.lower().replace("_", " ")
        for photo in photos[::10]:
            rng = Random(photo)
            text = photo_sentence(states[photo], attributes, rng).replace("-", " ")
            for said in (text, *training_phrases(states[photo], attributes, rng, Noise())):
                assert f" {words} " not in f" {said} "


@pytest.mark.data
def test_every_photo_has_a_text_of_six_words_a_phrase_at_most(birds: tuple[Attributes, dict[str, str]]) -> None:
    attributes, states = birds
    for photo in list(states)[::5]:
        phrases = photo_phrases(states[photo], attributes, Random(photo))
        assert 1 <= len(phrases) <= PHRASES
        assert max(len(phrase.split()) for phrase in phrases) <= 6
