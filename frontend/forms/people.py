"""Forms of users and groups. They check shape; whether a name is free or a password good enough is the service's to say."""

from __future__ import annotations

from typing import TypedDict

from django import forms

from accounts import selectors
from accounts.domain.roles import Role
from accounts.models import User, UserGroup
from frontend.forms.styled import StyledForm

ROLE_CHOICES = [(Role.RESEARCHER.value, "Researcher"), (Role.ADMIN.value, "Admin")]
NAME_HELP = "Lower-case letters, digits, dots and hyphens, at most 63. It can't be changed later."
ROLE_HELP = "An admin sees and changes everything; a researcher sees the quotas and namespaces of their groups."
LENGTH_HELP = "At least 10 characters, not too common and unlike the user name."


class NewUserValues(TypedDict):
    username: str
    display_name: str
    email: str
    role: Role
    password: str


class UserValues(TypedDict):
    display_name: str
    email: str
    role: Role
    is_active: bool


class NewUserForm(StyledForm):
    username = forms.CharField(label="User name", max_length=63, help_text=NAME_HELP)
    display_name = forms.CharField(
        label="Name", max_length=120, required=False, help_text="How pages call this person."
    )
    email = forms.EmailField(label="Email", required=False)
    role = forms.ChoiceField(label="Role", choices=ROLE_CHOICES, initial=Role.RESEARCHER.value, help_text=ROLE_HELP)
    password = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=LENGTH_HELP,
    )

    @property
    def values(self) -> NewUserValues:
        data = self.cleaned_data
        return NewUserValues(
            username=data["username"],
            display_name=data["display_name"],
            email=data["email"],
            role=Role(data["role"]),
            password=data["password"],
        )


class UserForm(StyledForm):
    display_name = forms.CharField(
        label="Name", max_length=120, required=False, help_text="How pages call this person."
    )
    email = forms.EmailField(label="Email", required=False)
    role = forms.ChoiceField(label="Role", choices=ROLE_CHOICES, help_text=ROLE_HELP)
    is_active = forms.BooleanField(
        label="May sign in",
        required=False,
        help_text="Switched off, the person keeps their groups and history, and neither pages nor tokens let them in.",
    )

    @staticmethod
    def initial_from(user: User) -> UserValues:
        return UserValues(
            display_name=user.display_name, email=user.email, role=Role(user.role), is_active=user.is_active
        )

    @property
    def values(self) -> UserValues:
        data = self.cleaned_data
        return UserValues(
            display_name=data["display_name"],
            email=data["email"],
            role=Role(data["role"]),
            is_active=data["is_active"],
        )


class PasswordForm(StyledForm):
    password = forms.CharField(
        label="New password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=LENGTH_HELP,
    )


class NewGroupForm(StyledForm):
    name = forms.CharField(label="Group name", max_length=63, help_text=NAME_HELP)
    display_name = forms.CharField(label="Shown as", max_length=120, required=False)


class MemberForm(StyledForm):
    """Puts a person into a group."""

    user = forms.ModelChoiceField(
        label="Person", queryset=User.objects.none(), to_field_name="username", empty_label="Choose a person"
    )
    is_owner = forms.BooleanField(
        label="Owner", required=False, help_text="Owners speak for the group. It gives them no other rights."
    )

    def __init__(self, data: object = None, *, group: UserGroup) -> None:
        super().__init__(data)
        users = selectors.list_users().filter(is_active=True).exclude(memberships__group=group)
        self.fields["user"].queryset = users  # type: ignore[attr-defined]  # Field has none, ModelChoiceField does


class JoinForm(StyledForm):
    """Puts the person of a page into a group."""

    group = forms.ModelChoiceField(
        label="Group", queryset=UserGroup.objects.none(), to_field_name="name", empty_label="Choose a group"
    )
    is_owner = forms.BooleanField(label="Owner", required=False)

    def __init__(self, data: object = None, *, user: User) -> None:
        super().__init__(data)
        groups = selectors.list_groups().exclude(memberships__user=user)
        self.fields["group"].queryset = groups  # type: ignore[attr-defined]  # Field has none, ModelChoiceField does
