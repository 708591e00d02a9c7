"""What an ONNX file holds, read without the onnx library: whose operators it uses and where its weights lie.

Bundles are data: only the standard's own operators run, and weights stand in the file, so that no library is loaded
and no path is opened for one. Owns the few lines of protobuf wire format that this takes; the graph itself is for ONNX
Runtime to judge. Sources: onnx.proto3 (field numbers), protobuf.dev "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator

STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
DEPTH_LIMIT = 16

_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE_INITIALIZER = 1, 5, 15
_NODE_NAME, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 3, 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION = 8, 13, 14

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def foreign_parts(model: bytes) -> list[str]:
    """Name everything in an ONNX file that a bundle may not hold; an empty list means that it is plain data.

    Raises:
        ValueError: the bytes are not an ONNX file.
    """
    faults: list[str] = []
    graphs = 0
    for number, value in _fields(memoryview(model)):
        if number == _MODEL_GRAPH:
            graphs += 1
            faults += _graph_faults(_part(value), 0)
        elif number == _MODEL_FUNCTIONS:
            faults.append("it brings functions of its own")
    if graphs != 1:
        raise ValueError(f"{graphs} graphs instead of one")
    return list(dict.fromkeys(faults))


def _graph_faults(graph: memoryview, depth: int) -> Iterator[str]:
    if depth > DEPTH_LIMIT:
        raise ValueError(f"graphs nested deeper than {DEPTH_LIMIT}")
    for number, value in _fields(graph):
        if number == _GRAPH_NODE:
            yield from _node_faults(_part(value), depth)
        elif number == _GRAPH_INITIALIZER:
            yield from _tensor_faults(_part(value))
        elif number == _GRAPH_SPARSE_INITIALIZER:
            yield "it holds sparse weights"


def _node_faults(node: memoryview, depth: int) -> Iterator[str]:
    texts = {_NODE_NAME: "", _NODE_OPERATOR: "", _NODE_DOMAIN: ""}
    for number, value in _fields(node):
        if number in texts:
            texts[number] = _text(value)
        elif number == _NODE_ATTRIBUTE:
            for inner, part in _fields(_part(value)):
                if inner in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                    yield from _graph_faults(_part(part), depth + 1)
                elif inner in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                    yield from _tensor_faults(_part(part))
    if texts[_NODE_DOMAIN] not in STANDARD_DOMAINS:
        yield f"operator {texts[_NODE_OPERATOR]} is of the custom domain {texts[_NODE_DOMAIN]}"


def _tensor_faults(tensor: memoryview) -> Iterator[str]:
    name, is_external = "", False
    for number, value in _fields(tensor):
        if number == _TENSOR_NAME:
            name = _text(value)
        elif number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_LOCATION and value != 0):
            is_external = True
    if is_external:
        yield f"the values of {name or 'a constant'} lie outside the file"


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Each field of a message as (number, value): an integer, or a view of its bytes."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire == _BYTES:
            length, position = _varint(message, position)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {position}")
        if position + length > len(message):
            raise ValueError(f"a field of {length} bytes ends behind the file")
        yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError(f"a number at byte {position} does not end")


def _part(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where a message belongs")  # noqa: TRY004 - the file is wrong, not the call
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_part(value)[:200]).decode(errors="replace")
