"""The recipe of grounding, for two processor cores: the visual branch learns to detect and is frozen, then words are learnt.

A step costs in proportion to cells times width, whatever the photo: 320 px give 400 cells. The pool's features are computed
once, so that neither photos nor the backbone are seen again while words are learnt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.layers.bert import MINILM_L6, BertShape
from models.referring import Head, Interaction, ReferringShape
from models.training.loop import Schedule
from models.training.self_paced import SIGMA_RATE, Pacing

SIZE_PX = 320
STEPS_AN_EPOCH = 120  # a state is left, and validated, every few minutes
TEXT_PIECES = 24  # hold 99 % of what people say


@dataclass(frozen=True, slots=True)
class Pretext:
    """How the visual branch learns to detect: every cell its class and box, by all boxes of the photos."""

    epochs: int = 5
    batch: int = 32
    lr: float = 2e-3  # three projections and a linear head above a frozen backbone
    weight_decay: float = 1e-4


@dataclass(frozen=True, slots=True)
class GroundRecipe:
    """All numbers of a run.

    `earlier_weight`, `alignment_weight` and `named_weight` are those of the losses that only help; without auxiliaries there
    are none. A run that does not read its text or see its photo is a control, and no bundle.
    """

    backbone: str = "yolox_nano"  # detection-pretrained, as the paper's is: on COCO
    size_px: int = SIZE_PX
    width: int = 64
    heads: tuple[int, int] = (4, 6)
    expansion: int = 2
    text: BertShape = MINILM_L6
    head: Head = "cell"
    interaction: Interaction = "alternate"
    dropout: float = 0.1
    pacing: Pacing = Pacing()  # noqa: RUF009  # frozen
    has_auxiliaries: bool = True
    reads_text: bool = True
    sees_photo: bool = True
    photo_share: float = 1.0
    mosaics: int = 6000
    bird_pictures: int = 3000  # where a collection of birds is given
    true_said: int = 14  # expressions kept of a picture, and of those that mean nothing in it
    absent_said: int = 6
    absent_share: float = 0.25
    dressed_share: float = 0.35  # where people's expressions are given
    earlier_weight: float = 0.5
    alignment_weight: float = 0.2
    named_weight: float = 0.2
    position_scale: float = 0.5  # of the cells' features, which are normalised
    pretext: Pretext = Pretext()
    batch: int = 32
    epochs: int = 26
    lr: float = 6e-4
    bf16: bool = True
    seed: int = 0

    def shape(self, pieces: int) -> ReferringShape:
        """The model's shape for so many word pieces."""
        text = replace(self.text, vocabulary=pieces)
        return ReferringShape(
            self.backbone,
            self.size_px,
            self.width,
            self.heads,
            self.expansion,
            text,
            self.head,
            self.interaction,
            self.dropout,
        )

    @property
    def schedule(self) -> Schedule:
        """The steps."""
        return Schedule(
            sizes_px=(self.size_px,) * self.epochs,
            batch=self.batch,
            lr=self.lr,
            head_lr_factor=1.0,
            weight_decay=1e-4,
            warmup_steps=120,
            ema_decay=0.997,
            clip_norm=1.0,
            mixup_share=0.0,
            bf16=self.bf16,
            rates=(("pacing.sigma", SIGMA_RATE / self.lr),),
        )


GROUND = GroundRecipe()
