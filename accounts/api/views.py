"""The REST doors of accounts. A view turns text into typed values, calls one service or selector, and shows the outcome."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors, services
from accounts.api import serializers
from accounts.api.authentication import signed_in
from accounts.api.filters import AuditEventFilter, GroupFilter, UserFilter
from accounts.domain.roles import Permission, Role
from accounts.models import ApiToken, AuditEvent, Membership, User, UserGroup

USERNAME_PATTERN = "[a-z0-9][a-z0-9.-]*"


class UserViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[User]):
    """The people who may sign in."""

    permissions_by_action = {
        "list": Permission.PEOPLE_VIEW,
        "retrieve": Permission.PEOPLE_VIEW,
        "create": Permission.PEOPLE_CHANGE,
        "partial_update": Permission.PEOPLE_CHANGE,
        "password": Permission.PEOPLE_CHANGE,
    }
    queryset = User.objects.none()
    serializer_class = serializers.UserSerializer
    filterset_class = UserFilter
    ordering_fields = ("username", "role", "created_at", "last_login")
    lookup_field = "username"
    lookup_value_regex = USERNAME_PATTERN

    def get_queryset(self) -> QuerySet[User]:
        return selectors.list_users()

    def get_object(self) -> User:
        return selectors.get_user(username=self.kwargs["username"])

    @extend_schema(request=serializers.UserCreateSerializer, responses={201: serializers.UserSerializer})
    def create(self, request: Request) -> Response:
        """Make a user with a password."""
        wanted = _read(serializers.UserCreateSerializer(data=request.data))
        user = services.create_user(**{**wanted, "role": Role(wanted["role"])}, by=signed_in(request))
        return Response(self.get_serializer(user).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=serializers.UserChangeSerializer)
    def partial_update(self, request: Request, username: str) -> Response:
        """Change what is given. The last active admin stays one."""
        wanted = _read(serializers.UserChangeSerializer(data=request.data))
        if "role" in wanted:
            wanted["role"] = Role(wanted["role"])
        user = services.change_user(user=self.get_object(), by=signed_in(request), **wanted)
        return Response(self.get_serializer(user).data)

    @extend_schema(request=serializers.PasswordSerializer, responses={204: None})
    @action(detail=True, methods=["put"])
    def password(self, request: Request, username: str) -> Response:
        """Set a new password; all sessions of the person end."""
        wanted = _read(serializers.PasswordSerializer(data=request.data))
        services.set_password(user=self.get_object(), password=wanted["password"], by=signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class GroupViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[UserGroup]):
    """User groups: people who share quotas."""

    permissions_by_action = {
        "list": Permission.PEOPLE_VIEW,
        "retrieve": Permission.PEOPLE_VIEW,
        "create": Permission.PEOPLE_CHANGE,
        "partial_update": Permission.PEOPLE_CHANGE,
        "destroy": Permission.PEOPLE_CHANGE,
    }
    queryset = UserGroup.objects.none()
    serializer_class = serializers.GroupSerializer
    filterset_class = GroupFilter
    ordering_fields = ("name", "created_at")
    lookup_field = "name"
    lookup_value_regex = USERNAME_PATTERN

    def get_queryset(self) -> QuerySet[UserGroup]:
        return selectors.list_groups()

    def get_object(self) -> UserGroup:
        return selectors.get_group(name=self.kwargs["name"])

    @extend_schema(request=serializers.GroupCreateSerializer, responses={201: serializers.GroupSerializer})
    def create(self, request: Request) -> Response:
        """Make an empty user group."""
        group = services.create_group(
            **_read(serializers.GroupCreateSerializer(data=request.data)), by=signed_in(request)
        )
        return Response(self.get_serializer(group).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=serializers.GroupChangeSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Change how the group is shown."""
        wanted = _read(serializers.GroupChangeSerializer(data=request.data))
        group = services.change_group(group=self.get_object(), by=signed_in(request), **wanted)
        return Response(self.get_serializer(group).data)

    def destroy(self, request: Request, name: str) -> Response:
        """Delete a group that no quota refers to. Its people stay."""
        services.delete_group(group=self.get_object(), by=signed_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class GroupMemberViewSet(viewsets.GenericViewSet[Membership]):
    """Who is in a user group."""

    permissions_by_action = {"update": Permission.PEOPLE_CHANGE, "destroy": Permission.PEOPLE_CHANGE}
    queryset = Membership.objects.none()
    serializer_class = serializers.MemberSerializer

    @extend_schema(request=serializers.MemberSetSerializer)
    def update(self, request: Request, name: str, username: str) -> Response:
        """Put a person into the group, or change whether they own it."""
        wanted = _read(serializers.MemberSetSerializer(data=request.data))
        membership = services.set_member(
            group=selectors.get_group(name=name),
            user=selectors.get_user(username=username),
            by=signed_in(request),
            is_owner=wanted["is_owner"],
        )
        return Response(self.get_serializer(membership).data)

    def destroy(self, request: Request, name: str, username: str) -> Response:
        """Take a person out of the group; nothing happens when they are not in it."""
        services.remove_member(
            group=selectors.get_group(name=name), user=selectors.get_user(username=username), by=signed_in(request)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(GenericAPIView[User]):
    """The person of the request."""

    required_permission = Permission.SIGNED_IN
    serializer_class = serializers.MeSerializer
    queryset = User.objects.none()
    pagination_class = None
    filter_backends = ()

    def get(self, request: Request) -> Response:
        """Who you are, what you may do, and the groups you are in."""
        user = selectors.list_users().get(pk=signed_in(request).pk)
        return Response(self.get_serializer(user).data)

    @extend_schema(request=serializers.MeChangeSerializer)
    def patch(self, request: Request) -> Response:
        """Change how you like the pages."""
        wanted = _read(serializers.MeChangeSerializer(data=request.data))
        services.set_theme(user=signed_in(request), theme=wanted["theme"])
        return self.get(request)


class TokenViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[ApiToken]):
    """Your own API tokens. The text of a token is shown once, when it is made."""

    permissions_by_action = {"*": Permission.SIGNED_IN}
    queryset = ApiToken.objects.none()
    serializer_class = serializers.TokenSerializer
    ordering_fields = ("created_at", "expires_at", "name")
    lookup_field = "id"
    lookup_value_regex = "[0-9]{1,15}"

    def get_queryset(self) -> QuerySet[ApiToken]:
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset()
        return selectors.list_tokens(signed_in(self.request))

    @extend_schema(request=serializers.TokenCreateSerializer, responses={201: serializers.TokenCreatedSerializer})
    def create(self, request: Request) -> Response:
        """Make a token. Keep its text: it cannot be had again."""
        form = serializers.TokenCreateSerializer(data=request.data)
        wanted = _read(form)
        token, text = services.create_token(
            user=signed_in(request),
            name=wanted["name"],
            is_read_only=wanted["is_read_only"],
            life=form.read_life(),
            now=timezone.now(),
        )
        shown = {**serializers.TokenSerializer(token).data, "text": text}
        return Response(shown, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    def destroy(self, request: Request, id: str) -> Response:
        """Revoke a token; it is refused from this moment on."""
        user = signed_in(request)
        services.revoke_token(token=selectors.get_token(user=user, token_id=int(id)), by=user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AuditEventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[AuditEvent]):
    """Who changed what, when. Newest first; events are never edited."""

    permissions_by_action = {"*": Permission.AUDIT_VIEW}
    queryset = AuditEvent.objects.none()
    serializer_class = serializers.AuditEventSerializer
    filterset_class = AuditEventFilter
    ordering_fields = ("at",)
    lookup_field = "id"
    lookup_value_regex = "[0-9]{1,15}"

    def get_queryset(self) -> QuerySet[AuditEvent]:
        return selectors.list_audit_events()

    def get_object(self) -> AuditEvent:
        return selectors.get_audit_event(event_id=int(self.kwargs["id"]))


def _read(form: Any) -> dict[str, Any]:  # Any: serializers and what they validate are untyped
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)
