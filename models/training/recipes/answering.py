"""Recipes of the answerers: what one is built of, and every number that its training depends on, by material.

Drawn scenes are answered by a small net that learns from nothing together with the rest; photos by the frozen cells of a
pretrained backbone, computed once, so that a run takes minutes. The sizes are the reduced ones of two processor cores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from models.hard_attention import CONTROLS, HardAttentionShape, Selection
from models.layers.aggregation import Aggregation
from models.training.loop import Schedule

Material = Literal["sort_of_clevr", "daquar", "mixed"]

_RELATION_DIVISOR = 10.0
_RELATION_BATCH = 80  # steps count, and a step of pairs is long
_OPENING_CELLS = 16  # 256 pairs in place of 625; 10 leave figures out
_CLOSING_EPOCHS = 2  # with as many cells as the design keeps


@dataclass(frozen=True, slots=True)
class Design:
    """What distinguishes the rows of a comparison: how cells are chosen and joined, whether photo and question are there.

    Without a photo (`is_blind`) all cells are empty, without a question (`is_wordless`) all questions are the same one.
    """

    selection: Selection = "han"
    keep: int = 25
    aggregation: Aggregation = "sum"
    fuse_layers: int = 2
    is_blind: bool = False
    is_wordless: bool = False

    @property
    def is_control(self) -> bool:
        """Whether it is trained to be compared with, and answers nobody."""
        return self.is_blind or self.is_wordless or self.selection in CONTROLS


@dataclass(frozen=True, slots=True)
class AnswerRecipe:
    """What an answerer of one material is trained with.

    Without a `backbone` the encoder is the small net for drawn scenes. `length` is how many words of a question are read;
    words and answers that occur less than `word_minimum` and `answer_minimum` times are not learnt. An epoch has all
    questions, or so many of `epoch_questions`. HAN keeps `opening` cells in the first epochs, one number each: the pairs
    of few cells cost little, and what they teach is kept. `lead` tells which questions are taught at first: how their kinds
    begin, and for how many epochs. `quiet` is what a mean length of 1 of the fused cells adds to the loss. So many questions as
    `portion` says about one picture follow one another, or all of them. `word_gain`, `question_gain` and `pair_gain` multiply
    the first word vectors, the question's first weights in a fused cell, and the cells' in a pair, which hears its question
    by the root of that louder.
    """

    size_px: int
    backbone: str | None
    channels: int
    embedding: int
    question: int
    width: int
    hidden: tuple[int, int]
    dropout: float
    smoothing: float
    length: int
    word_minimum: int
    answer_minimum: int
    schedule: Schedule
    epoch_questions: int | None = None
    opening: tuple[int, ...] = ()
    lead: tuple[tuple[str, int], ...] = ()
    quiet: float = 0.0
    portion: int | None = None
    word_gain: float = 1.0
    question_gain: float = 1.0
    pair_gain: float = 1.0

    def shape(self, words: int, answers: int, design: Design) -> HardAttentionShape:
        """The network's structure for a vocabulary, a list of answers and a row's design."""
        shape = HardAttentionShape(
            words,
            answers,
            channels=self.channels,
            embedding=self.embedding,
            question=self.question,
            width=self.width,
            hidden=self.hidden,
            fuse_layers=design.fuse_layers,
            selection=design.selection,
            keep=design.keep,
            aggregation=design.aggregation,
            places=True,
            divisor=1.0 if design.aggregation == "stacked" else 10.0,  # that one adds up no cells
            dropout=self.dropout,
        )
        return with_keep(shape, design.keep)

    def taught(self, epoch: int) -> str:
        """How the kinds of questions begin that an epoch teaches; the empty text stands for all."""
        for kind, epochs in self.lead:
            if epoch < epochs:
                return kind
            epoch -= epochs
        return ""

    def keep(self, epoch: int, design: Design) -> int:
        """How many cells HAN keeps in an epoch."""
        return min(self.opening[epoch], design.keep) if epoch < len(self.opening) else design.keep


def with_keep(shape: HardAttentionShape, keep: int) -> HardAttentionShape:
    """The same network with another number of cells; the sum over pairs keeps its scale."""
    divisor = keep**2 / _RELATION_DIVISOR if shape.aggregation == "relation" else shape.divisor
    return replace(shape, keep=keep, divisor=divisor)


_SCHEDULE = Schedule(
    sizes_px=(320,) * 15,  # the best epoch of 30 was always an early one: 6,000 questions are soon learnt by heart
    batch=128,
    lr=1e-3,
    head_lr_factor=1.0,  # all of it is new
    weight_decay=0.02,
    warmup_steps=100,
    ema_decay=0.995,  # a run has less than a thousand steps
    clip_norm=5.0,
    mixup_share=0.0,
    bf16=True,  # half the time; cells are chosen in float32 all the same
)
DAQUAR = AnswerRecipe(
    size_px=320,  # 10 x 10 cells at stride 32
    backbone="efficientnet_lite0",
    channels=320,
    embedding=128,
    question=256,
    width=256,
    hidden=(256, 512),
    dropout=0.4,
    smoothing=0.05,
    length=30,
    word_minimum=2,  # so that the unknown word is met in training
    answer_minimum=1,  # 582 words, and each is some test question's answer
    schedule=_SCHEDULE,
)
MIXED = replace(
    DAQUAR,
    dropout=0.2,  # ten times the questions
    answer_minimum=3,
    schedule=replace(_SCHEDULE, sizes_px=(320,) * 12, warmup_steps=300, ema_decay=0.998),
)
SORT_OF_CLEVR = AnswerRecipe(
    size_px=75,
    backbone=None,
    channels=32,
    embedding=32,
    question=128,
    width=128,  # of two dozen words and six shapes there is not more to tell
    hidden=(256, 256),
    dropout=0.0,  # scenes enough
    smoothing=0.0,  # the answers are certain
    length=14,
    word_minimum=1,
    answer_minimum=1,
    schedule=Schedule(
        sizes_px=(75,) * 20,
        batch=160,  # 8 scenes with all their questions; twice as many make half as many steps of the same time
        lr=1e-3,
        head_lr_factor=1.0,
        weight_decay=1e-4,
        warmup_steps=200,
        ema_decay=0.998,
        clip_norm=5.0,
        mixup_share=0.0,
        bf16=True,
    ),
    epoch_questions=60_000,  # a third of them: a run can be stopped, and seen, more often
    lead=(("non-relational", 8),),  # all at once teach how many squares there are, and never whose shape is asked
    word_gain=10.0,  # questions differ by two words: quiet ones look alike for thousands of steps
    question_gain=4.0,
)
RECIPES: dict[Material, AnswerRecipe] = {"sort_of_clevr": SORT_OF_CLEVR, "daquar": DAQUAR, "mixed": MIXED}


def recipe_of(
    material: Material, design: Design, epochs: int | None = None, *, is_continued: bool = False
) -> AnswerRecipe:
    """The recipe of a row; `is_continued` where it goes on from another run. Relations begin with few cells."""
    recipe, are_related = RECIPES[material], design.aggregation == "relation"
    if material == "sort_of_clevr" and (are_related or is_continued):
        recipe = _of_relations(recipe) if are_related else _of_choice(recipe)
    count = epochs or recipe.schedule.epochs
    schedule = replace(recipe.schedule, sizes_px=(recipe.size_px,) * count)
    if not are_related:
        return replace(recipe, schedule=schedule)
    opening = (_OPENING_CELLS,) * max(0, count - _CLOSING_EPOCHS) if design.selection == "han" else ()
    return replace(recipe, schedule=replace(schedule, batch=_RELATION_BATCH), opening=opening)


def _of_choice(recipe: AnswerRecipe) -> AnswerRecipe:
    """For a run that goes on from one that finds what is meant: it learns which other cells matter."""
    return replace(
        recipe,
        schedule=replace(recipe.schedule, sizes_px=(recipe.size_px,) * 12),
        lead=(),
        quiet=0.2,  # before cells mean anything it would press them all
        portion=4,  # with all 20 questions of a picture a batch has few pictures
    )


def _of_relations(recipe: AnswerRecipe) -> AnswerRecipe:
    """For pairs of the cells that a sum has learnt to choose."""
    return replace(
        recipe,
        schedule=replace(
            recipe.schedule,
            sizes_px=(recipe.size_px,) * 23,
            rates=(("encoder", 0.1), ("questions", 0.1), ("fusion", 0.1)),  # faster, they forget which cells matter
        ),
        lead=(("relational farthest", 6), ("relational nearest", 3)),  # together they are learnt late or never
        quiet=0.1,
        portion=4,
        pair_gain=4.0,  # quiet cells are short
    )
