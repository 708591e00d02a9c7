"""Requests that must be refused, each with the `type` it is answered with; every one is sent to a running gateway."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from tests.service.gateway.serving import JPEG, request

BODY_LIMIT = 100_000
FIELD_LIMIT = 1_000
HEADER_LIMIT = 4_096

_FORM = "multipart/form-data; boundary=XX"
_JSON = "application/json"


@dataclass(frozen=True)
class BadRequestCase:
    """The bytes that are sent, and the slug and a word of the answer."""

    name: str
    raw: bytes
    slug: str
    said: str = ""
    method: str = "POST"


def _query(name: str, query: str, slug: str = "invalid-parameter", said: str = "") -> BadRequestCase:
    return BadRequestCase(name, request(f"/v1/classify?{query}"), slug, said)


def _raw(name: str, body: bytes, slug: str, said: str = "", **headers: str) -> BadRequestCase:
    return BadRequestCase(name, request(body=body, **{"content_type": "image/jpeg", **headers}), slug, said)


def _form(name: str, body: bytes, slug: str, said: str = "", content_type: str = _FORM) -> BadRequestCase:
    return BadRequestCase(name, request(body=body, content_type=content_type), slug, said)


def _json(name: str, body: str, slug: str, said: str = "") -> BadRequestCase:
    return BadRequestCase(name, request(body=body.encode(), content_type=_JSON), slug, said)


def _latin(name: str, body: str, slug: str, said: str) -> BadRequestCase:
    return BadRequestCase(name, request(body=body.encode("latin-1"), content_type=_JSON), slug, said)


def _part(name: str, content: bytes) -> bytes:
    return f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"


_PHOTO = _part("image", JPEG)
_BASE64 = base64.b64encode(JPEG).decode()

CASES = [
    # The path and the method.
    BadRequestCase("no such route", request("/v9/classify"), "not-found", "/v9/classify"),
    BadRequestCase("a slash too many", request("/v1/classify/"), "not-found"),
    BadRequestCase("a climbing path", request("/docs/..%2f..%2fmain.py", b"", "GET"), "not-found", method="GET"),
    BadRequestCase("a null in the path", request("/v1/%00", b"", "GET"), "not-found", method="GET"),
    BadRequestCase("no such page", request("/docs/swagger-ui.LICENSE.txt", b"", "GET"), "not-found", method="GET"),
    BadRequestCase("no such model page", request("/v1/models/fish", b"", "GET"), "not-found", "birds", method="GET"),
    BadRequestCase("no such version", request("/v1/models/birds@2", b"", "GET"), "not-found", method="GET"),
    BadRequestCase("no such labels", request("/v1/domains/fish/labels", b"", "GET"), "not-found", "birds", method="GET"),
    BadRequestCase("GET of classify", request(method="GET"), "method-not-allowed", "GET", method="GET"),
    BadRequestCase("PUT of classify", request(method="PUT"), "method-not-allowed", method="PUT"),
    BadRequestCase("OPTIONS of classify", request(method="OPTIONS"), "method-not-allowed", method="OPTIONS"),
    BadRequestCase("POST of models", request("/v1/models"), "method-not-allowed"),
    BadRequestCase("DELETE of health", request("/healthz", b"", "DELETE"), "method-not-allowed", method="DELETE"),
    # The parameters.
    _query("an unknown parameter", "topk=3", said="Known: domain, model, top_k, explain, timeout_ms"),
    _query("a parameter twice", "top_k=3&top_k=3", said="twice"),
    _query("a word for a number", "top_k=many", said="1 to 50"),
    _query("a number too small", "top_k=0", said="1 to 50"),
    _query("a number too large", "top_k=51", said="1 to 50"),
    _query("an endless number", "top_k=" + "9" * 3000, said="1 to 50"),
    _query("a broken truth", "explain=maybe", said="true or false"),
    _query("no time at all", "timeout_ms=0", said="1 to 60000"),
    _query("more time than there is", "timeout_ms=60001", said="1 to 60000"),
    _query("a control character", "text=red%00crown", said="U+0000"),
    _query("an empty list of candidates", "candidates=,", said="1 to 500"),
    _query("no certainty at all", "certainty=0", said="0.5 to 0.999"),
    _query("a broken wish", "force=please", said="true or false"),
    _query("an empty domain", "domain=", said="domain is"),
    _query("a domain of another alphabet", "domain=%D0%BF%D1%82%D0%B8%D1%86%D1%8B", said="domain is"),
    _query("a query that is not UTF-8", "domain=%FF%FE", said="UTF-8"),
    _query("a domain that is not served", "domain=fish", "not-found", "Served: birds"),
    _query("a model that is not served", "model=fish", "not-found", "Served: birds@1.0.0"),
    _query("a version that is not served", "model=birds@9", "not-found", "Served: birds@1.0.0"),
    _query("a refused model", "model=broken", "not-found", "refused"),
    _query("a model of another form", "model=a/b", said="name@version"),
    # The content type.
    _raw("a text", JPEG, "unsupported-media", "text/plain", content_type="text/plain"),
    _raw("curl's own type", JPEG, "unsupported-media", "image/*", content_type="application/x-www-form-urlencoded"),
    _raw("a packed body", JPEG, "unsupported-media", "gzip", content_encoding="gzip"),
    _raw("a type of nothing", JPEG, "unsupported-media", content_type=""),
    # The raw body.
    _raw("nothing", b"", "bad-request", "no photo"),
    _raw("three bytes", b"abc", "unsupported-media", "JPEG"),
    _raw("a PDF", b"%PDF-1.7 " + bytes(100), "unsupported-media", "JPEG"),
    _raw("an SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-media"),
    _raw("a RIFF that is no WebP", b"RIFF\x00\x00\x00\x00WAVE" + bytes(100), "unsupported-media"),
    _raw("more than the limit", bytes(BODY_LIMIT + 1), "too-large", str(BODY_LIMIT)),
    BadRequestCase(
        "more than the limit, in chunks",
        request(body=b"ffff\r\n" + bytes(65535) + b"\r\n" + b"ffff\r\n" + bytes(65535) + b"\r\n0\r\n\r\n",
                transfer_encoding="chunked"),
        "too-large",
        str(BODY_LIMIT),
    ),
    # Multipart.
    _form("a form without a boundary", _PHOTO + b"--XX--", "bad-request", "boundary", "multipart/form-data"),
    _form("a boundary too long", b"", "bad-request", "256", f"{_FORM}{'X' * 300}"),
    _form("a form of another boundary", _PHOTO + b"--XX--", "bad-request", "", "multipart/form-data; boundary=YY"),
    _form("a form that breaks off", _PHOTO[:-20], "bad-request", "breaks off"),
    _form("a form without its last boundary", _PHOTO, "bad-request", "breaks off"),
    _form("an empty form", b"--XX--\r\n", "bad-request", "no photo"),
    _form("a form without a photo", _part("domain", b"birds") + b"--XX--", "bad-request", "no photo"),
    _form("an empty photo", _part("image", b"") + b"--XX--", "bad-request", "no photo"),
    _form("two photos", _PHOTO + _PHOTO + b"--XX--", "invalid-parameter", "twice"),
    _form("six photos", _part("images", JPEG) * 6 + b"--XX--", "invalid-parameter", "more than 5"),
    _form("photos in both fields", _PHOTO + _part("images", JPEG) + b"--XX--", "bad-request", "'image' and 'images'"),
    _form("a text among photos", _part("images", JPEG) + _part("images", b"hi") + b"--XX--", "unsupported-media"),
    _form("a text in another encoding", _part("text", b"r\xe9d") + _PHOTO + b"--XX--", "invalid-parameter", "UTF-8"),
    _form("a part of ten lines", b"--XX\r\n" + b"a: b\r\n" * 10 + b"\r\nx\r\n--XX--", "bad-request", "more than 8 header lines"),
    _form("a part without a name", b"--XX\r\n\r\nx\r\n--XX--", "bad-request", "name"),
    _form("a huge field", _part("text", bytes(FIELD_LIMIT + 1)) + _PHOTO + b"--XX--", "too-large", str(FIELD_LIMIT)),
    _form("a thousand fields", b"".join(_part(f"f{i}", b"") for i in range(1000)) + b"--XX--", "bad-request", "32"),
    _form("a thousand photos", b"--XX\r\n\r\n" * 1000 + b"--XX--", "bad-request"),
    _form("a nested form", _part("x", b"--YY\r\n\r\n--YY--") + _PHOTO + b"--XX--", "invalid-parameter", "Known"),
    _form("an unknown field", _part("topk", b"3") + _PHOTO + b"--XX--", "invalid-parameter", "Known"),
    _form("a field that is not UTF-8", _part("domain", b"\xff") + _PHOTO + b"--XX--", "invalid-parameter", "UTF-8"),
    _form("a photo that is a text", _part("image", b"hello") + b"--XX--", "unsupported-media"),
    _form("a form that is none", b"domain=birds", "bad-request"),
    # JSON.
    _json("no JSON", "image", "bad-request", "not JSON"),
    _latin("a name in another encoding", '{"imag\xe9": ""}', "bad-request", "not JSON"),
    _latin("a value in another encoding", f'{{"image": "{_BASE64}", "text": "r\xe9d"}}', "invalid-parameter", "UTF-8"),
    _latin("base64 in another encoding", '{"image": "r\xe9d"}', "bad-request", "base64"),
    _latin("photos in another encoding", '{"images": ["r\xe9d"]}', "bad-request", "base64"),
    _json("half of JSON", '{"image": "', "bad-request", "not JSON"),
    _json("a list", f'["{_BASE64}"]', "bad-request", "not an object"),
    _json("JSON without a photo", "{}", "bad-request", "no photo"),
    _json("a photo that is a number", '{"image": 5}', "bad-request", "base64"),
    _json("bad base64", '{"image": "@@@@"}', "bad-request", "base64"),
    _json("base64 of a text", '{"image": "aGVsbG8="}', "unsupported-media"),
    _json("photos that are no list", f'{{"images": "{_BASE64}"}}', "bad-request", "a list"),
    _json("an empty list of photos", '{"images": []}', "bad-request", "no photo"),
    _json("six photos in JSON", f'{{"images": ["", "", "", "", "", "{_BASE64}"]}}', "invalid-parameter", "more than 5"),
    _json("a control character in JSON", f'{{"image": "{_BASE64}", "text": "a\\u001b"}}', "invalid-parameter", "U+001B"),
    _json("half a surrogate", f'{{"image": "{_BASE64}", "text": "a\\ud800"}}', "bad-request", "not JSON"),
    _json("candidates that are numbers", f'{{"image": "{_BASE64}", "candidates": [1]}}', "invalid-parameter", "texts"),
    _json("a data URL", f'{{"image": "data:image/jpeg;base64,{_BASE64}"}}', "bad-request", "data: URL"),
    _json("a list for a number", f'{{"image": "{_BASE64}", "top_k": [3]}}', "invalid-parameter", "top_k"),
    _json("a float for a number", f'{{"image": "{_BASE64}", "top_k": 3.5}}', "invalid-parameter", "1 to 50"),
    _json("a huge text", f'{{"image": "{_BASE64}", "text": "{"a" * 2000}"}}', "too-large", str(FIELD_LIMIT)),
    _json("an unknown member", f'{{"image": "{_BASE64}", "topk": 3}}', "invalid-parameter", "Known"),
    _json("deep nesting", '{"image": ' + "[" * 50_000, "bad-request"),
    BadRequestCase(
        "a parameter in the query and in the form",
        request("/v1/classify?top_k=3", _part("top_k", b"3") + _PHOTO + b"--XX--", content_type=_FORM),
        "invalid-parameter",
        "twice",
    ),
    # HTTP itself.
    BadRequestCase("no HTTP", b"hello\r\n\r\n", "bad-request"),
    BadRequestCase("HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad-request"),
    BadRequestCase("a wish for a tunnel", b"CONNECT other:443 HTTP/1.1\r\nhost: other\r\n\r\n", "bad-request"),
    BadRequestCase("a port that is none", b"GET http://a:b/ HTTP/1.1\r\n\r\n", "bad-request", method="GET"),
    BadRequestCase("an address without a path", b"GET http://test HTTP/1.1\r\n\r\n", "bad-request", method="GET"),
    BadRequestCase("TLS", bytes.fromhex("16030100c8010000c40303"), "bad-request"),
    BadRequestCase("a header without a colon", b"GET / HTTP/1.1\r\nhost\r\n\r\n", "bad-request", method="GET"),
    BadRequestCase("a length that is none", request(content_length="many"), "bad-request"),
    BadRequestCase("a negative length", request(content_length="-1"), "bad-request"),
    BadRequestCase("a length beyond counting", request(content_length="9" * 40), "bad-request"),
    BadRequestCase("two lengths", b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "bad-request"),
    BadRequestCase(
        "a length and chunks", request(content_length="5", transfer_encoding="chunked", body=b"0\r\n\r\n"), "bad-request"
    ),
    BadRequestCase("a chunk that is none", request(transfer_encoding="chunked", body=b"zz\r\n"), "bad-request"),
    BadRequestCase("a path of other bytes", b"GET /\xff\xfe HTTP/1.1\r\n\r\n", "bad-request", method="GET"),
    BadRequestCase("a long header", request(x_long="a" * HEADER_LIMIT), "headers-too-large", str(HEADER_LIMIT)),
    BadRequestCase("a long path", request("/" + "a" * HEADER_LIMIT), "headers-too-large", str(HEADER_LIMIT)),
    BadRequestCase(
        "many headers", request(**{f"x{i}": "a" for i in range(1000)}), "headers-too-large", str(HEADER_LIMIT)
    ),
]  # fmt: skip
