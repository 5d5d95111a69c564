# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""l2_validate over repositories as people have them: odd files, overlays, variables, encrypted values, several clusters."""

from __future__ import annotations

import json
import random
import resource
import time
from pathlib import Path

import pytest
from ansible_collections.l2ops.metallb.plugins.modules import l2_validate
from ansible_collections.l2ops.metallb.tests.unit.run_module import run

# By repository and path, decoded as Latin-1, for one of the files is not UTF-8.
CASES = json.loads((Path(__file__).parents[2] / "fixtures/repositories.json").read_text(encoding="utf-8"))
POOL = CASES["anchor"]["metallb.yaml"]


def lay(top, files):
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1") if isinstance(text, str) else text)
    return top


def validate(top, **options):
    return run(l2_validate, manifests=[str(top)], **{"fail_on": "never", "unknown": "report", **options})


def told(result):
    return sorted((one["code"], one["severity"], one["object"]["name"], one.get("line")) for one in result["findings"])


# What is found, and a word of each note.
RIGHT = {
    "list": ([], ["a list"]),
    "scalar": ([], ["a text"]),
    "nokind": ([], ["no kind"]),
    "playbook": ([], ["a list"]),
    "helmindex": ([], ["no kind"]),
    "mkdocs": ([], ["not a Kubernetes manifest"]),
    "tag": ([], ["not a Kubernetes manifest"]),
    "jinja": ([], ["a template"]),
    "jsonc": ([], ["begins with a dot"]),
    "latin1": ([], ["not UTF-8"]),
    "anchor": ([], []),
    "equals": ([], []),
    "crlf": ([("MLB309", "error", "lan", 7)], []),
    "merge": ([("MLB309", "error", "lan", 7)], []),
    "mergekey": ([("MLB502", "error", "a", 8)], ["not a Kubernetes manifest"]),
    "listkind": ([("MLB309", "error", "lan", 7), ("MLB401", "error", "lan", 4)], []),
    "fluxvar": ([], []),
    "sops": ([], []),
    "overlay": ([], []),
    "clusters": ([], []),
    "clusters2": ([], []),
    "clusters3": ([("MLB701", "warning", "metallb-config", 18)], []),
    "othernames": ([("MLB401", "error", "lan", 1), ("MLB402", "error", "lan", 15)], []),
    "mlb705": ([], []),
    "nscollide": ([("MLB503", "error", "web", 6)], []),
    "reversed": ([("MLB701", "error", "core", 21)], []),
    "crdsoff": ([("MLB401", "error", "lan", 8)], []),
    "lbclass": ([("MLB502", "error", "mine", 7)], []),
    "k3s": ([("MLB108", "info", "chart.yaml", None)], []),
    "oci": ([("MLB108", "info", "hr.yaml", None)], []),
    "values": ([("MLB502", "error", "traefik", 9), ("MLB506", "warning", "traefik", 9)], []),
    "old": (
        [("MLB707", "error", "config", 12), ("MLB707", "error", "lan", 2), ("MLB707", "error", "values.yaml", 1)],
        [],
    ),
    "passed": ([], []),
    "dup": ([("MLB706", "error", "lan", 8), ("MLB706", "error", "values.yaml", 4)], []),
    "argo0": (
        [("MLB311", "error", "lan", 5), ("MLB311", "error", "lan", 13), ("MLB701", "info", "metallb-config", 3)],
        [],
    ),
    "argo1": (
        [
            ("MLB311", "error", "lan", 5),
            ("MLB311", "error", "lan", 13),
            ("MLB502", "error", "web", 7),
            ("MLB702", "warning", "web", 6),
            ("MLB703", "info", "metallb", 6),
        ],
        [],
    ),
    "types": (
        [
            ("MLB309", "error", "123", 5),
            ("MLB404", "info", "lan", 11),
            ("MLB409", "error", "lan", 11),
            ("MLB409", "error", "lan", 11),
            ("MLB412", "error", "123", 3),
            ("MLB412", "error", "123", 6),
            ("MLB412", "error", "a", 6),
            ("MLB412", "error", "a", 7),
            ("MLB502", "error", "a", 7),
        ],
        [],
    ),
    "extra-addresspool": ([("MLB707", "error", "default-addresspool", 2)], []),
    "extra-values-configinline": ([("MLB707", "error", "values-configinline.yaml", 1)], []),
    "extra-version": ([("MLB707", "error", "a", 6), ("MLB707", "error", "p", 1)], []),
}
# Where nothing can be analyzed, a word of the headline.
NOTHING = {
    "deep": "no IPAddressPool found",
    "laughs": "no IPAddressPool found",
    "selfref": "no IPAddressPool found",
    "nullmeta": "x.yaml",
    "nonamesvc": "no IPAddressPool found",
    "patchsvc": "no IPAddressPool found",
    "none": "no IPAddressPool found",
    "hidden": "pool.yaml.j2",
    "sopsall": "encrypted",
    "extra-only-svc": "no IPAddressPool found",
}


def test_every_case_has_its_answer():
    others = {"extra-externalip2", "extra-kustomize-patch"}
    assert RIGHT.keys() | NOTHING.keys() | others == CASES.keys()


@pytest.mark.parametrize("name", RIGHT)
def test_right_answer(tmp_path, name):
    findings, notes = RIGHT[name]
    result = validate(lay(tmp_path, CASES[name]))
    by_base = sorted((code, severity, place.rpartition("/")[2], line) for code, severity, place, line in told(result))
    assert by_base == sorted(findings, key=lambda one: (one[0], one[1], one[2], one[3] or 0))
    assert len(result["warnings"]) == len(notes)
    for note, text in zip(notes, result["warnings"]):
        assert note in text and "was left out" in text
    assert not any("render" in one["fix"].lower() for one in result["findings"])


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_to_analyze_is_not_well(tmp_path, name):
    top = lay(tmp_path, CASES[name])
    result = validate(top)
    assert result["worst"] == "unknown" and not result["failed"]
    assert "Nothing could be analyzed" in result["msg"] and NOTHING[name] in result["msg"]
    assert result["verdict"] == result["msg"]
    refused = validate(top, unknown="fail")
    assert refused["failed"] and refused["failure_kind"] == "unknown" and refused["checks"]


def test_a_value_that_is_not_known_is_no_error(tmp_path):
    result = validate(lay(tmp_path, CASES["sops"]))
    skipped = {one["id"]: one["reason"] for one in result["checks"] if one["result"] == "skipped"}
    assert skipped.keys() >= {"MLB303", "MLB305", "MLB309"} and "1 range" in skipped["MLB309"]
    variable = validate(lay(tmp_path / "variable", CASES["extra-kustomize-patch"]))
    assert "MLB309" not in {one["code"] for one in variable["findings"]}


def test_flux_variables_and_their_defaults(tmp_path):
    files = dict(CASES["fluxvar"])
    files["cfg/svc.yaml"] = files["cfg/svc.yaml"].replace("${WEB_IP}", "${NOBODY:-192.168.9.9}")
    assert [one[0] for one in told(validate(lay(tmp_path / "default", files)))] == ["MLB502"]
    files["cfg/svc.yaml"] = CASES["fluxvar"]["cfg/svc.yaml"].replace("${WEB_IP}", "${NOBODY}")
    result = validate(lay(tmp_path / "unknown", files))
    assert told(result) == []
    (check,) = [one for one in result["checks"] if one["id"] == "MLB502"]
    assert check["result"] == "skipped" and "1 of the services" in check["reason"]


def test_encrypted_pool_in_another_file_leaves_services_open(tmp_path):
    """The pools are in a file that cannot be read, so nobody can say that an address is in none."""
    files = {
        "pool.yaml.j2": CASES["hidden"]["pool.yaml.j2"],
        "a/pool.yaml": POOL,
        "a/svc.yaml": CASES["values"]["svc.yaml"].replace("192.168.7.205", "10.1.1.1"),
    }
    result = validate(lay(tmp_path, files))
    assert told(result) == []
    (check,) = [one for one in result["checks"] if one["id"] == "MLB502"]
    assert check["result"] == "skipped" and "web/web" in check["reason"]


@pytest.mark.parametrize("name", ["clusters", "clusters2", "clusters3"])
def test_one_verdict_for_each_cluster(tmp_path, name):
    top = lay(tmp_path, CASES[name])
    assert [one["name"] for one in validate(top)["clusters"]] == ["east", "west"]
    broken = next(one for one in sorted(CASES[name]) if "east" in one and one.endswith("pool.yaml"))
    text = CASES[name][broken]
    (top / broken).write_text(text.replace("192.168.7.210", "192.168.7.300"), "utf-8")
    result = validate(top)
    east, west = result["clusters"]
    assert east["worst"] == "error" and west["worst"] != "error" and result["worst"] == "error"
    assert {one["cluster"] for one in result["findings"] if one["severity"] == "error"} == {"east"}
    assert "2 clusters (east: errors" in result["msg"]
    refused = run(l2_validate, manifests=[str(top)], against="cluster", kubeconfig="/nowhere")
    assert refused["failed"]


def test_clusters_that_the_user_names(tmp_path):
    files = {f"{place}/pool.yaml": POOL.replace("name: lan", f"name: {place}") for place in ("here", "there")}
    top = lay(tmp_path, files)
    assert [one["name"] for one in validate(top)["clusters"]] == [""]
    assert [one["name"] for one in validate(top, clusters=["here", "there"])["clusters"]] == ["here", "there"]
    refused = validate(top, clusters=["nowhere"])
    assert refused["failed"] and "nowhere" in refused["msg"]


def test_sibling_folders_with_the_same_pool_are_two_clusters(tmp_path):
    files = {"north/pool.yaml": POOL, "south/pool.yaml": POOL.replace("192.168.7", "192.168.8")}
    result = validate(lay(tmp_path, files))
    assert [one["name"] for one in result["clusters"]] == ["north", "south"] and told(result) == []


def test_destinations_of_argo_cd_are_clusters(tmp_path):
    app = (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {0}, namespace: argocd}}\nspec:\n"
        "  source: {{repoURL: https://git.example.com/r.git, path: config/{0}}}\n"
        "  destination: {{name: {0}, namespace: metallb-system}}\n"
    )
    files = {}
    for name in ("red", "blue"):
        files[f"apps/{name}.yaml"] = app.format(name)
        files[f"config/{name}/pool-{name}.yaml"] = POOL.replace("name: lan", f"name: {name}").replace(
            "[lan]", f"[{name}]"
        )
    result = validate(lay(tmp_path, files))
    assert [one["name"] for one in result["clusters"]] == ["blue", "red"] and told(result) == []


REPLACEMENT = """replacements:
- source: {kind: ConfigMap, name: net, fieldPath: data.range}
  targets: [{select: {kind: IPAddressPool}, fieldPaths: [spec.addresses.0]}]
"""


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ("patches: [{path: patch.yaml}]\n", ["MLB309"]),
        ("patchesStrategicMerge: [patch.yaml]\n", ["MLB309"]),
        ("namePrefix: x-\n", ["MLB401", "MLB402"]),
        ("components: [../component]\n", ["MLB309"]),
        (REPLACEMENT, ["MLB309"]),
        ("patches: [{target: {kind: L2Advertisement}, patch: '[{op: remove, path: /spec/interfaces}]'}]\n", ["MLB404"]),
    ],
)
def test_what_kustomize_makes_of_it(tmp_path, more, codes):
    patch = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: lan}\nspec: {addresses: [192.168.7.1-192.168.7.300]}\n"
    net = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: net}\ndata: {range: 192.168.7.1-192.168.7.300}\n"
    files = {
        "base/kustomization.yaml": "resources: [pool.yaml]\n",
        "base/pool.yaml": POOL + net,
        "component/kustomization.yaml": "kind: Component\npatches: [{path: patch.yaml}]\n",
        "component/patch.yaml": patch,
        "prod/kustomization.yaml": "resources: [../base]\n" + more,
        **({"prod/patch.yaml": patch} if "patch.yaml" in more else {}),
    }
    assert [one[0] for one in told(validate(lay(tmp_path, files)))] == codes


def test_what_a_kustomization_does_not_list_is_not_applied(tmp_path):
    broken = POOL.replace("192.168.7.210", "192.168.7.300").replace("name: lan", "name: off")
    files = {"kustomization.yaml": "resources: [pool.yaml]\n", "pool.yaml": POOL, "off.yaml": broken}
    result = validate(lay(tmp_path, files))
    assert result["worst"] == "none" and {one[1] for one in told(result)} == {"info"}
    assert [one["name"] for one in result["clusters"]] == ["the repository", "not listed in kustomization.yaml"]


def test_exclude_and_the_ignore_file(tmp_path):
    broken = POOL.replace("192.168.7.210", "192.168.7.300").replace("name: lan", "name: old")
    top = lay(tmp_path, {"pool.yaml": POOL, "examples/old/pool.yaml": broken})
    assert "MLB309" in {one[0] for one in told(validate(top))}
    for pattern in ("examples", "examples/", "/examples/old", "**/old", "examples/*/pool.yaml"):
        assert told(validate(top, exclude=[pattern])) == [], pattern
    lay(top, {".l2opsignore": "# not ours\nexamples/\n"})
    result = validate(top)
    assert told(result) == [] and "excluded" in result["warnings"][0]


def test_notes_are_grouped(tmp_path):
    result = validate(lay(tmp_path, {"pool.yaml": POOL, **{f"x/{number}.yaml": "- 1\n" for number in range(40)}}))
    assert len(result["warnings"]) == 1
    assert "40 files were left out" in result["warnings"][0] and "and 35 more" in result["warnings"][0]


def test_nothing_passes_that_was_not_looked_at(tmp_path):
    result = validate(lay(tmp_path, CASES["passed"]))
    results = {one["id"]: one["result"] for one in result["checks"]}
    assert {results[code] for code in ("MLB306", "MLB308", "MLB512", "MLB701", "MLB702")} == {"skipped"}


def test_bombs_are_refused_at_once(tmp_path):
    text = CASES["laughs"]["s.yaml"]
    deep = {"flow.yaml": "[" * 500_000, "block.yaml": "- " * 200_000, "maps.yaml": "{a: " * 200_000}
    top = lay(tmp_path, {"s.yaml": text, "pool.yaml": POOL, **deep})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    result = validate(top)
    assert time.process_time() - begun < 1 and told(result) == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_large_repositories_and_long_chains_are_quick(tmp_path):
    """300 Kustomizations, each waiting for the one before, with 300 Services and 20 pools behind them."""
    files = {}
    flux = (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k{0}, namespace: flux-system}}\n"
        "spec: {{path: ./apps/{0}, dependsOn: [{{name: k{1}}}], wait: true}}\n"
    )
    service = CASES["values"]["svc.yaml"].replace("192.168.7.205", "192.168.7.201").replace("web", "web{0}")
    for number in range(300):
        files[f"clusters/k{number}.yaml"] = flux.format(number, number - 1)
        files[f"apps/{number}/svc.yaml"] = service.replace("{0}", str(number))
    for number in range(20):
        files[f"apps/299/pool{number}.yaml"] = POOL.replace("name: lan", f"name: p{number}")
    for number in range(2000):
        files[f"other/{number % 50}/{number}.yaml"] = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s{number}}}\n"
    top = lay(tmp_path, {".git/HEAD": "", **files})
    begun = time.process_time()
    result = validate(top)
    assert time.process_time() - begun < 5 and len(result["judged"]["files"]) == 2620


def test_mutations_end_in_no_traceback(tmp_path):
    """Seeded: bytes changed, lines doubled, moved and cut, of every case."""
    chance = random.Random(16)
    slowest = 0.0
    for round_number in range(3):
        for name, files in CASES.items():
            top = tmp_path / f"{round_number}-{name}"
            for path, text in files.items():
                lay(top, {path: mutated(text.encode("latin-1"), chance)})
            begun = time.process_time()
            result = validate(top)
            slowest = max(slowest, time.process_time() - begun)
            assert "checks" in result or "holds no manifest" in result["msg"], (name, result["msg"])
    assert slowest < 2


POOL_AND_ADVERTISEMENT = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool, namespace: metallb-system}
spec: {addresses: [AUTOMATIC_REPLACE]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: all, namespace: metallb-system}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {type: LoadBalancer, ports: [{port: 80}]}
"""


def replacing(generator):
    return f"""\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [pool.yaml]
configMapGenerator:
  - name: ip-pool
    {generator}
replacements:
  - source: {{kind: ConfigMap, name: ip-pool, fieldPath: data.pool}}
    targets:
      - select: {{kind: IPAddressPool, name: pool}}
        fieldPaths: [spec.addresses.0]
"""


@pytest.mark.parametrize(
    ("generator", "codes"),
    [
        # The file is on the machine of who applies it, not in the repository: nothing is known, so nothing is wrong.
        ("envs: [env/ip-pool.env]", {"MLB404"}),
        ("literals: [pool=192.168.7.200-192.168.7.250]", {"MLB404"}),
        ("literals: [pool=nonsense]", {"MLB309", "MLB404"}),
    ],
)
def test_a_replacement_whose_source_is_not_in_the_repository_leaves_the_value_unknown(tmp_path, generator, codes):
    (tmp_path / "pool.yaml").write_text(POOL_AND_ADVERTISEMENT, encoding="utf-8")
    (tmp_path / "kustomization.yaml").write_text(replacing(generator), encoding="utf-8")
    assert {one["code"] for one in validate(tmp_path, fail_on="never")["findings"]} == codes


def part(folder, kind, spec, name="lan"):
    folder.mkdir(parents=True)
    text = json.dumps(
        {
            "apiVersion": "metallb.io/v1beta1",
            "kind": kind,
            "metadata": {"name": name, "namespace": "metallb-system"},
            "spec": spec,
        }
    )
    (folder / "objects.yaml").write_text(text, encoding="utf-8")


def test_environments_and_clusters_are_layers_where_one_has_what_the_other_names(tmp_path):
    """Which cluster is in which environment is in no file; both together are what a cluster gets."""
    for one in ("development", "production"):
        part(tmp_path / "environments" / one, "L2Advertisement", {"ipAddressPools": ["lan"], "interfaces": ["eth0"]})
    part(tmp_path / "clusters" / "home", "IPAddressPool", {"addresses": ["192.168.7.200-192.168.7.250"]})
    result = validate(tmp_path)
    assert not result["failed"] and result["findings"] == [], result["findings"]


def test_a_cluster_that_lacks_the_pool_of_its_advertisement_is_wrong_all_the_same(tmp_path):
    for one, pool in (("a", "lan"), ("b", "wan")):
        part(
            tmp_path / "clusters" / one / "pool", "IPAddressPool", {"addresses": ["192.168.7.200-192.168.7.250"]}, pool
        )
        part(
            tmp_path / "clusters" / one / "adv", "L2Advertisement", {"ipAddressPools": ["lan"], "interfaces": ["eth0"]}
        )
    codes = [
        (one["code"], one["file"].rpartition("clusters/")[2].partition("/")[0])
        for one in validate(tmp_path)["findings"]
    ]
    assert sorted(codes) == [("MLB401", "b"), ("MLB402", "b")]


VALUES = (b"null", b"[]", b"{}", b"7", b"true", b"&a [*a]", b"!x y", b"${A:-b}", b"ENC[x]", b"'")


def mutated(raw, chance):
    for _time in range(chance.randint(1, 4)):
        lines = raw.split(b"\n")
        place, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        what = chance.randrange(7)
        if what == 0 and raw:
            at = chance.randrange(len(raw))
            raw = raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
        elif what == 1:
            raw = b"\n".join([*lines[:place], lines[place], *lines[place:]])
        elif what == 2:
            raw = b"\n".join([*lines[:place], *lines[place + 1 :]])
        elif what == 3:
            lines[place], lines[other] = lines[other], lines[place]
            raw = b"\n".join(lines)
        elif what == 4:
            lines[place] = b"  " * chance.randrange(4) + lines[place].lstrip()
            raw = b"\n".join(lines)
        elif what == 5:
            lines[place] = lines[place].partition(b":")[0] + b": " + chance.choice(VALUES)
            raw = b"\n".join(lines)
        else:
            at = chance.randrange(len(raw) + 1)
            raw = raw[:at] + raw[at : at + chance.randrange(40)] + raw[at:]
    return raw
