from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.settings import (
    Settings,
    SettingsError,
    explain,
    read_inherited,
    read_settings,
    to_environment,
    unknown_variables,
)


@pytest.fixture(autouse=True)
def _clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"FIELDMARK_{name.upper()}", raising=False)


def test_the_command_line_beats_the_environment_which_beats_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fieldmark.toml").write_text("port = 1\nlanes = 1\nqueue_limit = 1\n")
    monkeypatch.setenv("FIELDMARK_PORT", "2")
    monkeypatch.setenv("FIELDMARK_LANES", "2")

    read = read_settings({"port": 3, "host": None})

    assert (read.port, read.lanes, read.queue_limit, read.host) == (3, 2, 1, "127.0.0.1")


def test_each_value_is_shown_with_its_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fieldmark.toml").write_text('device = "cuda"\n')
    monkeypatch.setenv("fieldmark_lanes", "2")
    given = {"port": 9000}

    rows = {row.name: row for row in explain(read_settings(given), given)}

    assert {name: (row.value, row.origin) for name, row in rows.items() if row.origin != "default"} == {
        "port": ("9000", "command line"),
        "lanes": ("2", "environment"),
        "device": ("cuda", "fieldmark.toml"),
    }
    assert list(rows) == list(Settings.model_fields)
    assert rows["workers"].value == ""
    assert all(row.description for row in rows.values())


@pytest.mark.parametrize(("given", "taken"), [("[::1]", "::1"), ("::1", "::1"), ("127.0.0.1", "127.0.0.1")])
def test_an_address_may_stand_in_the_brackets_of_a_url(given: str, taken: str) -> None:
    assert read_settings({"host": given}).host == taken


def test_folders_are_separated_as_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDMARK_STORE", "/a:/b c")
    assert read_settings().store == (Path("/a"), Path("/b c"))
    assert read_settings({"store": [Path("/x")]}).store == (Path("/x"),)
    with pytest.raises(SettingsError, match="separates folders"):
        read_settings({"store": [Path("/a:b")]})


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("FIELDMARK_PORT", "70000", "port = '70000' (environment): it must be at most 65535"),
        ("FIELDMARK_LANES", "two", "lanes = 'two' (environment): it must be a whole number"),
        ("FIELDMARK_DEVICE", "tpu", "device = 'tpu' (environment): it must be 'cpu', 'cuda' or 'tensorrt'"),
    ],
)
def test_an_impossible_value_is_named_with_its_origin(
    variable: str, text: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
        ("rediss://user:se:cr@et@host/1?ssl_ca_certs=/ca.crt", "rediss://user:***@host/1?ssl_ca_certs=/ca.crt"),
        ("unix:///run/redis.sock?db=1&password=secret", "unix:///run/redis.sock?db=1&password=***"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    (row,) = [row for row in explain(read_settings({"redis_url": url})) if row.name == "redis_url"]
    assert row.value == shown


def test_a_redis_url_of_another_kind_is_refused_without_its_password() -> None:
    with pytest.raises(
        SettingsError, match=r"redis_url = 'http://:\*\*\*@host' \(command line\): it must begin with redis://"
    ):
        read_settings({"redis_url": "http://:secret@host"})


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"port": -1, "lanes": -1})
    assert "port" in str(caught.value)
    assert "lanes" in str(caught.value)


def test_a_misspelt_name_in_the_file_is_refused_with_a_proposal() -> None:
    Path("fieldmark.toml").write_text("prot = 1\n")
    with pytest.raises(SettingsError, match=r"prot \(fieldmark.toml\): there is no such setting; did you mean port\?"):
        read_settings()


def test_a_misspelt_variable_is_found_with_a_proposal() -> None:
    environment = {"FIELDMARK_PROT": "1", "fieldmark_port": "1", "FIELDMARK_QQQ": "", "HOME": "/"}
    assert unknown_variables(environment) == [("FIELDMARK_PROT", "FIELDMARK_PORT"), ("FIELDMARK_QQQ", None)]


def test_a_broken_file_is_named() -> None:
    Path("fieldmark.toml").write_text("port = \n")
    with pytest.raises(SettingsError, match=r"fieldmark\.toml is not TOML"):
        read_settings()


@settings(max_examples=50)
@given(
    port=st.integers(0, 65_535),
    workers=st.none() | st.integers(1, 64),
    bulk_share=st.floats(0, 1),
    insecure=st.booleans(),
    store=st.lists(st.text("abc ./-", min_size=1).map(Path), max_size=3).map(tuple),
)
def test_a_child_reads_exactly_what_its_supervisor_decided(
    port: int, workers: int | None, bulk_share: float, insecure: bool, store: tuple[Path, ...]
) -> None:
    decided = read_settings(
        {"port": port, "workers": workers, "bulk_share": bulk_share, "insecure": insecure, "store": store}
    )
    with pytest.MonkeyPatch.context() as child:
        for variable, text in to_environment(decided).items():
            child.setenv(variable, text)
        assert read_inherited().model_dump() == decided.model_dump()


def test_a_child_does_not_read_the_file_again(monkeypatch: pytest.MonkeyPatch) -> None:
    decided = read_settings()
    for variable, text in to_environment(decided).items():
        monkeypatch.setenv(variable, text)
    Path("fieldmark.toml").write_text('workers = 7\nsocket = "/elsewhere"\nnonsense = true\n')
    assert read_inherited().model_dump() == decided.model_dump()


def test_settings_cannot_be_changed_after_reading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("chosen", "address"),
    [
        ({}, ("127.0.0.1", 8001)),
        ({"port": 0}, ("127.0.0.1", 0)),
        ({"port": 65_535}, ("127.0.0.1", 0)),
        ({"port": 80, "internal_port": 9000, "internal_host": "[::1]"}, ("::1", 9000)),
    ],
)
def test_the_internal_port_is_the_one_after_the_public_one(chosen: dict[str, Any], address: tuple[str, int]) -> None:
    assert Settings(**chosen).internal_address == address
