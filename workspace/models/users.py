"""People, and their roles."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.db.models.functions import Lower


class Role(models.TextChoices):
    """What a person may do; `workspace/roles.py` holds the table."""

    ADMINISTRATOR = "ADMINISTRATOR", "Administrator"
    PRODUCT_MANAGER = "PRODUCT_MANAGER", "Product manager"
    CUSTOMER_SUPPORT = "CUSTOMER_SUPPORT", "Customer support"
    READ_ONLY = "READ_ONLY", "Read-only"


ADMINISTRATORS = models.Q(role=Role.ADMINISTRATOR) | models.Q(is_superuser=True)


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> "UserQuerySet":
        """People who may sign in."""
        return self.filter(is_active=True)

    def administrators(self) -> "UserQuerySet":
        """People who may do everything."""
        return self.filter(ADMINISTRATORS)


class UserObjects(UserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    def create_superuser(
        self,
        username: str,
        email: str | None = None,
        password: str | None = None,
        **fields: Any,
    ) -> "User":
        """An administrator, as `manage.py createsuperuser` makes them."""
        fields.setdefault("role", Role.ADMINISTRATOR)
        return super().create_superuser(username, email, password, **fields)

    def create_user(
        self,
        username: str,
        email: str | None = None,
        password: str | None = None,
        **fields: Any,
    ) -> "User":
        """A person who may sign in to the admin; what they may do there, their role says."""
        fields.setdefault("is_staff", True)
        return super().create_user(username, email, password, **fields)


class User(AbstractUser):
    """A person of this workspace.

    Permissions come from the role alone, so Django's groups and single permissions are
    left out: one place to look, nothing to keep in step.
    """

    groups = None  # type: ignore[assignment]
    user_permissions = None  # type: ignore[assignment]

    role = models.CharField(max_length=32, choices=Role, default=Role.READ_ONLY)
    is_staff = models.BooleanField(default=True, editable=False)

    objects: ClassVar[UserObjects] = UserObjects()

    class Meta:
        verbose_name = "user"
        default_permissions = ["add", "change", "view"]
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="role_is_known"),
            models.UniqueConstraint(Lower("username"), name="one_user_per_name"),
        ]
