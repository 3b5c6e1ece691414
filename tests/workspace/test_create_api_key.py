from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.workspace.builders import NOW
from workspace import keys
from workspace.models import ApiKey, KeyKind

pytestmark = pytest.mark.django_db


class TestCreateApiKey:
    def test_prints_the_key_alone(self):
        out = StringIO()

        call_command("create_api_key", "Billing service", stdout=out)

        key = keys.authenticate(out.getvalue().removesuffix("\n"), NOW)
        assert (key.name, key.kind) == ("Billing service", KeyKind.FULL)

    def test_makes_read_only_keys(self):
        call_command("create_api_key", "Dashboard", "--read-only", stdout=StringIO())

        assert ApiKey.objects.get().kind == KeyKind.READ_ONLY

    def test_makes_scoped_keys(self):
        scopes = ["--scope", "usage:write", "--scope", "access:read"]

        call_command("create_api_key", "Meter", *scopes, stdout=StringIO())

        assert ApiKey.objects.get().scopes == "access:read usage:write"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--scope", "usage:delete"], "choose from .*usage:write"),
            (["--read-only", "--scope", "usage:write"], "not allowed with"),
        ],
    )
    def test_makes_no_key_that_reaches_elsewhere_than_was_said(self, options, message):
        with pytest.raises(CommandError, match=message):
            call_command("create_api_key", "Meter", *options)

        assert not ApiKey.objects.exists()

    def test_wants_a_name(self):
        with pytest.raises(CommandError, match="what the key is for"):
            call_command("create_api_key", " ")
