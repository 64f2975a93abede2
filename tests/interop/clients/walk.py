"""Walks plan.json with one Python client: what a script for one SDK hands in is `connect`.

  --url URL | --stdio CMD ARG…   the gateway (--stdio takes the rest of the line)
  --direct FILE                  no gateway: the servers themselves, { alias: { url } | { command, env } }
  --header NAME=VALUE            sent with every HTTP request
  --set NAME=VALUE               fills ${NAME} in the plan
  --era modern|legacy            modern first, as the SDKs do by themselves, or the handshake
  --only REGEX                   the steps to take
"""

import argparse
import asyncio
import json
import pathlib
import re
import sys
import time
import uuid

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import get_default_environment, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CreateMessageResult,
    ElicitResult,
    ListRootsResult,
    PaginatedRequestParams,
    PromptReference,
    Root,
    TextContent,
)

# The servers that speak no revision with a handshake: a legacy client reaches them only through the gateway.
MODERN_ONLY = ["modern", "piped"]
CANCEL_SECONDS_MAX = 5
STEP_SECONDS_MAX = 20
# Without the gateway the first list starts every server, one after the other.
DIRECT_STEP_SECONDS_MAX = 90
REFUSAL = "dev.tollgate/refusal"
LISTS = {
    "listTools": "list_tools",
    "listResources": "list_resources",
    "listResourceTemplates": "list_resource_templates",
    "listPrompts": "list_prompts",
}


class Failed(Exception):
    """A step did not do what the plan says."""


class Skipped(Exception):
    """A step needs a server that this client can't reach directly."""


async def walk(connect):
    options = command_line()
    passed = failed = skipped = 0
    connections = Connections()
    people = People(options, connections, connect)
    for step in plan(options):
        try:
            await asyncio.wait_for(take(step, people), DIRECT_STEP_SECONDS_MAX if options.direct else STEP_SECONDS_MAX)
        except Skipped as why:
            skipped += 1
            print(f"skip {step['step']}: {why}", flush=True)
        except Exception as error:  # whatever goes wrong in a step is that step's failure
            failed += 1
            print(f"FAIL {step['step']}: {innermost(error)}".replace("\n", " "), flush=True)
        else:
            passed += 1
            print(f"ok {step['step']}", flush=True)
    await connections.close()
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed else 0


def command_line():
    argv = sys.argv[1:]
    command = None
    if "--stdio" in argv:
        at = argv.index("--stdio")
        argv, command = argv[:at], argv[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--direct", type=pathlib.Path)
    parser.add_argument("--era", choices=["modern", "legacy"], default="modern")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--only", default="")
    options = parser.parse_args(argv)
    options.command = command
    if not (options.url or options.direct or command):
        parser.error("one of --url, --stdio, --direct is needed")
    options.header = dict(pair.split("=", 1) for pair in options.header)
    options.set = dict(pair.split("=", 1) for pair in options.set)
    return options


def plan(options):
    values = {"run": uuid.uuid4().hex[:8], **options.set}
    raw = pathlib.Path(__file__).with_name("plan.json").read_text()
    steps = json.loads(re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], raw))
    for step in steps:
        wanted = step.get("era", options.era) == options.era and not (step.get("gate") and options.direct)
        if wanted and re.search(options.only, step["step"]):
            yield step


class Connections:
    """Holds each client open in a task of its own, since the SDK wants it left by the task that entered it."""

    def __init__(self):
        self.closing = asyncio.Event()
        self.tasks = []

    async def open(self, client):
        opened = asyncio.get_running_loop().create_future()

        async def hold():
            try:
                async with client as entered:
                    opened.set_result(entered)
                    await self.closing.wait()
            except Exception as error:
                if opened.done():
                    raise
                opened.set_exception(error)

        self.tasks.append(asyncio.create_task(hold()))
        return await opened

    async def close(self):
        self.closing.set()
        await asyncio.gather(*self.tasks)


class Person:
    """Someone at a client of their own, and what they were asked."""

    def __init__(self, kind):
        self.kind = kind
        self.mute = kind == "nobody"
        self.questions = []
        self.samples = 0

    async def elicit(self, _context, params):
        self.questions.append(params.message)
        if self.kind == "decline":
            return ElicitResult(action="decline")
        return ElicitResult(action="accept", content=fill(params.requested_schema))

    async def sample(self, _context, _params):
        self.samples += 1
        return CreateMessageResult(
            role="assistant", content=TextContent(type="text", text="a sampled answer"), model="none"
        )

    async def roots(self, _context):
        return ListRootsResult(roots=[Root(uri="file:///interop", name="interop")])


class People:
    """Someone who accepts, someone who declines, and nobody to ask: each with their own connection."""

    def __init__(self, options, connections, connect):
        self.options = options
        self.connections = connections
        self.connect = connect
        self.met = {}

    async def get(self, kind):
        if kind not in self.met:
            person = Person(kind)

            async def open_one(target):
                return await self.connections.open(self.connect(target, self.options, person))

            if self.options.direct:
                client = Direct(json.loads(self.options.direct.read_text()), self.options.era, open_one)
            else:
                client = await open_one({"url": self.options.url, "command": self.options.command})
            self.met[kind] = (client, person)
        return self.met[kind]


class Direct:
    """A client of each server, behind one face that takes the gateway's names and URIs."""

    def __init__(self, targets, era, open_one):
        self.targets = targets
        self.era = era
        self.open_one = open_one
        self.clients = {}

    async def reach(self, name, mark):
        alias, rest = name.split(mark, 1)
        if alias in MODERN_ONLY and self.era == "legacy":
            raise Skipped(f"{alias} is modern only")
        if alias not in self.clients:
            self.clients[alias] = await self.open_one(self.targets[alias])
        return self.clients[alias], rest

    async def call_tool(self, name, arguments, **options):
        client, rest = await self.reach(name, "_")
        result = await client.call_tool(rest, arguments, **options)
        for block in result.content:
            if block.type == "resource_link":
                block.uri = f"{name.split('_')[0]}+{block.uri}"
        return result

    async def read_resource(self, uri):
        client, rest = await self.reach(uri, "+")
        return await client.read_resource(rest)

    async def get_prompt(self, name, arguments):
        client, rest = await self.reach(name, "_")
        return await client.get_prompt(rest, arguments)

    async def complete(self, ref, argument):
        client, rest = await self.reach(ref.name, "_")
        return await client.complete(PromptReference(name=rest), argument)

    def __getattr__(self, method):
        async def listed(**_page):
            return await self.listed(method)

        return listed

    async def listed(self, method):
        key = method.removeprefix("list_")
        field = {"resources": "uri", "resource_templates": "uri_template"}.get(key, "name")
        mark = "+" if field.startswith("uri") else "_"
        entries = []
        for alias in self.targets:
            try:
                client, _ = await self.reach(alias + mark, mark)
                page = await getattr(client, method)()
            except Exception:  # not every server can be reached, or has every list
                continue
            for entry in getattr(page, key):
                entries.append(entry.model_copy(update={field: f"{alias}{mark}{getattr(entry, field)}"}))
        return type("Page", (), {key: entries, "next_cursor": None})


async def take(step, people):
    """Takes one step; raises what is wrong with it."""
    client, person = await people.get(step.get("as", "accept"))
    asked, sampled = len(person.questions), person.samples
    kind = next(kind for kind in STEPS if kind in step)
    seen = await STEPS[kind](client, step)
    if "text" in step:
        contains(seen, step["text"])
    if "lacks" in step and step["lacks"] in seen:
        raise Failed(f"still contains `{step['lacks']}`: {seen}")
    questions = person.questions[asked:]
    equal(len(questions), step.get("asked", 0), "questions asked")
    if "question" in step:
        contains(" ".join(questions), step["question"])
    equal(person.samples - sampled, step.get("sampled", 0), "completions asked for")


async def speaks(client, step):
    equal(client.protocol_version, step["speaks"], "revision")


async def lists(client, step):
    wanted = step["lists"]
    method = LISTS[wanted["method"]]
    key = method.removeprefix("list_")
    field = "uri_template" if wanted["field"] == "uriTemplate" else wanted["field"]
    names = []
    cursor = None
    while True:
        page = await getattr(client, method)(cursor=cursor)
        names += [str(getattr(entry, field)) for entry in getattr(page, key)]
        cursor = page.next_cursor
        if cursor is None:
            break
    for start in wanted["starts"]:
        if not any(name.startswith(start) for name in names):
            raise Failed(f"nothing starts with `{start}` among {names}")
    equal(len(set(names)), len(names), "distinct names")
    if len(names) < wanted.get("least", 0):
        raise Failed(f"{len(names)} are fewer than {wanted['least']}")
    if "rule" in wanted:
        equal([name for name in names if not re.search(wanted["rule"], name)], [], "names outside the rule")


async def call(client, step):
    result = await client.call_tool(step["call"], step.get("with", {}))
    text = text_of(result.content)
    refusal = ((result.meta or {}).get(REFUSAL) or {}).get("code")
    equal(refusal, step.get("refused"), f"refusal ({text})")
    equal(result.is_error, "refused" in step, f"isError ({text})")
    return text


async def fails(client, step):
    result = await client.call_tool(step["fails"], step.get("with", {}))
    equal(result.is_error, True, "isError")
    return text_of(result.content)


async def links(client, step):
    result = await client.call_tool(step["links"], step.get("with", {}))
    uris = [str(block.uri) for block in result.content if block.type == "resource_link"]
    if not uris:
        raise Failed("no resource_link in the result")
    for uri in uris:
        if not (await client.read_resource(uri)).contents:
            raise Failed(f"{uri} has no contents")


async def read(client, step):
    result = await client.read_resource(step["read"])
    return "\n".join(getattr(content, "text", None) or content.blob for content in result.contents)


async def get(client, step):
    result = await client.get_prompt(step["get"], step.get("with", {}))
    return text_of([message.content for message in result.messages])


async def complete(client, step):
    argument = {"name": step["argument"], "value": step["value"]}
    result = await client.complete(PromptReference(name=step["complete"]), argument)
    equal(result.completion.values, step["values"], "values")


async def progress(client, step):
    reports = []

    async def report(done, _total, _message):
        reports.append(done)

    result = await client.call_tool(step["progress"], step.get("with", {}), progress_callback=report)
    if not reports:
        raise Failed("no progress arrived")
    equal(reports, sorted(set(reports)), "progress, rising")
    return text_of(result.content)


async def cancel(client, step):
    """Cancels at the first progress, then waits until the server says that it noticed."""
    label = str(uuid.uuid4())
    started = asyncio.Event()

    async def report(_done, _total, _message):
        started.set()

    arguments = {"seconds": 30, "label": label}
    running = asyncio.create_task(client.call_tool(step["cancel"], arguments, progress_callback=report))
    reported = asyncio.create_task(started.wait())
    await asyncio.wait([running, reported], return_when=asyncio.FIRST_COMPLETED)
    reported.cancel()
    if running.done():
        raise Failed(f"the call ended early: {await running}")
    cancelled_at = time.monotonic()
    running.cancel()
    await asyncio.wait([running], timeout=2)
    if not running.cancelled():
        raise Failed("the call outlived its cancellation")
    while True:
        result = await client.call_tool(step["seen"], {})
        if label in text_of(result.content):
            return
        if time.monotonic() - cancelled_at > CANCEL_SECONDS_MAX:
            raise Failed("the server saw no cancellation")
        await asyncio.sleep(0.05)


STEPS = {
    step.__name__: step for step in (speaks, lists, call, fails, links, read, get, complete, progress, cancel)
}


def fill(schema):
    """Answers a form: what is required, with the simplest value of its type."""
    simplest = {"string": "interop", "boolean": True, "number": 1, "integer": 1, "array": []}
    properties = schema["properties"]
    return {
        name: (properties[name].get("enum") or [simplest[properties[name]["type"]]])[0]
        for name in schema.get("required") or []
    }


def innermost(error):
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Failed) else f"{type(error).__name__}: {error}"


def text_of(content):
    return "\n".join(getattr(block, "text", f"({block.type})") for block in content)


def contains(text, part):
    if part not in text:
        raise Failed(f"`{part}` is not in: {text}")


def equal(got, want, what):
    if got != want:
        raise Failed(f"{what}: {got}, not {want}")


def main(connect):
    sys.exit(asyncio.run(walk(connect)))
