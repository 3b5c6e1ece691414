from typing import Any

from rest_framework import serializers

from workspace.api.terms import NOTHING, Terms, chosen, shape_of, speaks


class Body(serializers.Serializer[Any]):
    pass


class Answer(serializers.BaseSerializer[Any]):
    def to_representation(self, instance: Any) -> dict[str, int]:
        return {"one": 1}


class TestSpeaks:
    def test_leaves_the_method_what_it_is(self):
        def post() -> None:
            pass

        assert speaks(body=Body, status=201)(post) is post
        assert post.terms == Terms(body=Body, status=201)  # type: ignore[attr-defined]

    def test_says_nothing_by_itself(self):
        assert Terms() == NOTHING
        assert NOTHING.status == 200


class TestChosen:
    def test_is_what_was_said(self):
        assert chosen(Body, object()) is Body
        assert chosen(None, object()) is None

    def test_asks_a_function_about_the_view(self):
        assert chosen(lambda view: {"plan": Body}[view], "plan") is Body


class TestShapeOf:
    def test_is_what_a_serializer_makes(self):
        assert shape_of(Answer) == dict[str, int]

    def test_is_a_type_as_it_stands(self):
        assert shape_of(list[str]) == list[str]
