"""The image and the compose file keep their promises: no rights, pinned bases, loopback only."""

import json
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


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


def test_the_user_is_nobody_on_the_host() -> None:
    (added,) = (rest for word, rest in instructions() if word == "RUN" and "useradd" in rest)
    uid = re.search(r"--uid (\d+)", added)
    assert uid is not None
    assert int(uid[1]) >= 10_000
    assert "nologin" in added


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_what_runs_cannot_be_changed_by_who_runs_it(target: str) -> None:
    """Everything is copied before the user is taken on, so it belongs to root; nothing is handed over."""
    words = [word for word, _ in stages()[target]]
    assert "COPY" not in words[words.index("USER") :]
    assert not re.search(r"--chown|chown |chmod ", DOCKERFILE)


def test_no_secret_is_in_an_image() -> None:
    named = [rest for word, rest in instructions() if word in ("ARG", "ENV")]
    assert [rest for rest in named if re.search("key|token|password|secret", rest, re.IGNORECASE)] == []
    context = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in context, "only what is named is let into the context"
    assert "!*.keys" not in context


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


def test_compose_starts_what_a_service_of_several_hosts_needs() -> None:
    assert list(SERVICES) == ["redis", "gateway", "worker", "prometheus", "grafana"]
    assert list(OURS) == ["gateway", "worker"]
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


def test_images_from_outside_are_pinned_to_a_version() -> None:
    images = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images), images


def test_the_gateway_asks_for_the_keys_of_a_secret() -> None:
    (secret,) = OURS["gateway"]["secrets"]
    assert OURS["gateway"]["environment"]["FIELDMARK_KEYS_FILE"] == f"/run/secrets/{secret}"
    assert [name for name, service in OURS.items() if "FIELDMARK_INSECURE" in service["environment"]] == []
    assert [name for name, service in SERVICES.items() if "secrets" in service] == ["gateway"]
    file = Path(COMPOSE["secrets"][secret]["file"]).name
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert any(fnmatch(file, line) for line in ignored), "a keys file is never committed"


def test_compose_publishes_on_the_loopback_only() -> None:
    """A key on an open wire is everybody's: TLS is the part of a proxy."""
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_nobody_but_these_services_reaches_redis() -> None:
    assert SERVICES["redis"]["networks"] == ["bus"]
    assert COMPOSE["networks"]["bus"] == {"internal": True}
    assert "ports" not in SERVICES["redis"]


def test_redis_keeps_nothing_and_drops_nothing() -> None:
    words = SERVICES["redis"]["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert (options["--save"], options["--appendonly"], options["--maxmemory-policy"]) == ("", "no", "noeviction")


@pytest.mark.parametrize("name", SERVICES)
def test_compose_gives_a_service_no_rights_and_bounds_its_memory(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert "no-new-privileges:true" in service["security_opt"]
    assert "mem_limit" in service


@pytest.mark.parametrize("name", OURS)
def test_ours_can_write_to_nothing_but_a_temporary_folder(name: str) -> None:
    assert OURS[name]["tmpfs"] == ["/tmp"]
    assert OURS[name].get("volumes", []) == []
    assert "user" not in OURS[name], "the image's own, which has no rights"


@pytest.mark.parametrize("name", OURS)
def test_compose_waits_longer_than_the_service_drains(name: str) -> None:
    from service.settings import Settings

    drain_s = Settings.model_fields["drain_timeout_s"].default
    assert int(OURS[name]["stop_grace_period"].removesuffix("s")) > drain_s


@pytest.mark.parametrize("name", OURS)
def test_compose_builds_a_target_that_exists_and_gives_settings_that_exist(name: str) -> None:
    from service.settings import Settings

    assert OURS[name]["build"]["target"] in stages()
    given = {variable.removeprefix("FIELDMARK_").lower() for variable in OURS[name]["environment"]}
    assert given <= Settings.model_fields.keys()


@pytest.mark.parametrize("name", OURS)
def test_compose_gives_arguments_that_the_process_knows(name: str) -> None:
    from service.cli.processes import ProcessArguments, parse_arguments

    index = 0 if name == "worker" else None
    assert parse_arguments(OURS[name]["command"]) == ProcessArguments(index=index)


def test_prometheus_asks_the_gateway_by_the_name_that_it_has() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "monitoring" / "prometheus.yml").read_text())
    targets = [
        target for job in config["scrape_configs"] for group in job["static_configs"] for target in group["targets"]
    ]
    internal_port = int(OURS["gateway"]["ports"][0].rpartition(":")[2]) + 1
    assert targets == [f"gateway:{internal_port}"]


def test_the_internal_port_is_in_reach_of_prometheus_and_not_published() -> None:
    gateway = OURS["gateway"]
    assert gateway["environment"]["FIELDMARK_INTERNAL_HOST"] == "0.0.0.0"
    assert [port.rpartition(":")[2] for port in gateway["ports"]] == ["8000"]
    assert set(SERVICES["prometheus"]["networks"]) & set(gateway["networks"])


def test_grafana_asks_prometheus_by_the_name_that_it_has_and_lets_nobody_in_but_viewers() -> None:
    sources = yaml.safe_load((ROOT / "deploy/monitoring/grafana/datasources/prometheus.yml").read_text())["datasources"]
    assert [source["url"] for source in sources] == ["http://prometheus:9090"]
    given = SERVICES["grafana"]["environment"]
    assert given["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert given["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"


@pytest.mark.parametrize("extra", ["otel", "redis"])
def test_every_image_of_ours_has_what_a_setting_may_ask_for(extra: str) -> None:
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert all(re.search(rf"[\[,]{extra}[\],]", rest) for rest in installs)
