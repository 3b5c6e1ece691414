from workspace.models.activity import Activity
from workspace.models.answers import IdempotentAnswer
from workspace.models.keys import ApiKey, KeyKind
from workspace.models.users import Role, User

__all__ = ["Activity", "ApiKey", "IdempotentAnswer", "KeyKind", "Role", "User"]
