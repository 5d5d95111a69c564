# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection; it may change or vanish at any time.

"""Helm charts that a repository installs, wherever their values stand, and what these say about MetalLB."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.kustomize import CHART, Item
from ansible_collections.l2ops.metallb.plugins.module_utils._gitops.reader import load_text
from ansible_collections.l2ops.metallb.plugins.module_utils._model.constants import (
    LOAD_BALANCER_IPS,
    OLD_PREFIX,
    PREFIX,
)
from ansible_collections.l2ops.metallb.plugins.module_utils._model.parse import (
    Object,
    as_dict,
    as_list,
    as_text,
    metadata_of,
)

# A values file of MetalLB's chart has at least one of these at its top, with these below.
_VALUES = {
    "speaker": ("ignoreExcludeLB", "frr", "memberlist", "secretName", "tolerations"),
    "frrk8s": ("enabled",),
    "configInline": ("address-pools", "peers"),
}
# Charts whose Service is a load balancer unless their values say another type.
BALANCED_CHARTS = frozenset(["traefik", "ingress-nginx"])
_TYPES = ("LoadBalancer", "ClusterIP", "NodePort", "ExternalName")


@dataclass(frozen=True)
class Release:
    """A chart that is installed: its name without the repository, its values, and where in the object these stand ("" in a text)."""

    chart: str
    values: Object
    name: str = ""
    namespace: str = ""
    version: str = ""
    path: str = ""


def releases(item: Item, registries: Mapping[str, str], yaml: Any) -> Iterator[Release]:
    """Charts that an object installs. registries maps names of Flux OCIRepositories to their URLs."""
    kind, metadata, spec = as_text(item.obj.get("kind")), metadata_of(item.obj), as_dict(item.obj.get("spec"))
    name, namespace = as_text(metadata.get("name")), as_text(metadata.get("namespace"))
    if kind == "HelmRelease":
        chart = as_dict(as_dict(spec.get("chart")).get("spec"))
        reference = as_dict(spec.get("chartRef"))
        found = as_text(chart.get("chart")).rstrip("/").rpartition("/")[2]
        if not found and reference:
            url = registries.get(as_text(reference.get("name")), as_text(reference.get("name")))
            found = url.rstrip("/").rpartition("/")[2]
        yield Release(
            found,
            as_dict(spec.get("values")),
            as_text(spec.get("releaseName")) or name,
            as_text(spec.get("targetNamespace")) or namespace,
            as_text(chart.get("version")),
            "spec.values",
        )
    elif kind == "HelmChart":
        values = spec.get("valuesContent")
        yield Release(
            as_text(spec.get("chart")).rpartition("/")[2].partition(".tgz")[0],
            as_dict(load_text(values, yaml)),
            name,
            as_text(spec.get("targetNamespace")) or namespace,
            as_text(spec.get("version")),
        )
    elif kind == CHART:
        yield Release(
            as_text(spec.get("name")),
            as_dict(spec.get("values")),
            name,
            namespace,
            as_text(spec.get("version")),
        )
    elif kind in ("Application", "ApplicationSet"):
        if kind == "ApplicationSet":
            spec = as_dict(as_dict(spec.get("template")).get("spec"))
        into = as_text(as_dict(spec.get("destination")).get("namespace"))
        for source in sources_of(spec):
            helm = as_dict(source.get("helm"))
            chart_name = as_text(source.get("chart")) or (
                as_text(source.get("repoURL"))
                if not source.get("path") and "oci" in as_text(source.get("repoURL"))
                else ""
            )
            yield Release(
                chart_name.rstrip("/").rpartition("/")[2],
                application_values(helm, yaml),
                as_text(helm.get("releaseName")) or name,
                into,
                as_text(source.get("targetRevision")),
            )


def sources_of(spec: Object) -> list[Object]:
    several = spec.get("sources")
    return [as_dict(one) for one in (several if isinstance(several, list) else [spec.get("source")])]


def application_values(helm: Object, yaml: Any) -> Object:
    """Helm values within a source of an Argo CD Application: values, then valuesObject over them, then parameters."""
    given: Any = helm.get("valuesObject")
    if given is None:
        given = load_text(helm.get("values"), yaml)
    values = dict(as_dict(given))
    for parameter in map(as_dict, as_list(helm.get("parameters"))):
        _set(values, as_text(parameter.get("name")), parameter.get("value"))
    return values


def _set(values: Object, path: str, value: Any) -> None:
    """As helm --set does it, for names without lists; "true" means true unless forceString is given, which nobody needs here."""
    words = [one.replace("\\.", ".") for one in re.split(r"(?<!\\)\.", path)]
    here = values
    for word in words[:-1]:
        below = here.get(word)
        here[word] = dict(below) if isinstance(below, dict) else {}
        here = here[word]
    if words[-1]:
        here[words[-1]] = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def is_values(values: Object) -> bool:
    """Whether a file holds values of MetalLB's chart, by its shape."""
    return any(key in values and any(name in as_dict(values[key]) for name in names) for key, names in _VALUES.items())


def settings_of(values: Object) -> Object:
    """What rules want to know out of values of MetalLB's chart."""
    speaker = as_dict(values.get("speaker"))
    found: Object = {"seen": True}
    if "ignoreExcludeLB" in speaker:
        found["ignore_exclude_lb"] = speaker["ignoreExcludeLB"] is True
    if "frr" in speaker:
        found["frr"] = as_dict(speaker["frr"]).get("enabled") is True
    if "frrk8s" in values:
        found["frrk8s"] = as_dict(values["frrk8s"]).get("enabled") is True
    if values.get("loadBalancerClass"):
        found["lb_class"] = as_text(values["loadBalancerClass"])
    return found


def brings_kinds(values: Object) -> bool:
    """Whether MetalLB's chart brings its CRDs with these values."""
    return as_dict(values.get("crds")).get("enabled") is not False


def balanced(chart: str, values: Any) -> bool:
    """Whether a chart brings a Service of type LoadBalancer, as far as its values tell."""
    if not chart:
        return False
    told = list(_types(values))
    return "LoadBalancer" in told or (chart in BALANCED_CHARTS and not told)


def _types(values: Any) -> Iterator[str]:
    """Types of services, and LoadBalancer where somebody asks MetalLB for something, anywhere in values."""
    if isinstance(values, dict):
        for key, one in values.items():
            if key == "type" and one in ("LoadBalancer", "ClusterIP", "NodePort"):
                yield one
            elif as_text(key).startswith((PREFIX, OLD_PREFIX)):
                yield "LoadBalancer"
            yield from _types(one)
    elif isinstance(values, list):
        for one in values:
            yield from _types(one)


@dataclass(frozen=True)
class WantedService:
    """A Service that values of a chart ask MetalLB for: as an object, and the path of its values."""

    obj: Object
    path: str


def services(release: Release) -> Iterator[WantedService]:
    """Services within values of any chart: dictionaries with annotations of MetalLB's or an address for a load balancer."""
    found = list(_wanted(release.values, ""))
    for path, values in found:
        name = release.name or release.chart or "chart"
        if len(found) > 1:
            name = f"{name}-{path.replace('.', '-') or 'service'}"
        annotations = {key: as_text(one) for key, one in as_dict(values.get("annotations")).items()}
        spec: Object = {"type": "LoadBalancer"}
        nested = as_dict(values.get("spec"))
        for key in ("loadBalancerIP", "loadBalancerClass", "externalTrafficPolicy"):
            value = values.get(key) or nested.get(key)
            if value:
                spec[key] = value
        obj = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": release.namespace or "default", "annotations": annotations},
            "spec": spec,
        }
        yield WantedService(obj, ".".join(filter(None, (release.path, path))) if release.path else "")


def _wanted(values: Any, path: str, depth: int = 0) -> Iterator[tuple[str, Object]]:
    if depth > 12:
        return
    if isinstance(values, list):
        for place, one in enumerate(values):
            yield from _wanted(one, f"{path}[{place}]", depth + 1)
        return
    if not isinstance(values, dict):
        return
    annotations = as_dict(values.get("annotations"))
    asks = any(as_text(key).startswith((PREFIX, OLD_PREFIX)) for key in annotations)
    last = path.rpartition(".")[2].lower()
    asks = asks or bool(values.get("loadBalancerIP") or as_dict(values.get("spec")).get("loadBalancerIP"))
    asks = asks and not ("ingress" in last and "service" not in last and LOAD_BALANCER_IPS not in str(annotations))
    kind = values.get("type")
    if asks and kind in (None, "LoadBalancer") and values.get("enabled") is not False:
        yield path, values
        return
    for key, one in values.items():
        if key != "annotations" and isinstance(one, (dict, list)):
            yield from _wanted(one, f"{path}.{key}" if path else as_text(key), depth + 1)
