"""What every operation of the OpenAPI document has in common: errors are problems (RFC 9457), and which ones can happen."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.generators import SchemaGenerator

Json = dict[str, Any]  # Any: an OpenAPI document

_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
PROBLEM: Final[Json] = {
    "type": "object",
    "description": "What went wrong, in words a person can act on.",
    "required": ["title", "status", "code"],
    "properties": {
        "title": {**_TEXT, "description": "The error in a sentence."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "code": {**_TEXT, "description": "Stable name of the error, for programs."},
        "detail": {**_TEXT, "description": "What to do about it."},
        "request_id": {**_TEXT, "description": "Id of the request, as in the logs."},
        "errors": {
            "type": "array",
            "description": "One entry per broken rule.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {**_TEXT, "description": "The input that breaks the rule."},
                    "value": {**_TEXT, "description": "What was given."},
                    "rule": {**_TEXT, "description": "Stable name of the rule."},
                    "subject": {**_TEXT, "description": "The thing the rule is about, such as a quota node."},
                    "message": {
                        **_TEXT,
                        "description": "The rule in a sentence, with both numbers where there are two.",
                    },
                    "is_warning": {"type": "boolean", "description": "Whether this alone would not stop the change."},
                },
            },
        },
        "conflicts": {
            "type": "array",
            "description": "With 409: what somebody else changed since it was read, both versions of each field.",
            "items": {
                "type": "object",
                "required": ["node_path", "field", "read", "current", "wanted", "read_version", "current_version"],
                "properties": {
                    "node_path": {**_TEXT, "description": "Path of the node."},
                    "field": {**_TEXT, "description": "Field of the node."},
                    "read": {**_TEXT_OR_NULL, "description": "What you read; null when that version is not known."},
                    "current": {**_TEXT, "description": "What stands now."},
                    "wanted": {**_TEXT_OR_NULL, "description": "What you want; null when you leave the field alone."},
                    "read_version": {"type": "integer", "description": "The version you read."},
                    "current_version": {"type": "integer", "description": "The version now."},
                    "changed_by": {**_TEXT, "description": "Who changed it last; empty when not known."},
                },
            },
        },
    },
}


def describe_problems(result: Json, generator: SchemaGenerator, request: object, public: bool) -> Json:
    """Give every operation its answer for whatever goes wrong (drf-spectacular, POSTPROCESSING_HOOKS)."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    answer = {
        "description": "Refused or failed; `status` and `code` say how.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"]["default"] = answer
    return result
