"""Users, user groups, API tokens and the audit trail.

Owns who may sign in and who is in which group. What a person may do lies in `domain/roles.py`, what a group may use in `quotas`.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.core.validators import RegexValidator
from django.db import models

from accounts.domain.roles import Role

USERNAME_VALIDATOR = RegexValidator(
    r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?\Z",
    "use lower-case letters, digits, dots and hyphens, at most 63, with a letter or digit at both ends",
)


class UserManager(BaseUserManager["User"]):
    """Django's own commands need `create_superuser`; everything else goes through `accounts.services`."""

    def create_superuser(self, username: str, password: str | None = None) -> User:
        user = self.model(username=username, role=Role.ADMIN)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A person. The name is that of Kubernetes objects made for them, hence its form."""

    class Theme(models.TextChoices):
        SYSTEM = "system"
        LIGHT = "light"
        DARK = "dark"

    username = models.CharField(max_length=63, unique=True, validators=[USERNAME_VALIDATOR])
    display_name = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=20, choices=[(role, role) for role in Role], default=Role.RESEARCHER)
    theme = models.CharField(max_length=10, choices=Theme.choices, default=Theme.SYSTEM)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        ordering = ("username",)
        constraints = (models.CheckConstraint(condition=models.Q(role__in=list(Role)), name="user_role_is_known"),)

    def __str__(self) -> str:
        return self.username

    @property
    def is_admin(self) -> bool:
        return self.role == Role.ADMIN

    @property
    def shown_name(self) -> str:
        return self.display_name or self.username


class UserGroup(models.Model):
    """The smallest unit of assignment: people who share quotas. A user may be in many."""

    name = models.CharField(max_length=63, unique=True, validators=[USERNAME_VALIDATOR])
    display_name = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="user_groups")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person in a group. An owner is whom the others turn to; only an admin changes who is in a group."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    group = models.ForeignKey(UserGroup, on_delete=models.CASCADE, related_name="memberships")
    is_owner = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "group"], name="one_membership_per_user_and_group"),)


class ApiToken(models.Model):
    """A bearer token of a person. Only its SHA-256 is kept: the text is shown once, when it is made."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=120)
    digest = models.CharField(max_length=64, unique=True)
    is_read_only = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name


class AuditEvent(models.Model):
    """Who changed what, when and how. Written in the transaction of the change itself; never edited, never deleted by us."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    kind = models.CharField(max_length=60, db_index=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=63)
    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=40)
    subject_name = models.CharField(max_length=255)
    summary = models.TextField()
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ("-at", "-pk")
        indexes = (models.Index(fields=["subject_type", "subject_id", "-at"], name="audit_by_subject"),)
