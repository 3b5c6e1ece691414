import logging

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from workspace.tracing import TraceIdFilter, TraceMiddleware, current_trace_id, trace

ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def answer_to(**headers):
    seen = []

    def view(request):
        seen.append(current_trace_id())
        return HttpResponse()

    response = TraceMiddleware(view)(RequestFactory().get("/", headers=headers))
    return response["X-Trace-Id"], seen[0]


class TestTraceMiddleware:
    def test_gives_every_request_an_id_of_its_own(self):
        first, second = answer_to(), answer_to()

        assert first[0] == first[1]
        assert len(first[0]) == 32
        assert first != second

    def test_goes_on_with_the_trace_of_the_caller(self):
        assert answer_to(traceparent=f"00-{ID}-00f067aa0ba902b7-01") == (ID, ID)

    @pytest.mark.parametrize(
        "traceparent",
        [
            "",
            "x",
            ID,
            f"00-{ID}-00f067aa0ba902b7-01\r\nX-Evil: 1",
            f"00-{ID.upper()}-00f067aa0ba902b7-01",
            f"ff-{ID}-00f067aa0ba902b7-01",
            f"00-{'0' * 32}-00f067aa0ba902b7-01",
            f"00-{ID}-{'0' * 16}-01",
        ],
    )
    def test_accepts_nothing_else(self, traceparent):
        """X25: nobody writes lines of their own into our logs."""
        sent, seen = answer_to(traceparent=traceparent)

        assert sent == seen
        assert sent.lower() not in (ID, "0" * 32)

    def test_lets_the_log_say_which_request_was_refused(self, client, caplog):
        caplog.handler.addFilter(TraceIdFilter())

        refused = client.get("/api/v1/plans")

        [line] = [record for record in caplog.records if record.name == "django.request"]
        assert line.getMessage() == "Unauthorized: /api/v1/plans"
        assert vars(line)["trace_id"] == refused["X-Trace-Id"]

    def test_ignores_other_headers(self):
        assert answer_to(X_Trace_Id=ID)[0] != ID


class TestTrace:
    def test_ends_where_it_ends(self):
        with trace() as outer:
            with trace(ID):
                assert current_trace_id() == ID
            assert current_trace_id() == outer


class TestTraceIdFilter:
    def test_writes_the_id_into_records(self):
        inside, outside = (logging.makeLogRecord({}) for _ in range(2))

        with trace(ID):
            TraceIdFilter().filter(inside)

        assert vars(inside)["trace_id"] == ID
        assert TraceIdFilter().filter(outside)
