"""Questions about everyday scenes that object boxes answer: is one there, how many, on which side of another.

Every answer is true by the boxes of PASCAL VOC, which name all objects of its twenty classes in a photo. Where they
leave doubt nothing is asked: about a class of which a photo has only objects marked as difficult, about the number of a
class with any of these, about the side of objects that stand in front of one another. What a question is about does not
give its answer away: each class is asked for as often where it is as where it is not, and sides are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random

from models.training.questions import Question, part_of
from models.training.voc import Scene, Thing

COUNT_LIMIT = 9  # above it people estimate
ZERO_SHARE = 0.25  # of the counts above one: as many are asked about what is not there
SIDE_GAP = 0.05  # least distance of two centres, as a share of the photo's width

#: Each class in one and in many, in the words that people use; an answer is the first. A word that is wider than the
#: class ("table", "plant", "bike") would make a "no" untrue.
NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "aeroplane": (("aeroplane", "aeroplanes"), ("airplane", "airplanes"), ("plane", "planes")),
    "bicycle": (("bicycle", "bicycles"),),
    "bird": (("bird", "birds"),),
    "boat": (("boat", "boats"),),
    "bottle": (("bottle", "bottles"),),
    "bus": (("bus", "buses"),),
    "car": (("car", "cars"),),
    "cat": (("cat", "cats"),),
    "chair": (("chair", "chairs"),),
    "cow": (("cow", "cows"),),
    "diningtable": (("dining table", "dining tables"),),
    "dog": (("dog", "dogs"),),
    "horse": (("horse", "horses"),),
    "motorbike": (("motorbike", "motorbikes"), ("motorcycle", "motorcycles")),
    "person": (("person", "people"),),
    "pottedplant": (("potted plant", "potted plants"),),
    "sheep": (("sheep", "sheep"),),
    "sofa": (("sofa", "sofas"), ("couch", "couches")),
    "train": (("train", "trains"),),
    "tvmonitor": (("screen", "screens"),),
}
_PRESENCE = ("is there {} in the photo?", "is there {} in this picture?", "can you see {}?", "does the photo show {}?")
_COUNT = ("how many {} are there?", "how many {} are in the photo?", "how many {} can you see?")
_SIDE = (
    "is the {one} to the {side} of the {other}?",
    "is the {one} {side} of the {other}?",
    "is the {one} on the {side} side of the {other}?",
)
_NEIGHBOUR = ("what is to the {side} of the {other}?", "what is {side} of the {other}?")


def scene_questions(scenes: Sequence[Scene], seed: int) -> list[Question]:
    """All questions about the scenes, part by part, so that each part is balanced; the same seed gives the same ones."""
    parts: dict[str, list[Scene]] = {}
    for scene in scenes:
        parts.setdefault(part_of(scene.split, scene.path.stem), []).append(scene)
    found: list[Question] = []
    for part, group in parts.items():
        rng = Random(f"{seed}/{part}")
        for ask in (_ask_presence, _ask_counts, _ask_sides):
            found += ask(group, rng)
    return found


def _ask_presence(scenes: Sequence[Scene], rng: Random) -> Iterator[Question]:
    """One question for each class that is plainly there, and one about the same class where it is not."""
    lacking = _lacking(scenes)
    for scene in scenes:
        for name in _classes(scene):
            if not lacking[name] or all(thing.is_difficult for thing in _of(scene, name)):
                continue
            for asked, answer in ((scene, "yes"), (rng.choice(lacking[name]), "no")):
                singular, _ = rng.choice(NAMES[name])
                text = rng.choice(_PRESENCE).format(_with_article(singular))
                yield _question(asked, text, answer, "presence", _of(asked, name))


def _ask_counts(scenes: Sequence[Scene], rng: Random) -> Iterator[Question]:
    """The numbers above one, at most as many ones, and some zeros."""
    counted = [
        (scene, name, len(_of(scene, name)))
        for scene in scenes
        for name in _classes(scene)
        if not any(thing.is_difficult for thing in _of(scene, name))
    ]
    several = [one for one in counted if 1 < one[2] <= COUNT_LIMIT]
    single = [one for one in counted if one[2] == 1]
    chosen = several + rng.sample(single, min(len(single), len(several)))
    lacking = _lacking(scenes)
    for _, name, _ in rng.sample(several, int(len(several) * ZERO_SHARE)):
        if lacking[name]:
            chosen.append((rng.choice(lacking[name]), name, 0))
    for scene, name, count in chosen:
        _, plural = rng.choice(NAMES[name])
        yield _question(scene, rng.choice(_COUNT).format(plural), str(count), "count", _of(scene, name))


def _ask_sides(scenes: Sequence[Scene], rng: Random) -> Iterator[Question]:
    """Which side of another a thing is on, for things that are the only ones of their class."""
    for scene in scenes:
        alone = [things[0] for things in (_of(scene, name) for name in _classes(scene)) if len(things) == 1]
        plain = [thing for thing in alone if not thing.is_difficult]
        for first, second in combinations(plain, 2):
            if not _are_apart(first, second):
                continue
            left, right = sorted((first, second), key=_centre)
            yield _side_question(scene, left, right, rng)
            if len(scene.things) == 2:
                yield _neighbour_question(scene, left, right, rng)


def _side_question(scene: Scene, left: Thing, right: Thing, rng: Random) -> Question:
    one, other = rng.sample([left, right], 2)
    side = rng.choice(("left", "right"))
    is_true = (one is left) == (side == "left")
    words = {"one": _name(one, rng), "other": _name(other, rng), "side": side}
    return _question(scene, rng.choice(_SIDE).format(**words), "yes" if is_true else "no", "side", (left, right))


def _neighbour_question(scene: Scene, left: Thing, right: Thing, rng: Random) -> Question:
    """For scenes of two things: nothing else of the twenty classes can be meant."""
    one, other, side = rng.choice(((left, right, "left"), (right, left, "right")))
    text = rng.choice(_NEIGHBOUR).format(side=side, other=_name(other, rng))
    return _question(scene, text, NAMES[one.name][0][0], "neighbour", (left, right))


def _are_apart(first: Thing, second: Thing) -> bool:
    """Whether two things stand clearly beside each other: no centre lies within the other's width."""
    is_clear = all(not one.box[0] <= _centre(other) <= one.box[2] for one, other in ((first, second), (second, first)))
    return is_clear and abs(_centre(first) - _centre(second)) >= SIDE_GAP


def _centre(thing: Thing) -> float:
    return (thing.box[0] + thing.box[2]) / 2


def _name(thing: Thing, rng: Random) -> str:
    return rng.choice(NAMES[thing.name])[0]


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _classes(scene: Scene) -> list[str]:
    return list(dict.fromkeys(thing.name for thing in scene.things))


def _of(scene: Scene, name: str) -> list[Thing]:
    return [thing for thing in scene.things if thing.name == name]


def _lacking(scenes: Sequence[Scene]) -> dict[str, list[Scene]]:
    """The scenes without a thing of a class, by class."""
    return {name: [scene for scene in scenes if name not in _classes(scene)] for name in NAMES}


def _question(scene: Scene, text: str, answer: str, kind: str, about: Sequence[Thing]) -> Question:
    photo, where = scene.path.stem, tuple(thing.box for thing in about)
    return Question(scene.path, photo, part_of(scene.split, photo), text, (answer,), kind, where)
