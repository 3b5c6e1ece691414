"""The short way to the API, past everything that only pages need."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from workspace.api.errors import API_PATHS
from workspace.api.views import ApiView


class ApiMiddleware:
    """Leads requests of the API straight to their view.

    What comes after this in `MIDDLEWARE` is for people: sessions, messages, tokens of
    forms, policies of pages. An `ApiView` needs none of it and answers every exception
    itself, so its answer leaves by the way it came.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(API_PATHS):
            return self.get_response(request)
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return self.get_response(request)
        if not issubclass(getattr(match.func, "cls", object), ApiView):
            return self.get_response(request)  # the description of the API is a page
        request.get_host()  # refuses names that are not ours
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response
