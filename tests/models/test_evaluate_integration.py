"""`fieldmark evaluate` on a tiny real bundle: in this process, and against a service over a real socket."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from models import cli
from models.answerers import VIEW_SHARES, Bare, Voting, run_of
from models.calibration import softmax
from models.examination import Photos, examine_bundle, examine_vote, weigh_words
from models.manifest import BundleError
from models.sections import Calibration
from models.training.teachers import read_teacher
from service.answers import Parameters
from service.engine.engine import Engine
from service.errors import FieldmarkError
from tests.bundles import make_bundle
from tests.detector import make_tiny_detector, spot
from tests.photosets import write_photo
from tests.pointing_bundles import make_ground_bundle
from tests.service.zoo import make_router

PHOTOS = {"000.Red": (230, 20, 20), "001.Green": (20, 230, 20), "002.Blue": (20, 20, 230)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    make_bundle(store)
    return store


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for seed, (class_id, colour) in enumerate(PHOTOS.items()):
        for number in range(3):
            write_photo(root / "test" / class_id / f"{number}.jpg", colour, 10 * seed + number)
    return root


class Handler(BaseHTTPRequestHandler):
    """The classify route of a service, built on the engine; `lies` changes the answer to every other photo."""

    protocol_version = "HTTP/1.1"
    engine: Engine
    lies = False

    def do_POST(self) -> None:
        """Answer as the gateway does: the engine's object with an id and times."""
        photo = self.rfile.read(int(self.headers["Content-Length"]))
        (answer,) = self.engine.classify([photo], model="colours@1.0.0", parameters=Parameters(top_k=50))
        if isinstance(answer, FieldmarkError):
            self._send(answer.status, {"detail": answer.detail})
            return
        body = {"id": "1"} | msgspec.to_builtins(answer) | {"timing_ms": {"total": 1.0}}
        if self.lies:
            body["predictions"] = body["predictions"][::-1]
        self._send(200, body)

    def _send(self, status: int, body: dict[str, object]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def engine(store: Path) -> Engine:
    return Engine([store])


@pytest.fixture(params=[False, True], ids=["honest", "lying"])
def service(engine: Engine, request: pytest.FixtureRequest) -> Iterator[tuple[str, bool]]:
    handler = type("Bound", (Handler,), {"engine": engine, "lies": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", request.param
        server.shutdown()
        thread.join()


def evaluate(*arguments: str | Path) -> Result:
    app = typer.Typer()
    cli.register(app)
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_colours_are_all_known_by_the_bundle_that_serves_them(store: Path, photos: Path, tmp_path: Path) -> None:
    result = evaluate("--data", photos, "--bundle", store / "colours" / "1.0.0", "--out", tmp_path / "report")
    assert result.exit_code == 0, result.output
    assert "| test whole |      9 | 100.00 |" in result.output
    assert (tmp_path / "report" / "test-whole-confusion.png").is_file()


def test_a_model_is_found_in_a_store_by_name(store: Path, photos: Path) -> None:
    result = evaluate("--data", photos, "--model", "colours", "--store", store, "--limit", 3, "--json")
    report = json.loads(result.output)
    assert report["model"] == "colours@1.0.0"
    assert report["figures"][0]["count"] == 3


def test_a_router_is_asked_by_itself(photos: Path, tmp_path: Path) -> None:
    router = make_router(tmp_path / "store", tuple(PHOTOS))
    result = evaluate("--data", photos, "--bundle", router)
    assert result.exit_code == 0, result.output
    assert "| test whole |      9 | 100.00 |" in result.output
    refused = evaluate("--data", photos, "--bundle", router, "--url", "http://127.0.0.1:9")
    assert refused.exit_code == 2
    assert "no service asks router@1.0.0 by itself; leave --url out" in " ".join(refused.output.split())


def test_a_service_must_say_what_the_engine_says(store: Path, photos: Path, service: tuple[str, bool]) -> None:
    url, lies = service
    result = evaluate("--data", photos, "--bundle", store / "colours" / "1.0.0", "--url", url)
    assert result.exit_code == int(lies)
    assert f"agrees with the engine on {0 if lies else 9} of 9 photos" in result.output


def test_both_refuse_a_broken_photo_in_the_same_words(store: Path, tmp_path: Path, engine: Engine) -> None:
    for class_id, colour in PHOTOS.items():
        write_photo(tmp_path / "test" / class_id / "0.jpg", colour, 1)
    (tmp_path / "test" / "000.Red" / "0.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    handler = type("Bound", (Handler,), {"engine": engine})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        result = evaluate("--data", tmp_path, "--bundle", store / "colours" / "1.0.0", "--url", url)
        server.shutdown()
        thread.join()
    assert result.exit_code == 1
    assert "agrees with the engine on 3 of 3 photos" in result.output
    assert "000.Red/0: refused (" in result.output


def test_what_a_detector_finds_is_measured_in_the_photo_s_place(tmp_path: Path) -> None:
    store = tmp_path / "store"
    folder = make_bundle(store, name="birds", domain="birds")
    make_tiny_detector(tmp_path / "published", store)
    photos = tmp_path / "photos" / "test"
    for class_id, colour in PHOTOS.items():
        (photos / class_id).mkdir(parents=True)
        (photos / class_id / "0.png").write_bytes(spot(colour, at=(32, 64)))
    whole, located = (
        json.loads(evaluate("--data", photos.parent, "--bundle", folder, "--json", *options).stdout)["figures"][0]
        for options in ((), ("--locate",))
    )
    assert whole["count"] == located["count"] == 3
    assert located != whole


def test_a_vote_averages_the_photo_and_two_middles_of_it(tmp_path: Path) -> None:
    """A red middle on green: of the whole and the larger middle most is green, of the smallest most is red."""
    bundle = make_bundle(tmp_path / "store")
    photo = Image.new("RGB", (100, 100), (0, 255, 0))
    photo.paste((255, 0, 0), (27, 27, 73, 73))
    path = tmp_path / "photos" / "test" / "000.Red" / "0.png"
    path.parent.mkdir(parents=True)
    photo.save(path)
    for class_id in list(PHOTOS)[1:]:
        write_photo(path.parents[1] / class_id / "0.png", PHOTOS[class_id], 1)
    for options, right in (((), 2), (("--vote",), 2)):
        result = evaluate("--data", tmp_path / "photos", "--bundle", bundle, "--json", *options)
        assert json.loads(result.stdout)["figures"][0]["top1"]["value"] == pytest.approx(right / 3)
    answer = Voting(bundle)(path.read_bytes())
    views = [Bare(bundle)(_middle_of(photo, share)).logits for share in VIEW_SHARES]
    assert [int(np.argmax(logits)) for logits in views] == [1, 1, 0]
    expected = np.mean([softmax(np.asarray(logits)[None], 1.0)[0] for logits in views], axis=0)
    assert softmax(np.asarray(answer.logits)[None], 1.0)[0] == pytest.approx(expected, abs=0.02)


def _middle_of(photo: Image.Image, share: float) -> bytes:
    edge = round(100 * (1 - share) / 2)
    buffer = io.BytesIO()
    photo.crop((edge, edge, 100 - edge, 100 - edge)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_service_that_is_not_there_is_a_difference_with_its_reason(store: Path, photos: Path) -> None:
    result = evaluate(
        "--data", photos, "--bundle", store / "colours" / "1.0.0", "--url", "http://127.0.0.1:9", "--limit", 1
    )
    assert result.exit_code == 1
    assert "no answer from 127.0.0.1" in result.output


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "give one of --bundle, --model and --run"),
        (("--model", "colours", "--run", "here"), 2, "give one of --bundle, --model and --run"),
        (("--run", "nowhere"), 1, "nowhere holds no training run"),
        (("--run", "nowhere", "--locate"), 2, "no service does that"),
        (("--run", "nowhere", "--vote"), 2, "--vote is for bundles"),
        (("--model", "colours", "--arithmetic", "int8"), 2, "colours@1.0.0 has no graph in int8"),
        (("--model", "owls"), 1, "there is no model 'owls'"),
        (("--model", "colours", "--split", "winter"), 1, "has no photos of winter"),
        (("--model", "a/b"), 2, "is not a model name"),
        (("--model", "colours", "--url", "localhost"), 2, "give it as http://HOST:PORT"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    store: Path, photos: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    result = evaluate("--data", photos, "--store", store, *arguments)
    assert result.exit_code == status
    assert words in " ".join(result.output.split())


def test_a_bundle_of_another_task_is_said_to_be_one_whatever_a_classifier_is_wanted_for(tmp_path: Path) -> None:
    folder = make_ground_bundle(tmp_path)
    photos = Photos("folder", tmp_path)
    for ask in (
        lambda: examine_bundle(folder, photos),
        lambda: examine_vote(folder, photos),
        lambda: weigh_words(folder, photos),
        lambda: run_of(folder),
        lambda: read_teacher(folder),
    ):
        with pytest.raises(BundleError, match=r"pointer@1\.0\.0: it sorts no photos into classes; name a bundle that"):
            ask()


def try_bundle(root: Path, photos: dict[str, tuple[int, int, int]]) -> str:
    """What `trust` prints of the bundle of three colours, on photos of these."""
    fitted = Calibration(uncertain_below=0.5, conformal={"0.9": 0.5}, conformal_levels={"hue": {"0.9": 0.0}})
    folder = make_bundle(root / "store", calibration=fitted)
    for seed, (class_id, colour) in enumerate(photos.items()):
        for split, count in (("train", 9), ("validation", 3), ("test", 3)):
            for number in range(count):
                write_photo(root / "photos" / split / class_id / f"{number}.jpg", colour, 100 * seed + number)
    app = typer.Typer()
    cli.register(app)
    arguments = ["trust", folder, "--data", root / "photos", "--explain", 2]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_bundle_s_trust_is_told_in_tables(tmp_path: Path) -> None:
    told = try_bundle(tmp_path, PHOTOS)
    assert "| test whole | class |" in told
    assert "singleton" in told
    assert "2 photos: the explanation is" in told
    assert "Unknown subjects" not in told


def test_photos_of_classes_that_a_bundle_was_not_taught_are_unknown_to_it(tmp_path: Path) -> None:
    told = try_bundle(tmp_path, PHOTOS | {"003.Grey": (120, 120, 120), "004.White": (250, 250, 250)})
    (row,) = (line for line in told.splitlines() if line.startswith("| classes not taught"))
    assert "30 |" in row
