"""What lists of people and of audit events can be narrowed by."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from accounts.domain.roles import Role
from accounts.models import AuditEvent, User, UserGroup
from accounts.selectors import search_events, search_groups, search_users


class UserFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    search = django_filters.CharFilter(
        method="narrow", help_text="A part of the user name, the full name or the email."
    )

    role = django_filters.ChoiceFilter(choices=[(role.value, role.value) for role in Role], help_text="Role.")
    is_active = django_filters.BooleanFilter(help_text="Whether the person may sign in.")

    class Meta:
        model = User
        fields = ()

    def narrow(self, users: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        return search_users(users, value)


class GroupFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    search = django_filters.CharFilter(method="narrow", help_text="A part of either name.")
    member = django_filters.CharFilter(field_name="memberships__user__username", help_text="User name of a member.")

    class Meta:
        model = UserGroup
        fields = ()

    def narrow(self, groups: QuerySet[UserGroup], name: str, value: str) -> QuerySet[UserGroup]:
        return search_groups(groups, value)


class AuditEventFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    search = django_filters.CharFilter(method="narrow", help_text="A part of the summary or of the subject's name.")
    actor = django_filters.CharFilter(field_name="actor_name", help_text="User name of who did it.")
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte", help_text="From this moment on.")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt", help_text="Before this moment.")

    kind = django_filters.CharFilter(help_text="What happened, as `noun.verb`.")
    subject_type = django_filters.CharFilter(help_text="Kind of the thing that changed.")
    subject_id = django_filters.CharFilter(help_text="Number of the thing that changed.")

    class Meta:
        model = AuditEvent
        fields = ()

    def narrow(self, events: QuerySet[AuditEvent], name: str, value: str) -> QuerySet[AuditEvent]:
        return search_events(events, value)
