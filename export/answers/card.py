"""The card of an answerer's bundle: what it answers, from what it learnt, how often it is right, and where it is not.

Every figure comes from the export that made the bundle. Owns these words, and whose data and terms a material has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from export.answers.evidence import AnswerEvidence
from export.provenance import BACKBONES, ROUTER_SOURCE
from models.evaluation.answering import to_markdown
from models.hard_attention import HardAttentionShape
from models.sections import Licence
from models.training.answering.record import AnswerRecord, Trained
from models.training.recipes.answering import Material


class Origin(NamedTuple):
    """A material in words, its terms, whom to credit, and what a model of it cannot do."""

    title: str
    licence: str
    research_only: bool
    attribution: tuple[str, ...]
    limits: tuple[str, ...]


_ROOMS = (
    "M. Malinowski, M. Fritz: A Multi-World Approach to Question Answering about Real-World Scenes (DAQUAR), 2014.",
    "N. Silberman, D. Hoiem, P. Kohli, R. Fergus: Indoor Segmentation and Support Inference from RGBD Images (NYU), 2012.",
)
_ANY_LIMITS = (
    "It chooses among the answers in labels.csv and gives one even to a question that has none of them.",
    "One answer has one item: questions with several right items are never answered in full.",
)
_FIGURES = (
    "Per cent. An answer is right if it is the whole answer. The interval is a 95 % bootstrap that resamples photos; WUPS "
    "counts near answers in part (WordNet 3.0). `answer unseen` is the share of the questions whose answer is not in the list, "
    "because the training questions have it never or too rarely: these count as wrong. `fieldmark evaluate-answers` compares "
    "with controls that see no photo or read no question.\n"
)
ORIGINS: dict[Material, Origin] = {
    "sort_of_clevr": Origin(
        "sort-of-CLEVR: drawn scenes of six shapes with generated questions",
        "CC0-1.0",
        research_only=False,
        attribution=("A. Santoro et al.: A simple neural network module for relational reasoning, 2017 (the idea).",),
        limits=("It knows such drawings only.", *_ANY_LIMITS),
    ),
    "daquar": Origin(
        "DAQUAR: people's questions about photos of rooms (official split)",
        "Research use (DAQUAR and NYU-Depth V2 carry no open licence)",
        research_only=True,
        attribution=_ROOMS,
        limits=("It knows rooms only, and answers in the set's own words.", *_ANY_LIMITS),
    ),
    "mixed": Origin(
        "people's questions about rooms (DAQUAR), and generated ones that annotations answer: what there is, how many and on "
        "which side (PASCAL VOC 2007), colours of birds by each photo's own ticks (CUB-200-2011), make and body type "
        "(Stanford Cars)",
        f"{ROUTER_SOURCE.licence}; DAQUAR and NYU-Depth V2 carry no open licence",
        research_only=True,
        attribution=(*ROUTER_SOURCE.attribution, *_ROOMS),
        limits=(
            "It learnt from four sorts of photos and the questions that go with each; another question about them is outside.",
            "Counts are rarely right above two, and small things are not seen: a cell is a tenth of the photo wide.",
            "Colours of a bird's parts are people's ticks, which differ from one another.",
            *_ANY_LIMITS,
        ),
    ),
}


def answer_licence(record: AnswerRecord) -> Licence:
    """The terms of the weights: those of all that they learnt from."""
    origin, backbone = ORIGINS[record.material], record.recipe.backbone
    credits_ = origin.attribution if backbone is None else (*origin.attribution, BACKBONES[backbone])
    return Licence(name=origin.licence, research_only=origin.research_only, attribution=credits_)


def write_answer_card(identity: str, trained: Trained, evidence: AnswerEvidence, size_bytes: int) -> str:
    """The card as Markdown."""
    record = trained.record
    origin, licence = ORIGINS[record.material], answer_licence(record)
    sections = [
        f"# {identity}\n",
        f"Answers questions about a photo, one of {len(record.answers):,} answers; {size_bytes / 2**20:.1f} MiB.\n",
        _how(trained.model.shape),
        "## Data and training\n",
        _training(trained, origin),
        "## Figures\n",
        to_markdown(evidence.measured),
        _FIGURES,
        "## Calibration\n",
        _calibration(evidence),
        "## Speed\n",
        _speed(evidence),
        "## Parity\n",
        _parity(evidence),
        "## Limits\n",
        _bullets(origin.limits),
        "## Licence\n",
        f"{licence.name}. {'Research use only.' if licence.research_only else 'See the terms.'}\n",
        _bullets(licence.attribution),
    ]
    return "\n".join(sections)


def _how(shape: HardAttentionShape) -> str:
    chosen = {
        "han": f"the {shape.keep} of {shape.cells} cells",
        "adahan": f"those of {shape.cells} cells",
        "all": f"all {shape.cells} cells",
    }[shape.selection]
    by = " whose vectors, fused with the question, are longest" if shape.selection in {"han", "adahan"} else ""
    return (
        f"It reads {chosen}{by} (`{shape.aggregation}`), and nothing else of the photo; they leave with the answer.\n"
    )


def _training(trained: Trained, origin: Origin) -> str:
    record, recipe = trained.record, trained.record.recipe
    trial = f" Only {record.limit} photos of each part were used: a trial." if record.limit else ""
    cells = f"frozen `{recipe.backbone}`" if recipe.backbone else "a small net trained with the rest"
    begun = f", begun from `{record.weights}`" if record.weights else ""
    return (
        f"Data: {origin.title}. A fixed tenth of the training photos, chosen by a hash of the photo, was held out for "
        f"validation and calibration.{trial}\n\nCells: {cells}{begun}; seed {record.seed}, {trained.epochs} of "
        f"{record.epochs} epochs, the moving average of the weights after epoch {trained.best} is stored. "
        f"Input: {recipe.size_px} px, fit `squash`; "
        f"{trained.vocabulary.length} words of a question, of {len(trained.vocabulary.words):,} that are known.\n"
    )


def _calibration(evidence: AnswerEvidence) -> str:
    fitted = evidence.calibration
    return (
        f"Fitted on {evidence.held_out:,} held-out questions: temperature {fitted.temperature:.4f}; an answer is called "
        f"uncertain where its probability is below {fitted.uncertain_below or 0:.4f}, which flags "
        f"{100 * evidence.flagged:.1f} % of them, {100 * evidence.flagged_wrong:.1f} % of these being wrong.\n"
    )


def _speed(evidence: AnswerEvidence) -> str:
    lines = ["| machine | threads | batch | median |", "|---|---:|---:|---:|"]
    lines += [f"| {row.machine} | {row.threads} | {row.batch} | {row.median_ms:.1f} ms |" for row in evidence.latency]
    return "\n".join(lines) + "\n\nThe graph alone; decoding a photo comes on top.\n"


def _parity(evidence: AnswerEvidence) -> str:
    largest = ", ".join(f"{name} {difference:.1e}" for name, difference in evidence.parity.items())
    rounded = (
        ""
        if evidence.loss is None
        else f" The weights are stored rounded, which costs {100 * evidence.loss:.2f} points on the held-out questions."
    )
    return f"Against torch at batch sizes 1, 2, 3 and 8, as a share of the largest value: {largest}.{rounded}\n"


def _bullets(lines: Sequence[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)
