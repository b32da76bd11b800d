"""Users and groups: lists, forms, memberships."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts import selectors, services
from accounts.domain.roles import Permission
from accounts.models import User, UserGroup
from accounts.permissions import SignedInRequest, require_permission
from aidashboard.kit.errors import InvalidError
from frontend.forms.findings import show_findings
from frontend.forms.people import (
    JoinForm,
    MemberForm,
    NewGroupForm,
    NewUserForm,
    PasswordForm,
    UserForm,
)
from frontend.forms.styled import TypedNameForm
from frontend.pages import people as pages
from frontend.rendering import render_csv, render_page
from frontend.tables import read_table_query


@require_permission(Permission.PEOPLE_VIEW)
def user_list(request: SignedInRequest) -> HttpResponseBase:
    table = read_table_query(request, sortable=pages.USER_SORTABLE, default_sort="username")
    if table.is_csv:
        return render_csv("people", pages.USER_CSV_HEADER, pages.list_user_csv_rows(table))
    return render_page(request, "people/user_list.html", pages.build_user_list(table))


@require_permission(Permission.PEOPLE_CHANGE)
@sensitive_post_parameters("password")
def user_create(request: SignedInRequest) -> HttpResponse:
    form = NewUserForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with show_findings(form):
            user = services.create_user(**form.values, by=request.user)
            messages.success(request, f"{user.username} can sign in now.")
            return redirect("people:user-detail", username=user.username)
    page = pages.build_user_create(form)
    return render_page(request, "people/form.html", page, status=422 if form.errors else 200)


@require_permission(Permission.PEOPLE_CHANGE)
def user_detail(request: SignedInRequest, username: str) -> HttpResponse:
    user = selectors.get_user(username=username)
    form = UserForm(request.POST or None, initial=dict(UserForm.initial_from(user)))
    if request.method == "POST" and form.is_valid():
        with show_findings(form):
            services.change_user(user=user, by=request.user, **form.values)
            messages.success(request, f"{user.username} is saved.")
            return redirect("people:user-detail", username=user.username)
    return _render_user(request, user, form=form)


@require_permission(Permission.PEOPLE_CHANGE)
@require_POST
@sensitive_post_parameters("password")
def password_set(request: SignedInRequest, username: str) -> HttpResponse:
    user = selectors.get_user(username=username)
    form = PasswordForm(request.POST)
    if form.is_valid():
        with show_findings(form):
            services.set_password(user=user, password=form.cleaned_data["password"], by=request.user)
            if user == request.user:
                # A new password ends the sessions of the old one; the one in which it was set goes on.
                update_session_auth_hash(request, user)
            messages.success(request, f"{user.username} has a new password.")
            return redirect("people:user-detail", username=user.username)
    return _render_user(request, user, password_form=form)


@require_permission(Permission.PEOPLE_CHANGE)
@require_POST
def group_join(request: SignedInRequest, username: str) -> HttpResponse:
    user = selectors.get_user(username=username)
    form = JoinForm(request.POST, user=user)
    if not form.is_valid():
        return _render_user(request, user, group_form=form)
    group: UserGroup = form.cleaned_data["group"]
    services.set_member(group=group, user=user, by=request.user, is_owner=form.cleaned_data["is_owner"])
    messages.success(request, f"{user.username} is in {group.name} now.")
    return redirect("people:user-detail", username=user.username)


@require_permission(Permission.PEOPLE_VIEW)
def group_list(request: SignedInRequest) -> HttpResponseBase:
    table = read_table_query(request, sortable=pages.GROUP_SORTABLE, default_sort="name")
    if table.is_csv:
        return render_csv("groups", pages.GROUP_CSV_HEADER, pages.list_group_csv_rows(table))
    return render_page(request, "people/group_list.html", pages.build_group_list(table))


@require_permission(Permission.PEOPLE_CHANGE)
def group_create(request: SignedInRequest) -> HttpResponse:
    form = NewGroupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with show_findings(form):
            group = services.create_group(**form.cleaned_data, by=request.user)
            messages.success(request, f"Group {group.name} is there. Add its members, then bind it to a quota.")
            return redirect("people:group-detail", name=group.name)
    page = pages.build_group_create(form)
    return render_page(request, "people/form.html", page, status=422 if form.errors else 200)


@require_permission(Permission.PEOPLE_VIEW)
def group_detail(request: SignedInRequest, name: str) -> HttpResponse:
    return _render_group(request, selectors.get_group(name=name))


@require_permission(Permission.PEOPLE_CHANGE)
@require_POST
def member_add(request: SignedInRequest, name: str) -> HttpResponse:
    group = selectors.get_group(name=name)
    form = MemberForm(request.POST, group=group)
    if not form.is_valid():
        return _render_group(request, group, form=form)
    user: User = form.cleaned_data["user"]
    services.set_member(group=group, user=user, by=request.user, is_owner=form.cleaned_data["is_owner"])
    messages.success(request, f"{user.username} is in {group.name} now.")
    return redirect("people:group-detail", name=group.name)


@require_permission(Permission.PEOPLE_CHANGE)
@require_POST
def member_change(request: SignedInRequest, name: str, username: str) -> HttpResponse:
    """Make a member owner, take that back, or take them out, as the pressed button says. Comes back to where it was pressed."""
    group, user = selectors.get_group(name=name), selectors.get_user(username=username)
    match request.POST.get("do"):
        case "remove":
            services.remove_member(group=group, user=user, by=request.user)
            messages.success(request, f"{user.username} is no longer in {group.name}.")
        case "own":
            services.set_member(group=group, user=user, by=request.user, is_owner=True)
            messages.success(request, f"{user.username} owns {group.name} now.")
        case "disown":
            services.set_member(group=group, user=user, by=request.user, is_owner=False)
            messages.success(request, f"{user.username} is a member of {group.name} and no longer owns it.")
        case other:
            raise InvalidError(f"do {other!r} is none of own, disown, remove", hint="Nothing was changed.")
    if request.POST.get("back") == "user":
        return redirect("people:user-detail", username=username)
    return redirect("people:group-detail", name=name)


@require_permission(Permission.PEOPLE_CHANGE)
@require_POST
def group_delete(request: SignedInRequest, name: str) -> HttpResponse:
    group = selectors.get_group(name=name)
    form = _ask_for_name(group, request.POST)
    if form.is_valid():
        with show_findings(form):
            services.delete_group(group=group, by=request.user)
            messages.success(request, f"Group {name} is deleted.")
            return redirect("people:group-list")
    return _render_group(request, group, delete_form=form)


def _render_user(
    request: SignedInRequest,
    user: User,
    *,
    form: UserForm | None = None,
    password_form: PasswordForm | None = None,
    group_form: JoinForm | None = None,
) -> HttpResponse:
    """The user's page, with the form that was just refused when there is one."""
    page = pages.build_user_detail(
        user,
        form=form or UserForm(initial=dict(UserForm.initial_from(user))),
        password_form=password_form or PasswordForm(),
        group_form=group_form or JoinForm(user=user),
    )
    refused = any(one is not None and one.errors for one in (form, password_form, group_form))
    return render_page(request, "people/user_detail.html", page, status=422 if refused else 200)


def _render_group(
    request: SignedInRequest,
    group: UserGroup,
    *,
    form: MemberForm | None = None,
    delete_form: TypedNameForm | None = None,
) -> HttpResponse:
    page = pages.build_group_detail(
        group, form=form or MemberForm(group=group), delete_form=delete_form or _ask_for_name(group)
    )
    refused = form is not None or delete_form is not None
    return render_page(request, "people/group_detail.html", page, status=422 if refused else 200)


def _ask_for_name(group: UserGroup, data: QueryDict | None = None) -> TypedNameForm:
    return TypedNameForm(data, name=group.name, undone="nothing was deleted")
