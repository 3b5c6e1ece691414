"""One answer to everything: as long as that of a check, and known beforehand."""

from django.http import HttpRequest, HttpResponse
from django.urls import re_path

BODY = b'{"data":{%s}}' % b",".join(b'"field%02d":"0123456789"' % number for number in range(24))


def answer(request: HttpRequest) -> HttpResponse:
    """The limit of the web server: a view that neither asks nor thinks."""
    return HttpResponse(
        BODY, content_type="application/json", headers={"Content-Length": str(len(BODY))}
    )


urlpatterns = [re_path("", answer)]
