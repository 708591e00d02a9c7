from __future__ import annotations

import json
from pathlib import Path

from deploy.bench.parts.footprint import domains_alone


def bundle(zoo: Path, name: str, domain: str | None) -> None:
    folder = zoo / name / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"name": name, "domain": domain}))


def test_only_bundles_that_answer_for_a_domain_are_in_the_store_of_domains(tmp_path: Path) -> None:
    zoo = tmp_path / "zoo"
    bundle(zoo, "birds", "birds")
    bundle(zoo, "ground", None)
    domains_alone(zoo, tmp_path)
    bundle(zoo, "cars", "cars")
    store = domains_alone(zoo, tmp_path)
    assert sorted(path.parent.name for path in store.glob("*/*") if (path / "manifest.json").exists()) == [
        "birds",
        "cars",
    ]
