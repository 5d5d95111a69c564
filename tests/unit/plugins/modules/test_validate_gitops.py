# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""l2_validate over repositories for Argo CD and Flux: the source document's files, right and wrong, and others as people lay them out."""

from __future__ import annotations

import textwrap

import pytest
from ansible_collections.l2ops.metallb.plugins.modules import l2_validate
from ansible_collections.l2ops.metallb.tests.unit.run_module import run

APPS = "infrastructure/infrastructure-apps.yaml"
POOL = "infrastructure/metallb/config/ipaddresspool.yaml"
ADVERTISEMENT = "infrastructure/metallb/config/l2advertisement.yaml"
TRAEFIK = "infrastructure/traefik/traefik.yaml"
# As in the document, sections 1 to 4, word for word but for comments.
SOURCE = {
    APPS: """
        apiVersion: argoproj.io/v1alpha1
        kind: Application
        metadata:
          name: metallb-helm
          namespace: argocd
          annotations:
            argocd.argoproj.io/sync-wave: "0"
        spec:
          project: default
          source:
            repoURL: https://metallb.github.io/metallb
            chart: metallb
            targetRevision: 0.15.3
            helm:
              releaseName: metallb
              values: |
                speaker:
                  ignoreExcludeLB: true
                  secretName: metallb-memberlist
          destination:
            server: https://kubernetes.default.svc
            namespace: metallb-system
          syncPolicy:
            automated:
              prune: true
              selfHeal: true
            syncOptions:
              - CreateNamespace=true
              - ServerSideApply=true
        """,
    POOL: """
        apiVersion: metallb.io/v1beta1
        kind: IPAddressPool
        metadata:
          name: main-pool
          namespace: metallb-system
          annotations:
            argocd.argoproj.io/sync-wave: "1"
        spec:
          addresses:
          - 192.168.7.200-192.168.7.250
        """,
    ADVERTISEMENT: """
        apiVersion: metallb.io/v1beta1
        kind: L2Advertisement
        metadata:
          name: l2-adv
          namespace: metallb-system
          annotations:
            argocd.argoproj.io/sync-wave: "2"
        spec:
          ipAddressPools:
          - main-pool
          interfaces:
          - eth0
        """,
    TRAEFIK: """
        apiVersion: v1
        kind: Service
        metadata:
          name: traefik
          namespace: traefik
          annotations:
            metallb.io/loadBalancerIPs: "192.168.7.203"
        spec:
          type: LoadBalancer
          externalTrafficPolicy: Cluster
          ports:
            - name: web
              port: 80
            - name: websecure
              port: 443
        """,
}
ROOT = """
    apiVersion: argoproj.io/v1alpha1
    kind: Application
    metadata: {name: infrastructure, namespace: argocd}
    spec:
      project: default
      source: {repoURL: https://git.example.org/platform.git, path: infrastructure, directory: {recurse: true}}
      destination: {server: https://kubernetes.default.svc}
"""
HEALTH = """
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: argocd-cm, namespace: argocd}
    data: {resource.customizations.health.argoproj.io_Application: "return {status = 'Healthy'}"}
"""
SKIP = 'argocd.argoproj.io/sync-options: SkipDryRunOnMissingResource=true\n            argocd.argoproj.io/sync-wave: "'


def wave(text, number):
    """The text with another wave, or none."""
    head, _mark, tail = text.partition("argocd.argoproj.io/sync-wave: ")
    return (
        f'{head}argocd.argoproj.io/sync-wave: "{number}"{tail[3:]}'
        if number is not None
        else f"{head}example.org/a: b{tail[3:]}"
    )


def waved(text, number):
    return text.replace("annotations:\n", f'annotations:\n            argocd.argoproj.io/sync-wave: "{number}"\n', 1)


@pytest.fixture
def found(tmp_path):
    """A function: writes the files, judges the folder, and gives code, name, file and line of what is found."""

    def look(files, *paths, git=True, codes="MLB7"):
        if git:
            (tmp_path / ".git").mkdir()
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
        result = run(
            l2_validate, manifests=[str(tmp_path / one) for one in paths or ("",)], fail_on="never", unknown="report"
        )
        assert not result["failed"], result["msg"]
        return [
            (one["code"], one["severity"], one["object"]["name"], one["file"][len(str(tmp_path)) + 1 :], one["line"])
            for one in result["findings"]
            if one["code"].startswith(codes)
        ]

    return look


def test_the_documents_own_files(found):
    """Nothing in them says which Application syncs them, so what they lack is told mildly, and nothing else is found at all."""
    assert sorted(found(SOURCE, codes="MLB")) == [
        ("MLB703", "info", "metallb-helm", APPS, 7),
        ("MLB704", "info", "l2-adv", ADVERTISEMENT, 6),
        ("MLB704", "info", "main-pool", POOL, 6),
    ]


def test_the_documents_own_files_as_one_sync(found):
    """With the Application that holds them it is certain: on a new cluster Argo CD refuses all of it."""
    told = found(
        {**SOURCE, TRAEFIK: waved(SOURCE[TRAEFIK], 4), "bootstrap/root.yaml": ROOT, "bootstrap/cm.yaml": HEALTH}
    )
    assert sorted(told) == [
        ("MLB704", "warning", "l2-adv", ADVERTISEMENT, 6),
        ("MLB704", "warning", "main-pool", POOL, 6),
    ]


def fixed():
    files = {
        name: text.replace('argocd.argoproj.io/sync-wave: "', SKIP) for name, text in SOURCE.items() if name != APPS
    }
    files[TRAEFIK] = waved(SOURCE[TRAEFIK], 4)
    return {**files, APPS: SOURCE[APPS], "bootstrap/root.yaml": ROOT, "bootstrap/cm.yaml": HEALTH}


def test_the_documents_files_mended(found):
    assert found(fixed(), codes="MLB") == []


@pytest.mark.parametrize(
    ("name", "number", "told"),
    [
        (APPS, 1, [("MLB701", "error", "main-pool", POOL, 8)]),
        (POOL, 0, [("MLB701", "error", "main-pool", POOL, 8)]),
        (POOL, -1, [("MLB701", "error", "main-pool", POOL, 8)]),
        (POOL, None, [("MLB701", "error", "main-pool", POOL, 3)]),
        (ADVERTISEMENT, 0, [("MLB701", "error", "l2-adv", ADVERTISEMENT, 8)]),
        (ADVERTISEMENT, 1, []),
        (POOL, 5, [("MLB702", "error", "traefik", TRAEFIK, 7)]),
        (ADVERTISEMENT, 5, [("MLB702", "warning", "traefik", TRAEFIK, 7)]),
        (ADVERTISEMENT, 4, []),
        (POOL, 4, []),
    ],
)
def test_waves_out_of_order(found, name, number, told):
    files = fixed()
    files[name] = wave(files[name], number)
    assert found(files) == told


def test_a_service_forgotten_in_wave_0(found):
    files = {**fixed(), TRAEFIK: SOURCE[TRAEFIK]}
    assert found(files) == [("MLB702", "error", "traefik", TRAEFIK, 3)]


def test_a_service_that_no_application_holds_is_in_no_sync(found):
    files = {**fixed(), "elsewhere/traefik.yaml": SOURCE[TRAEFIK]}
    del files[TRAEFIK]
    assert found(files) == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ("{}", ["MLB702"]),
        ("{service: {type: LoadBalancer}}", ["MLB702"]),
        ("{service: {type: ClusterIP}}", []),
        ("{service: {type: NodePort}, gateway: {type: LoadBalancer}}", ["MLB702"]),
    ],
)
def test_a_chart_with_a_service(found, values, told):
    chart = f"""
        apiVersion: argoproj.io/v1alpha1
        kind: Application
        metadata: {{name: traefik-helm, namespace: argocd, annotations: {{argocd.argoproj.io/sync-wave: "0"}}}}
        spec:
          source: {{repoURL: https://traefik.github.io/charts, chart: traefik, helm: {{valuesObject: {values}}}}}
    """
    assert [one[0] for one in found({**fixed(), "infrastructure/traefik/app.yaml": chart})] == told


CHILD = """
    apiVersion: argoproj.io/v1alpha1
    kind: Application
    metadata:
      name: metallb-config
      namespace: argocd
      annotations: {argocd.argoproj.io/sync-wave: "%s"}
    spec:
      source: {repoURL: https://git.example.org/platform.git, path: config/metallb}
"""


@pytest.mark.parametrize(("number", "told"), [(1, []), (0, [("MLB701", "warning")]), (-3, [("MLB701", "error")])])
def test_pools_in_an_application_of_their_own(found, number, told):
    """Its wave counts, not that of the pool within it; and no SkipDryRun is needed, for that sync is tried again. It is told once, where
    the fix is.
    """
    files = {**fixed(), "infrastructure/metallb-config.yaml": CHILD % number}
    for name in (POOL, ADVERTISEMENT):
        files[f"config/metallb/{name.rpartition('/')[2]}"] = wave(SOURCE[name], -2)
        del files[name]
    told_here = found(files)
    assert [one[:2] for one in told_here] == told
    assert all(one[2:4] == ("metallb-config", "infrastructure/metallb-config.yaml") for one in told_here)


def test_an_application_without_recurse_holds_its_folder_alone(found):
    files = {**fixed(), "bootstrap/root.yaml": ROOT.replace("recurse: true", "recurse: false")}
    files[POOL] = wave(SOURCE[POOL], None)
    files[ADVERTISEMENT] = wave(SOURCE[ADVERTISEMENT], None)
    files[TRAEFIK] = SOURCE[TRAEFIK]
    assert found(files) == []


def test_sync_options_of_the_whole_application(found):
    root = ROOT.rstrip() + "\n      syncPolicy: {syncOptions: [SkipDryRunOnMissingResource=true]}\n"
    assert (
        found({**SOURCE, TRAEFIK: waved(SOURCE[TRAEFIK], 4), "bootstrap/root.yaml": root, "bootstrap/cm.yaml": HEALTH})
        == []
    )


def test_an_unpacked_copy_without_git(found):
    files = {**fixed(), POOL: wave(fixed()[POOL], 0)}
    assert [one[0] for one in found(files, "infrastructure", "bootstrap", git=False)] == ["MLB701"]


def test_the_object_itself_may_say_that_it_is_known(found):
    files = fixed()
    files[POOL] = wave(files[POOL], 0).replace("annotations:", "annotations:\n            l2ops.metallb/ignore: MLB701")
    del files["bootstrap/cm.yaml"]
    files[APPS] = SOURCE[APPS].replace("annotations:", "annotations:\n            l2ops.metallb/ignore: MLB703")
    assert found(files) == []


def test_other_projects_kinds_of_the_same_name(found):
    files = {
        "app.yaml": "apiVersion: app.k8s.io/v1beta1\nkind: Application\nmetadata: {name: a}\nspec: {source: x}\n",
        "kustomization.yaml": "resources: [app.yaml]\n",
        "deep/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: 7\n",
        "chart/Chart.yaml": "apiVersion: v2\nname: c\n",
        "chart/templates/a.yaml": "{{ if }}",
    }
    assert found(files, codes="MLB") == []


@pytest.mark.parametrize(
    "spec",
    ["7", "[]", "{source: 7}", "{source: {path: 7, directory: []}}", "{sources: [1, {}, {path: ../../..}]}",
     "{source: {chart: metallb, helm: {values: '{'}}}", "{syncPolicy: {syncOptions: 1}, source: {path: /}}"],
)  # fmt: skip
def test_odd_applications(found, spec):
    head = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: odd, annotations: {argocd.argoproj.io/sync-wave: x}}\n"
    assert found({**fixed(), "odd.yaml": f"{head}spec: {spec}\n"}) == []


# -- Flux -------------------------------------------------------------------------------------------------------------


def kustomization(name, path, *after, more=""):
    waits = "".join(f"\n          - name: {one}" for one in after)
    return textwrap.dedent(f"""
        apiVersion: kustomize.toolkit.fluxcd.io/v1
        kind: Kustomization
        metadata: {{name: {name}, namespace: flux-system}}
        spec:
          path: ./{path}
          prune: true
          sourceRef: {{kind: GitRepository, name: flux-system}}
          dependsOn: {waits or "[]"}
    """) + textwrap.indent(more, "  ")


RELEASE = """
    apiVersion: helm.toolkit.fluxcd.io/v2
    kind: HelmRelease
    metadata: {name: metallb, namespace: metallb-system}
    spec:
      chart: {spec: {chart: metallb, version: 0.15.3, sourceRef: {kind: HelmRepository, name: metallb}}}
"""
OCI = """
    apiVersion: source.toolkit.fluxcd.io/v1
    kind: OCIRepository
    metadata: {name: chart, namespace: metallb-system}
    spec: {url: oci://quay.io/metallb/chart/metallb}
    ---
    apiVersion: helm.toolkit.fluxcd.io/v2
    kind: HelmRelease
    metadata: {name: lb, namespace: metallb-system}
    spec: {chartRef: {kind: OCIRepository, name: chart}}
"""


def fluxed(pool="metallb/config", config_after=("metallb",), wait="wait: true\n", release=RELEASE):
    return {
        "clusters/home/metallb.yaml": kustomization("metallb", "metallb/release", more=wait),
        "clusters/home/config.yaml": kustomization("config", "metallb/config", *config_after),
        "metallb/release/release.yaml": release,
        f"{pool}/pool.yaml": SOURCE[POOL],
        "metallb/config/advertisement.yaml": SOURCE[ADVERTISEMENT],
    }


@pytest.mark.parametrize("release", [RELEASE, OCI])
def test_flux_in_order(found, release):
    assert found(fluxed(release=release)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pool": "metallb/release"}, [("MLB701", "error", "metallb")]),
        ({"pool": "metallb/release", "release": OCI}, [("MLB701", "error", "metallb")]),
        ({"config_after": ()}, [("MLB701", "warning", "config")]),
        ({"wait": ""}, [("MLB701", "warning", "metallb")]),
        ({"wait": "healthChecks: [{kind: HelmRelease, name: metallb, namespace: metallb-system}]\n"}, []),
        (
            {"config_after": ("metalb",)},
            [("MLB701", "warning", "config"), ("MLB705", "warning", "config")],
        ),
        ({"config_after": ("metallb", "config")}, [("MLB705", "error", "config")]),
    ],
)
def test_flux_out_of_order(found, change, told):
    assert sorted(one[:3] for one in found(fluxed(**change))) == told


def test_flux_waits_by_a_detour(found):
    files = fluxed(config_after=("between",))
    files["clusters/home/between.yaml"] = kustomization("between", "between", "metallb")
    assert found(files) == []


def test_kustomization_files_decide_what_belongs_to_a_folder(found):
    """The pool lies below the folder of the chart, but its kustomization.yaml does not name it."""
    files = fluxed(pool="metallb/release/pools")
    files["metallb/release/kustomization.yaml"] = "resources: [release.yaml]\n"
    assert found(files) == []
    files["metallb/release/kustomization.yaml"] = "resources: [release.yaml, pools]\n"
