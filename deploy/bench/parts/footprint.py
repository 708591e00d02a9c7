"""What Fieldmark needs to stand there: memory with a whole store loaded, and the time until it is ready."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from deploy.bench.load.meter import find_in_tree, process_pss_bytes, resident_bytes, tree_pss_bytes
from deploy.bench.load.window import Address, Load, measure
from deploy.bench.parts.gateway import gateway_pid
from deploy.bench.results import Circumstances, Extent, Footprint
from deploy.bench.servers import Setup, ask, bodies_for, fieldmark_row, running

CONNECTIONS = 8


def domains_alone(zoo: Path, work: Path) -> Path:
    """Make a store of those bundles of the zoo that answer for a domain; it is made anew each time."""
    store = work / "domains"
    shutil.rmtree(store, ignore_errors=True)
    for manifest in zoo.glob("*/*/manifest.json"):
        if json.loads(manifest.read_bytes())["domain"] is not None:
            shutil.copytree(manifest.parent, store / manifest.parent.relative_to(zoo))
    return store


def run_footprint(setup: Setup, extent: Extent, circumstances: Circumstances, store: Path) -> Footprint:
    """Start the service on a whole store a few times; after load on every domain look at its processes."""
    row = fieldmark_row(setup, store)
    ready_s = []
    for _ in range(extent.starts):
        with running(row, setup) as server:
            ready_s.append(server.ready_after_s)
    with running(row, setup) as server:
        ready_s.append(server.ready_after_s)
        domains = [domain["name"] for domain in json.loads(ask(server.address, "/v1/domains")[1])["domains"]]
        for domain in domains:
            address = Address(server.address.port, f"/v1/classify?domain={domain}", "image/jpeg")
            load = Load(bodies_for(row, setup), connections=CONNECTIONS, seconds=extent.window_s)
            measure(server.pid, address, load)
        gateway = gateway_pid(server)
        workers = find_in_tree(server.pid, "fieldmark worker")
        return Footprint(
            circumstances=circumstances,
            domains=len(domains),
            gateway_resident_bytes=resident_bytes(gateway),
            gateway_pss_bytes=process_pss_bytes(gateway),
            worker_pss_bytes=sum(process_pss_bytes(worker) for worker in workers),
            tree_pss_bytes=tree_pss_bytes(server.pid),
            ready_s=ready_s,
        )
