# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is fuzzed: for each parser and renderer a function that makes one case out of a source of chance and tries it.

A case may end in the error that its parser documents. Anything else, or text that a terminal would obey in an output, is a fault.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import gzip
import json
import random
import re
from collections.abc import Callable
from typing import Any

import yaml
from ansible_collections.l2ops.metallb.plugins.module_utils._diagnosis.diagnosis import diagnose_all
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops import manifests, reader, tree
from ansible_collections.l2ops.metallb.plugins.module_utils._kube import auth, client, errors
from ansible_collections.l2ops.metallb.plugins.module_utils._model import addresses, parse, selectors
from ansible_collections.l2ops.metallb.plugins.module_utils._ownership import release
from ansible_collections.l2ops.metallb.plugins.module_utils._report import (
    analysis,
    html,
    junit,
    markdown,
    sarif,
    verify,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.context import Context
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.engine import evaluate
from ansible_collections.l2ops.metallb.plugins.module_utils._rules.options import Options
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot import file
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.slim import slim
from ansible_collections.l2ops.metallb.plugins.module_utils._snapshot.snapshot import Snapshot
from ansible_collections.l2ops.metallb.plugins.module_utils._talos import machine_config, omni
from ansible_collections.l2ops.metallb.plugins.module_utils._wire import (
    arp,
    ndp,
    netlink,
    octets,
    service,
    targets,
    x509,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._wire.errors import WireError
from ansible_collections.l2ops.metallb.tests.unit.world import World

Chance = random.Random
MARKS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1e400,
        float("nan"),
        10**30,
        "",
        "x",
        [],
        {},
        [None],
        {"": None},
        [[]],
        {"a": {"b": []}},
    ),
    *("10.0.0.1", "10.0.0.0/24", "10.0.0.9-10.0.0.1", "::/0", "fd00::1", "0.0.0.0/0", "2026-13-45T99:99:99Z", "True"),
    *("\x1b[2K", "\u202e", "a\nb", "\ud83d", "${X}", "{{ x }}", "9" * 5000),
)
SEEDS = (
    "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a}\nspec: {addresses: [10.0.0.1/32, 10.0.0.5-10.0.0.9]}\n",
    "kind: List\napiVersion: v1\nitems: [{kind: Service, apiVersion: v1, metadata: {name: s}, spec: {type: LoadBalancer}}]\n",
    "resources: [a.yaml]\nnamespace: x\npatches: [{path: b.yaml}]\nhelmCharts: [{name: metallb, valuesFile: c.yaml}]\n",
    "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: m}\nspec: {chart: {spec: {chart: metallb}}, values: {a: &a [1]}}\n",
    "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: m}\nspec: {source: {chart: metallb, helm: {values: 'a: 1'}}}\n",
    "speaker: {ignoreExcludeLB: true, frr: {enabled: no}}\ncontroller: *a\n--- !!int ''\n? [x]\n: |\n  text\n",
)
TOKENS = (
    *"[]{}:,-?&*!|>'\"%@`#\n\t \\~=<",
    *("- ", ": ", "---\n", "...\n", "&a ", "*a", "<<: ", "!!int ", "{{", "\\ud83d", "\x00", "\x85"),
)


def octets_of(chance: Chance, seed: bytes = b"", most: int = 400) -> bytes:
    """The seed with some octets changed, cut, doubled or put in; without a seed anything."""
    data = bytearray(seed or bytes(chance.randrange(256) for _count in range(chance.randrange(most))))
    for _count in range(chance.choice((0, 1, 1, 2, 5, 30))):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[place : place + chance.choice((1, 4, 50))]
        elif kind == 2:
            data[place:place] = bytes(chance.randrange(256) for _n in range(chance.choice((1, 2, 9))))
        elif kind == 3:
            data[place:place] = data[place : place + chance.choice((1, 10, 200))]
        elif kind == 4:
            del data[place:]
    return bytes(data)


def text_of(chance: Chance, seed: str = "") -> str:
    text = seed
    for _count in range(chance.choice((1, 1, 2, 4, 12))):
        place = chance.randrange(len(text) + 1)
        more = chance.choice(TOKENS) * chance.choice((1, 1, 1, 2, 30, 3000))
        cut = chance.choice((0, 0, 1, 8))
        text = text[:place] + more + text[place + cut :]
    return text


def mutated(chance: Chance, value: Any, share: float = 0.02) -> Any:
    """A tree with some of its branches replaced by odd ones."""
    if chance.random() < share:
        return copy.deepcopy(chance.choice(ODD))
    if isinstance(value, dict):
        return {key: mutated(chance, below, share) for key, below in value.items() if chance.random() >= share / 2}
    if isinstance(value, list):
        found = [mutated(chance, one, share) for one in value]
        return found + found[:1] if chance.random() < share else found
    return value


def planted(chance: Chance, value: Any) -> Any:
    """A result with words in its texts that a terminal would obey; what decides (states, codes) stays."""
    fixed = ("state", "result", "severity", "id", "code", "codes", "caused_by", "slug", "addresses", "address")
    if isinstance(value, dict):
        return {key: below if key in fixed else planted(chance, below) for key, below in value.items()}
    if isinstance(value, list):
        return [planted(chance, one) for one in value]
    if isinstance(value, str) and chance.random() < 0.3:
        place = chance.randrange(len(value) + 1)
        return (
            value[:place]
            + chr(chance.choice((chance.randrange(0xA0), chance.randrange(0x2000, 0x2070), 0xD83D)))
            + value[place:]
        )
    return value


# -- targets ----------------------------------------------------------------------------------------------------------

SAVED = json.dumps(
    {"format": file.FORMAT, "version": 1, "taken": 1.0, "missing": {}, "namespace": "x", "objects": World().objects}
).encode()


def snapshot_file(chance: Chance) -> None:
    data = octets_of(chance, SAVED)
    if chance.random() < 0.7:
        data = octets_of(chance, gzip.compress(data, 1, mtime=0))
    with contextlib.suppress(file.SnapshotError):
        file.loads(data)


def result_of(snapshot: Snapshot) -> dict[str, Any]:
    context = Context(snapshot, Options.make())
    verdict = evaluate(context.snapshot, context=context)
    result = {**verdict.as_result(), "verdict": verdict.headline(), "worst": verdict.worst, "msg": verdict.headline()}
    result["diagnoses"] = [one.as_result() for one in diagnose_all(context, verdict)]
    return result


def shown(result: dict[str, Any]) -> None:
    outputs = {
        "text": analysis.text(result, 100),
        "json": analysis.as_json(result),
        "markdown": markdown.markdown(result),
        "junit": junit.junit(result),
        "sarif": sarif.sarif(result, "/repo"),
        "html": html.page(result),
        "verify": "\n".join(verify.verdict(parse.clean(result), [], None, None)["table"]),
    }
    for name, told in outputs.items():
        assert not MARKS.search(told), (name, MARKS.findall(told))
        told.encode()


def objects(chance: Chance) -> None:
    """Objects of any shape, from slim to the reports."""
    odd = mutated(chance, World().objects, chance.choice((0.002, 0.02, 0.2)))
    found = (
        {
            plural: [slim(plural, one) for one in every if isinstance(one, dict)]
            for plural, every in odd.items()
            if isinstance(every, list)
        }
        if isinstance(odd, dict)
        else {}
    )
    shown(result_of(Snapshot.from_objects(found, {}, namespace="metallb-system", taken=1.0)))


RESULT = result_of(World().snapshot())


def reports(chance: Chance) -> None:
    shown(planted(chance, RESULT))


def manifest(chance: Chance) -> None:
    text = text_of(chance, chance.choice(SEEDS))
    with contextlib.suppress(reader.Unreadable):
        list(reader.documents(text, yaml))
    with contextlib.suppress(reader.Unreadable):
        reader.as_json(text)
    with contextlib.suppress(reader.Unreadable):
        reader.decode(octets_of(chance, text.encode("utf-8", "replace")))


def repository(chance: Chance) -> None:
    names = ("a.yaml", "b.yaml", "c.yaml", "kustomization.yaml", "d/kustomization.yaml", "d/Chart.yaml", "values.yaml")
    texts = {}
    for name in names:
        try:
            loaded = next(yaml.safe_load_all(chance.choice(SEEDS[:5])))
            texts[name] = yaml.safe_dump(json.loads(json.dumps(mutated(chance, loaded, 0.1))))
        except (yaml.YAMLError, ValueError):
            texts[name] = text_of(chance, chance.choice(SEEDS))
    with contextlib.suppress(manifests.ManifestError):
        manifests.read_repository("", texts, "metallb-system", yaml)


def helm_record(chance: Chance) -> None:
    with contextlib.suppress(release.ReleaseError):
        release.manifest_objects(text_of(chance, chance.choice(SEEDS)))
    packed = octets_of(
        chance, gzip.compress(octets_of(chance, b'{"name": "m", "manifest": "", "chart": {"metadata": {}}}'))
    )
    with contextlib.suppress(release.ReleaseError):
        release.decode({"data": {"release": base64.b64encode(base64.b64encode(packed)).decode()}})


def talos(chance: Chance) -> None:
    seed = "machine: {nodeLabels: {a: ''}}\n---\nkind: KubeNodeConfig\nlabels: {a: ''}\nmetadata: {id: x, labels: {y: z}}\nspec: {data: 'a: 1'}\n"
    try:
        found = machine_config.loaded(text_of(chance, seed))
        resources = omni.documents(text_of(chance, seed))
    except yaml.YAMLError:
        return
    machine_config.places(found, "a")
    machine_config.outcome(text_of(chance, "Applied configuration"))
    for one in resources:
        odd = [changed for changed in (mutated(chance, other) for other in resources) if isinstance(changed, dict)]
        omni.plan(one, odd, "a", "m")


def frames(chance: Chance) -> None:
    data = octets_of(chance, most=200)
    arp.parse(data)
    ndp.parse(data)
    x509.parse(data)
    service.parse_head(octets_of(chance, b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 3\r\n\r\nabc"))
    service.unchunk(octets_of(chance, b"3\r\nabc\r\n0\r\n\r\n"))
    with contextlib.suppress(WireError, ValueError, OSError):
        for _kind, body in netlink.messages(data):
            netlink.attributes(body, 0)


def words(chance: Chance) -> None:
    """Addresses, times, selectors, patterns, headers: one text each."""
    seed = chance.choice(
        (
            "10.0.0.1-10.0.0.9",
            "fd00::/64",
            "2026-11-23T21:39:17.5Z",
            "https://[fd00::1]:6443",
            "a/**/b",
            "02:00:00:00:00:01",
        )
    )
    text = text_of(chance, seed)[:2000]
    addresses.parse_address(text)
    for function in (addresses.parse_span, addresses.parse_any):
        with contextlib.suppress(addresses.AddressError):
            function(text)
    octets.to_address(text)
    octets.to_mac(text)
    parse.seconds_of(text)
    parse.nested_too_deeply(text)
    selectors.Selector.from_object(
        mutated(chance, {"matchLabels": {"a": text}, "matchExpressions": [{"key": "a", "operator": "In"}]}, 0.2)
    )
    tree.matches(text, ["*.yaml", text[:40], "!a/"])
    assert 0 < client._pause(text, 1) <= 10
    errors._status_message(text.encode("utf-8", "replace"))
    errors._call_of("GET", text).describe()
    errors._host_of(text)
    with contextlib.suppress(errors.ApiError):
        auth._check_server(text)
    with contextlib.suppress(errors.ApiError):
        auth._check_proxy(text)
    with contextlib.suppress(WireError):
        targets.parse_targets(mutated(chance, [text, {"address": text}], 0.2), 10)
    with contextlib.suppress(WireError):
        targets.parse_nodes(mutated(chance, [{"name": text, "addresses": [text], "macs": [text]}], 0.2))


TARGETS: dict[str, Callable[[Chance], None]] = {
    one.__name__: one
    for one in (snapshot_file, objects, reports, manifest, repository, helm_record, talos, frames, words)
}
