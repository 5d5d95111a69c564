# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for the repository as a whole: headers, places, roles and their specifications, modules and their documentation."""

from __future__ import annotations

import ast
import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
UTILS = PLUGINS / "module_utils"
NAMESPACE = "ansible_collections.l2ops.metallb.plugins"


def repository_files():
    """Tracked files and new ones that git does not ignore; without git (an unpacked copy), all there are."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.split("\0") if done.returncode == 0 else [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")]
    return sorted({Path(name) for name in names if name and (ROOT / name).is_file()})


FILES = repository_files()
TEXTS = {}
for _path in FILES:
    try:
        TEXTS[_path.as_posix()] = (ROOT / _path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        pass


def load(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def named(paths):
    """For parametrize: paths with readable ids. Where there are none yet, the test shows as skipped."""
    return [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in sorted(paths)]


MODULES = [path for path in (PLUGINS / "modules").glob("*.py") if not path.name.startswith("_")]
ROLES = [path.parent.parent for path in (ROOT / "roles").glob("*/tasks/main.yml")]
PYTHON = [ROOT / name for name in TEXTS if name.endswith(".py")]
PLUGIN_FILES = [path for path in PYTHON if PLUGINS in path.parents]


def assigned(path, name):
    """The text that a plugin file assigns to DOCUMENTATION, EXAMPLES or RETURN."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return ast.literal_eval(node.value)
    return None


def imports(path, lazy=True):
    """Everything that a file imports when it runs, in absolute terms; without `lazy`, what it takes to import the file."""
    found = set()
    package = ".".join(path.relative_to(ROOT).parent.parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if for_types or (not lazy and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(["ansible_collections.l2ops.metallb", *above, *([base] if base else [])])
            # `from … import name`: name may be a module itself.
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


# --- headers, places


def test_every_file_says_its_licence():
    annotations = (ROOT / "REUSE.toml").read_text(encoding="utf-8")
    covered = re.findall(r'^\s+"([^"]+)",$', annotations, re.MULTILINE)
    assert covered, "REUSE.toml names no file"
    without = []
    for name, text in TEXTS.items():
        if not text.strip() or name == "COPYING" or name.startswith("LICENSES/"):
            continue
        if any(fnmatch.fnmatch(name, pattern) for pattern in covered):
            continue
        # Put together, so that a tool looking for licences does not take this line for one.
        if "SPDX-License-" + "Identifier: GPL-3.0-or-later" not in text[:1500]:
            without.append(name)
    assert not without, "without an SPDX header, and not in REUSE.toml"


def test_what_reuse_toml_names_exists():
    """An entry for nothing would cover a later file of that name unseen."""
    for pattern in re.findall(r'^\s+"([^"]+)",$', (ROOT / "REUSE.toml").read_text(encoding="utf-8"), re.MULTILINE):
        if pattern == "CHANGELOG.rst":
            continue  # made by a release
        assert any(fnmatch.fnmatch(path.as_posix(), pattern) for path in FILES), pattern


# In two parts each, so that this file does not name them.
PLACES = [
    ("a place on one machine", re.compile("/wo" + r"rk/(main|shared)|/ro" + r"ot/\.pyenv|/ho" + r"me/[a-z]+/")),
    (
        "a package index",
        re.compile("py" + r"pi\.org|python" + r"hosted|proxy\.golang\." + r"org|registry\.npm" + "js|crates" + r"\.io"),
    ),
    ("a Debian mirror", re.compile("deb\\.deb" + r"ian\.org|security\.deb" + r"ian\.org")),
]


@pytest.mark.parametrize(("what", "pattern"), PLACES, ids=[what for what, _pattern in PLACES])
def test_no_file_names(what, pattern):
    found = []
    for name, text in TEXTS.items():
        if name == "COPYING" or name.endswith("go.sum"):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name}:{number}: {line.strip()[:120]}")
    assert not found, what


def test_no_sanity_ignore_files():
    assert not [name for name in TEXTS if name.startswith("tests/sanity/ignore")]


# --- galaxy.yml and what must agree with it


def test_versions_agree():
    galaxy = load("galaxy.yml")
    assert re.fullmatch(r"[1-9]\d*\.\d+\.\d+", galaxy["version"]), "hubs take nothing below 1.0.0"
    assert galaxy["dependencies"] == {"kubernetes.core": ">=6.5.0,<8.0.0"}
    assert len(galaxy["tags"]) <= 20
    floor = re.fullmatch(r">=(\d+\.\d+)\.0", load("meta/runtime.yml")["requires_ansible"])
    assert floor, "requires_ansible"
    for role in ROLES:
        info = load(role.relative_to(ROOT) / "meta" / "main.yml")["galaxy_info"]
        assert str(info["min_ansible_version"]) == floor[1], role.name


def test_python_requirements_agree():
    def lines(name):
        text = (ROOT / name).read_text(encoding="utf-8")
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    assert lines("requirements.txt") == lines("meta/ee-requirements.txt")
    documented = yaml.safe_load(assigned_fragment("kubernetes"))["requirements"]
    assert {re.sub(r"\s", "", one) for one in documented} - {"python>=3.9"} == set(lines("requirements.txt"))
    assert "python >= 3.9" in documented and load("tests/config.yml")["modules"]["python_requires"] == ">=3.9"


def assigned_fragment(name):
    path = PLUGINS / "doc_fragments" / f"{name}.py"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "DOCUMENTATION" for t in node.targets
        ):
            return ast.literal_eval(node.value)
    raise AssertionError(path)


def test_versions_of_the_collection_under_test_agree():
    """The collection that the tests run with is one that galaxy.yml allows."""
    lib = str(ROOT / "tests" / "tools" / "lib")
    if not Path(lib).is_dir():
        pytest.skip("no tools here")
    sys.path.insert(0, lib)
    try:
        from l2tools import tree
    finally:
        sys.path.remove(lib)
    version = [int(n) for n in tree.KUBERNETES_CORE_VERSION.split(".")]
    assert [6, 5, 0] <= version < [8, 0, 0]


# --- Python


@pytest.mark.parametrize("path", named(PLUGIN_FILES))
def test_plugins_are_python_3_9(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 9))
    if text.strip():
        # Without it, annotations such as `int | None` are evaluated, which 3.9 cannot.
        assert "from __future__ import annotations" in text, "the future import"
    for node in ast.walk(tree):
        assert type(node).__name__ != "Match", f"line {node.lineno}: match is Python 3.10"
        if isinstance(node, ast.keyword):
            assert node.arg not in ("slots", "kw_only"), f"line {node.value.lineno}: {node.arg} is Python 3.10"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip":
            assert not any(word.arg == "strict" for word in node.keywords), f"line {node.lineno}: strict is Python 3.10"


def test_module_utils_are_private():
    assert [path.name for path in UTILS.iterdir() if not path.name.startswith("_")] == []


# What each package of module_utils may import of the others. This is the table of the house: an arrow that is not here is
# a change of the design. No package depends on one that depends on it.
PACKAGES: dict[str, set[str]] = {
    "_model": set(),
    "_kube": {"_model"},
    "_wire": set(),
    "_talos": {"_model"},
    "_findings": {"_model"},
    "_ownership": {"_model"},
    "_snapshot": {"_model", "_ownership"},
    "_rules": {"_findings", "_model", "_ownership", "_snapshot"},
    "_gitops": {"_model", "_snapshot"},
    "_diagnosis": {"_findings", "_model", "_rules", "_snapshot"},
    "_analysis": {"_findings", "_model", "_rules", "_snapshot"},
    "_report": {"_analysis", "_findings", "_model"},
    "_operations": {"_analysis", "_model", "_snapshot", "_ownership"},
}
# Beyond the standard library and the collection itself.
MAY_IMPORT = {
    "_kube/dependencies.py": {"kubernetes", "urllib3", "yaml", "ansible_collections.kubernetes"},
    "_kube/bulk.py": {"urllib3"},
    "_kube/module.py": {"ansible"},
    "_model/secrets.py": {"ansible"},
    "_gitops/manifests.py": {"yaml"},
    "_ownership/release.py": {"yaml"},
    "_talos/machine_config.py": {"yaml"},
    "_talos/omni.py": {"yaml"},
}
# Within _model these depend on nothing at all.
ALONE = ("_model/addresses.py", "_model/constants.py", "_findings/catalogue.py")


@pytest.mark.parametrize("path", named(p for p in PLUGIN_FILES if UTILS in p.parents))
def test_packages_import_what_they_may(path):
    standard = getattr(sys, "stdlib_module_names", None)
    if standard is None:
        pytest.skip("sys.stdlib_module_names came with Python 3.10")
    foreign, ours = set(), set()
    prefix = f"{NAMESPACE}.module_utils"
    for name in imports(path):
        if name.startswith(f"{prefix}."):
            ours.add(name[len(prefix) + 1 :].split(".")[0])
        elif name.startswith("ansible_collections"):
            foreign.add(".".join(name.split(".")[:2]))
        elif name.split(".")[0] not in standard:
            foreign.add(name.split(".")[0])
    foreign -= {"ansible_collections.l2ops"}
    place = path.relative_to(UTILS).as_posix()
    package = path.relative_to(UTILS).parts[0]
    assert foreign <= MAY_IMPORT.get(place, set()), "libraries that this file may not import"
    # Types alone (if TYPE_CHECKING) are no dependency: the core is importable without a client.
    now = {name[len(prefix) + 1 :].split(".")[0] for name in imports(path, lazy=False) if name.startswith(f"{prefix}.")}
    assert now - {package} <= PACKAGES[package], "packages that this package may not import (PACKAGES)"
    assert ours - {package} - PACKAGES[package] <= {"_kube"}
    if place in ALONE:
        assert not ours, "this file depends on no other"


def test_the_table_of_packages_has_no_circle_and_no_arrow_too_many():
    there = {
        path.name
        for path in UTILS.iterdir()
        if path.is_dir() and path.name.startswith("_") and "cache" not in path.name
    }
    assert there == set(PACKAGES)
    order: list[str] = []
    left = dict(PACKAGES)
    while left:
        free = sorted(name for name, needs in left.items() if needs <= set(order))
        assert free, f"a circle among {sorted(left)}"
        order += free
        left = {name: needs for name, needs in left.items() if name not in free}
    prefix = f"{NAMESPACE}.module_utils"
    for package, allowed in PACKAGES.items():
        used = {
            name[len(prefix) + 1 :].split(".")[0]
            for path in (UTILS / package).rglob("*.py")
            for name in imports(path)
            if name.startswith(f"{prefix}.")
        }
        assert allowed <= used, f"{package} no longer imports {sorted(allowed - used)}"


# --- modules


@pytest.mark.parametrize("path", named(MODULES))
class TestModule:
    def test_documentation(self, path):
        documentation = yaml.safe_load(assigned(path, "DOCUMENTATION"))
        assert documentation["module"] == path.stem
        for word in ("short_description", "description", "author", "version_added"):
            assert documentation.get(word), word
        assert "attributes" in documentation or any(
            "attributes" in name for name in documentation["extends_documentation_fragment"]
        ), "check mode, diff mode and idempotence are attributes"

    def test_examples_name_the_module_in_full(self, path):
        examples = yaml.safe_load(assigned(path, "EXAMPLES"))
        assert examples, "no examples"
        used = {key for task in walk(examples) for key in task if isinstance(key, str)}
        assert f"l2ops.metallb.{path.stem}" in used
        for task in walk(examples):
            if "name" in task and any("." in str(key) for key in task):
                assert task["name"][0].isupper() or task["name"].startswith("{{"), task["name"]

    def test_returns(self, path):
        returns = yaml.safe_load(assigned(path, "RETURN"))
        assert returns, "nothing documented"
        # Names of methods of dictionaries: `result.items` is the method, not the value.
        assert not {"values", "items", "keys"} & set(every_name(returns))
        for name, spec in returns.items():
            assert {"description", "returned", "type"} <= set(spec), name

    def test_group(self, path):
        """Who takes the options of the connection is in the action group, says so, and has an action plugin; nobody else."""
        documentation = yaml.safe_load(assigned(path, "DOCUMENTATION"))
        fragments = documentation.get("extends_documentation_fragment", [])
        connects = "l2ops.metallb.kubernetes" in fragments
        runtime = load("meta/runtime.yml")
        group = [name for name in runtime["action_groups"]["all"] if isinstance(name, str)]
        assert (path.stem in group) == connects, "action group all in meta/runtime.yml"
        assert ("l2ops.metallb.attributes.actiongroup_all" in fragments) == connects, "fragment actiongroup_all"
        assert (path.stem in runtime["plugin_routing"]["modules"]) == connects, "plugin_routing in meta/runtime.yml"


def test_runtime_names_modules_that_exist():
    runtime = load("meta/runtime.yml")
    there = {path.stem for path in MODULES}
    group = {name for name in runtime["action_groups"]["all"] if isinstance(name, str)}
    assert group - there == set(), "in action group all"
    assert set(runtime["plugin_routing"]["modules"]) - there == set(), "in plugin_routing"


def walk(value):
    """Every dictionary in a structure."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from walk(one)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one)


def every_name(returns):
    for name, spec in (returns or {}).items():
        yield name
        yield from every_name(spec.get("contains"))


# --- roles


def specs_of(role):
    return load(role.relative_to(ROOT) / "meta" / "argument_specs.yml")["argument_specs"]


def defaults_of(role, entry):
    path = role / "defaults" / f"{entry}.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.exists() else {}


@pytest.mark.parametrize("role", named(ROLES))
class TestRole:
    def test_defaults_are_the_specification(self, role):
        specs = specs_of(role)
        assert "main" in specs
        for entry, spec in specs.items():
            documented = {name: one["default"] for name, one in spec["options"].items() if "default" in one}
            # Entry points other than main take main's defaults: Ansible reads no others by itself.
            defaults = defaults_of(role, "main")
            if entry == "main":
                assert documented == defaults
            else:
                assert {name: defaults.get(name) for name in documented} == documented, entry

    def test_nothing_is_both_required_and_has_a_default(self, role):
        for option in walk(specs_of(role)):
            assert not (option.get("required") is True and "default" in option), option

    def test_every_option_is_described(self, role):
        for spec in specs_of(role).values():
            assert spec["short_description"] and spec["description"]
            for name, option in options_of(spec):
                assert option.get("description"), name
                assert option.get("type"), name
                assert not name.startswith("metallb_") or option["type"] != "list" or option.get("elements"), name

    def test_variables_that_it_reads_are_declared(self, role):
        """A variable that only tasks know is one that nobody can look up, and that a typing error makes up."""
        declared = {name for spec in specs_of(role).values() for name in spec["options"]}
        for path in [*role.glob("vars/*.yml"), *role.glob("defaults/*.yml")]:
            declared |= set(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        used = {}
        for path in [*role.rglob("*.yml"), *role.rglob("*.j2")]:
            text = path.read_text(encoding="utf-8")
            if path.parent.name in ("tasks", "handlers"):
                for part in walk(yaml.safe_load(text)):
                    declared |= set(part.get("vars") or {}) | set(part.get("ansible.builtin.set_fact") or {})
                    declared |= set((part.get("ansible.builtin.set_stats") or {}).get("data") or {})
                    declared |= {part["register"]} if isinstance(part.get("register"), str) else set()
                    control = part.get("loop_control") or {}
                    declared |= {control[key] for key in ("loop_var", "index_var") if key in control}
            if path.parent.name in ("tasks", "handlers", "templates", "vars", "defaults"):
                for name in re.findall(r"(?<![\w.#:/-])_?metallb_\w+", without_words(text)):
                    used.setdefault(name, path.relative_to(role).as_posix())
        # Groups of the inventory, not variables.
        unknown = {n: w for n, w in used.items() if n not in declared | {"metallb_clusters", "metallb_probes"}}
        assert unknown == {}

    def test_readme(self, role):
        assert (role / "README.md").is_file(), "hubs refuse a collection with a role that has none"


def without_words(text):
    """Without comments and tags."""
    return re.sub(r"(^|\s)(#|tags:).*$", "", text, flags=re.MULTILINE)


def options_of(spec):
    for name, option in (spec.get("options") or {}).items():
        yield name, option
        yield from options_of(option)


def test_roles_say_the_same_of_the_same_variable():
    """One vocabulary: a variable is the same thing, with the same default, in every role that takes it."""
    said = {}
    for role in ROLES:
        for spec in specs_of(role).values():
            for name, option in spec["options"].items():
                facts = {key: option.get(key) for key in ("type", "elements", "default", "choices")}
                other, known = said.setdefault(name, (role.name, facts))
                assert facts == known, f"{name} in roles {other} and {role.name}"


def test_playbooks_name_roles_that_exist():
    playbooks = sorted((ROOT / "playbooks").glob("*.yml"))
    assert playbooks
    there = {f"l2ops.metallb.{role.name}" for role in ROLES}
    for path in playbooks:
        if path.name.endswith(".meta.yml"):
            continue
        for part in walk(yaml.safe_load(path.read_text(encoding="utf-8"))):
            named_roles = [one["role"] if isinstance(one, dict) else one for one in part.get("roles") or []]
            included = [v["name"] for k, v in part.items() if str(k).endswith(("include_role", "import_role"))]
            for name in [*named_roles, *included]:
                assert name in there, f"{path.name}: {name}"


def test_links_between_pages_lead_somewhere():
    dead = []
    for path in repository_files():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", (ROOT / path).read_text(encoding="utf-8")):
            if "://" not in target and not (ROOT / path.parent / target).exists():
                dead.append(f"{path}: {target}")
    assert not dead


# One concept, one word. Left the word that is out, right the one that is in.
BANNED = {
    r"remed(y|ies)": "fix",
    r"mend(s|ed|ing)?": "fix",
    r"cure[sd]?": "fix",
    r"heed(s|ed|ing)?": "honor",
    r"without a word": "silently",
    r"by luck or against": "works now, but is fragile or discouraged",
    r"c[oa]mes? to grief": "fail",
    r"IPv6 clothes": "IPv4-mapped",
    r"(leave|leaves|left) out of account": "ignore",
    r"could not look": "skipped, or could not be read",
    r"not looked at": "skipped",
    r"Elector|Judge|Wishes|Lanes": "Election, Rule, RepositoryRequest, PatchConnections",
    r"winner|unfit|not_rehearsed|endangered_services|most_nodes": "elected_node, ineligible, not_dry_run, services_losing_address, max_nodes",
}
SPEAKS = ("docs/", "extensions/", "playbooks/", "plugins/", "roles/", "README.md", "CONTRIBUTING.md")


@pytest.mark.parametrize("word", BANNED)
def test_one_concept_has_one_word(word):
    """In code, messages and pages alike; the changelog may say what something was called before."""
    pattern = re.compile(rf"\b({word})\b", re.IGNORECASE if word.islower() else 0)
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group(0)!r}"
        for name, text in TEXTS.items()
        if name.startswith(SPEAKS)
        for match in pattern.finditer(text)
    ]
    assert not found, f"say {BANNED[word]!r} instead:\n" + "\n".join(found)


def test_no_line_is_longer_than_ansible_test_takes():
    """Its limit is 160 columns; it takes minutes to say so."""
    found = [
        f"{name}:{number}: {len(line)}"
        for name, text in TEXTS.items()
        if name.endswith(".py") and name.startswith(("plugins/", "extensions/", "tests/integration/", "tests/unit/"))
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > 160
    ]
    assert not found, found
