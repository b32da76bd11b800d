"""Routes of people and groups."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.views import people

app_name = "people"
urlpatterns: list[URLPattern] = [
    path("users", people.user_list, name="user-list"),
    path("users/new", people.user_create, name="user-create"),
    path("users/<str:username>", people.user_detail, name="user-detail"),
    path("users/<str:username>/password", people.password_set, name="password-set"),
    path("users/<str:username>/groups", people.group_join, name="group-join"),
    path("groups", people.group_list, name="group-list"),
    path("groups/new", people.group_create, name="group-create"),
    path("groups/<str:name>", people.group_detail, name="group-detail"),
    path("groups/<str:name>/members", people.member_add, name="member-add"),
    path("groups/<str:name>/members/<str:username>", people.member_change, name="member-change"),
    path("groups/<str:name>/delete", people.group_delete, name="group-delete"),
]
