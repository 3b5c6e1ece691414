import json
import logging
import sys

from config.log_lines import JsonLines
from workspace.tracing import TraceIdFilter, trace


def line(message: str, *args: object, **extra: object) -> str:
    record = logging.LogRecord("stipend", logging.INFO, __file__, 1, message, args, None)
    record.created = 1_767_261_600.25
    vars(record).update(extra)
    return JsonLines().format(record)


class TestJsonLines:
    def test_say_when_how_bad_and_what(self) -> None:
        assert json.loads(line("%s ended", "Sweep", trace_id="a1", pools=3)) == {
            "at": "2026-01-01T10:00:00.250+00:00",
            "level": "INFO",
            "logger": "stipend",
            "message": "Sweep ended",
            "trace_id": "a1",
            "pools": 3,
        }

    def test_let_nobody_write_a_second_line(self) -> None:
        """X25."""
        written = line("name: %s", 'a\r\n{"level": "FAKE"}\u2028', customer="b\nc")

        assert len(written.splitlines()) == 1

    def test_leave_requests_out(self) -> None:
        assert "secret" not in line("refused", request="<GET /?token=secret>")

    def test_tell_where_an_error_came_from(self) -> None:
        try:
            raise ValueError("odd")
        except ValueError:
            record = logging.LogRecord("a", logging.ERROR, "", 1, "failed", (), sys.exc_info())

        written = JsonLines().format(record)

        assert "ValueError: odd" in json.loads(written)["exception"]
        assert len(written.splitlines()) == 1


class TestPlainLines:
    def test_say_which_request_they_are_about(self, settings) -> None:
        plain = settings.LOGGING["formatters"]["plain"]
        record = logging.LogRecord("django.request", logging.WARNING, "", 1, "Not Found", (), None)

        with trace() as trace_id:
            TraceIdFilter().filter(record)
            written = logging.Formatter(plain["format"], style=plain["style"]).format(record)

        assert written == f"WARNING django.request [{trace_id}]: Not Found"
