"""Kueue's published objects, bent for a process on loopback."""

import base64
from typing import Any

import yaml

from sandbox.kueue import KueueAddress, build_configuration, build_manifests

ADDRESS = KueueAddress(
    webhook_port=1001, visibility_port=1002, authority=b"ca", authority_key=b"ca-key", certificate=b"crt", key=b"key"
)
CA_BUNDLE = base64.b64encode(b"ca").decode()
PORTS = {"kueue-webhook": 1001, "kueue-visibility": 1002, "kueue-metrics": 1003, "kueue-health": 1004}


def _object(kind: str, name: str, **rest: Any) -> dict[str, Any]:
    return {"apiVersion": "any", "kind": kind, "metadata": {"name": name}, **rest}


def test_what_only_a_cluster_can_run_is_dropped():
    manifests = build_manifests([_object("Deployment", "kueue"), _object("ServiceMonitor", "metrics")], ADDRESS)
    assert manifests.all() == ()


def test_webhooks_keep_their_path_and_get_the_loopback_address():
    service = {"name": "kueue-webhook-service", "namespace": "kueue-system", "path": "/validate-job"}
    hook = {"name": "job", "clientConfig": {"service": service}, "failurePolicy": "Fail"}
    (changed,) = build_manifests([_object("ValidatingWebhookConfiguration", "v", webhooks=[hook])], ADDRESS).webhooks
    assert changed["webhooks"] == [
        {
            "name": "job",
            "clientConfig": {"url": "https://127.0.0.1:1001/validate-job", "caBundle": CA_BUNDLE},
            "failurePolicy": "Fail",
        }
    ]


def test_conversion_goes_to_the_same_webhook():
    client = {"service": {"name": "kueue-webhook-service", "path": "/convert"}}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}
    definition = _object("CustomResourceDefinition", "cohorts", spec={"group": "g", "conversion": conversion})
    (changed,) = build_manifests([definition], ADDRESS).definitions
    assert changed["spec"]["conversion"]["webhook"] == {
        "clientConfig": {"url": "https://127.0.0.1:1001/convert", "caBundle": CA_BUNDLE},
        "conversionReviewVersions": ["v1"],
    }
    assert definition["spec"]["conversion"] is conversion, "the published object is not changed"
    assert conversion["webhook"]["clientConfig"] is client


def test_a_definition_without_conversion_stays_as_it_is():
    definition = _object("CustomResourceDefinition", "topologies", spec={"group": "g"})
    assert build_manifests([definition], ADDRESS).definitions == (definition,)


def test_the_namespace_comes_before_everything():
    definition = _object("CustomResourceDefinition", "x", spec={})
    namespace = _object("Namespace", "kueue-system")
    assert build_manifests([definition, namespace], ADDRESS).definitions == (namespace, definition)


def test_the_visibility_api_leads_to_this_machine():
    ports = [{"port": 443, "targetPort": 8082}]
    service = _object("Service", "kueue-visibility-server", spec={"selector": {"a": "b"}, "ports": ports})
    api = _object("APIService", "v1beta2.v", spec={"group": "v", "service": {"name": "kueue-visibility-server"}})
    manifests = build_manifests([service, api], ADDRESS)
    assert manifests.objects[0]["spec"] == {"type": "ExternalName", "externalName": "localhost", "ports": ports}
    assert manifests.api_services[0]["spec"]["service"] == {"name": "kueue-visibility-server", "port": 1002}


def test_the_secret_holds_our_four_files():
    (secret,) = build_manifests([_object("Secret", "kueue-webhook-server-cert")], ADDRESS).objects
    assert secret["type"] == "Opaque"
    assert {name: base64.b64decode(value) for name, value in secret["data"].items()} == {
        "tls.crt": b"crt",
        "tls.key": b"key",
        "ca.crt": b"ca",
        "ca.key": b"ca-key",
    }


def test_everything_listens_on_loopback_and_runs_once():
    configuration = yaml.safe_load(_configuration(fair_sharing=False))
    assert configuration["webhook"] == {"host": "127.0.0.1", "port": 1001, "certDir": "certs"}
    assert configuration["visibilityServer"] == {"bindAddress": "127.0.0.1", "bindPort": 1002}
    assert configuration["metrics"]["bindAddress"] == "127.0.0.1:1003"
    assert configuration["health"]["healthProbeBindAddress"] == "127.0.0.1:1004"
    assert configuration["leaderElection"] == {"leaderElect": False}


def test_fair_sharing_is_on_exactly_when_its_block_is_there():
    assert "fairSharing" not in yaml.safe_load(_configuration(fair_sharing=False))
    block = yaml.safe_load(_configuration(fair_sharing=True))["fairSharing"]
    assert block == {"preemptionStrategies": ["LessThanOrEqualToFinalShare", "LessThanInitialShare"]}


def _configuration(*, fair_sharing: bool) -> str:
    return build_configuration(port=PORTS.__getitem__, certificate_folder="certs", fair_sharing=fair_sharing)
