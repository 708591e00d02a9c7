"""BERT against torch's own encoder layer, and the reading of published weights by name."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from models.layers.bert import BERT_BASE_6, MINILM_L6, NORM_EPS, Bert, BertShape, EncoderLayer, load_bert
from tests.grounding import TEXT


def published(width: int = TEXT.width, inner: int = TEXT.inner, layers: int = TEXT.layers) -> dict[str, Tensor]:
    """Weights under BERT's names, as a file has them, with a layer and a pooler more than ours."""
    generator = torch.Generator().manual_seed(3)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (TEXT.vocabulary, width),
        "embeddings.position_embeddings.weight": (TEXT.positions, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
        "pooler.dense.weight": (width, width),
    }
    for number in range(layers + 1):
        sides = {
            "attention.self.query": (width, width),
            "attention.self.key": (width, width),
            "attention.self.value": (width, width),
            "attention.output.dense": (width, width),
            "intermediate.dense": (inner, width),
            "output.dense": (width, inner),
        }
        for name, shape in sides.items():
            shapes[f"encoder.layer.{number}.{name}.weight"] = shape
            shapes[f"encoder.layer.{number}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{number}.{name}.weight"] = (width,)
            shapes[f"encoder.layer.{number}.{name}.bias"] = (width,)
    return {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}


def oracle(state: dict[str, Tensor], number: int) -> nn.TransformerEncoderLayer:
    """Torch's own layer with the published weights of one layer."""
    layer = nn.TransformerEncoderLayer(
        TEXT.width, TEXT.heads, TEXT.inner, 0.0, nn.functional.gelu, NORM_EPS, batch_first=True
    )
    prefix = f"encoder.layer.{number}."
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    parts = [f"attention.self.{name}" for name in ("query", "key", "value")]
    layer.load_state_dict(
        {
            f"self_attn.in_proj_{leaf}": torch.cat([own[f"{part}.{leaf}"] for part in parts])
            for leaf in ("weight", "bias")
        }
        | {
            f"{ours}.{leaf}": own[f"{theirs}.{leaf}"]
            for ours, theirs in (
                ("self_attn.out_proj", "attention.output.dense"),
                ("norm1", "attention.output.LayerNorm"),
                ("linear1", "intermediate.dense"),
                ("linear2", "output.dense"),
                ("norm2", "output.LayerNorm"),
            )
            for leaf in ("weight", "bias")
        }
    )
    return layer


def test_layers_compute_what_torchs_encoder_does_with_the_published_weights() -> None:
    state = published()
    bert = Bert(TEXT).eval()
    load_bert(bert, state)
    x = torch.randn(3, 7, TEXT.width, generator=torch.Generator().manual_seed(4))
    mask = torch.ones(3, 7)
    mask[1, 4:] = 0.0
    for number in (0, 5):
        expected = oracle(state, number)(
            x, src_key_padding_mask=mask == 0
        )  # in training mode: no fast path; no dropout
        found = cast(EncoderLayer, bert.layers[number])(x, mask)
        assert torch.allclose(found[mask == 1], expected[mask == 1], atol=1e-5)


def test_the_input_is_word_position_and_first_kind_normed() -> None:
    state = published()
    bert = Bert(TEXT).eval()
    load_bert(bert, state)
    bert.layers = nn.ModuleList()
    seen: list[Tensor] = []
    bert.norm.register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
    bert(torch.tensor([[4, 9]]), torch.ones(1, 2))
    table, place, kind = (state[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type"))
    assert torch.allclose(seen[0][0], table[[4, 9]] + place[:2] + kind[0])


def test_a_cut_word_table_keeps_the_rows_that_are_named() -> None:
    state = published()
    pieces = [7, 3, 49]
    cut = Bert(type(TEXT)(3, TEXT.width, TEXT.layers, TEXT.heads, TEXT.inner, TEXT.positions))
    load_bert(cut, state, pieces)
    whole = Bert(TEXT)
    load_bert(whole, state)
    mask = torch.ones(1, 2)
    same = zip(cut(torch.tensor([[2, 0]]), mask), whole(torch.tensor([[49, 7]]), mask), strict=True)
    assert all(torch.equal(one, two) for one, two in same)


def test_missing_and_misshapen_weights_are_named() -> None:
    state = published()
    with pytest.raises(ValueError, match=r"word_embeddings\.weight has shape \[3, 12\]; \[50, 12\] is needed"):
        load_bert(Bert(TEXT), state, [1, 2, 3])
    del state["encoder.layer.2.output.dense.bias"]
    with pytest.raises(ValueError, match=r"lack 'encoder\.layer\.2\.output\.dense\.bias'"):
        load_bert(Bert(TEXT), state)


@pytest.mark.parametrize(("shape", "count"), [(BERT_BASE_6, 66_364_416), (MINILM_L6, 22_565_376)])
def test_parameter_counts_of_the_published_models(shape: BertShape, count: int) -> None:
    with torch.device("meta"):
        bert = Bert(shape)
    assert sum(weight.numel() for weight in bert.parameters()) == count
