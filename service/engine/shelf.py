"""The bundles that serve: all that the stores hold and that loads, and who of them answers for a name and a domain.

Owns the rules of defaults. A version that cannot be loaded is refused and never stops another; where it would have
answered for its name, the next one does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol

from models.manifest import BundleError, Manifest, Task
from models.sections import TextInput
from service.catalog import ModelEntry
from service.engine.bundle import Bundle
from service.engine.store import Place, choose_version, find_bundles, read_pins
from service.engine.tasks.answer import CELLS
from service.engine.tasks.explaining import PARTS

#: What has one default: a task, and a domain or "" where it has none.
_Place = tuple[Task, str]


class BundleLoader(Protocol):
    """What makes bundles ready."""

    def load(self, folder: Path) -> Bundle:
        """Load one bundle, perhaps beside others; raises `BundleError`."""


class Shelf:
    """All bundles of some stores, of which as many are loaded at once as there are `threads`.

    `bundles` maps identities to what serves, `answering` a name to the identity that answers for it, `domains` a
    domain to its default's identity, `readers` a domain to the identity that reads texts there, `pointing` the tasks that
    have no domain to the identity that answers for them; `router` is the identity that tells domains apart, or None.
    """

    def __init__(self, stores: Sequence[Path], loader: BundleLoader, threads: int = 1) -> None:
        self.bundles: dict[str, Bundle] = {}
        self._places = find_bundles(stores)
        self._faults: dict[Place, list[str]] = {}
        with ThreadPoolExecutor(threads) as pool:
            try:
                loading = {
                    place: pool.submit(loader.load, place.folder) for place in sorted(self._places, key=_bytes_of)
                }
                wait(loading.values())
            except BaseException:  # interrupted: what is not begun is not waited for, and no thread outlives the pool
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        for place in self._places:
            try:
                self.bundles[f"{place.name}@{place.version}"] = loading[place].result()
            except BundleError as error:
                self._faults[place] = error.faults
        self._pins = read_pins(stores)
        self.answering = self._choose_versions()
        defaults = self._choose_defaults()
        self.domains = {domain: identity for (task, domain), identity in defaults.items() if task == "classify"}
        self.readers = self._choose_readers()
        self.pointing = {
            task: identity for (task, _), identity in defaults.items() if task in ("ground", "answer", "locate")
        }
        self.router = next((identity for (task, _), identity in defaults.items() if task == "route"), None)

    @property
    def entries(self) -> list[ModelEntry]:
        """Every bundle that was found, refused ones with their faults."""
        return [self._entry(place) for place in self._places]

    def _choose_versions(self) -> dict[str, str]:
        versions: dict[str, list[str]] = {}
        for bundle in self.bundles.values():
            versions.setdefault(bundle.manifest.name, []).append(bundle.manifest.version)
        return {name: f"{name}@{choose_version(found, self._pins.get(name))}" for name, found in versions.items()}

    def _choose_defaults(self) -> dict[_Place, str]:
        """By task and domain: the bundle marked as default, or the only one; of two that are marked one is refused.

        A bundle that reads texts is the only one of its domain only where nothing answers by the photo alone.
        """
        marked: dict[_Place, str] = {}
        found: dict[_Place, list[Manifest]] = {}
        for name in list(self.answering):
            manifest = self._unrivalled(name, marked)
            if manifest is None:
                continue
            place = _place_of(manifest)
            if manifest.default:
                marked[place] = manifest.identity
            found.setdefault(place, []).append(manifest)
        single = {}
        for place, manifests in found.items():
            by_photo = [manifest for manifest in manifests if manifest.text is None] or manifests
            if len(by_photo) == 1:
                single[place] = by_photo[0].identity
        return single | marked

    def _choose_readers(self) -> dict[str, str]:
        """By domain: the bundle that reads texts; of several the one marked as default, else the first by name."""
        readers: dict[str, list[Manifest]] = {}
        for identity in self.answering.values():
            manifest = self.bundles[identity].manifest
            if isinstance(manifest.text, TextInput) and manifest.domain is not None:
                readers.setdefault(manifest.domain, []).append(manifest)
        return {domain: min(found, key=_by_mark).identity for domain, found in readers.items()}

    def _unrivalled(self, name: str, marked: Mapping[_Place, str]) -> Manifest | None:
        """What answers for a name; a version that is a second default is refused, and the next one answers for it."""
        while identity := self.answering.get(name):
            manifest = self.bundles[identity].manifest
            task, domain = place = _place_of(manifest)
            if not manifest.default or place not in marked:
                return manifest
            self._refuse(manifest, f"{marked[place]} is the default of {task}/{domain} already")
        return None

    def _refuse(self, manifest: Manifest, fault: str) -> None:
        del self.bundles[manifest.identity]
        self.answering = self._choose_versions()
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
            reads_text=isinstance(manifest.text, TextInput),
            explains=[output.name for output in manifest.outputs if output.name in (*PARTS, *CELLS)],
            faithful=manifest.explanation.faithful if manifest.explanation else None,
            experimental=manifest.experimental,
            size_px=manifest.image.size_px,
            variant=bundle.precision,
            engine=bundle.engine,
            licence=manifest.licence.name,
            research_only=manifest.licence.research_only,
            attribution=list(manifest.licence.attribution),
            metrics=dict(manifest.training.metrics) if manifest.training else {},
        )


def _bytes_of(place: Place) -> int:
    """What is large comes first, so that no thread begins with it when the others are done.

    What cannot be read comes last: to say so is the loader's part.
    """
    try:
        return -sum(path.stat().st_size for path in place.folder.iterdir())
    except OSError:
        return 0


def _by_mark(manifest: Manifest) -> tuple[bool, str]:
    return not manifest.default, manifest.name


def _place_of(manifest: Manifest) -> _Place:
    return manifest.task, manifest.domain or ""
