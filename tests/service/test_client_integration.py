"""The client against the true gateway over a bus that the test holds, against a whole service, and against neither."""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import fieldmark
from service.answers import Parameters
from service.bus.base import Job
from service.client import (
    RETRIES_LIMIT,
    AsyncClient,
    Client,
    RetryBudget,
    UnexpectedAnswer,
    Unreachable,
    Wishes,
)
from service.errors import (
    BY_SLUG,
    ClientClosed,
    DeadlineExceeded,
    FieldmarkError,
    InvalidParameter,
    NotFound,
    NotReady,
    Overloaded,
)
from tests.bundles import COLOURS, make_bundle, solid_photo
from tests.drills.service_process import service
from tests.service.gateway.fake_bus import WAIT_S, FakeBus, Fate, answered
from tests.service.gateway.serving import JPEG, RunningGateway

RED, BLUE = solid_photo(COLOURS["Red"]), solid_photo(COLOURS["Blue"])
#: From a service with more types of problems, and a time that only a proxy would give.
UNKNOWN_PROBLEM = (
    b"HTTP/1.1 503 No\r\ncontent-type: application/problem+json\r\nretry-after: Fri, 31 Dec 2027 23:59:59 GMT\r\n"
    b'content-length: 67\r\n\r\n{"type":"other","title":"","status":503,"detail":"","instance":"1"}'
)


class Naps:
    """Stands in for the sleep between attempts: it only notes how long it would have been."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def refusing(error: FieldmarkError, times: int) -> Callable[[Job], Fate]:
    """Make a rule that refuses so many jobs and answers the next."""
    fates: Iterator[Fate] = iter([error] * times)
    return lambda job: next(fates, None) or answered(job)


@contextmanager
def speaking(answer: bytes) -> Iterator[str]:
    """Listen for one connection, read what comes, send `answer` and wait for the other side to hang up; the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(WAIT_S)
                connection.recv(65536)
                connection.sendall(answer)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=speak)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_a_photo_gets_a_typed_answer_with_its_id_and_times() -> None:
    with RunningGateway(FakeBus()) as gateway, Client(gateway.url) as client:
        reply = client.classify(JPEG)
    assert (reply.model.name, reply.predictions[0].label) == ("birds", "Northern Cardinal")
    assert reply.id
    assert (reply.timing_ms.decode, reply.timing_ms.infer) == (1.5, 8.0)


@pytest.mark.parametrize("count", [1, 3])
def test_every_wish_reaches_the_worker(count: int) -> None:
    bus = FakeBus()
    photos = [JPEG + bytes([number]) for number in range(count)]
    with RunningGateway(bus) as gateway, Client(gateway.url) as client:
        client.classify(
            *photos, domain="birds", model="birds@1.0.0", text="red, with a crown", top_k=3, explain=True, certainty=0.8,
            candidates=["Cardinal", "Crow, American"], force=True,
        )  # fmt: skip
    job = bus.arrived.get(timeout=WAIT_S)
    assert (job.route, list(job.images)) == ("classify/birds@1.0.0", photos)
    assert job.parameters == Parameters(
        top_k=3, explain=True, text="red, with a crown", candidates=("Cardinal", "Crow, American"), certainty=0.8, force=True
    )  # fmt: skip


def test_the_wishes_are_the_parameters_of_the_service() -> None:
    with RunningGateway(FakeBus()) as gateway, gateway.client() as http:
        document = http.get("/openapi.json").json()
    offered = {parameter["name"] for parameter in document["paths"]["/v1/classify"]["post"]["parameters"]}
    assert offered == {*Wishes.__annotations__, "timeout_ms"}


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(JPEG)
    bus = FakeBus()
    with RunningGateway(bus) as gateway, Client(gateway.url) as client:
        client.classify(tmp_path / "photo.jpg")
        client.classify(str(tmp_path / "photo.jpg"))
        with pytest.raises(FileNotFoundError):
            client.classify(tmp_path / "none.jpg")
    assert [list(bus.arrived.get(timeout=WAIT_S).images) for _ in range(2)] == [[JPEG]] * 2


def test_the_asynchronous_client_answers_many_at_once() -> None:
    async def ask(url: str) -> list[str]:
        async with AsyncClient(url) as client:
            replies = await asyncio.gather(*(client.classify(JPEG) for _ in range(8)))
        return [reply.predictions[0].label for reply in replies]

    with RunningGateway(FakeBus()) as gateway:
        assert asyncio.run(ask(gateway.url)) == ["Northern Cardinal"] * 8


@pytest.mark.parametrize("kind", [kind for kind in BY_SLUG.values() if kind is not ClientClosed])
def test_every_problem_is_the_exception_of_its_slug(kind: type[FieldmarkError]) -> None:
    bus = FakeBus(rule=lambda _: kind("Such is life."))
    with RunningGateway(bus) as gateway, Client(gateway.url) as client, pytest.raises(kind) as raised:
        client.classify(JPEG)
    assert (type(raised.value), raised.value.detail) == (kind, "Such is life.")
    assert raised.value.request_id


def test_what_the_service_does_not_know_is_its_refusal() -> None:
    with RunningGateway(FakeBus()) as gateway, Client(gateway.url) as client:
        with pytest.raises(NotFound, match="'boats' does not exist"):
            client.classify(JPEG, domain="boats")
        with pytest.raises(InvalidParameter, match="top_k is"):
            client.classify(JPEG, top_k=1000)


@pytest.mark.parametrize("kind", [Overloaded, NotReady])
def test_it_asks_again_when_the_service_says_when(kind: type[FieldmarkError]) -> None:
    naps, bus = Naps(), FakeBus(rule=refusing(kind(retry_after_s=2), times=2))
    with RunningGateway(bus) as gateway, Client(gateway.url, sleep=naps) as client:
        assert client.classify(JPEG).id
    assert naps.taken == [2, 2]


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (Overloaded(retry_after_s=2), RETRIES_LIMIT + 1),
        (Overloaded(retry_after_s=60), 1),  # beyond the deadline
        (NotReady(), 1),
        (DeadlineExceeded(retry_after_s=1), 1),
    ],
)
def test_it_gives_up_where_asking_again_is_bounded_or_not_invited(error: FieldmarkError, attempts: int) -> None:
    bus = FakeBus(rule=lambda _: error)
    with (
        RunningGateway(bus) as gateway,
        Client(gateway.url, sleep=Naps()) as client,
        pytest.raises(type(error)) as raised,
    ):
        client.classify(JPEG)
    assert raised.value.retry_after_s == error.retry_after_s
    assert bus.arrived.qsize() == attempts


def test_the_budget_bounds_what_all_calls_ask_again() -> None:
    bus = FakeBus(rule=lambda _: Overloaded(retry_after_s=1))
    with RunningGateway(bus) as gateway, Client(gateway.url, sleep=Naps(), budget=RetryBudget(0, 4)) as client:
        for _ in range(5):
            with pytest.raises(Overloaded):
                client.classify(JPEG)
    assert bus.arrived.qsize() == 5 + 4


def test_the_service_is_told_how_much_time_is_left() -> None:
    loop_times: list[float] = []

    def rule(job: Job) -> Fate:
        loop_times.append(job.deadline - asyncio.get_running_loop().time())
        return answered(job)

    with RunningGateway(FakeBus(rule=rule)) as gateway, Client(gateway.url, timeout_ms=30_000) as client:
        client.classify(JPEG)
        client.classify(JPEG, timeout_ms=50_000)
    assert 10 < loop_times[0] <= 30 < loop_times[1] <= 50


@pytest.mark.parametrize("began", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"])
def test_a_service_that_says_nothing_more_is_left_at_the_deadline(began: bytes) -> None:
    with speaking(began) as url, Client(url, timeout_ms=50) as client, pytest.raises(DeadlineExceeded, match="50 ms"):
        client.classify(JPEG)


def test_a_call_that_is_given_up_ends_the_job() -> None:
    bus = FakeBus(rule=lambda _: None)

    async def ask(url: str) -> None:
        async with AsyncClient(url) as client:
            call = asyncio.create_task(client.classify(JPEG))
            await asyncio.to_thread(bus.arrived.get, timeout=WAIT_S)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    with RunningGateway(bus) as gateway:
        asyncio.run(ask(gateway.url))
        assert bus.left.get(timeout=WAIT_S)


@pytest.mark.parametrize("timeout_ms", [0, -1])
def test_no_time_at_all_is_refused(timeout_ms: int) -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(InvalidParameter, match="at least 1"):
        client.classify(JPEG, timeout_ms=timeout_ms)


def test_nobody_there_is_said_with_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Client(url) as client, pytest.raises(Unreachable, match=url):
        client.classify(JPEG)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\noops", "502 .*'text/html'"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\noops", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "missing required field"),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"id":"r\xe9d"}', "cannot be read"),
        (b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", "302"),
        (b"HTTP/1.1 500 No\r\ncontent-type: application/problem+json\r\ncontent-length: 2\r\n\r\n{}", "cannot be read"),
        (UNKNOWN_PROBLEM, "503"),
    ],
)
def test_what_the_service_would_not_say_is_no_answer(answer: bytes, said: str) -> None:
    with speaking(answer) as url, Client(url) as client, pytest.raises(UnexpectedAnswer, match=said):
        client.classify(JPEG)


def test_a_closed_client_says_so_and_leaves_no_thread() -> None:
    client = Client("http://127.0.0.1:9")
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        client.classify(JPEG)
    assert "fieldmark-client" not in {thread.name for thread in threading.enumerate()}


def test_closing_ends_the_calls_that_wait_in_other_threads() -> None:
    bus = FakeBus(rule=lambda _: None)
    with RunningGateway(bus) as gateway, ThreadPoolExecutor(1) as pool:
        client = Client(gateway.url)
        call = pool.submit(client.classify, JPEG)
        bus.arrived.get(timeout=WAIT_S)
        client.close()
        assert isinstance(call.exception(WAIT_S), CancelledError)
        assert bus.left.get(timeout=WAIT_S)


def test_both_clients_take_the_same_questions() -> None:
    for name in ("classify", "classify_subjects", "ground", "answer", "look"):
        assert inspect.signature(getattr(Client, name)) == inspect.signature(getattr(AsyncClient, name))


def test_a_whole_service_answers_photos_and_refuses_what_is_none(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    with service(tmp_path) as running, fieldmark.Client(f"http://127.0.0.1:{running.port}") as client:
        assert client.classify(RED, top_k=1).predictions[0].label == "Red"
        several = client.classify(RED, BLUE, RED, explain=True)
        assert [part.prediction.label for part in several.photos or ()] == ["Red", "Blue", "Red"]
        assert client.classify(RED, candidates=["blue", "Green"]).without_candidates
        with pytest.raises(FieldmarkError, match="none of JPEG"):
            client.classify(b"no photo")
