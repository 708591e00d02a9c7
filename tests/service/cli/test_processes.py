import re
import socket

import pytest

from service.cli.processes import HELP, ProcessArguments, parse_arguments, run_process
from service.settings import Settings


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("gateway", ProcessArguments()),
        ("gateway --status-fd 7", ProcessArguments(status_fd=7)),
        ("worker 0", ProcessArguments(index=0)),
        ("worker 3 --started-because wedge --status-fd 5", ProcessArguments(3, 5, "wedge")),
    ],
)
def test_what_the_supervisor_says_is_understood(line: str, parsed: ProcessArguments) -> None:
    assert parse_arguments(line.split()) == parsed


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("worker one", "INDEX must be a whole number, not 'one'"),
        ("worker", "worker needs its INDEX, a whole number such as 0"),
        ("gateway --port 9", "gateway does not know --port: FIELDMARK_PORT sets it$"),
        (
            "worker 0 --feature-cache-bytes=0",
            "does not know --feature-cache-bytes=0: FIELDMARK_FEATURE_CACHE_BYTES sets it$",
        ),
        ("gateway --colour", "gateway does not know --colour$"),
        ("gateway --status-fd", "--status-fd must be a whole number, not ''"),
        ("gateway --started-because crash", "gateway does not know --started-because"),
        (
            "worker 0 --started-because rain",
            "--started-because 'rain' is not one of start, crash, wedge, memory, reload",
        ),
    ],
)
def test_anything_else_is_named(line: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_arguments(line.split())


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        ("gateway --help", "usage: fieldmark gateway\n"),
        ("worker --help", "usage: fieldmark worker INDEX\n"),
        ("worker 0 -h", "usage: fieldmark worker INDEX\n"),
    ],
)
def test_each_tells_how_it_is_used_itself(line: str, usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_process(line.split()) == 0
    assert capsys.readouterr().out.startswith(usage)


@pytest.mark.parametrize("command", ["gateway", "worker"])
def test_help_names_settings_that_there_are(command: str) -> None:
    named = re.findall(r"FIELDMARK_([A-Z_]+)", HELP[command])
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_wrong_usage_is_one_line_and_says_where_help_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_process(["worker", "one"]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: INDEX must be a whole number, not 'one'. `fieldmark worker --help` tells how it is used.\n"
    )


def test_a_gateway_started_by_hand_says_which_variable_gives_it_another_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("FIELDMARK_PORT", str(port))
        assert run_process(["gateway"]) == 1
    assert capsys.readouterr().err == (
        f"fieldmark: Port {port} on 127.0.0.1 is in use: choose another with FIELDMARK_PORT, or stop what listens there.\n"
    )


def test_impossible_settings_are_said_once_and_with_the_name_of_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIELDMARK_PORT", "x")
    assert run_process(["gateway"]) == 2
    assert capsys.readouterr().err.startswith("fieldmark: port = 'x' (environment): ")


def test_a_gateway_started_by_hand_needs_insecure_for_a_public_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIELDMARK_HOST", "0.0.0.0")
    assert run_process(["gateway"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("fieldmark: FIELDMARK_HOST 0.0.0.0 can be reached by other machines")
    assert "FIELDMARK_INSECURE=true" in said
