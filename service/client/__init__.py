"""The service's Python client, offered as `fieldmark.Client` and `fieldmark.AsyncClient`; needs the extra `client`.

Owns what every caller would otherwise write: how a question travels, the deadline of a whole call, when to ask again, and
what an answer or a problem document is in Python. httpx, which carries the bytes, is imported here and nowhere else in the
service.
"""

from service.client.asking import RETRIES_LIMIT, TIMEOUT_MS, AsyncClient
from service.client.budget import RetryBudget
from service.client.waiting import Client
from service.client.wire import Photo, UnexpectedAnswer, Unreachable, Wishes

__all__ = [
    "RETRIES_LIMIT",
    "TIMEOUT_MS",
    "AsyncClient",
    "Client",
    "Photo",
    "RetryBudget",
    "UnexpectedAnswer",
    "Unreachable",
    "Wishes",
]
