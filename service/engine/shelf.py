"""The bundles that serve: all that the stores hold and that loads, and who of them answers for a name and a domain.

Owns the rules of defaults. A version that cannot be loaded is refused and never stops another; where it would have
answered for its name, the next one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from models.manifest import BundleError, Manifest
from service.catalog import ModelEntry
from service.engine.bundle import Bundle
from service.engine.store import Place, choose_version, find_bundles, read_pins


class BundleLoader(Protocol):
    """What makes bundles ready."""

    def load(self, folder: Path) -> Bundle:
        """Load one bundle; raises `BundleError`."""


class Shelf:
    """All bundles of some stores.

    `bundles` maps identities to what serves, `answering` a name to the identity that answers for it, `domains` a
    domain to its default's identity.
    """

    def __init__(self, stores: Sequence[Path], loader: BundleLoader) -> None:
        self.bundles: dict[str, Bundle] = {}
        self._places = find_bundles(stores)
        self._faults: dict[Place, list[str]] = {}
        for place in self._places:
            try:
                self.bundles[f"{place.name}@{place.version}"] = loader.load(place.folder)
            except BundleError as error:
                self._faults[place] = error.faults
        self.answering = self._choose_versions(read_pins(stores))
        self.domains = self._choose_defaults()

    @property
    def entries(self) -> list[ModelEntry]:
        """Every bundle that was found, refused ones with their faults."""
        return [self._entry(place) for place in self._places]

    def _choose_versions(self, pins: dict[str, str]) -> dict[str, str]:
        versions: dict[str, list[str]] = {}
        for bundle in self.bundles.values():
            versions.setdefault(bundle.manifest.name, []).append(bundle.manifest.version)
        return {name: f"{name}@{choose_version(found, pins.get(name))}" for name, found in versions.items()}

    def _choose_defaults(self) -> dict[str, str]:
        """The bundle marked as default, or the only one there is; of two that are marked the second is refused."""
        domains: dict[str, str] = {}
        alone: dict[str, list[str]] = {}
        for identity in list(self.answering.values()):
            manifest = self.bundles[identity].manifest
            domain = manifest.domain or ""
            alone.setdefault(domain, []).append(identity)
            if manifest.default and domain in domains:
                self._refuse(manifest, f"{domains[domain]} is the default of {manifest.task}/{domain} already")
            elif manifest.default:
                domains[domain] = identity
        single = {domain: found[0] for domain, found in alone.items() if len(found) == 1}
        return single | domains

    def _refuse(self, manifest: Manifest, fault: str) -> None:
        del self.bundles[manifest.identity]
        del self.answering[manifest.name]
        place = next(
            place for place in self._places if (place.name, place.version) == (manifest.name, manifest.version)
        )
        self._faults[place] = [fault]

    def _entry(self, place: Place) -> ModelEntry:
        bundle = self.bundles.get(f"{place.name}@{place.version}")
        if bundle is None:
            return ModelEntry(place.name, place.version, "refused", faults=self._faults[place])
        manifest = bundle.manifest
        return ModelEntry(
            manifest.name,
            manifest.version,
            "serving",
            system=manifest.system,
            task=manifest.task,
            domain=manifest.domain,
            default=self.answering[manifest.name] == manifest.identity,
            classes=len(bundle.labels),
            levels=list(manifest.levels),
            size_px=manifest.image.size_px,
            variant=bundle.precision,
            engine=bundle.engine,
            licence=manifest.licence.name,
            research_only=manifest.licence.research_only,
            attribution=list(manifest.licence.attribution),
            metrics=dict(manifest.training.metrics) if manifest.training else {},
        )
