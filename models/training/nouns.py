"""What people call the things of PASCAL VOC: a noun names one class or several, and may only be used where that is known.

A wide noun ("animal", "bike") means every class that it could mean, so whoever says "the bike on the left" has looked at
motorbikes too. Nouns that the boxes cannot prove (man, puppy, jet) are not used in claims; `UNPROVEN` says what people mean by
some, for `dressing`.
"""

from __future__ import annotations

#: Noun -> the classes that it may mean.
NOUNS: dict[str, frozenset[str]] = {
    noun: frozenset(classes.split())
    for noun, classes in {
        "plane": "aeroplane",
        "airplane": "aeroplane",
        "aircraft": "aeroplane",
        "bicycle": "bicycle",
        "bird": "bird",
        "boat": "boat",
        "bottle": "bottle",
        "bus": "bus",
        "car": "car",
        "cat": "cat",
        "kitty": "cat",
        "chair": "chair",
        "cow": "cow",
        "table": "diningtable",
        "dining table": "diningtable",
        "dog": "dog",
        "horse": "horse",
        "motorbike": "motorbike",
        "motorcycle": "motorbike",
        "person": "person",
        "human": "person",
        "plant": "pottedplant",
        "potted plant": "pottedplant",
        "houseplant": "pottedplant",
        "sheep": "sheep",
        "couch": "sofa",
        "sofa": "sofa",
        "train": "train",
        "tv": "tvmonitor",
        "monitor": "tvmonitor",
        "screen": "tvmonitor",
        "bike": "bicycle motorbike",
        "seat": "chair sofa",
        "animal": "bird cat cow dog horse sheep",
        "vehicle": "aeroplane bicycle boat bus car motorbike train",
    }.items()
}
#: Nouns that people rarely use, or use for want of a better one.
RARE = frozenset({"aircraft", "kitty", "human", "houseplant", "seat", "animal", "vehicle"})
#: Nouns whose class the boxes prove, but not what else they say.
UNPROVEN: dict[str, str] = {
    **dict.fromkeys(("man", "guy", "dude", "woman", "lady", "girl", "boy", "kid", "child", "baby", "player"), "person"),
    **dict.fromkeys(("puppy", "pup"), "dog"),
    "kitten": "cat",
    "pony": "horse",
    "jet": "aeroplane",
    "computer": "tvmonitor",
}
CLASSES = tuple(sorted(set().union(*NOUNS.values())))
