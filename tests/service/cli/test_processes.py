import pytest

from service.cli.processes import ProcessArguments, parse_arguments, run_process


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


@pytest.mark.parametrize("line", ["gateway --help", "worker --help", "worker 0 -h"])
def test_help_tells_how_they_are_used(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_process(line.split()) == 0
    assert capsys.readouterr().out.startswith("usage: fieldmark gateway")


def test_a_gateway_started_by_hand_needs_insecure_for_a_public_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIELDMARK_HOST", "0.0.0.0")
    assert run_process(["gateway"]) == 1
    assert "can be reached by other machines" in capsys.readouterr().err
