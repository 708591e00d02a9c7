"""The image and the compose file keep their promises: no rights, pinned bases, loopback only."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICE = COMPOSE["services"]["fieldmark"]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (INSTRUCTION, rest), continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Instructions by stage; each stage opens with its own FROM."""
    found: dict[str, list[tuple[str, str]]] = {}
    for word, rest in instructions():
        if word == "FROM":
            name = rest.split(" AS ")[1]
            found[name] = []
        found[name].append((word, rest))
    return found


def test_bases_from_outside_are_pinned_to_a_version() -> None:
    bases = [rest.split(" AS ")[0] for word, rest in instructions() if word == "FROM"]
    outside = [base for base in bases if base not in stages()]
    assert outside == ["python:3.11-slim-bookworm"]


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_a_target_ends_as_a_user_without_rights(target: str) -> None:
    users = [rest for word, rest in stages()[target] if word == "USER"]
    assert users == ["fieldmark"]


def test_the_cpu_target_is_the_default() -> None:
    assert list(stages())[-1] == "cpu"


def test_nothing_is_added_from_the_network_or_run_as_a_string() -> None:
    assert [rest for word, rest in instructions() if word == "ADD"] == []
    shell_form = [rest for word, rest in instructions() if word in ("CMD", "ENTRYPOINT") and not rest.startswith("[")]
    assert shell_form == []
    assert not re.search(r"curl|wget|sudo", DOCKERFILE)


def test_pip_installs_only_pinned_versions_and_keeps_no_cache() -> None:
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in rest and "--no-cache-dir" in rest for rest in installs)


def test_health_is_asked_by_python_of_the_route_that_means_ready() -> None:
    checks = [rest for word, rest in instructions() if word == "HEALTHCHECK"]
    assert len(checks) == 1
    command = json.loads(checks[0].partition("CMD ")[2])
    assert command[0] == "python"
    assert "http://127.0.0.1:8000/readyz" in command[2]


def test_every_copied_path_exists_and_is_let_into_the_context() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copies = [rest.split() for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    for source in (word for words in copies for word in words[:-1]):
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in let_in, source


def test_compose_keeps_to_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(ROOT / "docker-compose.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_compose_publishes_on_the_loopback_only() -> None:
    """No keys exist, so whoever reaches the port may use it."""
    assert "--insecure" in SERVICE["command"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICE["ports"])


def test_compose_gives_the_service_no_rights() -> None:
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["read_only"] is True
    assert "no-new-privileges:true" in SERVICE["security_opt"]


def test_compose_waits_longer_than_the_service_drains() -> None:
    from service.settings import Settings

    drain_s = Settings.model_fields["drain_timeout_s"].default
    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > drain_s


def test_compose_builds_a_target_that_exists() -> None:
    assert SERVICE["build"]["target"] in stages()
