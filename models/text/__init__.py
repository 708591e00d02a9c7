"""A person's words about a photo, read without torch: tokens, noun phrases, vocabulary; one code in training and serving.

`tokens` -> `lexicon` and `tagger` (parts of speech) -> `chunker` (noun phrases) -> `phrases` (what a model is told) ->
`vocabulary` (ids), with `synonyms` folded in. Serving needs three names: `read_vocabulary` at load; then
`known_phrases` of a text (none: answer as without a text) and `encode` of those.
"""

from models.text.chunker import Chunk, Parse, parse
from models.text.phrases import read_phrases
from models.text.synonyms import SYNONYMS
from models.text.tokens import TEXT_CHARACTERS_LIMIT, TextTooLong, tokenise
from models.text.vocabulary import (
    VOCABULARY_NAME,
    Vocabulary,
    build_vocabulary,
    read_vocabulary,
    write_vocabulary,
)

__all__ = [
    "SYNONYMS",
    "TEXT_CHARACTERS_LIMIT",
    "VOCABULARY_NAME",
    "Chunk",
    "Parse",
    "TextTooLong",
    "Vocabulary",
    "build_vocabulary",
    "parse",
    "read_phrases",
    "read_vocabulary",
    "tokenise",
    "write_vocabulary",
]
