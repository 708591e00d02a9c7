import errno
import io
import json
import logging
import subprocess
import sys
from typing import Any

from service.logs import TEXT_LIMIT, bound_contextvars, configure, get_logger
from service.settings import Settings


def test_an_event_is_one_json_object_with_its_fields() -> None:
    stream = _configured(log_format="json")
    with bound_contextvars(request_id="r-1"):
        get_logger().info("request_done", status=200)
    (line,) = _lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "request_done", "level": "info", "process": "gateway", "request_id": "r-1", "status": 200}


def test_libraries_speak_in_the_same_form() -> None:
    stream = _configured(log_format="json")
    logging.getLogger("a_library").warning("odd: %s", "thing")
    (line,) = _lines(stream)
    assert (line["event"], line["level"], line["process"]) == ("odd: thing", "warning", "gateway")


def test_content_never_reaches_the_log() -> None:
    stream = _configured(log_format="json")
    photo = b"\xff\xd8photo"
    get_logger().info("upload", raw=photo, view=memoryview(photo), text="x" * (TEXT_LIMIT + 1))
    (line,) = _lines(stream)
    assert line["raw"] == line["view"] == "<7 bytes>"
    assert line["text"].endswith("... (2001 characters)")


def test_a_failure_brings_its_traceback_without_local_variables() -> None:
    for form in ("json", "text"):
        stream = _configured(log_format=form)
        _fail_with_secret()
        assert "ZeroDivisionError" in stream.getvalue()
        assert "zq" not in stream.getvalue()


def test_lines_below_the_level_are_left_out() -> None:
    stream = _configured(log_format="json", log_level="warning")
    get_logger().info("quiet")
    logging.getLogger("library").info("quiet")
    get_logger().warning("loud")
    assert [line["event"] for line in _lines(stream)] == ["loud"]


def test_auto_is_json_where_nobody_watches() -> None:
    stream = _configured(log_format="auto")
    get_logger().info("quiet")
    assert _lines(stream)[0]["event"] == "quiet"


def test_text_is_plain_without_a_terminal() -> None:
    stream = _configured(log_format="text")
    get_logger().info("request_done", status=200)
    assert "request_done" in stream.getvalue()
    assert "status=200" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_logging_costs_no_rich() -> None:
    code = "import sys, service.logs; assert 'rich' not in sys.modules; import rich"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else() -> None:
    tried: list[str] = []

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            tried.append(text)
            raise OSError(errno.ENOSPC, "No space left on device")

    configure(Settings(log_format="json"), "worker 0", Full())
    get_logger().error("engine_failed")
    assert "engine_failed" in "".join(tried)


def _configured(**settings: Any) -> io.StringIO:
    stream = io.StringIO()
    configure(Settings(**settings), "gateway", stream)
    return stream


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _fail_with_secret() -> None:
    secret = "z" + "q"
    try:
        _ = len(secret) / 0
    except ZeroDivisionError:
        get_logger().exception("failed")
