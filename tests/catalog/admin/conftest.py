from tests.workspace.admin.conftest import administrator, visit

__all__ = ["administrator", "visit"]
