"""The OpenAPI document is one that a person can work with: every operation, parameter and field says what it is."""

from __future__ import annotations

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

Json = dict[str, Any]  # Any: an OpenAPI document


@pytest.fixture(scope="module")
def document() -> Json:
    schema: Json = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # has no types
    return schema


def test_every_operation_has_a_description_and_an_id_of_its_own(document: Json) -> None:
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert not [name for name, operation in operations if not operation.get("description")]
    ids = [operation["operationId"] for _, operation in operations]
    assert sorted(ids) == sorted(set(ids))


def test_every_field_has_a_description(document: Json) -> None:
    bare = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, properties in schema.get("properties", {}).items()
        if not properties.get("description")
    ]
    assert not bare


def test_every_filter_has_a_description(document: Json) -> None:
    bare = [
        f"{path} {parameter['name']}"
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query" and not parameter.get("description")
    ]
    assert not bare


def test_every_operation_says_what_its_errors_look_like(document: Json) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]
