"""What a client decides without a service: its budget, and the form in which a question travels."""

import json

import pytest

from service.client import Client, RetryBudget
from service.client.wire import write_question


def test_the_budget_starts_full_and_every_call_adds_a_share() -> None:
    budget = RetryBudget(share=0.5, reserve=2)
    assert [budget.take() for _ in range(3)] == [True, True, False]
    budget.note_call()
    assert not budget.take()
    budget.note_call()
    assert budget.take()


def test_the_budget_never_holds_more_than_its_reserve() -> None:
    budget = RetryBudget(share=1, reserve=1)
    for _ in range(5):
        budget.note_call()
    assert [budget.take() for _ in range(2)] == [True, False]


@pytest.mark.parametrize(("share", "reserve"), [(-0.1, 1), (1.1, 1), (0.1, -1)])
def test_a_budget_that_makes_no_sense_is_refused(share: float, reserve: float) -> None:
    with pytest.raises(ValueError, match=r"share of 0\.\.1"):
        RetryBudget(share, reserve)


def test_one_photo_travels_as_it_is() -> None:
    question = write_question([b"photo"], {"domain": "birds", "explain": True, "model": None}, 900)
    assert question["content"] == b"photo"
    assert question["params"] == {"domain": "birds", "explain": True, "timeout_ms": 900}


@pytest.mark.parametrize("wishes", [{"text": "red"}, {"candidates": ["Crow, American"]}])
def test_what_has_no_place_in_an_address_travels_in_the_body(wishes: dict[str, object]) -> None:
    question = write_question([b"photo"], wishes, 900)
    assert "params" not in question
    assert json.loads(question["content"]) == {"image": "cGhvdG8=", "timeout_ms": 900, **wishes}


def test_several_photos_travel_as_a_list() -> None:
    assert json.loads(write_question([b"a", b"b"], {}, 900)["content"])["images"] == ["YQ==", "Yg=="]


def test_a_key_may_have_the_end_of_its_line_and_a_wrong_one_is_not_told() -> None:
    Client("http://127.0.0.1", key="fm_0_secret\n").close()
    with pytest.raises(ValueError, match="has a character that no key has") as told:
        Client("http://127.0.0.1", key="fm_0_sec\nret")
    assert "sec" not in str(told.value)
