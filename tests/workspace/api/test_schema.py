from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from workspace.api.schema import nullable

pytestmark = pytest.mark.urls("tests.workspace.api.urls")


def described() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator(patterns=None).get_schema(request=None, public=True)
    return made


class TestApiKeyScheme:
    def test_says_how_to_send_a_key(self):
        schemes = described()["components"]["securitySchemes"]

        assert schemes == {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-KEY"}}
        assert described()["paths"]["/api/v1/keys"]["get"]["security"] == [{"ApiKey": []}]


class TestDescription:
    def operation(self, path: str, method: str) -> dict[str, Any]:
        found: dict[str, Any] = described()["paths"][path][method]
        return found

    def test_names_parameters_as_they_are_written(self):
        parameters = self.operation("/api/v1/keys", "get")["parameters"]

        styles = {each["name"]: each.get("style") for each in parameters}
        assert styles == {
            "name": None,
            "status": "form",
            "createdAt": "deepObject",
            "limit": None,
            "after": None,
            "before": None,
        }

    def test_names_the_body_that_is_read(self):
        body = self.operation("/api/v1/keys", "post")["requestBody"]

        schema = body["content"]["application/json"]["schema"]
        assert (body["required"], schema) == (True, {"$ref": "#/components/schemas/KeyReader"})
        assert described()["components"]["schemas"]["KeyReader"] == {
            "type": "object",
            "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 64}},
            "required": ["name"],
        }

    def test_names_every_answer(self):
        responses = self.operation("/api/v1/keys", "post")["responses"]

        good = responses["201"]["content"]["application/json"]["schema"]
        assert good["properties"] == {"data": {"$ref": "#/components/schemas/Key"}}
        assert [*responses] == [
            *("201", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "503")
        ]


class TestNullable:
    @pytest.mark.parametrize(
        ("schema", "expected"),
        [
            ({"type": "string"}, {"type": ["string", "null"]}),
            ({"type": ["array", "string"]}, {"type": ["array", "string", "null"]}),
            (
                {"type": "string", "enum": ["A"]},
                {"type": ["string", "null"], "enum": ["A", None]},
            ),
            ({"$ref": "#/x"}, {"anyOf": [{"$ref": "#/x"}, {"type": "null"}]}),
            ({"anyOf": [{}]}, {"anyOf": [{}, {"type": "null"}]}),
        ],
    )
    def test_lets_it_be_null_too(self, schema, expected):
        assert nullable(schema) == expected
