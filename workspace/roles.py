"""Which role may do what (§13, X9). What the table does not allow is forbidden."""

from django.contrib.auth.backends import ModelBackend


class RoleBackend(ModelBackend):
    """Signs people in; their permissions come from their role alone."""
