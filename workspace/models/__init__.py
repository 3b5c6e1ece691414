from workspace.models.activity import Activity
from workspace.models.answers import IdempotentAnswer
from workspace.models.destinations import ExportDestination
from workspace.models.keys import ApiKey, Area, KeyKind
from workspace.models.users import Role, User

__all__ = [
    "Activity",
    "ApiKey",
    "Area",
    "ExportDestination",
    "IdempotentAnswer",
    "KeyKind",
    "Role",
    "User",
]
