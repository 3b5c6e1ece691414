import pytest
from django.core.exceptions import ValidationError

from workspace.ids import (
    InvalidId,
    PublicIdField,
    new_public_id,
    suggest_public_id,
    validate_public_id,
)

GOOD = ["a", "9", "Plan_2|b.c@d-e", "a" * 255]
BAD = ["", "-a", "_a", "a b", "a/b", "é", "a\n", "a\0", "a%2F", "a" * 256, "\u202ea", "１"]


class TestValidatePublicId:
    @pytest.mark.parametrize("text", GOOD)
    def test_accepts(self, text):
        """R1."""
        assert validate_public_id(text) == text

    @pytest.mark.parametrize("text", BAD)
    def test_refuses(self, text):
        """R1."""
        with pytest.raises(InvalidId) as refusal:
            validate_public_id(text, field="plan_id")

        assert refusal.value.field == "plan_id"


class TestPublicIdField:
    @pytest.mark.parametrize("text", GOOD)
    def test_accepts(self, text):
        assert PublicIdField().clean(text, None) == text

    @pytest.mark.parametrize("text", BAD)
    def test_refuses(self, text):
        with pytest.raises(ValidationError):
            PublicIdField().clean(text, None)


class TestNewPublicId:
    def test_is_valid_and_new_each_time(self):
        made = {new_public_id("grant") for _ in range(100)}

        assert len(made) == 100
        assert all(validate_public_id(one).startswith("grant-") for one in made)


class TestSuggestPublicId:
    @pytest.mark.parametrize(
        ("name", "suggestion"),
        [
            ("Pro Plan (EU)", "pro-plan-eu"),
            ("  AI Credits!  ", "ai-credits"),
            ("Crédits étendus", "credits-etendus"),
            ("積分", ""),
            ("a" * 300, "a" * 255),
        ],
    )
    def test_makes_a_slug(self, name, suggestion):
        """R1: forms suggest a slug from the name."""
        assert suggest_public_id(name) == suggestion
