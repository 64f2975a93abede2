"""Makes a gateway's configuration of examples/flow-rules: its rules as they stand, the benchmark's servers and labels (tools.yaml)."""

import re
import pathlib

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLE = ROOT / "examples/flow-rules/tollgate.yaml"
TOOLS = HERE / "tools.yaml"

# Which place of tools.yaml each of the example's facts is about. Their tests are the example's; only the own organisation is the suite's.
PLACES = {"unknown_recipient": "recipient", "stranger": "recipient", "unknown_target": "target", "link": "text"}


def facts(example: dict, suites: dict) -> dict[str, dict]:
    """The example's facts, once for each tool: a fact's paths are the same for all tools that it is of. Returns each fact's copies."""
    copies = {name: {} for name in example}
    for name, fact in example.items():
        tests = {key: value for key, value in fact.items() if key not in ("of", "path")}
        for suite, its in suites.items():
            if name == "stranger":
                tests["any_not"] = its["ours"]
            for tool, paths in its[PLACES[name]].items():
                copies[name][f"{name}_{len(copies[name])}"] = {"of": f"{suite}/{tool}", "path": paths, **tests}
    return copies


def rule(written: dict, copies: dict[str, dict]) -> dict:
    """An example's rule, naming a fact's copies where it names the fact."""

    def each(found: re.Match) -> str:
        return "(" + " || ".join(f'facts.contains("{copy}")' for copy in copies[found[1]]) + ")"

    return {**written, "when": re.sub(r'facts\.contains\("(\w+)"\)', each, written["when"])}


def make(urls: dict[str, str], agents: list[str], listen: str, admin: str, state: str) -> str:
    """The configuration's text. `urls`: the suites' servers; `agents` name their own conversations."""
    policy = yaml.safe_load(EXAMPLE.read_text())["policy"]
    suites = yaml.safe_load(TOOLS.read_text())
    servers = {}
    for suite, its in suites.items():
        override = {}
        for label, tools in its["labels"].items():
            for tool in tools:
                override.setdefault(tool, {"labels": []})["labels"].append(label)
        servers[suite] = {"url": urls[suite], "tools": {"override": override}}
    copies = facts(policy["facts"], suites)
    return yaml.safe_dump(
        {
            "listen": listen,
            "admin": {"listen": admin},
            "state": state,
            "servers": servers,
            "agents": {name: {"conversations": "own"} for name in agents},
            "policy": {
                "default": policy["default"],
                "facts": {name: fact for fact_copies in copies.values() for name, fact in fact_copies.items()},
                "rules": [rule(written, copies) for written in policy["rules"]],
            },
        },
        sort_keys=False,
        width=1000,
    )
