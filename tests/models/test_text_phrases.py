"""What a text says reaches the model, wherever in the sentence it stands."""

import pytest

from models.text import read_phrases


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("This bird has wings that are black and has a short bill", ["bird", "black wings", "short bill"]),
        ("this small bird is grey and white", ["small grey and white bird"]),
        ("its crown, nape and back are jet-black", ["jet black crown", "jet black nape", "jet black back"]),
        ("the body is white overall.", ["white body"]),
        ("a white neck, belly, & breast", ["white neck", "white belly", "white breast"]),
        ("a white neck and a belly", ["white neck", "belly"]),
        ("it has white on its head", ["white head"]),
        ("red and bright yellow on the wings", ["red and bright yellow wings"]),
        ("patches of white on its black wings", ["patches", "white", "black wings"]),
        ("no crest, and without a black tail", []),
        ("a hawk-like black & white beak", ["hawk like black and white beak"]),
        ("black wings, black wings", ["black wings"]),
        ("these are black birds", ["black birds"]),
        ("the bird is not black", ["bird"]),
    ],
)
def test_a_text_is_read_as_phrases(text: str, phrases: list[str]) -> None:
    assert read_phrases(text) == phrases
