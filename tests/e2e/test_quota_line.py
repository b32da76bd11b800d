"""The line that everything stands on: a quota typed into a page becomes Kueue objects, and use of it moves the page."""

from __future__ import annotations

import json
import re

import yaml
from playwright.sync_api import Page, expect

from tests.e2e.conftest import SignIn
from tests.running_demo import RunningDemo

SYNC_MILLISECONDS = 5_000
LIVE_MILLISECONDS = 5_000
RECLAIM_MILLISECONDS = 60_000
NAMESPACE = "orbit-team"


def draft_node(page: Page) -> None:
    """A new node below the root with a namespace of its own: two changes, one draft."""
    page.goto("/quotas/")
    page.get_by_role("link", name="Add node").first.click()
    page.fill("[name=name]", "orbit")
    page.fill("[name='min.nvidia.com/gpu']", "2")
    page.fill("[name='max.nvidia.com/gpu']", "4")
    page.fill("[name=namespaces]", NAMESPACE)
    page.get_by_role("button", name="Add to the draft").click()


def build_job(name: str, gpus: int) -> str:
    resources = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"nvidia.com/gpu": str(gpus)}}
    container = {"name": "main", "image": "train", "resources": resources}
    pod = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": {"aidashboard.io/user": "ada"}},
        "spec": {"parallelism": 1, "completions": 1, "template": pod},
    }
    return yaml.safe_dump(job)


def test_a_quota_typed_into_a_page_governs_the_cluster_and_its_use_shows(demo: RunningDemo, sign_in: SignIn):
    page = sign_in(demo.admin)
    draft_node(page)

    expect(page.get_by_text(re.compile("Draft: 2 changes"))).to_be_visible()
    page.get_by_role("button", name="Apply").click()
    row = page.locator("tr", has=page.get_by_role("link", name="orbit", exact=True))
    expect(row.get_by_text("Synced")).to_be_visible(timeout=SYNC_MILLISECONDS)

    queue = json.loads(demo.kubectl("get", "clusterqueue", "root-orbit", "-o", "json"))
    gpu = next(
        resource
        for group in queue["spec"]["resourceGroups"]
        for resource in group["flavors"][0]["resources"]
        if resource["name"] == "nvidia.com/gpu"
    )
    assert (str(gpu["nominalQuota"]), str(gpu["borrowingLimit"])) == ("2", "2")
    assert (
        demo.kubectl("-n", NAMESPACE, "get", "localqueue", "default", "-o", "jsonpath={.spec.clusterQueue}")
        == "root-orbit"
    )

    # Its own two GPUs may be lent: then they are reclaimed, and the borrower has its grace period. A job above Max waits.
    # Both show on the open page without a reload.
    demo.kubectl("apply", "-f", "-", input=build_job("fits", 2))
    expect(row.get_by_role("img", name=re.compile(r"2 (used|pending)"))).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(row.get_by_role("img", name=re.compile(r"GPU: 2 used of at most 4"))).to_be_visible(
        timeout=RECLAIM_MILLISECONDS
    )
    demo.kubectl("apply", "-f", "-", input=build_job("beyond", 16))
    expect(row.get_by_role("img", name=re.compile(r"16 pending"))).to_be_visible(timeout=LIVE_MILLISECONDS)

    page.goto("/workloads/?search=beyond")
    page.get_by_role("link", name="beyond").first.click()
    expect(page.get_by_text("Needs 16 GPUs; orbit can never get more than 4 GPUs.")).to_be_visible()


def test_a_researcher_sees_only_their_own(demo: RunningDemo, sign_in: SignIn):
    page = sign_in(demo.researcher)

    expect(page).to_have_url(re.compile("/home/"))
    expect(page.get_by_role("heading", name="alpha")).to_be_visible()
    expect(page.get_by_text("beta")).to_have_count(0)
    page.goto("/quotas/")
    expect(page.get_by_text("alpha").first).to_be_visible()
    expect(page.get_by_text("beta")).to_have_count(0)
    page.goto("/workloads/")
    expect(page.get_by_text("beta")).to_have_count(0)
    for path in ("/overview/", "/nodes/", "/sync/", "/clusters/", "/people/users", "/audit/"):
        assert page.request.get(path).status == 403
