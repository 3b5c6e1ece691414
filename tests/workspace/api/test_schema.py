import pytest
from drf_spectacular.generators import SchemaGenerator

pytestmark = pytest.mark.urls("tests.workspace.api.urls")


class TestApiKeyScheme:
    def test_says_how_to_send_a_key(self):
        described = SchemaGenerator(patterns=None).get_schema(request=None, public=True)

        schemes = described["components"]["securitySchemes"]
        assert schemes == {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-KEY"}}
        assert described["paths"]["/api/v1/keys"]["get"]["security"] == [{"ApiKey": []}]
