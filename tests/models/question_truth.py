"""The true answer of a generated question, from the rows of an annotation: written apart from the generators.

A question is read by its words alone, with tables of this file; nothing of the project is imported. `Doubtful` means
that the annotation does not settle it, so that it should not have been asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Row = Mapping[str, str]

WORDS = """
aeroplane: aeroplane aeroplanes airplane airplanes plane planes
bicycle: bicycle bicycles
bird: bird birds
boat: boat boats
bottle: bottle bottles
bus: bus buses
car: car cars
cat: cat cats
chair: chair chairs
cow: cow cows
diningtable: dining_table dining_tables
dog: dog dogs
horse: horse horses
motorbike: motorbike motorbikes motorcycle motorcycles
person: person people
pottedplant: potted_plant potted_plants
sheep: sheep
sofa: sofa sofas couch couches
train: train trains
tvmonitor: screen screens
"""
CLASSES = {
    word.replace("_", " "): line.partition(":")[0]
    for line in WORDS.split("\n")
    for word in line.partition(":")[2].split()
}
GROUPS = {
    "crown": "has_crown_color",
    "bill": "has_bill_color",
    "throat": "has_throat_color",
    "breast": "has_breast_color",
    "belly": "has_belly_color",
    "back": "has_back_color",
    "wings": "has_wing_color",
    "legs": "has_leg_color",
    "eyes": "has_eye_color",
}


class Doubtful(Exception):
    """The annotation does not settle the question."""


def scene_answer(question: str, boxes: Sequence[Row]) -> str:
    """The answer by the boxes of one photo, given as rows of the set's table."""
    if found := re.fullmatch(r"(?:is there|can you see|does the photo show) an? (.+?)(?: in .+)?\?", question):
        of_class = [row for row in boxes if row["class"] == CLASSES[found[1]]]
        if of_class and "0" not in {row["difficult"] for row in of_class}:
            raise Doubtful
        return "yes" if of_class else "no"
    if found := re.fullmatch(r"how many (.+?) (?:are|can) .+\?", question):
        marks = [row["difficult"] for row in boxes if row["class"] == CLASSES[found[1]]]
        if "1" in marks:
            raise Doubtful
        return str(len(marks))
    if found := re.fullmatch(r"is the (.+?) (?:(?:to|on) the )?(left|right) (?:side )?of the (.+)\?", question):
        is_left = middle(only(boxes, CLASSES[found[1]])) < middle(only(boxes, CLASSES[found[3]]))
        check_gap(only(boxes, CLASSES[found[1]]), only(boxes, CLASSES[found[3]]))
        return "yes" if is_left == (found[2] == "left") else "no"
    if found := re.fullmatch(r"what is (?:to the )?(left|right) of the (.+)\?", question):
        anchor = only(boxes, CLASSES[found[2]])
        (other,) = (row for row in boxes if row is not anchor)
        check_gap(anchor, other)
        if (middle(other) < middle(anchor)) != (found[1] == "left"):
            raise Doubtful
        return other["class"]
    raise AssertionError(f"no such question: {question}")


def only(boxes: Sequence[Row], name: str) -> Row:
    """The one thing of a class, which nothing makes doubtful."""
    found = [row for row in boxes if row["class"] == name]
    if len(found) != 1 or found[0]["difficult"] == "1":
        raise Doubtful
    return found[0]


def middle(row: Row) -> float:
    """The centre of a box across, in pixels."""
    return (float(row["x1"]) + float(row["x2"])) / 2


def check_gap(one: Row, other: Row) -> None:
    """Two centres closer than a twentieth of the photo do not tell left from right."""
    if abs(middle(one) - middle(other)) < 0.05 * float(one["width"]) - 1e-6:
        raise Doubtful


def bird_answer(question: str, states: str, attributes: Sequence[Row]) -> str:
    """The one ticked colour of the part that a question names."""
    (part,) = (part for part in GROUPS if re.search(rf"\b{part}\b", question))
    ticked = [
        row["value"]
        for row, state in zip(attributes, states, strict=True)
        if state == "1" and row["group"] == GROUPS[part]
    ]
    if len(ticked) != 1:
        raise Doubtful
    return ticked[0]


def car_answer(question: str, photo: str, classes: Sequence[Row]) -> str:
    """Make or body type of the class in whose folder a photo lies."""
    (row,) = (row for row in classes if row["folder"] == photo.split("/")[1])
    if re.search(r"\b(make|made)\b", question):
        return row["make"]
    assert re.search(r"\b(type|kind)\b", question)
    return row["body_group"]
