# Copyright (c) 2026, l2ops.metallb contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX 24.6.1 does with a survey: which specifications it takes, and what it makes of answers.

After its user guide ("Optional Survey Questions") and what its API was seen to do.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

TEXTS = ("text", "textarea", "password")
TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "textarea": (str,),
    "password": (str,),
    "integer": (int,),
    "float": (float, int),
    "multiplechoice": (str,),
    "multiselect": (str, list),
}


def wrong_specification(spec: Any) -> str:
    """Why AWX's API refuses a survey; empty when it takes it."""
    if not isinstance(spec, dict):
        return "not an object"
    for name, kind in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(spec.get(name), kind):
            return f"{name} is missing, or no {kind.__name__}"
    if not spec["spec"]:
        return "spec is empty"
    seen = set()
    for number, question in enumerate(spec["spec"]):
        for name, kind in (("type", str), ("question_name", str), ("variable", str), ("required", bool)):
            if not isinstance(question.get(name), kind):
                return f"question {number}: {name} is missing, or no {kind.__name__}"
        if question["variable"] in seen:
            return f"question {number}: {question['variable']} is asked twice"
        seen.add(question["variable"])
        if question["type"] not in TYPES:
            return f"question {number}: no such type: {question['type']}"
        default = question.get("default", "")
        if default != "" and not isinstance(default, TYPES[question["type"]]):
            return f"question {number}: default {default!r} is no {question['type']}"
        for name in ("min", "max"):
            if question.get(name) is not None and type(question[name]) is not int:
                return f"question {number}: {name} is no integer"
        if question["type"] in ("multiplechoice", "multiselect"):
            if "choices" not in question:
                return f"question {number}: no choices"
            defaults = default.splitlines() if isinstance(default, str) else default
            if any(one not in choices(question) for one in defaults):
                return f"question {number}: default {default!r} is none of its choices"
    return ""


def choices(question: Object) -> list[str]:
    given = question["choices"]
    return given if isinstance(given, list) else [one for one in given.splitlines() if one.strip()]


def wrong_answer(question: Object, value: Any) -> str:
    kind, name = question["type"], question["variable"]
    if kind in ("multiplechoice", "multiselect"):
        given = value if kind == "multiselect" else [value]
        return "" if all(one in choices(question) for one in given) else f"{name}: {value!r} is no choice"
    if type(value) not in TYPES[kind]:
        return f"{name}: {value!r} is no {kind}"
    size = len(value) if kind in TEXTS else value
    least, most = question.get("min"), question.get("max")
    if least not in ("", None) and size < least:
        return f"{name}: {value!r} is under {least}"
    if most not in ("", None) and size > most:
        return f"{name}: {value!r} is over {most}"
    return ""


def refused_answers(spec: Object, given: Object) -> list[str]:
    """Why AWX refuses a launch or a schedule with these answers: a default does not stand in for a required one.

    As a live AWX 24.6.1 was seen to answer. Nodes of workflows are not held to `required`.
    """
    found = []
    for question in spec.get("spec", []):
        name = question["variable"]
        if name in given:
            complaint = wrong_answer(question, given[name])
            found += [complaint] if complaint else []
        elif question["required"]:
            found.append(f"'{name}' value missing")
    return found


def extra_vars(spec: Object, typed: Object) -> Object:
    """What a job gets when a person fills the form with `typed` (as typed; left out, or "", is a blank).

    Raises ValueError with AWX's complaint.
    """
    sent: Object = {}
    for question in spec["spec"]:
        name, kind = question["variable"], question["type"]
        value = typed.get(name, question.get("default", ""))
        if value in ("", []):
            # A blank is sent for texts without a least length, and only for these.
            if kind in TEXTS and question.get("min") in (0, None) and not question["required"]:
                sent[name] = ""
            elif question["required"]:
                raise ValueError(f"{name} value missing")
            continue
        sent[name] = int(value) if kind == "integer" else value
        complaint = wrong_answer(question, sent[name])
        if complaint:
            raise ValueError(complaint)
    unknown = sorted(set(typed) - {question["variable"] for question in spec["spec"]})
    if unknown:
        raise ValueError(f"the survey does not ask for {', '.join(unknown)}")
    return sent
