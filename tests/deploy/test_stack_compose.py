"""What the compose file says is what the stack without Docker runs, with this machine's paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.stack.compose import KEYS, OUR_PROGRAM, ROOT, Service, read_services

SERVICES = {service.name: service for service in read_services()}


def test_our_processes_run_as_the_image_runs_them() -> None:
    assert SERVICES["gateway"].command == [*OUR_PROGRAM, "gateway"]
    assert SERVICES["worker"].command == [*OUR_PROGRAM, "worker", "0"]
    assert SERVICES["worker"].replicas == 2


@pytest.mark.parametrize(
    ("name", "program"), [("redis", "redis-server"), ("prometheus", "prometheus"), ("grafana", "grafana")]
)
def test_other_programs_are_named_by_the_file(name: str, program: str) -> None:
    assert SERVICES[name].command[0] == program


def test_paths_of_the_image_are_those_of_the_repository(tmp_path: Path) -> None:
    _, environment = SERVICES["worker"].on_host(tmp_path)
    assert environment["FIELDMARK_STORE"] == str(ROOT / "models" / "zoo")
    assert environment["FIELDMARK_REDIS_URL"] == "redis://redis:6379/0"


def test_a_mounted_file_is_found_and_a_volume_becomes_a_folder(tmp_path: Path) -> None:
    command, _ = SERVICES["prometheus"].on_host(tmp_path)
    assert f"--config.file={ROOT / 'deploy' / 'monitoring' / 'prometheus.yml'}" in command
    assert f"--storage.tsdb.path={tmp_path / 'prometheus'}" in command
    assert (tmp_path / "prometheus").is_dir()


def test_a_secret_is_a_file_that_the_stack_made(tmp_path: Path) -> None:
    (tmp_path / KEYS).write_text("made")
    _, environment = SERVICES["gateway"].on_host(tmp_path)
    assert environment["FIELDMARK_KEYS_FILE"] == str(tmp_path / KEYS)
    assert (tmp_path / KEYS).read_text() == "made"


def test_a_mounted_folder_is_found_where_the_environment_names_it(tmp_path: Path) -> None:
    _, environment = SERVICES["grafana"].on_host(tmp_path)
    assert environment["GF_PATHS_PROVISIONING"] == str(ROOT / "deploy" / "monitoring" / "grafana")
    assert environment["GF_PATHS_DATA"] == str(tmp_path / "grafana")


def test_a_path_is_replaced_only_where_it_is_the_whole_one(tmp_path: Path) -> None:
    service = Service("one", ["a", "--at=/data", "/data/more", "x/data"], {}, 1, {"/data": Path("volume")})
    command, _ = service.on_host(tmp_path)
    assert command == ["a", f"--at={tmp_path / 'volume'}", "/data/more", "x/data"]
