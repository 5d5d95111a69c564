# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tools under tests/tools: above all, that a check which looked at nothing, or failed, never passes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parents[1] / "tools" / "lib"
if not LIB.is_dir():
    pytest.skip("tests/tools is not here", allow_module_level=True)
if str(LIB) not in sys.path:
    sys.path.insert(0, str(LIB))

from l2tools import artifact, borrowed, checkout, places, pyenvs, report, sanity, tree, ui  # noqa: E402


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def logs(monkeypatch, tmp_path):
    for module in (report, pyenvs, artifact, tree):
        monkeypatch.setattr(module, "LOGS", tmp_path / "log")


# --- running programs


def test_a_program_that_lasts_too_long_is_ended_with_its_children(tmp_path):
    pid = tmp_path / "pid"
    done = ui.run(["sh", "-c", f"sleep 60 & echo $! > {pid}; echo begun; wait"], "sleep", timeout=0.6)
    assert done.code != 0
    assert "begun" in done.output and "did not end within" in done.output
    end = time.monotonic() + 5
    while Path(f"/proc/{pid.read_text().strip()}/cmdline").exists() and time.monotonic() < end:
        if not Path(f"/proc/{pid.read_text().strip()}/cmdline").read_bytes():
            break  # a zombie: it has ended, nobody has asked yet
        time.sleep(0.05)
    else:
        assert time.monotonic() < end, "its child runs on"


def test_a_program_that_is_not_there_is_a_plain_error():
    with pytest.raises(ui.ToolError, match="cannot run no-such-program-here"):
        ui.run(["no-such-program-here"], "x")


# --- verdicts


def verdicts(told):
    return [(one.name, one.outcome) for one in told.verdicts]


def test_the_last_line_counts_and_the_exit_code_follows(capsys):
    told = report.Report()
    told.passed("a", 1.0)
    told.skipped("b", "nothing there yet")
    assert told.close() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"
    told.failed("c", 1.0, "why")
    assert told.close() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed"


def test_nothing_but_skipped_is_no_success():
    told = report.Report()
    told.skipped("a", "nothing there yet")
    assert told.close() == 1


def test_a_program_fails_by_its_exit_code_or_by_what_it_says(tmp_path, capsys):
    told = report.Report()
    for code, wrong in ((0, None), (3, None), (0, lambda output: "bad word" if "word" in output else "")):
        command = ["sh", "-c", f"echo word; exit {code}"]
        report.program(told, "p", command, env=dict(os.environ), cwd=tmp_path, wrong=wrong)
    assert [outcome for _name, outcome in verdicts(told)] == [report.PASSED, report.FAILED, report.FAILED]
    shown = capsys.readouterr().out
    assert "    word" in shown and "bad word" in shown


def test_what_a_check_did_not_expect_is_its_failure_and_the_others_run():
    told = report.Report()

    def broken():
        raise ui.ToolError("no Python 3.99\nand more")

    report.together(told, [("broken", broken), ("sound", lambda: told.passed("sound", 0.0))])
    assert sorted(verdicts(told)) == [("broken", report.FAILED), ("sound", report.PASSED)]


def test_a_verdict_is_remembered_until_an_input_changes(monkeypatch, tmp_path):
    monkeypatch.setattr(report, "STATE", tmp_path / "state")
    file = tmp_path / "input"
    file.write_text("1", encoding="utf-8")
    assert not report.Remembered("x", [file]).holds()
    report.Remembered("x", [file]).keep()
    assert report.Remembered("x", [file]).holds()
    assert not report.Remembered("x", [file], "another version").holds()
    assert not report.Remembered("x", [file, tmp_path / "further"]).holds()
    file.write_text("2", encoding="utf-8")
    assert not report.Remembered("x", [file]).holds()


# --- sanity and importer


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Programs of every environment are shell scripts in this folder."""
    for module in (sanity.pyenvs, artifact.pyenvs):
        monkeypatch.setattr(module, "ensure", lambda _name: tmp_path / "bin")
        monkeypatch.setattr(module, "bin_of", lambda _name: tmp_path / "bin")
        monkeypatch.setattr(module, "find", lambda _version: None)
    monkeypatch.setattr(tree, "ensure", lambda: tmp_path)
    monkeypatch.setattr(checkout, "copy", lambda home, without=(): tmp_path)
    for module in (sanity, artifact):
        monkeypatch.setattr(module, "STATE", tmp_path / "state")
    monkeypatch.setattr(artifact, "BUILD", tmp_path)
    return tmp_path / "bin"


TWENTY = "for n in $(seq 20); do echo \"Running sanity test 'x$n'\"; done\n"


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        (TWENTY, report.PASSED),
        (TWENTY + "exit 1\n", report.FAILED),
        ("echo 'WARNING: All targets skipped.'\n", report.FAILED),
        ("echo \"Running sanity test 'pep8'\"\n", report.FAILED),
    ],
)
def test_sanity_of_nothing_does_not_pass(environment, says, outcome):
    script(environment / "ansible-test", says)
    told = report.Report()
    sanity.sanity(told, "core-2.16")
    assert verdicts(told) == [("sanity, ansible-core-2.16", outcome)]


def test_sanity_runs_in_a_home_of_its_own_and_says_what_it_leaves_out(environment, tmp_path):
    said = tmp_path / "said"
    script(environment / "ansible-test", f'echo "$HOME" "$@" > {said}\n{TWENTY}')
    told = report.Report()
    sanity.sanity(told, "core-2.22")
    home, words = said.read_text().split(maxsplit=1)
    assert home == str(tmp_path / "state" / "sanity" / "core-2.22" / "home")
    assert "--skip-test pylint" in words and "without pylint" in told.verdicts[0].reason
    assert (Path(home) / ".ansible/test/cache/get_pip_25_2.py").read_text() == sanity.GET_PIP


COMPLETED = "echo 'Importer processing completed successfully'\n"


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        (COMPLETED, report.PASSED),
        ("echo 'ERROR: Error running ansible-doc'\n" + COMPLETED, report.FAILED),
        ("echo 'Loading module x'\n", report.FAILED),
    ],
)
def test_an_error_that_the_importer_only_logs_is_a_failure(environment, tmp_path, says, outcome):
    script(environment / "python", says)
    told = report.Report()
    artifact.importer(told, tmp_path / "x.tar.gz")
    assert verdicts(told) == [("importer", outcome)]


def test_no_artifact_is_a_failure_of_what_needs_it():
    told = report.Report()
    artifact.importer(told, None)
    artifact.install_smoke(told, None)
    assert [outcome for _name, outcome in verdicts(told)] == [report.FAILED, report.FAILED]


# --- copies of the checkout


@pytest.fixture
def repository(monkeypatch, tmp_path):
    root = tmp_path / "repository"
    (root / "plugins").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", root], check=True)
    (root / ".gitignore").write_text("*.log\n", encoding="utf-8")
    (root / "plugins" / "a.py").write_text("a", encoding="utf-8")
    (root / "noise.log").write_text("x", encoding="utf-8")
    (root / "link").symlink_to("plugins/a.py")
    monkeypatch.setattr(checkout, "ROOT", root)
    return root


def test_a_copy_has_what_git_would_have_and_follows_it(repository, tmp_path):
    goal = checkout.copy(tmp_path / "copy")
    assert goal == tmp_path / "copy" / "ansible_collections" / "l2ops" / "metallb"

    def there():
        names = (p.relative_to(goal).as_posix() for p in goal.rglob("*") if not p.is_dir())
        return sorted(name for name in names if not name.startswith(".git/"))

    assert there() == [".gitignore", "link", "plugins/a.py"]
    assert (goal / "link").is_symlink()
    # Without a repository of its own, ansible-test asks the checkout's, which ignores the copy.
    assert (goal / ".git").is_dir()
    (repository / "plugins" / "a.py").unlink()
    (repository / "link").unlink()
    (repository / "b.py").write_text("b", encoding="utf-8")
    (goal / "tests" / "output").mkdir(parents=True)
    (goal / "tests" / "output" / "cache").write_text("x", encoding="utf-8")
    checkout.copy(tmp_path / "copy")
    assert there() == [".gitignore", "b.py", "tests/output/cache"]
    assert not (goal / "plugins").exists()


def test_a_copy_without(repository, tmp_path):
    goal = checkout.copy(tmp_path / "copy", without=("plugins/",))
    assert not (goal / "plugins").exists() and (goal / ".gitignore").exists()


# --- the collection tree


def test_the_link_to_the_checkout(monkeypatch, tmp_path):
    link = tmp_path / "deep" / "metallb"
    monkeypatch.setattr(tree, "CHECKOUT", link)
    tree.link()
    assert os.path.realpath(link) == str(places.ROOT)
    assert not link.readlink().is_absolute(), "a checkout may be moved"
    link.unlink()
    link.symlink_to(tmp_path)
    tree.link()
    assert os.path.realpath(link) == str(places.ROOT), "a link to elsewhere is replaced"
    link.unlink()
    link.mkdir()
    with pytest.raises(ui.ToolError, match="no symbolic link"):
        tree.link()


def test_a_borrowed_lab_shares_what_was_built_and_keeps_what_belongs_to_one_checkout(tmp_path):
    lender, state = tmp_path / "main" / ".lab", tmp_path / "other" / ".lab"
    for name in ("venv/main", "log", borrowed.KUBERNETES):
        (lender / name).mkdir(parents=True)
    (lender / "collections" / "ansible_collections" / "l2ops").mkdir()
    state.parent.mkdir()
    state.symlink_to(lender)
    borrowed.separate(state)
    assert not state.is_symlink() and (state / "venv").resolve() == lender / "venv"
    collections = [path.name for path in (state / "collections" / "ansible_collections").iterdir()]
    assert collections == ["kubernetes"], "its own collection is linked later"
    assert not (state / "log").exists()
    (state / "kubeconfig").write_text("x", encoding="utf-8")
    (state / "bin" / "kubectl").touch()
    assert (lender / "kubeconfig").read_text() == "x" and (lender / "bin" / "kubectl").exists(), "the lab is shared"
    borrowed.separate(state)
    assert (state / "venv").resolve() == lender / "venv"
    borrowed.separate(lender)
    assert (lender / "log").is_dir(), "a folder stays as it is"


# --- environments


@pytest.fixture
def interpreters(monkeypatch, tmp_path):
    """A PATH of our own, and nothing remembered."""
    monkeypatch.setattr(pyenvs, "_found", {})
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}:{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(pyenvs.sys, "executable", str(tmp_path / "none"))

    def python(path, *version):
        return script(tmp_path / path, f"echo {' '.join(map(str, version))}\necho {tmp_path / path}\n")

    return python


def test_the_newest_patch_release_that_runs_is_taken(interpreters, tmp_path):
    interpreters("pyenv/versions/3.97.9/bin/python3.97", 3, 97, 9)
    newest = interpreters("pyenv/versions/3.97.10/bin/python3.97", 3, 97, 10)
    interpreters("pyenv/versions/3.971.1/bin/python3.97", 3, 971, 1)
    script(tmp_path / "shims" / "python3.98", "echo 'pyenv: version not installed' >&2; exit 127\n")
    script(tmp_path / "bin" / "python3.99", "echo 'No module named ensurepip' >&2; exit 1\n")
    found = pyenvs.find("3.97")
    assert found == pyenvs.Python(str(newest), (3, 97, 10))
    assert pyenvs.find("3.98") is None and pyenvs.find("3.99") is None


def test_no_suitable_python_is_said_with_the_way_out(interpreters, monkeypatch):
    monkeypatch.setitem(pyenvs.ENVIRONMENTS, "main", pyenvs.Environment("tools", ("3.98", "3.97")))
    with pytest.raises(ui.ToolError) as why:
        pyenvs.choose("main")
    assert "needs Python 3.98 or 3.97" in str(why.value) and "pyenv install 3.98" in str(why.value)


@pytest.fixture
def recipe(monkeypatch, tmp_path):
    """An environment `x`, whose interpreter is a script that makes a `pip`."""
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    (requirements / "x.txt").write_text("-r shared.txt\na==1\n", encoding="utf-8")
    (requirements / "shared.txt").write_text("b==1\n", encoding="utf-8")
    monkeypatch.setattr(pyenvs, "REQUIREMENTS", requirements)
    monkeypatch.setattr(pyenvs, "VENVS", tmp_path / "venv")
    monkeypatch.setitem(pyenvs.ENVIRONMENTS, "x", pyenvs.Environment("a test", ("3.97",)))
    made = tmp_path / "made"
    made.write_text("", encoding="utf-8")
    # `python -m venv FOLDER` copies itself there; `FOLDER/bin/python -m pip …` succeeds unless told otherwise.
    python = script(
        tmp_path / "python3.97",
        f'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo x >> {made}; exit 0; fi\n'
        f"if [ -e {tmp_path}/offline ]; then echo 'no route to the index'; exit 1; fi\n",
    )
    monkeypatch.setattr(pyenvs, "choose", lambda _name: pyenvs.Python(str(python), (3, 97, 0)))
    return lambda: made.read_text().count("x")


def test_an_environment_is_made_once_and_again_when_what_it_takes_in_changes(recipe, tmp_path):
    assert pyenvs.ensure("x") == tmp_path / "venv" / "x" / "bin"
    pyenvs.ensure("x")
    assert recipe() == 1
    (tmp_path / "requirements" / "shared.txt").write_text("b==2\n", encoding="utf-8")
    pyenvs.ensure("x")
    assert recipe() == 2


def test_an_environment_that_failed_half_way_is_not_taken_for_one(recipe, tmp_path):
    (tmp_path / "offline").touch()
    with pytest.raises(ui.ToolError, match="no route to the index"):
        pyenvs.ensure("x")
    (tmp_path / "offline").unlink()
    pyenvs.ensure("x")
    assert recipe() == 2


def test_every_environment_has_its_requirements_pinned():
    # What no environment of its own is made of: parts of others, and files that collections are taken out of.
    parts = {"core", "collections", "awx-collection"}
    for name in {*pyenvs.ENVIRONMENTS, "awx-collection"}:
        for line in pyenvs.text_of(places.REQUIREMENTS / f"{name}.txt").splitlines():
            assert not line.strip() or line.startswith("#") or "==" in line, f"{name}: {line}"
    assert {path.stem for path in places.REQUIREMENTS.glob("*.txt")} == {*pyenvs.ENVIRONMENTS, *parts}


@pytest.mark.skipif(sys.version_info < (3, 10), reason="sys.stdlib_module_names came with Python 3.10")
def test_no_file_shadows_a_module_of_the_standard_library():
    here = [path for path in (places.ROOT / "tests").rglob("*.py") if path.stem in sys.stdlib_module_names]
    assert here == []


def test_the_programs_run():
    for name in ("collection_tree", "pyenv", "check"):
        command = [sys.executable, LIB.parent / f"{name}.py", "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and ".lab" in done.stdout, done.stderr
    done = subprocess.run(
        [sys.executable, LIB.parent / "check.py", "no-such-check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "no such check: no-such-check" in done.stderr
