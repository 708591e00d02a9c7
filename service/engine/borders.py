"""What a bundle's graphs take and give, by its manifest (ARCHITECTURE.md, "Graphs").

Owns the names, types and shapes of every graph's border, and the comparison with a graph that was loaded. Most bundles
have one graph, `main`; grounding has `vision`, whose features go into `fuse`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from models.manifest import Manifest
from models.sections import TextInput, WordsInput
from service.engine.backends.base import Border, Graph, Session

FEATURES = "features"
#: The words that a task reads, for those that read any besides a text about the subject.
_WORDS = {"ground": "expression", "answer": "question"}
#: The outputs without which a task has no answer.
_NEEDED = {
    "classify": ("logits",),
    "route": ("logits",),
    "ground": (FEATURES, "box", "conf"),
    "answer": ("logits", "kept", "relevance"),
    "locate": ("boxes", "scores"),
}


def graphs_of(manifest: Manifest) -> tuple[Graph, ...]:
    """The graphs of a bundle, in the order in which they run."""
    return ("vision", "fuse") if manifest.task == "ground" else ("main",)


def inputs_of(manifest: Manifest, graph: Graph) -> tuple[Border, ...]:
    """What a graph takes."""
    size = manifest.image.size_px
    image = Border("image", "uint8", (None, size, size, 3))
    match manifest.text:
        case TextInput() as text:
            return image, Border("phrases", "int64", (None, text.phrases, text.words))
        case WordsInput() as text if graph != "vision":
            words = Border("tokens", "int64", (None, text.length)), Border("token_mask", "float32", (None, text.length))
            if graph == "main":
                return image, *words
            seen = output_shape(manifest, FEATURES)
            return Border(FEATURES, "float32", (None, *seen)), *words, Border("cell_mask", "float32", (None, *seen[:1]))
        case _:
            return (image,)


def outputs_of(manifest: Manifest, graph: Graph) -> tuple[Border, ...]:
    """What a graph gives."""
    borders = [Border(output.name, output.dtype, (None, *output.shape)) for output in manifest.outputs]
    if graph == "main":
        return tuple(borders)
    return tuple(border for border in borders if (border.name == FEATURES) == (graph == "vision"))


def output_shape(manifest: Manifest, name: str) -> tuple[int, ...]:
    """The shape of an output without its batch axis; empty where there is none."""
    return next((output.shape for output in manifest.outputs if output.name == name), ())


def manifest_faults(manifest: Manifest) -> list[str]:
    """Name what the bundle lacks for its task."""
    words, kind = _WORDS.get(manifest.task), manifest.text.kind if isinstance(manifest.text, WordsInput) else None
    if kind != words:
        return [f"a bundle for {manifest.task!r} needs 'text' of kind {words!r}, not {kind!r}"]
    given = {output.name for output in manifest.outputs}
    if missing := [name for name in _NEEDED[manifest.task] if name not in given]:
        return [f"a bundle for {manifest.task!r} needs the outputs {', '.join(missing)}"]
    if manifest.task == "locate" and "domain" not in manifest.levels:
        return ["a bundle for 'locate' needs the level 'domain' of its labels"]
    squares = {"ground": FEATURES, "answer": "kept"}
    name = squares.get(manifest.task)
    if name is not None and not _is_grid(cells := output_shape(manifest, name)[0], manifest):
        return [f"output {name} has {cells} cells, which part no photo of {manifest.image.size_px} px into squares"]
    return []


def border_faults(manifest: Manifest, graph: Graph, session: Session) -> list[str]:
    """Name where a loaded graph differs from what its manifest promises."""
    expected = inputs_of(manifest, graph)
    subject = "the graph" if graph == "main" else f"the graph {graph}"
    faults = []
    if sorted(session.inputs, key=_name) != sorted(expected, key=_name):
        faults.append(f"{subject} takes {words_of(session.inputs)} instead of {words_of(expected)}")
    found = {border.name: border for border in session.outputs}
    for border in outputs_of(manifest, graph):
        if border.name not in found:
            faults.append(f"{subject} has no output {border.name}")
        elif found[border.name] != border:
            faults.append(f"{subject} gives {words_of([found[border.name]])} instead of {words_of([border])}")
    return faults


def words_of(borders: Sequence[Border]) -> str:
    """Spell borders for a fault."""

    def one(border: Border) -> str:
        sizes = ", ".join("N" if size is None else str(size) for size in border.shape)
        return f"{border.name} {border.dtype} [{sizes}]"

    return " and ".join(one(border) for border in borders) or "nothing"


def _is_grid(cells: int, manifest: Manifest) -> bool:
    side = math.isqrt(cells)
    return side > 0 and side**2 == cells and (manifest.task == "answer" or manifest.image.size_px % side == 0)


def _name(border: Border) -> str:
    return border.name
