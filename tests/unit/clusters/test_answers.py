"""What an API server answers becomes one error that says what to do."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.kube.answers import build_error, parse_answer
from clusters.kube.errors import (
    ApplyConflictError,
    ClusterForbiddenError,
    ClusterUnauthorizedError,
    FieldConflict,
    GoneError,
    KubeError,
    ObjectChangedError,
    ObjectInvalidError,
    ObjectMissingError,
    RefusedByWebhookError,
    ServerFaultError,
    TooManyRequestsError,
    UnexpectedAnswerError,
    WebhookUnavailableError,
)
from tests.unit.clusters.properties import quickly


def status(code: int, message: str = "", **details: object) -> bytes:
    return orjson.dumps({"kind": "Status", "status": "Failure", "code": code, "message": message, "details": details})


@pytest.mark.parametrize(
    ("code", "type_", "is_retryable"),
    [
        (400, ObjectInvalidError, False),
        (401, ClusterUnauthorizedError, False),
        (403, ClusterForbiddenError, False),
        (404, ObjectMissingError, False),
        (409, ObjectChangedError, False),
        (410, GoneError, False),
        (422, ObjectInvalidError, False),
        (429, TooManyRequestsError, True),
        (500, ServerFaultError, True),
        (503, ServerFaultError, True),
        (504, ServerFaultError, True),
        (418, UnexpectedAnswerError, True),
    ],
)
def test_each_status_has_its_error(code, type_, is_retryable):
    error = build_error(code, status(code, "words"))
    assert type(error) is type_
    assert error.is_retryable is is_retryable


def test_a_missing_right_is_named():
    message = (
        'clusterqueues.kueue.x-k8s.io is forbidden: User "system:serviceaccount:a:b" cannot list resource '
        '"clusterqueues" in API group "kueue.x-k8s.io" at the cluster scope'
    )
    error = build_error(403, status(403, message))
    assert isinstance(error, ClusterForbiddenError)
    assert (error.verb, error.resource) == ("list", "clusterqueues.kueue.x-k8s.io")
    assert error.message == (
        "AI Dashboard may not list clusterqueues.kueue.x-k8s.io in this cluster. Give it the ClusterRole of deploy/rbac."
    )


def test_a_conflict_names_managers_and_fields():
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-edit" using kueue.x-k8s.io/v1beta2',
            "field": ".spec.cohortName",
        }
    ]
    error = build_error(409, status(409, "Apply failed with 1 conflict", causes=causes))
    assert isinstance(error, ApplyConflictError)
    assert error.conflicts == (FieldConflict(manager="kubectl-edit", field="spec.cohortName"),)
    assert error.message == "Somebody else has set spec.cohortName (set by kubectl-edit)."


def test_an_invalid_object_names_its_fields():
    error = build_error(422, status(422, "is invalid", causes=[{"field": "spec.a", "message": "must be 0 or more"}]))
    assert isinstance(error, ObjectInvalidError)
    assert [(field.field, field.message) for field in error.fields] == [("spec.a", "must be 0 or more")]


def test_an_applied_field_that_the_schema_does_not_know_is_no_fault_of_the_server():
    message = "failed to create typed patch object (/a; kueue.x-k8s.io/v1beta2, Kind=Cohort): .spec.x: field not declared in schema"
    error = build_error(500, status(500, message))
    assert isinstance(error, ObjectInvalidError)
    assert not error.is_retryable


@pytest.mark.parametrize("code", [400, 403, 422])
def test_a_webhooks_refusal_keeps_its_words(code):
    error = build_error(
        code, status(code, 'admission webhook "vclusterqueue.kb.io" denied the request: lendingLimit too high')
    )
    assert isinstance(error, RefusedByWebhookError)
    assert "lendingLimit too high" in error.message


@pytest.mark.parametrize(
    "message",
    [
        'Internal error occurred: failed calling webhook "mclusterqueue.kb.io": failed to call webhook: connection refused',
        'conversion webhook for kueue.x-k8s.io/v1beta1, Kind=ClusterQueue failed: Post "https://127.0.0.1": refused',
    ],
)
def test_a_webhook_that_is_down_can_be_tried_again(message):
    error = build_error(500, status(500, message))
    assert isinstance(error, WebhookUnavailableError)
    assert error.is_retryable


def test_a_namespace_on_its_way_out_can_be_tried_again():
    causes = [{"reason": "NamespaceTerminating", "message": "namespace a is being terminated"}]
    error = build_error(403, status(403, "forbidden: unable to create new content", causes=causes))
    assert isinstance(error, ObjectChangedError)
    assert error.is_retryable


def test_the_server_says_how_long_to_wait():
    assert build_error(429, status(429), retry_after="7").retry_after_seconds == 7
    assert build_error(429, status(429, retryAfterSeconds=3)).retry_after_seconds == 3
    assert build_error(503, status(503, "starting"), retry_after="soon").retry_after_seconds is None


@pytest.mark.parametrize("code", [200, 302, 403, 404, 409, 500, 502, 503])
def test_a_page_is_not_an_api_server(code):
    error = build_error(code, b"<!DOCTYPE html><html><body>Sign in</body></html>")
    assert isinstance(error, UnexpectedAnswerError)
    assert f"({code}, HTML)" in error.message


def test_plain_words_of_the_api_server_itself_are_understood():
    assert isinstance(build_error(404, b"404 page not found\n"), ObjectMissingError)
    assert isinstance(build_error(500, b"[+]etcd failed"), ServerFaultError)
    assert isinstance(build_error(401, b"<html>"), ClusterUnauthorizedError)
    assert isinstance(build_error(429, b""), TooManyRequestsError)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"text"', b"{", b"\xff\xfe"])
def test_a_good_status_with_garbage_is_no_answer(body):
    with pytest.raises(UnexpectedAnswerError):
        parse_answer(200, body)


@quickly
@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_answer_becomes_an_error_of_the_family(code, body):
    assert isinstance(build_error(code, body), KubeError)


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["causes", "field", "x"]), inner)
    ),
    max_leaves=6,
)


@quickly
@given(st.integers(400, 599), st.dictionaries(st.sampled_from(["message", "reason", "details", "code"]), _json))
def test_any_status_becomes_an_error_of_the_family(code, fields):
    assert isinstance(build_error(code, orjson.dumps({**fields, "kind": "Status"})), KubeError)
