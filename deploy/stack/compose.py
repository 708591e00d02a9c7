"""What docker-compose.yml says is to run: of each service its command, its environment and the paths that it knows.

Reads only what a process needs to be started without Docker; limits, rights and health are Docker's affair. Inside a
container stand the paths of the image and of what is mounted; `Service.on_host` puts in what they are on this machine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
#: The entry point of our image, which is not in the compose file, as it is here.
OUR_PROGRAM = (sys.executable, "-m", "service.cli")
PATH = re.compile(r"(?<![\w./-])/[\w./-]+")
#: What our image holds, by the Dockerfile.
IN_OUR_IMAGE = {"/srv/fieldmark/zoo": ROOT / "models" / "zoo"}
#: Where Docker mounts a secret.
SECRETS = "/run/secrets/"
#: The file of our one secret, the keys.
KEYS = "fieldmark.keys"


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the file; `replicas` hosts run its command.

    `mounts` are what a path inside is on this machine: a file or a folder, or the bare name of a volume or of a secret's file.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    replicas: int
    mounts: Mapping[str, Path]

    def on_host(self, scratch: Path) -> tuple[list[str], dict[str, str]]:
        """Command and environment with this machine's paths; secrets are below `scratch`, and volumes become folders there."""
        places = {inside: scratch / at for inside, at in self.mounts.items()}  # an absolute one stays what it is
        for place in places.values():
            if scratch in place.parents and not place.exists():
                place.mkdir()

        def here(text: str) -> str:
            return PATH.sub(lambda found: str(places.get(found[0], found[0])), text)

        return [here(word) for word in self.command], {name: here(value) for name, value in self.environment.items()}


def read_services(path: Path = COMPOSE) -> list[Service]:
    """The services of a compose file, in its order.

    Raises:
        OSError, yaml.YAMLError: the file cannot be read.
    """
    content: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())
    secrets = {name: Path(secret["file"]).name for name, secret in content.get("secrets", {}).items()}
    return [_read(name, fields, secrets) for name, fields in content["services"].items()]


def _read(name: str, fields: Mapping[str, Any], secrets: Mapping[str, str]) -> Service:
    is_ours = "build" in fields
    mounts = dict(IN_OUR_IMAGE) if is_ours else {}
    for volume in fields.get("volumes", ()):
        source, inside = volume.split(":")[:2]
        mounts[inside] = ROOT / source if source.startswith(".") else Path(source)
    for secret in fields.get("secrets", ()):
        mounts[SECRETS + secret] = Path(secrets[secret])
    return Service(
        name=name,
        command=[*(OUR_PROGRAM if is_ours else fields.get("entrypoint", ())), *fields["command"]],
        environment={key: str(value) for key, value in fields.get("environment", {}).items()},
        replicas=int(fields.get("deploy", {}).get("replicas", 1)),
        mounts=mounts,
    )
