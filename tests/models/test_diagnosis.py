"""What looks more than once: each look heard by itself in an evaluation, and the views that S3N looks at drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from models import examination
from models.backbones import SPECS
from models.evaluation.asking import Asked, Said
from models.evaluation.diagnosis import diagnose, to_markdown
from models.evaluation.figures import Scored
from models.evaluation.items import Item, Part
from models.evaluation.looking import look
from models.evaluation.report import to_text, write_report
from models.preprocess import preprocess
from models.rams_trans import RAMSTrans
from models.s3n import ENTROPY_GATE, S3N
from models.systems import System, build
from models.training.data import DataError, read_dataset
from models.training.loop import HISTORY_NAME, STATE_NAME
from models.training.records import write_record
from models.training.runs import RunRecord, load_model
from models.training.views import to_tensor
from models.vit import VIT_SHAPES, ViTShape
from service.cli.app import build_app
from tests.photosets import COLOURS, TINY, TINY_PX, write_image_folder, write_photo

pytestmark = pytest.mark.usefixtures("one_thread")

TINY_VIT = ViTShape(size_px=TINY_PX, patch_px=8, width=16, depth=2, heads=2)
#: By how much the weights of a layer are multiplied, by its name.
_LARGER = {"raw": 3000.0, "query": 2.0, "key": 2.0}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPECS, "tiny", TINY)
    monkeypatch.setitem(VIT_SHAPES, "tiny_vit", TINY_VIT)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("photos"), {"test": 6})


@pytest.fixture
def run(tmp_path: Path) -> Callable[[System], Path]:
    """Writes a run of random weights, so large that some photos are told for certain and attention is not flat."""

    def write(system: System) -> Path:
        backbone = "tiny_vit" if system == "rams_trans" else "tiny"
        record = RunRecord(system, system, "folder", tuple(sorted(COLOURS)), backbone, TINY_PX, "squash", 1, 0)
        torch.manual_seed(3)
        model = build(record.build)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.mul_(_LARGER.get(name.split(".")[-2], 1.0) if "." in name else 1.0)
        write_record(tmp_path / system, record)
        state = {"averaged": model.state_dict(), "epoch": 1, "blend": None, "step": 1}
        torch.save(state, tmp_path / system / STATE_NAME)
        (tmp_path / system / HISTORY_NAME).write_text("")
        return tmp_path / system

    return write


@pytest.mark.parametrize(
    ("system", "voices", "rule"),
    [
        ("s3n", ["raw", "discriminative", "complementary"], "the top class alone makes the map"),
        ("rams_trans", ["the region alone", "both scales"], "the region is the whole photo"),
    ],
)
def test_what_looks_more_than_once_is_heard_look_by_look(
    system: System, voices: list[str], rule: str, photos: Path, run: Callable[[System], Path], tmp_path: Path
) -> None:
    folder = run(system)
    found = examination.examine_run(folder, examination.Photos("folder", photos))
    diagnosis = found.report.diagnosis
    assert diagnosis is not None
    rows = read_dataset("folder", photos).part("test")
    record, model, _ = load_model(folder)
    images = to_tensor([preprocess(row.path.read_bytes(), TINY_PX, "squash")[0] for row in rows])
    with torch.inference_mode():
        heads, held = _looks(model, images)
    labels = torch.tensor([record.class_ids.index(row.class_id) for row in rows])
    expected = [float((head.argmax(1) == labels).double().mean()) for head in heads]
    answered = found.report.figures[0].top1.value
    assert [voice.name for voice in diagnosis.voices] == voices
    assert [voice.top1.value for voice in diagnosis.voices] == pytest.approx(expected)
    assert [voice.against.mean for voice in diagnosis.voices] == pytest.approx([one - answered for one in expected])
    assert [(one.name, one.count, one.share) for one in diagnosis.rules] == [(rule, len(rows), pytest.approx(held))]
    assert 0 < held < 1, "the photos tell the rule from its opposite"
    write_report(tmp_path / "report", found.report, found.asked, found.labels)
    for text in (to_text(found.report), (tmp_path / "report" / "report.md").read_text()):
        assert f" {voices[0]} |" in text


def _looks(model: nn.Module, images: Tensor) -> tuple[list[Tensor], float]:
    """What each look says by itself, f32 [n, C], and for which share of the photos the system's rule holds."""
    if isinstance(model, S3N):
        seen = model(images)
        is_certain = seen.peaks.entropy < ENTROPY_GATE
        return [seen.raw, seen.discriminative, seen.complementary], float(is_certain.double().mean())
    assert isinstance(model, RAMSTrans)
    first, second = model.both_scales(images)
    is_whole = (model.explain(images).box_px == torch.tensor([0.0, TINY_PX, 0.0, TINY_PX])).all(1)
    return [second, first.softmax(1) + second.softmax(1)], float(is_whole.double().mean())


def test_the_widths_that_s3n_has_learnt_are_told(photos: Path, run: Callable[[System], Path]) -> None:
    report = examination.examine_run(run("s3n"), examination.Photos("folder", photos, limit=1)).report
    assert report.diagnosis is not None
    assert report.diagnosis.learnt == pytest.approx({"beta, discriminative": 0.09, "beta, complementary": 0.3})
    assert "Learnt: beta, discriminative 0.0900, beta, complementary 0.3000." in to_text(report)


def test_what_looks_once_is_not_heard_apart(photos: Path, run: Callable[[System], Path]) -> None:
    report = examination.examine_run(run("plain"), examination.Photos("folder", photos)).report
    assert report.diagnosis is None
    assert "parts" not in to_text(report)


def test_a_part_is_held_against_the_answer_photo_by_photo() -> None:
    items = tuple(Item(lambda: b"", "a", f"photo {number}") for number in range(4))
    scored = Scored(Part("test whole", items), np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 0, 1]))
    said = tuple(Said({"raw": pick}, {"certain": pick == 0}) for pick in (0, 1, 1, 0))
    found = diagnose([Asked(scored, (), (), said), Asked(scored, (), ())], {"beta": 0.1})
    assert found is not None
    (voice,) = found.voices
    assert (voice.part, voice.top1.value, voice.top1.count, voice.against.mean) == ("test whole", 0.25, 4, -0.5)
    (rule,) = found.rules
    assert (rule.part, rule.name, rule.count, rule.share) == ("test whole", "certain", 4, 0.5)
    assert "25.00" in to_markdown(found)


def test_the_views_of_s3n_are_drawn(photos: Path, run: Callable[[System], Path], tmp_path: Path) -> None:
    folder, photo, out = run("s3n"), next(photos.rglob("*.png")), tmp_path / "new" / "views.png"
    looks = look(folder, photo)
    _, model, _ = load_model(folder)
    assert isinstance(model, S3N)
    image = to_tensor([looks.photo])
    with torch.inference_mode():
        attention = model(image).attention
        views = [model.sampler(image, attention[:, place])[0].permute(1, 2, 0).numpy() for place in (0, 1)]
    assert (looks.attention == attention[0].numpy()).all()
    assert np.abs(looks.views - np.stack(views)).max() <= 0.5
    done = CliRunner().invoke(build_app([]), ["views", str(photo), "--run", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert picture.width > 4 * picture.height


@pytest.mark.parametrize(
    ("system", "photo", "words"),
    [("plain", "photo.png", "a run of plain; only s3n looks at views"), ("s3n", "photo.txt", "cannot be read")],
)
def test_views_that_cannot_be_drawn_are_refused(
    system: System, photo: str, words: str, run: Callable[[System], Path], tmp_path: Path
) -> None:
    write_photo(tmp_path / "photo.png", (1, 2, 3), 0)
    (tmp_path / "photo.txt").write_text("none")
    with pytest.raises(DataError, match=words):
        look(run(system), tmp_path / photo)
