"""A real worker process on a real bus: it answers what the engine answers, and leaves when it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from models.sections import Fake
from service.answers import ClassifyAnswer, Parameters
from service.bus.base import Job, Outcome
from service.bus.local import LocalBus
from service.catalog import decode_catalog
from service.engine import Engine
from service.errors import Internal, UnprocessableImage
from service.settings import Settings
from tests.bundles import make_bundle, rewrite_manifest, solid_photo

WAIT_S = 60.0


class Host:
    """A gateway's bus, and the lines that the worker wrote on its status pipe."""

    def __init__(self, bus: LocalBus, process: subprocess.Popen[bytes], status_fd: int) -> None:
        self.bus = bus
        self.process = process
        self._lines = asyncio.StreamReader()
        self._status_fd = status_fd

    async def listen(self) -> None:
        pipe = os.fdopen(self._status_fd, "rb", 0)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._lines), pipe)

    async def hear(self, word: str) -> str:
        """Wait for a line of the status pipe."""
        async with asyncio.timeout(WAIT_S):
            while line := (await self._lines.readline()).decode():
                if line.startswith(word):
                    return line.rstrip()
        raise AssertionError(f"the worker ended without {word!r}")

    async def joined(self) -> None:
        """Wait until the worker is ready and the gateway's end has read its HELLO."""
        await self.hear("ready")
        async with asyncio.timeout(WAIT_S):
            while not self.bus.workers():  # noqa: ASYNC110 - the bus tells nobody; it is a matter of one reading
                await asyncio.sleep(0)

    async def ask(self, route: str, photo: bytes, parameters: Parameters | None = None) -> Outcome:
        job = Job(route, [photo], parameters or Parameters(), time.monotonic() + WAIT_S)
        async with asyncio.timeout(WAIT_S):
            return await self.bus.submit(job)

    async def end(self) -> int:
        """Wait for the end of the process; its exit status."""
        async with asyncio.timeout(WAIT_S):
            return await asyncio.to_thread(self.process.wait)

    def close(self) -> None:
        self._transport.close()


@asynccontextmanager
async def host(folder: Path, **settings: str) -> AsyncIterator[Host]:
    """Run `fieldmark worker 0` on the bundles of `folder/store`."""
    socket = folder / "bus.sock"
    bus = LocalBus(Settings(socket=socket))
    await bus.start()
    reader, writer = os.pipe()
    values = {"store": str(folder / "store"), "socket": str(socket), "testing_backends": "true"} | settings
    environment = os.environ | {f"FIELDMARK_{name.upper()}": value for name, value in values.items()}
    command = [sys.executable, "-m", "service.cli", "worker", "0", "--status-fd", str(writer)]
    process = subprocess.Popen(command, env=environment, pass_fds=[writer])  # noqa: ASYNC220 - nothing runs beside it yet
    os.close(writer)
    running = Host(bus, process, reader)
    await running.listen()
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        running.close()
        await bus.drain(0)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def test_worker_and_engine_agree_bit_for_bit(tmp_path: Path) -> None:
    calibration = {"temperature": 1.7, "uncertain_below": 0.9, "conformal": {"0.9": 0.6}}
    make_bundle(tmp_path / "store", calibration=calibration)
    photos = [solid_photo((red, 60, 255 - red), image_format=kind) for red in (0, 99, 201) for kind in ("JPEG", "PNG")]
    parameters = Parameters(top_k=2, explain=True)
    expected = Engine(tmp_path / "store").classify(photos, parameters=parameters)

    async def scenario() -> None:
        async with host(tmp_path, lanes="2") as worker:
            await worker.joined()
            outcomes = await asyncio.gather(*(worker.ask("classify/auto", photo, parameters) for photo in photos))
            assert [outcome.body for outcome in outcomes] == [msgspec.json.encode(answer) for answer in expected]
            assert {outcome.result.model for outcome in outcomes} == {"colours@1.0.0"}
            (view,) = worker.bus.workers()
            assert (view.hello.lanes, view.hello.credit) == (2, 4)

    run(scenario)


def test_a_broken_bundle_is_shown_and_stops_no_good_one(tmp_path: Path) -> None:
    make_bundle(tmp_path / "store")
    rewrite_manifest(make_bundle(tmp_path / "store", name="broken", domain="cars"), requires="99.0")

    async def scenario() -> None:
        async with host(tmp_path) as worker:
            await worker.joined()
            await worker.ask("classify/colours", solid_photo())
            catalog = decode_catalog(worker.bus.workers()[0].hello.catalog)
            assert {model.name: model.status for model in catalog.models} == {"broken": "refused", "colours": "serving"}

    run(scenario)


def test_bad_photos_among_good_ones_fail_alone(tmp_path: Path) -> None:
    make_bundle(tmp_path / "store", backend="nan", fake=Fake(trigger_above=200))
    good, damaged, poison = solid_photo(), solid_photo()[:200], solid_photo((255, 255, 255))

    async def scenario() -> None:
        async with host(tmp_path) as worker:
            await worker.joined()
            answers = await asyncio.gather(
                *(worker.ask("classify/auto", photo) for photo in (good, damaged, poison, good)), return_exceptions=True
            )
            assert [type(answer) for answer in answers] == [Outcome, UnprocessableImage, Internal, Outcome]
            assert "NaN" not in str(answers[2])

    run(scenario)


def test_sigterm_finishes_what_is_held_and_leaves(tmp_path: Path) -> None:
    make_bundle(tmp_path / "store", backend="slow", fake=Fake(base_ms=200))

    async def scenario() -> None:
        async with host(tmp_path, lanes="1") as worker:
            await worker.joined()
            asked = [asyncio.ensure_future(worker.ask("classify/auto", solid_photo())) for _ in range(3)]
            await asyncio.sleep(0)  # let them be submitted
            worker.process.send_signal(signal.SIGTERM)
            answers = await asyncio.gather(*asked)
            assert {answer.attempts for answer in answers} == {1}
            assert await worker.end() == 0

    run(scenario)


def test_a_wedge_is_reported(tmp_path: Path) -> None:
    make_bundle(tmp_path / "store", backend="wedge", fake=Fake(trigger_above=200))

    async def scenario() -> None:
        async with host(tmp_path, stall_timeout_s="1") as worker:
            await worker.joined()
            asked = asyncio.ensure_future(worker.ask("classify/auto", solid_photo((255, 255, 255))))
            line = await worker.hear("wedged")
            assert line.startswith("wedged colours@1.0.0 made no progress for")
            asked.cancel()

    run(scenario)


def test_the_pipeline_serves_on_a_fake_device(tmp_path: Path) -> None:
    curve = {1: 10.0, 2: 11.0, 4: 13.0, 8: 17.0}
    make_bundle(tmp_path / "store", backend="slow", fake=Fake(base_ms=9, item_ms=1), batch_curve_ms=curve)

    async def scenario() -> None:
        async with host(tmp_path, device="cuda") as worker:
            await worker.joined()
            outcomes = await asyncio.gather(*(worker.ask("classify/auto", solid_photo()) for _ in range(40)))
            assert max(outcome.result.batch for outcome in outcomes) > 1
            answers = {outcome.body for outcome in outcomes}
            assert len(answers) == 1
            assert msgspec.json.decode(answers.pop(), type=ClassifyAnswer).model.system == "testing"

    run(scenario)


@pytest.mark.parametrize(
    ("make", "settings", "sentence"),
    [
        (lambda _: None, {}, "failed No bundle can be served from"),
        (make_bundle, {"device": "cuda"}, "failed --device cuda needs CUDAExecutionProvider"),
        (lambda store: make_bundle(store, backend="echo"), {"testing_backends": "false"}, "failed No bundle can"),
    ],
)
def test_a_start_that_cannot_work_ends_with_a_sentence(
    tmp_path: Path, make: Callable[[Path], object], settings: dict[str, str], sentence: str
) -> None:
    (tmp_path / "store").mkdir()
    make(tmp_path / "store")

    async def scenario() -> None:
        async with host(tmp_path, **settings) as worker:
            assert (await worker.hear("failed")).startswith(sentence)
            assert await worker.end() == 1

    run(scenario)
