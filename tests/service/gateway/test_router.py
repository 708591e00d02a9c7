from __future__ import annotations

import pytest

from service.bus.messages import Hello
from service.errors import InvalidParameter, NotFound, NotReady
from service.gateway import router as module
from service.gateway.router import Router
from tests.service.gateway.fake_bus import make_hello


def router_of(*hellos: Hello) -> Router:
    return Router(lambda: hellos)


def chosen(router: Router, domain: str | None = None, model: str | None = None) -> str:
    return router.choose("classify", domain, model).route


def test_the_only_domain_need_not_be_named() -> None:
    router = router_of(make_hello("birds"))
    assert chosen(router) == chosen(router, domain="auto") == chosen(router, domain="birds") == "classify/birds"


def test_several_domains_without_a_router_are_listed() -> None:
    with pytest.raises(InvalidParameter, match="birds, cars"):
        chosen(router_of(make_hello("cars", "birds")))


def test_a_router_bundle_lets_the_photo_decide() -> None:
    assert chosen(router_of(make_hello("cars", "birds", auto=True))) == "classify/auto"


def test_an_unknown_domain_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match=r"'fish' does not exist\. Served: birds, cars"):
        chosen(router_of(make_hello("cars", "birds")), domain="fish")


def test_a_model_is_named_with_or_without_its_version() -> None:
    router = router_of(make_hello("birds", versions=("1.0.0", "1.10.0", "1.9.0")))
    assert chosen(router, model="birds") == "classify/birds@1.9.0", "the default"
    assert chosen(router, model="birds@1.10.0") == "classify/birds@1.10.0"


def test_without_a_default_the_newest_version_answers() -> None:
    offer = router_of(make_hello("birds", versions=("1.9.0", "1.10.0"))).offer
    assert [model.version for model in offer.named("birds")] == ["1.10.0", "1.9.0"]


@pytest.mark.parametrize("model", ["fish", "birds@9.9.9"])
def test_an_unknown_model_is_answered_with_the_known_ones(model: str) -> None:
    with pytest.raises(NotFound, match=r"does not exist. Served: birds@1\.0\.0"):
        chosen(router_of(make_hello()), model=model)


def test_a_model_of_another_task_is_said_to_be_one() -> None:
    with pytest.raises(NotFound, match=r"Model 'birds' is of task 'classify', not 'ground'\. Served: nothing\."):
        router_of(make_hello()).choose("ground", None, "birds")


def test_a_refused_bundle_cannot_be_asked() -> None:
    with pytest.raises(NotFound, match="'broken' was refused"):
        chosen(router_of(make_hello()), model="broken")


def test_a_model_of_another_domain_is_refused() -> None:
    router = router_of(make_hello("birds", "cars"))
    assert chosen(router, domain="birds", model="birds") == "classify/birds@1.0.0"
    with pytest.raises(InvalidParameter, match="of domain 'birds', not 'cars'"):
        chosen(router, domain="cars", model="birds")


def test_before_the_first_worker_nothing_is_ready() -> None:
    with pytest.raises(NotReady) as caught:
        chosen(router_of())
    assert caught.value.retry_after_s == 1


def test_names_stay_known_while_no_worker_is_there() -> None:
    hellos = iter([(make_hello(),), ()])
    router = Router(lambda: next(hellos))
    assert chosen(router) == "classify/birds"
    assert chosen(router) == "classify/birds"


def test_workers_serve_together_what_each_announces() -> None:
    router = router_of(make_hello("birds"), make_hello("cars", worker="1"))
    assert chosen(router, domain="cars") == "classify/cars"
    assert sorted(router.offer.domains) == ["birds", "cars"]


def test_a_catalog_is_read_once_per_hello(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[bytes] = []
    decode = module.decode_catalog
    monkeypatch.setattr(module, "decode_catalog", lambda raw: reads.append(raw) or decode(raw))
    hello = make_hello()
    router = router_of(hello)
    for _ in range(3):
        chosen(router)
    assert len(reads) == 1


def test_a_version_that_is_none_comes_last() -> None:
    offer = router_of(make_hello("birds", versions=("nightly", "1.0.0"))).offer
    assert [model.version for model in offer.named("birds")] == ["1.0.0", "nightly"]
