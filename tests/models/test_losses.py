"""Which loss a system learns from, at which moment."""

from __future__ import annotations

import pytest
import torch

from models.pma_student import distillation_loss
from models.s3n import Phase, S3NOutput, find_peaks
from models.training.losses import Moment, Phases, loss_of, s3n_phase
from models.training.recipes.systems import RECIPES
from models.training.views import Batch

START = Moment(0.0, 0.0, torch.Generator())


class Fixed(torch.nn.Module):
    """Gives the same logits whatever it sees."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(logits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, ...] -> [B, C]."""
        return self.logits.expand(len(x), -1)


def batch_of(labels: list[int]) -> Batch:
    return Batch(torch.zeros(len(labels), 3, 4, 4), torch.tensor(labels))


@pytest.mark.parametrize(("name", "epochs", "opening"), [("s3n", 9, 3), ("s3n_full", 60, 21)])
def test_s3n_splits_peaks_at_random_after_the_opening_of_its_recipe(name: str, epochs: int, opening: int) -> None:
    recipe = RECIPES[name]
    assert recipe.schedule.epochs == epochs
    phases = [s3n_phase(epoch / epochs, recipe.phases.all_peaks) for epoch in range(epochs)]
    assert phases == [0] * opening + [1] * (epochs - opening)


class Looking(torch.nn.Module):
    """S3N's border: keeps the phase that it was asked for."""

    asked: int | None = None

    def forward(self, x: torch.Tensor, phase: Phase, generator: torch.Generator) -> S3NOutput:
        """[B, ...] -> all heads."""
        self.asked = phase
        heads = torch.zeros(len(x), 2)
        return S3NOutput(
            heads, heads, heads, heads, heads, find_peaks(torch.zeros(1, 1, 2, 2), heads[:1], heads.T), heads
        )


def test_s3n_is_asked_for_the_phase_of_the_moment() -> None:
    model, loss = Looking(), loss_of("s3n", 0.0, phases=Phases(all_peaks=0.5))
    asked = []
    for done in (0.4, 0.5):
        loss(model, batch_of([0]), Moment(done, done, torch.Generator()))
        asked.append(model.asked)
    assert asked == [0, 1]


@pytest.mark.parametrize("name", ["pma_visual_full", "pma_full"])
def test_pma_learns_from_labels_as_they_are_at_the_paper_s_setting(name: str) -> None:
    assert RECIPES[name].smoothing == 0.0


def test_a_student_sees_no_labels() -> None:
    taught = torch.tensor([2.0, 0.0])
    loss = loss_of("pma_student", 0.1, lambda images, phrases: taught.expand(len(images), -1))
    student = Fixed(torch.zeros(2))
    first, second = (loss(student, batch_of(labels), START) for labels in ([0, 0], [1, 1]))
    assert first == second
    assert float(first.detach()) == pytest.approx(float(distillation_loss(torch.zeros(1, 2), taught[None])), abs=1e-6)


def test_a_teacher_is_softened_as_much_as_its_recipe_says() -> None:
    taught = torch.tensor([2.0, 0.0])
    loss = loss_of("pma_student", 0.1, lambda images, phrases: taught.expand(len(images), -1), tau=4.0)
    found = float(loss(Fixed(torch.tensor([1.0, -1.0])), batch_of([0, 1]), START).detach())
    expected = distillation_loss(torch.tensor([[1.0, -1.0]]), taught[None], 4.0)
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_a_teacher_sees_the_students_view_and_the_text() -> None:
    seen: list[object] = []

    def teach(images: torch.Tensor, phrases: torch.Tensor | None) -> torch.Tensor:
        seen.extend([images, phrases])
        return torch.zeros(len(images), 2)

    batch = Batch(torch.rand(2, 3, 4, 4), torch.tensor([0, 1]), torch.ones(2, 3, 4, dtype=torch.int64))
    loss_of("pma_student", 0.1, teach)(Fixed(torch.zeros(2)), batch, START)
    assert seen[0] is batch.images
    assert seen[1] is batch.phrases


class TwoScales(Fixed):
    """A transformer's border: one scale, or both."""

    def both_scales(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, ...] -> [B, C] twice."""
        return self(x), 2 * self(x)


def test_rams_learns_from_the_whole_alone_at_first() -> None:
    model = TwoScales(torch.tensor([2.0, 0.0, -1.0]))
    loss, batch = loss_of("rams_trans", 0.0), batch_of([0])
    early = loss(model, batch, Moment(0.0, 0.19, torch.Generator()))
    late = loss(model, batch, Moment(0.0, 0.2, torch.Generator()))
    cross_entropy = torch.nn.functional.cross_entropy
    assert float(early.detach()) == pytest.approx(0.169846, abs=1e-5)
    closer = cross_entropy(2 * model(batch.images), batch.labels)
    assert torch.allclose(late, early + closer)


def test_rams_counts_the_second_scale_and_begins_it_as_its_recipe_says() -> None:
    model, batch = TwoScales(torch.tensor([2.0, 0.0, -1.0])), batch_of([0])
    loss = loss_of("rams_trans", 0.0, phases=Phases(whole_alone=0.5, second_weight=0.25))
    first, second = (
        torch.nn.functional.cross_entropy(scale, batch.labels) for scale in model.both_scales(batch.images)
    )
    assert torch.allclose(loss(model, batch, Moment(0.0, 0.49, torch.Generator())), first)
    assert torch.allclose(loss(model, batch, Moment(0.0, 0.5, torch.Generator())), first + 0.25 * second)
