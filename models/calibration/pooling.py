"""Several photos of one subject, or the subject and its scene, as one answer: the mean of their logits, tempered.

In log space evidence adds up, but photos of one subject do not err independently. So the mean is taken, which grows no
surer with the number alone, and groups of held-out photos tell by how much less it has to be tempered than one photo; a
sum would be as good for two photos and too sure for five. The temperature of single photos does not enter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.calibration.probabilities import Floats, Ints, Numbers, fit_temperature, softmax

#: How many photos of one subject a request may have.
PHOTOS = (2, 5)
GROUPS_A_CLASS = 10


def pool(logits: Numbers, temperature: float) -> Floats:
    """Probabilities [C] of one subject from the logits [K, C] of its photos: softmax of their mean over the temperature.

    `temperature` is the pooled one of a manifest.
    """
    return softmax(np.asarray(logits, np.float64).mean(0), temperature)


def draw_groups(labels: Numbers, photos: Sequence[str], seed: int = 0, groups: int = GROUPS_A_CLASS) -> list[Ints]:
    """Seeded groups of 2 to 5 photos of one class, as positions among `labels` [N] and `photos` [N].

    Views of one photo share its name and never meet in a group. A class with a single photo has none.
    """
    truth, names = np.asarray(labels, np.int64), np.asarray(photos)
    rng = np.random.default_rng(seed)
    drawn: list[Ints] = []
    for label in np.unique(truth):
        members = np.flatnonzero(truth == label)
        own = np.unique(names[members])
        if len(own) < PHOTOS[0]:
            continue
        for _ in range(groups):
            size = int(rng.integers(PHOTOS[0], min(PHOTOS[1], len(own)) + 1))
            chosen = rng.choice(own, size, replace=False)
            drawn.append(np.array([rng.choice(members[names[members] == name]) for name in chosen], np.int64))
    return drawn


def pair_framings(photos: Sequence[str], framings: Sequence[str]) -> list[Ints]:
    """The two views of each photo that is there in two framings, as positions among `photos` [N] and `framings` [N]."""
    of_photo: dict[str, dict[str, int]] = {}
    for place, (photo, framing) in enumerate(zip(photos, framings, strict=True)):
        of_photo.setdefault(photo, {})[framing] = place
    return [np.array([*views.values()], np.int64) for views in of_photo.values() if len(views) == 2]


def fit_pooled_temperature(logits: Numbers, labels: Numbers, groups: Sequence[Ints]) -> float:
    """The temperature with the least likelihood loss over groups of held-out logits [N, C] with labels [N].

    Raises:
        ValueError: there is no group.
    """
    if not groups:
        raise ValueError("nothing held out is there twice; a pooled temperature needs groups of views")
    table, truth = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
    means = np.stack([table[group].mean(0) for group in groups])
    return fit_temperature(means, truth[[group[0] for group in groups]])
