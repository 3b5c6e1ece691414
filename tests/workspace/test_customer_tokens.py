import hashlib
import hmac

from workspace import customer_tokens


class TestCustomerOf:
    def test_knows_whom_a_token_proves(self):
        """X5: signed as anybody can with the secret, in any language."""
        secret = customer_tokens.secret_of("key-1")
        signature = hmac.new(secret.encode(), b"acme:eu", hashlib.sha256).hexdigest()

        found = customer_tokens.customer_of(f"HMAC-SHA256 acme:eu:{signature}", "key-1")

        assert found == "acme:eu"

    def test_believes_nobody_else(self):
        token = customer_tokens.token("acme", customer_tokens.secret_of("key-1"))
        word, rest = token.split(" ")

        for sent, lookup in (
            (token, "key-2"),
            (rest, "key-1"),
            (token.replace("acme", "globex"), "key-1"),
            (token[:-1], "key-1"),
            (f"{word} acme:", "key-1"),
            (f"{word} acme:é", "key-1"),
            ("", "key-1"),
        ):
            assert customer_tokens.customer_of(sent, lookup) is None

    def test_goes_on_while_secret_keys_change(self, settings):
        token = customer_tokens.token("acme", customer_tokens.secret_of("key-1"))

        old, settings.SECRET_KEY = settings.SECRET_KEY, "new" * 20
        settings.SECRET_KEY_FALLBACKS = [old]

        assert customer_tokens.customer_of(token, "key-1") == "acme"
        settings.SECRET_KEY_FALLBACKS = []
        assert customer_tokens.customer_of(token, "key-1") is None
