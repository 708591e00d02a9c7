import inspect
import socket
from pathlib import Path

import pytest

from service.cli.serve import serve
from service.keys import Scope, add_key, revoke_key
from service.settings import Settings
from service.supervisor import checks
from service.supervisor.checks import (
    StartRefused,
    as_option,
    as_variable,
    check_address,
    check_port,
    check_ports,
    check_start,
    is_loopback,
)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", ""])
def test_an_address_that_others_reach_needs_insecure(host: str) -> None:
    with pytest.raises(StartRefused, match="--insecure"):
        check_address(Settings(host=host))
    check_address(Settings(host=host, insecure=True))


def test_an_address_that_others_reach_may_be_served_with_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with pytest.raises(StartRefused, match="cannot be read"):
        check_address(Settings(host="0.0.0.0", keys_file=path))
    add_key(path, "laptop", [Scope.INFER])
    check_address(Settings(host="0.0.0.0", keys_file=path))
    revoke_key(path, "laptop")
    with pytest.raises(StartRefused, match="holds no key, so nobody could ask"):
        check_address(Settings(keys_file=path))


def test_an_internal_address_that_others_reach_needs_keys_too() -> None:
    with pytest.raises(StartRefused, match=r"FIELDMARK_INTERNAL_HOST 0\.0\.0\.0 can be reached by other machines"):
        check_address(Settings(internal_host="0.0.0.0"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_an_address_of_this_machine_alone_needs_nothing(host: str) -> None:
    assert is_loopback(host)
    check_address(Settings(host=host))


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StartRefused) as caught:
            check_port("127.0.0.1", port)
    assert str(caught.value) == (
        f"Port {port} on 127.0.0.1 is in use: choose another with --port, or stop what listens there."
    )
    check_port("127.0.0.1", port)


def test_an_internal_port_in_use_is_told_as_such(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            StartRefused, match=f"Port {port} on 127.0.0.1 is in use: choose another with --internal-port"
        ):
            check_start(Settings(port=0, internal_port=port))


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(StartRefused, match=r"--host 192\.0\.2\.1 is not an address of this machine"):
        check_port("192.0.2.1", 0)


@pytest.mark.parametrize("package", ["httptools", "simplejpeg", "onnxruntime"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(StartRefused, match=f"The package {package} is not installed"):
        check_start(Settings(port=0))


def test_a_good_start_passes() -> None:
    check_start(Settings(port=0))


def test_a_redis_url_that_cannot_be_used_is_told() -> None:
    with pytest.raises(StartRefused, match="redis_url has a parameter colour"):
        check_start(Settings(port=0, redis_url="redis://host?colour=red"))


def test_a_process_without_options_is_told_of_its_variables() -> None:
    with pytest.raises(
        StartRefused, match=r"FIELDMARK_HOST 0\.0\.0\.0 .* FIELDMARK_KEYS_FILE .* FIELDMARK_INSECURE=true"
    ):
        check_address(Settings(host="0.0.0.0"), as_variable)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StartRefused, match=f"Port {port} on 127.0.0.1 is in use: .* with FIELDMARK_PORT"):
            check_ports(Settings(port=port), as_variable)
        with pytest.raises(StartRefused, match=f"Port {port} on 127.0.0.1 is in use: .* with FIELDMARK_INTERNAL_PORT"):
            check_ports(Settings(port=0, internal_port=port), as_variable)


def test_what_is_called_an_option_is_one() -> None:
    called = {name for name in Settings.model_fields if as_option(name).startswith("--")}
    assert called <= set(inspect.signature(serve).parameters)
