import base64
from datetime import timedelta

import pytest

from tests.workspace.builders import NOW
from workspace.models import ApiKey

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.workspace.api.urls")]
LIST = "/api/v1/keys"


@pytest.fixture
def names(caller):
    """Twenty-five more keys, five of each second, oldest first; the caller's is the oldest."""
    ApiKey.objects.update(name="00")
    for number in range(1, 26):
        ApiKey.objects.create(
            name=f"{number:02}",
            lookup=f"lookup{number}",
            created_at=NOW + timedelta(seconds=(number + 4) // 5),
        )
    return [f"{number:02}" for number in range(25, -1, -1)]


def page(caller, **query):
    answer = caller.get(LIST, query)
    assert answer.status_code == 200, answer.json()
    assert set(answer.json()) == {"data", "pagination"}
    assert set(answer.json()["pagination"]) == {"next", "prev"}
    pagination = answer.json()["pagination"]
    return [row["name"] for row in answer.json()["data"]], pagination["next"], pagination["prev"]


class TestPage:
    def test_shows_twenty_newest_first(self, caller, names):
        shown, following, previous = page(caller)

        assert shown == names[:20]
        assert following
        assert previous is None

    @pytest.mark.parametrize("limit", [1, 3, 5, 13, 26, 100])
    def test_walks_through_all_and_back(self, caller, names, limit):
        """Equal instants neither repeat nor skip a row."""
        walked, following, pages = [], None, []
        while True:
            shown, following, previous = page(
                caller, limit=limit, **({"after": following} if following else {})
            )
            pages.append((shown, previous))
            walked += shown
            if following is None:
                break
        assert walked == names

        back, previous = pages[-1]
        while previous:
            shown, following, previous = page(caller, limit=limit, before=previous)
            assert following
            back = shown + back
        assert back == names

    def test_is_not_disturbed_by_new_rows(self, caller, names):
        _, following, _ = page(caller, limit=5)
        ApiKey.objects.create(name="new", lookup="new", created_at=NOW + timedelta(days=1))

        assert page(caller, limit=5, after=following)[0] == names[5:10]

    def test_ends_with_an_empty_page_when_rows_are_gone(self, caller, names):
        following = page(caller, limit=25)[1]
        ApiKey.objects.filter(name="00").update(created_at=NOW + timedelta(days=1))

        assert page(caller, limit=5, after=following) == ([], None, None)

    @pytest.mark.usefixtures("names")
    def test_costs_one_statement_however_deep(self, caller, django_assert_num_queries):
        """Style: lists have a fixed query count. One more recognises the key."""
        following = page(caller, limit=20)[1]

        with django_assert_num_queries(2):
            page(caller, limit=1)
        with django_assert_num_queries(2):
            page(caller, limit=20, after=following)

    @pytest.mark.parametrize("limit", ["0", "-1", "101", "1000000000", "x", "1.5", "１", " 1"])
    def test_refuses_sizes_that_do_not_exist(self, caller, limit):
        answer = caller.get(LIST, {"limit": limit})

        assert answer.status_code == 400
        assert answer.json()["code"] == "InvalidLimit"
        assert set(answer.json()["errors"]) == {"limit"}

    def test_refuses_repeated_parameters(self, caller):
        for query in ("limit=1&limit=2", "after=a&after=b", "name=a&name=b"):
            assert caller.get(f"{LIST}?{query}").status_code == 400

    @pytest.mark.usefixtures("names")
    def test_refuses_cursors_of_other_lists(self, caller):
        following = page(caller, limit=5)[1]

        for address, query in (
            ("/api/v1/other-keys", {"after": following}),
            (LIST, {"after": following, "name": "00"}),
            (LIST, {"before": following, "after": following}),
        ):
            answer = caller.get(address, query)
            assert answer.status_code == 400
            assert answer.json()["code"] == "InvalidCursor"

    @pytest.mark.usefixtures("names")
    def test_refuses_broken_cursors(self, caller):
        following = page(caller, limit=5)[1]
        assert len(following) <= 255

        def forged(text):
            return base64.urlsafe_b64encode(text.encode()).decode()

        for cursor in (
            "x",
            following[:-2],
            following[1:],
            "a" * 300,
            "é",
            "\0",
            forged("no.1.2"),
            forged("1"),
            forged(f"0123456789abcdef.{10**30}.1"),
        ):
            for side in ("after", "before"):
                answer = caller.get(LIST, {side: cursor})
                assert answer.status_code == 400, cursor
                assert answer.json()["code"] == "InvalidCursor"
                assert set(answer.json()["errors"]) == {side}

    def test_survives_positions_beyond_all_numbers(self, caller, rf):
        """A cursor proves no right, so anybody may make one: it must find nothing."""
        from workspace.api import cursors

        scope = cursors._scope(rf.get(LIST))
        for position in (f"0.{10**19}", f"{10**18}.1", f"{-(10**18)}.1"):
            text = f"{cursors._seal(scope, position)}.{position}"
            cursor = base64.urlsafe_b64encode(text.encode()).decode()
            assert caller.get(LIST, {"after": cursor}).status_code == 400
