"""What may get into a query, and what must be in it."""

from __future__ import annotations

import pytest

from monitoring import promql


@pytest.mark.parametrize(
    "name", ["", '"} or up{x="', "a|.*", ".*", "Team", "team_a", "a b", "-a", "x" * 300, "a\n", "a\\.b", "ä"]
)
def test_nothing_but_names_gets_into_a_query(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        promql.device_holders(namespaces=[name])
    with pytest.raises(ValueError, match="no name"):
        promql.pods_history("team", [name])
    with pytest.raises(ValueError, match="no name"):
        promql.queue_history([name], "nvidia.com/gpu")
    with pytest.raises(ValueError, match="no name"):
        promql.node_history(name)


@pytest.mark.parametrize("resource", ["", 'x"} or up', "a{b", "nvidia.com/gpu/x"])
def test_nothing_but_resources_gets_into_a_query(resource: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        promql.queue_history(["q"], resource)


def test_a_dot_in_a_name_matches_a_dot_only() -> None:
    assert '"team[.]b"' in promql.device_holders(namespaces=["team.b"]).text


@pytest.mark.parametrize("query", [promql.device_holders, promql.idle_evidence])
def test_every_selector_of_a_scoped_query_is_limited(query) -> None:
    text = query(namespaces=["team-a"]).text
    selectors = [part.split("}")[0] for part in text.split("{")[1:]]
    assert selectors
    assert all('namespace=~"team-a"' in selector for selector in selectors)


def test_no_namespace_is_no_freedom() -> None:
    text = promql.device_holders(namespaces=[]).text
    assert 'namespace=~"-"' in text
