"""The shape of people, groups, tokens and audit events in the REST API. Rules are checked by the services, not here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rest_framework import serializers

from accounts.domain.roles import PERMISSIONS_BY_ROLE, Role
from accounts.models import ApiToken, AuditEvent, Membership, User, UserGroup

USERNAME_HELP = "Lower-case letters, digits, dots and hyphens, at most 63, with a letter or digit at both ends."
ROLE_HELP = "What the person may do: `admin` everything, `researcher` the quotas and namespaces of their groups."


class MembershipOfUserSerializer(serializers.ModelSerializer[Membership]):
    group = serializers.CharField(source="group.name", help_text="Name of the user group.")

    class Meta:
        model = Membership
        fields = ("group", "is_owner")
        extra_kwargs = {"is_owner": {"help_text": "Whether the person speaks for the group; it gives no rights."}}


class UserSerializer(serializers.ModelSerializer[User]):
    groups = MembershipOfUserSerializer(
        source="memberships", many=True, read_only=True, help_text="The person's groups."
    )

    class Meta:
        model = User
        fields: tuple[str, ...] = (
            "username",
            "display_name",
            "email",
            "role",
            "is_active",
            "created_at",
            "last_login",
            "groups",
        )
        read_only_fields = fields
        extra_kwargs = {
            "username": {"help_text": USERNAME_HELP},
            "display_name": {"help_text": "Full name, shown instead of the user name when it is set."},
            "email": {"help_text": "Address for notifications."},
            "role": {"help_text": ROLE_HELP},
            "is_active": {"help_text": "Whether the person may sign in."},
            "created_at": {"help_text": "When the account was made."},
            "last_login": {"help_text": "When the person last signed in; null when never."},
        }


class UserCreateSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    username = serializers.CharField(max_length=63, help_text=USERNAME_HELP)
    password = serializers.CharField(
        max_length=200, write_only=True, trim_whitespace=False, help_text="First password, at least 10 characters."
    )
    role = serializers.ChoiceField(choices=list(Role), default=Role.RESEARCHER, help_text=ROLE_HELP)
    display_name = serializers.CharField(max_length=120, required=False, allow_blank=True, help_text="Full name.")
    email = serializers.EmailField(required=False, allow_blank=True, help_text="Address for notifications.")


class UserChangeSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    role = serializers.ChoiceField(choices=list(Role), required=False, help_text=ROLE_HELP)
    display_name = serializers.CharField(max_length=120, required=False, allow_blank=True, help_text="Full name.")
    email = serializers.EmailField(required=False, allow_blank=True, help_text="Address for notifications.")
    is_active = serializers.BooleanField(required=False, help_text="False shuts the person out at once.")


class PasswordSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    password = serializers.CharField(
        max_length=200, write_only=True, trim_whitespace=False, help_text="New password, at least 10 characters."
    )


class MemberSerializer(serializers.ModelSerializer[Membership]):
    username = serializers.CharField(source="user.username", help_text="User name of the member.")
    display_name = serializers.CharField(source="user.display_name", help_text="Full name of the member.")

    class Meta:
        model = Membership
        fields = ("username", "display_name", "is_owner")
        extra_kwargs = {"is_owner": {"help_text": "Whether the person speaks for the group; it gives no rights."}}


class GroupSerializer(serializers.ModelSerializer[UserGroup]):
    members = MemberSerializer(source="memberships", many=True, read_only=True, help_text="The people of the group.")

    class Meta:
        model = UserGroup
        fields = ("name", "display_name", "created_at", "members")
        read_only_fields = fields
        extra_kwargs = {
            "name": {"help_text": USERNAME_HELP},
            "display_name": {"help_text": "Name for people, shown instead of the name when it is set."},
            "created_at": {"help_text": "When the group was made."},
        }


class GroupCreateSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    name = serializers.CharField(max_length=63, help_text=USERNAME_HELP)
    display_name = serializers.CharField(max_length=120, required=False, allow_blank=True, help_text="Name for people.")


class GroupChangeSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    display_name = serializers.CharField(max_length=120, allow_blank=True, help_text="Name for people.")


class MemberSetSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    is_owner = serializers.BooleanField(
        default=False, help_text="Whether the person speaks for the group; it gives no rights."
    )


class MeSerializer(UserSerializer):
    """The person of the request."""

    permissions = serializers.SerializerMethodField(help_text="What the person may do, as names of permissions.")
    theme = serializers.ChoiceField(choices=User.Theme.choices, help_text="How the person likes the pages.")

    class Meta(UserSerializer.Meta):
        fields = (*UserSerializer.Meta.fields, "theme", "permissions")
        read_only_fields = fields

    def get_permissions(self, user: User) -> list[str]:
        return sorted(PERMISSIONS_BY_ROLE[Role(user.role)])


class MeChangeSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    theme = serializers.ChoiceField(choices=User.Theme.choices, help_text="How the person likes the pages.")


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = ("id", "name", "is_read_only", "created_at", "expires_at", "last_used_at")
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "Number of the token."},
            "name": {"help_text": "What the token is for."},
            "is_read_only": {"help_text": "Whether the token may only read."},
            "created_at": {"help_text": "When the token was made."},
            "expires_at": {"help_text": "From when the token is refused."},
            "last_used_at": {"help_text": "When the token was last used, to the minute; null when never."},
        }


class TokenCreateSerializer(serializers.Serializer[Any]):  # Any: plain input, no instance
    name = serializers.CharField(max_length=120, help_text="What the token is for.")
    is_read_only = serializers.BooleanField(default=True, help_text="Whether the token may only read.")
    expires_in_days = serializers.IntegerField(default=90, help_text="Life of the token in days, 1 to 365.")

    def read_life(self) -> timedelta:
        days = self.validated_data["expires_in_days"]
        # Beyond what a timedelta holds everything is equally too long; the service says so.
        return timedelta(days=max(timedelta.min.days, min(days, timedelta.max.days)))


class TokenCreatedSerializer(TokenSerializer):
    text = serializers.CharField(
        read_only=True, help_text="The token itself. It is shown this once and cannot be had again."
    )

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "text")
        read_only_fields = fields


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    class Meta:
        model = AuditEvent
        fields = (
            "id",
            "at",
            "kind",
            "actor_name",
            "subject_type",
            "subject_id",
            "subject_name",
            "summary",
            "details",
            "request_id",
        )
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "Number of the event."},
            "at": {"help_text": "When it happened."},
            "kind": {"help_text": "What happened, as `noun.verb`."},
            "actor_name": {"help_text": "User name of who did it; `aidashboard` for the product itself."},
            "subject_type": {"help_text": "Kind of the thing that changed."},
            "subject_id": {"help_text": "Number of the thing that changed."},
            "subject_name": {"help_text": "Name of the thing that changed, at that time."},
            "summary": {"help_text": "What happened, in a sentence."},
            "details": {"help_text": "The change itself, usually before and after."},
            "request_id": {"help_text": "Id of the request, as in the logs."},
        }
