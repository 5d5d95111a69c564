# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""gitops_files: what it writes, byte for byte, what it will not touch, and that it judges before it writes.

The files under fixtures/gitops are what it writes; after a wanted change: L2OPS_GOLDEN=write pytest this file, and look at the difference.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import yaml
from ansible_collections.l2ops.metallb.plugins.modules import gitops_files, l2_validate
from ansible_collections.l2ops.metallb.tests.unit.run_module import run

GOLDEN = Path(__file__).resolve().parents[2] / "fixtures" / "gitops"
STYLES = ("argocd", "flux", "manifests")
POOL = "infrastructure/metallb/config/ipaddresspool.yaml"
VALUES = {
    "speaker": {"ignoreExcludeLB": True, "secretName": "metallb-memberlist", "frr": {"enabled": False}},
    "frrk8s": {"enabled": False},
}
# What `helm template` gives is long; what matters is what becomes of it.
RENDERED = {
    "metallb": "---\n# Source: metallb/templates/webhook.yaml\napiVersion: v1\nkind: Secret   \nmetadata:\n  name: webhook\n\n",
    "traefik": "apiVersion: v1\nkind: Service\nmetadata:\n  name: traefik\n",
}


def request(**more):
    apps = [
        {"name": "web", "namespace": "web", "path": "apps/web"},
        {
            "name": "dns",
            "namespace": "dns",
            "wave": 6,
            "chart": "coredns",
            "repo": "https://charts.example.org",
            "version": "1.2.3",
        },
    ]
    return {
        "repo_url": "https://git.example.org/ops/platform.git",
        "chart_values": VALUES,
        "pools": [{"name": "main-pool", "addresses": ["192.168.7.200-192.168.7.250"]}],
        "advertisements": [{"name": "l2-adv", "ip_address_pools": ["main-pool"], "interfaces": ["eth0"]}],
        "traefik": {"address": "192.168.7.203"},
        "apps": apps,
        "rendered": RENDERED,
        **more,
    }


def tree(top):
    return {
        str(one.relative_to(top)): one.read_bytes().decode("utf-8")
        for one in sorted(Path(top).rglob("*"))
        if one.is_file()
    }


def golden(style):
    """As tree: the files' names end in .golden, since ansible-test takes no file of several YAML documents."""
    return {name.removesuffix(".golden"): text for name, text in tree(GOLDEN / style).items()}


@pytest.fixture
def repo(tmp_path):
    """A repository as it is after a first run."""
    path = tmp_path / "repo"
    assert run(gitops_files, **request(path=str(path)))["changed"]
    return path


@pytest.mark.parametrize("style", STYLES)
def test_files_are_these_byte_for_byte(style, tmp_path):
    result = run(gitops_files, **request(path=str(tmp_path / "repo"), style=style))
    assert not result["failed"], result
    found = tree(tmp_path / "repo")
    if os.environ.get("L2OPS_GOLDEN") == "write":
        for name, text in found.items():
            path = GOLDEN / style / f"{name}.golden"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8"))
    assert found == golden(style)


@pytest.mark.parametrize("style", STYLES)
def test_the_second_run_changes_nothing_and_the_order_of_keys_does_not_matter(style, tmp_path):
    first = run(gitops_files, **request(path=str(tmp_path), style=style))
    again = run(
        gitops_files, **request(path=str(tmp_path), style=style, chart_values=dict(reversed(list(VALUES.items()))))
    )
    assert first["changed"] and not again["changed"]
    assert again["written"] == [] and again["diff"] == []
    assert {one["action"] for one in again["files"]} == {"unchanged"}


@pytest.mark.parametrize("style", STYLES)
def test_nothing_is_wrong_with_what_it_writes(style, tmp_path):
    """By the module's own judgement, and by l2_validate over the repository."""
    given = request(path=str(tmp_path), style=style)
    result = run(gitops_files, **given)
    assert result["findings"] == []
    assert run(l2_validate, manifests=[str(tmp_path)])["findings"] == []


@pytest.mark.parametrize("style", STYLES)
def test_every_document_is_yaml_with_a_kind(style):
    for name, text in golden(style).items():
        if name.endswith("values.yaml"):
            continue
        for one in yaml.safe_load_all(text):
            assert one["apiVersion"] and one["kind"], name


def test_waves_are_the_source_documents():
    texts = golden("argocd")
    found = [
        one for name, text in texts.items() if name.startswith("infrastructure/") for one in yaml.safe_load_all(text)
    ]
    waves = {one["metadata"]["name"]: one["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] for one in found}
    assert waves == {
        "metallb-helm": "0",
        "main-pool": "1",
        "l2-adv": "2",
        "traefik-helm": "3",
        "redirect-https": "4",
        "web": "5",
        "dns": "6",
    }
    helm = next(one for one in found if one["metadata"]["name"] == "metallb-helm")
    assert helm["spec"]["source"]["targetRevision"] == "0.15.3"
    policy = helm["spec"]["syncPolicy"]
    assert policy["automated"] == {"prune": True, "selfHeal": True}
    assert {"CreateNamespace=true", "ServerSideApply=true"} <= set(policy["syncOptions"])
    assert policy["managedNamespaceMetadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"


def test_without_a_path_nothing_is_written_and_all_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(gitops_files, **request())
    assert not result["changed"] and result["written"] == []
    assert {one["path"]: one["content"] for one in result["files"]} == golden("argocd")
    assert tree(tmp_path) == {}


def test_check_mode_writes_nothing_and_tells_the_difference(tmp_path):
    result = run(gitops_files, check=True, **request(path=str(tmp_path)))
    assert result["changed"] and POOL in result["written"]
    assert tree(tmp_path) == {}
    told = {one["after_header"]: one for one in result["diff"]}
    assert told[POOL]["before"] == "" and "192.168.7.200-192.168.7.250" in told[POOL]["after"]


def test_files_may_be_read_by_others(repo):
    assert stat.S_IMODE((repo / POOL).stat().st_mode) == 0o644


def test_what_was_changed_by_hand_is_not_overwritten_and_nothing_else_is_written(repo):
    changed = (repo / POOL).read_text(encoding="utf-8") + "  avoidBuggyIPs: true\n"
    (repo / POOL).write_text(changed, encoding="utf-8")
    before = tree(repo)
    result = run(
        gitops_files,
        **request(path=str(repo), pools=[{"name": "main-pool", "addresses": ["192.168.7.203-192.168.7.250"]}]),
    )
    assert result["failed"] and result["failure_kind"] == "execution"
    assert f"{POOL}: it was changed by hand since it was written" in result["msg"]
    assert "metallb_gitops_force: true" in result["msg"]
    assert tree(repo) == before


def test_a_file_of_somebody_elses_is_not_overwritten_unless_forced(tmp_path):
    (tmp_path / POOL).parent.mkdir(parents=True)
    (tmp_path / POOL).write_text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: mine\n", encoding="utf-8")
    result = run(gitops_files, **request(path=str(tmp_path)))
    assert result["failed"] and f"{POOL}: it was not written by this playbook" in result["msg"]
    forced = run(gitops_files, **request(path=str(tmp_path), force=True))
    assert not forced["failed"] and forced["changed"]
    assert tree(tmp_path) == golden("argocd")


def test_the_same_objects_without_the_header_are_taken_over(repo):
    text = (repo / POOL).read_text(encoding="utf-8")
    (repo / POOL).write_text(text.partition("---\n")[2], encoding="utf-8")
    result = run(gitops_files, **request(path=str(repo)))
    assert result["written"] == [POOL]
    assert (repo / POOL).read_text(encoding="utf-8") == text


def test_line_ends_of_git_on_windows_are_no_change(repo):
    for one in repo.rglob("*.yaml"):
        one.write_bytes(one.read_bytes().replace(b"\n", b"\r\n"))
    assert not run(gitops_files, **request(path=str(repo)))["changed"]


def test_what_is_no_longer_wanted_is_named_and_removed_only_when_asked(repo):
    less = request(path=str(repo), traefik=None, apps=[])
    (repo / "infrastructure" / "metallb" / "config" / "mine.yaml").write_text(
        "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: mine\n", encoding="utf-8"
    )
    result = run(gitops_files, **less)
    assert any("traefik-helmchart.yaml" in one and "metallb_gitops_prune" in one for one in result["warnings"])
    assert (repo / "infrastructure" / "traefik" / "traefik-helmchart.yaml").exists()
    pruned = run(gitops_files, **less, prune=True)
    assert "infrastructure/traefik/traefik-helmchart.yaml" in pruned["written"]
    assert not (repo / "infrastructure" / "traefik" / "traefik-helmchart.yaml").exists()
    assert (repo / "infrastructure" / "metallb" / "config" / "mine.yaml").exists()
    assert not run(gitops_files, **less, prune=True)["changed"]


def test_an_error_keeps_all_of_it_from_being_written(tmp_path):
    result = run(gitops_files, **request(path=str(tmp_path), pools=[{"name": "p", "addresses": ["10.0.0.0/33"]}]))
    assert result["failed"] and result["failure_kind"] == "findings"
    assert result["msg"].startswith("Nothing was written. ") and "10.0.0.0/33" in result["msg"]
    assert tree(tmp_path) == {}
    anyway = run(
        gitops_files,
        **request(path=str(tmp_path), pools=[{"name": "p", "addresses": ["10.0.0.0/33"]}], fail_on="never"),
    )
    assert anyway["changed"] and [one["code"] for one in anyway["findings"] if one["severity"] == "error"]


def test_the_gateway_in_the_pool_is_an_error(tmp_path):
    result = run(gitops_files, **request(path=str(tmp_path), gateway=["192.168.7.201"]))
    assert result["failed"] and "MLB302" in result["msg"]


def test_what_else_is_in_the_repository_is_judged_with_it(tmp_path):
    other = tmp_path / "infrastructure" / "other-pool.yaml"
    other.parent.mkdir(parents=True)
    other.write_text(
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: other, namespace: metallb-system}\n"
        "spec: {addresses: [192.168.7.240-192.168.7.254]}\n",
        encoding="utf-8",
    )
    result = run(gitops_files, **request(path=str(tmp_path)))
    assert result["failed"] and "192.168.7.240" in result["msg"]
    assert tree(tmp_path).keys() == {"infrastructure/other-pool.yaml"}


def test_another_clusters_folder_is_not(tmp_path):
    """A fleet's clusters have pools of the same names."""
    for cluster in ("home", "work"):
        result = run(gitops_files, **request(path=str(tmp_path), folder=f"clusters/{cluster}/infrastructure", apps=[]))
        assert not result["failed"], result["msg"]
        assert result["findings"] == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"folder": "../up"}, "no folder within the repository"),
        ({"folder": "/etc"}, "no folder within the repository"),
        ({"chart_ref": "/srv/charts/metallb"}, "which the cluster cannot read"),
        ({"apps": [{"name": "Web", "namespace": "web", "path": "apps/web"}]}, "is no name for Kubernetes"),
        ({"apps": [{"name": "web", "namespace": "web", "path": "apps/web", "wave": 2}]}, "applications begin at 5"),
        ({"apps": [{"name": "web", "namespace": "web"}]}, "needs either path"),
        ({"apps": [{"name": "traefik", "namespace": "web", "path": "x"}]}, "is one of this role's own"),
        ({"apps": [{"name": "web", "namespace": "web", "path": "infrastructure/web"}]}, "lie within each other"),
        ({"apps": [{"name": "web", "namespace": "web", "chart": "web"}]}, "needs repo and version"),
        ({"repo_url": ""}, "metallb_gitops_repo_url"),
    ],
)
def test_what_cannot_be_is_refused_by_name(more, says, tmp_path):
    result = run(gitops_files, **request(path=str(tmp_path), **more))
    assert result["failed"] and says in result["msg"]
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    "folder",
    [
        ".git",
        ".git/hooks",
        "a/.git/b",
        ".GIT/hooks",
        "git~1",
        ".git./x",
        "a\nb",
        "a\rb",
        "a\x1b[2J",
        "../x",
        "/x",
        "a//b",
        ".",
    ],
)
def test_a_folder_of_git_or_of_no_name_is_refused(tmp_path, folder):
    result = run(gitops_files, path=str(tmp_path), **request(folder=folder))
    assert result["failed"] and "folder" in result["msg"] and not list(tmp_path.iterdir())
    app = {"name": "web", "namespace": "web", "path": folder}
    assert "path" in run(gitops_files, path=str(tmp_path), **request(apps=[app]))["msg"]


@pytest.mark.parametrize(
    ("option", "more"),
    [
        ("release_name", {"release_name": "metallb\nrm"}),
        ("release_name", {"release_name": "../x"}),
        ("namespace", {"namespace": "a\n---\nkind: Secret"}),
        ("version", {"version": "1\r2"}),
        ("repo", {"chart_repo": "https://x\ny"}),
        ("revision", {"revision": "main\n"}),
        ("apps: namespace", {"apps": [{"name": "web", "namespace": "a\nb", "path": "apps/web"}]}),
    ],
)
@pytest.mark.parametrize("style", STYLES)
def test_a_line_break_in_a_name_is_refused(tmp_path, style, option, more):
    result = run(gitops_files, path=str(tmp_path), style=style, **request(**more))
    assert result["failed"] and f"{option}: " in result["msg"] and not list(tmp_path.iterdir())


@pytest.mark.parametrize("linked", ["infrastructure", "infrastructure/metallb", "bootstrap"])
def test_an_empty_folder_that_leads_out_of_the_repository_is_refused(tmp_path, linked):
    (tmp_path / "outside").mkdir()
    (tmp_path / "repo" / "infrastructure").mkdir(parents=True)
    if linked == "infrastructure":
        (tmp_path / "repo" / "infrastructure").rmdir()
    (tmp_path / "repo" / linked).symlink_to(tmp_path / "outside")
    result = run(gitops_files, path=str(tmp_path / "repo"), **request())
    assert result["failed"] and "leads out of" in result["msg"]
    assert not list((tmp_path / "outside").iterdir())


def test_a_pipe_in_the_place_of_a_file_is_refused(tmp_path):
    (tmp_path / POOL).parent.mkdir(parents=True)
    os.mkfifo(tmp_path / POOL)
    result = run(gitops_files, path=str(tmp_path), **request())
    assert result["failed"] and "not a regular file" in result["msg"]


def test_a_link_out_of_the_repository_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "infrastructure-apps.yaml").write_text("kind: List\n", encoding="utf-8")
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "infrastructure").symlink_to(outside)
    result = run(gitops_files, **request(path=str(repo), force=True))
    assert result["failed"] and "leads out of" in result["msg"]


def test_a_path_that_is_a_file_is_said(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "is no folder" in run(gitops_files, **request(path=str(tmp_path / "file")))["msg"]


def test_role_gitops_installs_with_the_values_of_role_install(root):
    """One says what the other does, in a file of its own."""
    values = {
        role: yaml.safe_load((root / "roles" / role / "vars" / "main.yml").read_text(encoding="utf-8"))
        for role in ("gitops", "install")
    }
    assert values["gitops"]["metallb_gitops_values"] == values["install"]["metallb_install_values"]
