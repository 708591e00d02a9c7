"""The gateway's own cost: CPU time of its process per request, beside a model that does nothing.

The worker answers without looking (the echo bundle of the tests), so requests come as fast as the hop allows, and only
the gateway's process is charged. Metrics are on, as always.
"""

from __future__ import annotations

import dataclasses
import shutil

from deploy.bench.load.meter import find_in_tree, process_cpu_s
from deploy.bench.load.window import Load, measure
from deploy.bench.results import Circumstances, Extent, Gateway
from deploy.bench.servers import FORM_TYPE, Server, ServerError, Setup, bodies_for, fieldmark_row, running
from tests.bundles import make_bundle

CONNECTIONS = 8


def run_gateway(setup: Setup, extent: Extent, circumstances: Circumstances) -> Gateway:
    """Measure raw bodies and forms in turn."""
    store = setup.work / "echo-store"
    shutil.rmtree(store, ignore_errors=True)
    make_bundle(store, domain=setup.domain, backend="echo")
    raw_us, form_us, rates = [], [], []
    row = fieldmark_row(setup, store, testing_backends="true")
    with running(row, setup) as server:
        form = _as_form(server)
        for sent in (server, form):
            _window(sent, setup, 1.0)
        for _ in range(extent.gateway_windows):
            cost, rate = _window(server, setup, extent.window_s)
            raw_us.append(cost)
            rates.append(rate)
            form_us.append(_window(form, setup, extent.window_s)[0])
    return Gateway(circumstances, raw_us, form_us, sum(rates) / len(rates))


def gateway_pid(server: Server) -> int:
    """Find the gateway's process in a running Fieldmark."""
    found = find_in_tree(server.pid, "fieldmark gateway")
    if len(found) != 1:
        raise ServerError(f"{len(found)} processes are called 'fieldmark gateway'; one was expected")
    return found[0]


def _as_form(server: Server) -> Server:
    row = dataclasses.replace(server.row, content_type=FORM_TYPE)
    return dataclasses.replace(server, row=row, address=dataclasses.replace(server.address, content_type=FORM_TYPE))


def _window(server: Server, setup: Setup, seconds: float) -> tuple[float, float]:
    """CPU microseconds of the gateway per request, and requests per second."""
    pid = gateway_pid(server)
    load = Load(bodies_for(server.row, setup), connections=CONNECTIONS, seconds=seconds)
    window = measure(server.pid, server.address, load, cpu_s=lambda _root: process_cpu_s(pid))
    if window.refused or window.failed:
        raise ServerError(f"{window.refused} of {len(window.records)} requests were refused, {window.failed} failed")
    return window.cpu_s / window.answered * 1e6, window.per_second
