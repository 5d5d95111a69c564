# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""exclude_label against a small API server."""

from __future__ import annotations

import time

import pytest
from ansible_collections.l2ops.metallb.plugins.module_utils._operations.node_labels import EXCLUDE_LABEL
from ansible_collections.l2ops.metallb.plugins.modules import exclude_label
from ansible_collections.l2ops.metallb.tests.unit.fake_api import FakeApi, Refused
from ansible_collections.l2ops.metallb.tests.unit.run_module import run


@pytest.fixture
def api():
    with FakeApi() as fake:
        yield fake


def add(api, *names, value="", owned=False):
    for name in names:
        metadata = {"name": name, "labels": {"kubernetes.io/os": "linux"}, "annotations": {}}
        if value is not None:
            metadata["labels"][EXCLUDE_LABEL] = value
        if owned:
            metadata["annotations"]["talos.dev/owned-labels"] = f'["{EXCLUDE_LABEL}"]'
        api.add({"kind": "Node", "metadata": metadata})


def call(api, **arguments):
    return run(exclude_label, host=api.url, api_key="token", **arguments)


def labels(api):
    return {name: obj["metadata"]["labels"].get(EXCLUDE_LABEL) for (_ns, name), obj in api.objects["nodes"].items()}


def test_it_goes_whatever_its_value_and_the_second_run_sends_nothing(api):
    add(api, "cp-1", "cp-2")
    add(api, "w-1", value="true")
    add(api, "w-2", value=None)
    result = call(api)
    assert result["changed"] and not result["failed"]
    assert result["changed_nodes"] == ["cp-1", "cp-2", "w-1"]
    assert set(labels(api).values()) == {None}
    api.requests.clear()
    result = call(api)
    assert not result["changed"]
    assert [one["method"] for one in api.requests] == ["GET"]


def test_check_mode_says_the_same_and_writes_nothing(api):
    add(api, "cp-1", value="x")
    result = call(api, check=True, diff=True)
    assert result["changed"] and result["changed_nodes"] == ["cp-1"]
    assert result["diff"] == [
        {
            "before_header": "Node cp-1, metadata.labels",
            "after_header": "Node cp-1, metadata.labels",
            "before": f'{EXCLUDE_LABEL}: "x"\n',
            "after": "",
        }
    ]
    assert not api.sent("PATCH")
    assert call(api, diff=True)["diff"] == result["diff"]


def test_only_the_nodes_that_were_meant(api):
    add(api, "a", "b", "c")
    api.write("nodes", "c", lambda obj: obj["metadata"]["labels"].update(tier="x"))
    assert call(api, nodes=["a"])["changed_nodes"] == ["a"]
    assert call(api, label_selector="tier=x")["changed_nodes"] == ["c"]
    assert labels(api) == {"a": None, "b": "", "c": None}


def test_any_other_label_by_name(api):
    add(api, "a", "b")
    api.write("nodes", "a", lambda obj: obj["metadata"]["labels"].update({"team/tier": "x", "bare": ""}))
    assert call(api, key="team/tier")["changed_nodes"] == ["a"]
    assert call(api, key="bare", state="present", nodes=["a", "b"], value="1")["changed_nodes"] == ["a", "b"]
    left = {name: api.get("nodes", name)["metadata"]["labels"] for name in ("a", "b")}
    assert all(one == {"kubernetes.io/os": "linux", EXCLUDE_LABEL: "", "bare": "1"} for one in left.values())


def test_check_mode_and_diff_speak_of_every_node_that_would_change_and_of_no_other(api):
    add(api, "a", value="1")
    add(api, "b", value=None)
    add(api, "c", value="3")
    result = call(api, check=True, diff=True, state="present", all=True, value="1")
    assert result["changed_nodes"] == ["b", "c"]
    assert [(one["before"], one["after"]) for one in result["diff"]] == [
        ("", f'{EXCLUDE_LABEL}: "1"\n'),
        (f'{EXCLUDE_LABEL}: "3"\n', f'{EXCLUDE_LABEL}: "1"\n'),
    ]
    result = call(api, check=True, watch_seconds=3600)
    assert result["changed_nodes"] == ["a", "c"] and result["returned"] == [], "and nothing is waited for"
    assert not api.sent("PATCH")


def test_a_name_that_is_no_node(api):
    add(api, "a")
    result = call(api, nodes=["a", "zz"])
    assert result["changed_nodes"] == ["a"] and result["missing_nodes"] == ["zz"]
    assert "zz" in result["warnings"][0]
    result = call(api, nodes=["a", "zz"], state="present")
    assert result["failed"] and "zz" in result["msg"]
    assert labels(api)["a"] is None


def test_present(api):
    add(api, "a", "b", value=None)
    refused = call(api, state="present")
    assert refused["failed"] and "all: true" in refused["msg"]
    assert call(api, state="present", all=True)["changed_nodes"] == ["a", "b"]
    assert not call(api, state="present", all=True)["changed"]
    assert call(api, state="present", nodes=["b"], value="maintenance")["changed"]
    assert labels(api) == {"a": "", "b": "maintenance"}


@pytest.mark.parametrize("wrong", [{"key": "a b"}, {"value": "a b"}, {"watch_seconds": -1}])
def test_wrong_arguments_are_refused_before_any_request(api, wrong):
    result = call(api, **wrong)
    assert result["failed"] and result["failure_kind"] == "execution"
    assert not api.requests


def meddle(api, act, times=1):
    """After a look at nodes, somebody else is quicker than what follows from it."""
    real = api.answer
    left = [times]

    def answer(method, *request):
        seen = real(method, *request)
        if method == "GET" and left[0]:
            left[0] -= 1
            act()
        return seen

    api.answer = answer


def change(api, **labels):
    def write(node):
        for key, text in labels.items():
            node["metadata"]["labels"][EXCLUDE_LABEL if key == "label" else key] = text

    return lambda: api.write("nodes", "a", write)


def test_a_value_changed_meanwhile_is_read_again(api):
    add(api, "a")
    meddle(api, change(api, label="other"))
    assert call(api)["changed_nodes"] == ["a"]
    assert labels(api) == {"a": None}
    assert len(api.sent("PATCH")) == 2


def test_a_value_set_meanwhile_is_not_lost(api):
    """state=present without a value leaves one that is there, also one that came after the list."""
    add(api, "a", value=None)
    meddle(api, change(api, label="theirs"))
    assert call(api, state="present", nodes=["a"])["changed_nodes"] == []
    assert labels(api) == {"a": "theirs"}


def test_who_was_quicker_is_no_error(api):
    add(api, "a", "b")
    meddle(api, lambda: api.write("nodes", "a", lambda node: node["metadata"]["labels"].pop(EXCLUDE_LABEL)))
    result = call(api)
    assert not result["failed"] and result["changed_nodes"] == ["b"]


def test_a_node_that_vanishes_is_no_error(api):
    add(api, "a", "b")
    api.fault("PATCH", "/api/v1/nodes/a", 404, 'nodes "a" not found')
    result = call(api)
    assert not result["failed"]
    assert result["vanished_nodes"] == ["a"] and result["changed_nodes"] == ["b"]


def test_a_new_node_of_the_old_name_is_another_node(api):
    add(api, "a", "b")
    meddle(api, lambda: (api.remove("nodes", "a"), add(api, "a", value="its own")))
    result = call(api)
    assert result["vanished_nodes"] == ["a"] and result["changed_nodes"] == ["b"]
    assert labels(api) == {"a": "its own", "b": None}


def test_what_others_write_to_the_node_meanwhile_stays(api):
    """A kubelet's heartbeat between the list and the patch: read again, and nothing of it lost."""
    add(api, "a")
    meddle(api, change(api, fresh="yes"))
    assert call(api)["changed_nodes"] == ["a"]
    assert api.get("nodes", "a")["metadata"]["labels"] == {"kubernetes.io/os": "linux", "fresh": "yes"}
    assert len(api.sent("PATCH")) == 2


def test_a_node_that_others_write_to_all_the_time_is_given_up_after_five_tries_and_named(api):
    add(api, "a", "b")
    meddle(api, change(api, label="again"), times=99)
    result = call(api)
    assert result["failed"] and [one["node"] for one in result["failed_nodes"]] == ["a"]
    assert "a: after 5 tries, as if somebody else wrote to it all the time" in result["msg"]
    assert len([one for one in api.sent("PATCH") if one["path"].endswith("/a")]) == 5
    assert labels(api) == {"a": "again", "b": None}


def test_retry_after_is_waited_for(api):
    add(api, "a")
    api.fault("PATCH", "/api/v1/nodes/a", 429, "slow down", Retry_After="1")
    began = time.monotonic()
    assert call(api)["changed_nodes"] == ["a"]
    assert time.monotonic() - began >= 1


def test_conflicts_and_throttling_are_ridden_out(api):
    add(api, "a", "b")
    api.fault("PATCH", "/api/v1/nodes/a", 409, "the object has been modified")
    api.fault("PATCH", "/api/v1/nodes/b", 429, "slow down", Retry_After="0")
    result = call(api)
    assert result["changed_nodes"] == ["a", "b"] and set(labels(api).values()) == {None}


def test_partial_failure_names_each_node_and_what_was_done(api):
    add(api, "a", "b", "c")

    def admission(_verb, _plural, new, _old):
        if new["metadata"]["name"] == "b":
            raise Refused(403, 'admission webhook "guard" denied the request: hands off', "Forbidden")

    api.admission = admission
    result = call(api)
    assert result["failed"] and result["failure_kind"] == "execution" and result["changed"]
    assert result["changed_nodes"] == ["a", "c"]
    assert [one["node"] for one in result["failed_nodes"]] == ["b"]
    assert "2 of 3 nodes" in result["msg"] and "b: " in result["msg"] and "hands off" in result["msg"]


def test_a_missing_permission_is_asked_for_once_not_thousands_of_times(api):
    add(api, *[f"n{number:04}" for number in range(300)])
    api.forbidden.add(("patch", "nodes"))
    result = call(api)
    assert result["failed"]
    assert 'resources: ["nodes"], verbs: ["patch"]' in result["msg"]
    assert len(api.sent("PATCH")) < 100


def test_no_permission_to_look(api):
    api.forbidden.add(("list", "nodes"))
    result = call(api)
    assert result["failed"] and result["api_error"]["kind_of_failure"] == "forbidden"
    assert "add the RBAC rule" in result["msg"]


def test_the_owner_is_warned_of_and_the_writer_named(api):
    add(api, "cp-1", owned=True)
    add(api, "w-1")
    api.write("nodes", "w-1", lambda obj: obj["metadata"]["labels"].update({EXCLUDE_LABEL: "x"}), manager="somebody")
    result = call(api)
    assert result["nodes_owned_by_talos"] == ["cp-1"]
    assert {one["node"]: one["manager"] for one in result["writers"]} == {"cp-1": "", "w-1": "somebody"}
    (warning,) = result["warnings"]
    assert "Talos owns" in warning and "cp-1" in warning and "w-1" not in warning


def owner(api, times):
    """Puts the label back at once, as Talos was seen to do."""
    left = [times]

    def reaction(event, plural, obj):
        if plural == "nodes" and event == "MODIFIED" and EXCLUDE_LABEL not in obj["metadata"]["labels"] and left[0]:
            left[0] -= 1
            api.write(
                "nodes",
                obj["metadata"]["name"],
                lambda node: node["metadata"]["labels"].update({EXCLUDE_LABEL: ""}),
                manager="machined",
            )

    api.reaction = reaction


def test_hold_gives_up_on_an_owner_after_the_second_try(api):
    add(api, "cp-1", owned=True)
    owner(api, 99)
    result = call(api, watch_seconds=30)
    assert result["failed"]
    (back,) = result["returned"]
    assert (back["node"], back["times"], back["manager"], back["held"]) == ("cp-1", 2, "machined", False)
    assert back["owned_by_talos"] and back["at"]
    assert len(api.sent("PATCH")) == 2
    assert "put back by machined" in result["msg"] and "$patch: delete" in result["msg"]


def test_hold_mends_what_comes_back_only_once(api):
    add(api, "cp-1")
    owner(api, 1)
    result = call(api, watch_seconds=1)
    assert not result["failed"]
    (back,) = result["returned"]
    assert (back["times"], back["held"]) == (1, True)
    assert labels(api) == {"cp-1": None}
    assert "second removal held" in result["warnings"][0]


def test_hold_calls_nothing_lasting_that_talos_owns(api):
    """Seen on Talos v1.12.0: it missed the second removal, and the label stayed away until its next event, 47 minutes later."""
    add(api, "cp-1", owned=True)
    owner(api, 1)
    result = call(api, watch_seconds=1)
    assert result["failed"] and result["changed"]
    (back,) = result["returned"]
    assert (back["times"], back["held"], back["owned_by_talos"]) == (1, True, True)
    assert labels(api) == {"cp-1": None}
    assert "away from cp-1 since its second removal, until Talos looks again" in result["msg"]
    assert "$patch: delete" in result["msg"], "and what lasts"


def test_hold_tells_nodes_apart(api):
    """One gets it back once, one always, one never."""
    add(api, "always", "never", "once", owned=True)
    left = {"always": 99, "once": 1}

    def reaction(event, plural, obj):
        name = obj["metadata"]["name"]
        if (
            plural == "nodes"
            and event == "MODIFIED"
            and EXCLUDE_LABEL not in obj["metadata"]["labels"]
            and left.get(name)
        ):
            left[name] -= 1
            api.write(
                "nodes", name, lambda node: node["metadata"]["labels"].update({EXCLUDE_LABEL: ""}), manager="machined"
            )

    api.reaction = reaction
    result = call(api, watch_seconds=2)
    assert {one["node"]: (one["times"], one["held"]) for one in result["returned"]} == {
        "always": (2, False),
        "once": (1, True),
    }
    patches = [request["path"].rpartition("/")[2] for request in api.sent("PATCH")]
    assert sorted(patches) == ["always", "always", "never", "once", "once"]
    assert result["failed"] and "removed from always, once and put back by machined" in result["msg"]
    assert "Not tried any further. It is away from once since" in result["msg"]


def test_who_is_not_talos_is_named_and_to_be_found(api):
    add(api, "w-1")
    owner(api, 99)
    result = call(api, watch_seconds=30)
    assert result["failed"] and "Find out what machined is" in result["msg"] and "$patch" not in result["msg"]
    assert "speaker.ignoreExcludeLB" in result["msg"]


def test_hold_over_a_history_that_the_server_forgot(api):
    add(api, "cp-1")
    owner(api, 99)
    api.fault("WATCH", "/api/v1/nodes", 410, "too old resource version")
    result = call(api, watch_seconds=30)
    assert result["failed"] and result["returned"][0]["times"] == 2


def test_hold_waits_for_nothing_when_nothing_was_removed(api):
    add(api, "cp-1", value=None)
    result = call(api, watch_seconds=3600)
    assert not result["changed"] and result["returned"] == []


def test_an_unreachable_api_is_a_message():
    result = run(exclude_label, host="http://127.0.0.1:9", api_key="hush-hush")
    assert result["failed"] and "127.0.0.1:9" in result["msg"] and "hush-hush" not in str(result)
