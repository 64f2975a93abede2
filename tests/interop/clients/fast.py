"""Walks the plan with fastmcp, the Python client of most agents in the field."""

import os
import pathlib
from contextlib import asynccontextmanager

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from walk import main


@asynccontextmanager
async def connect(target, options, person):
    """A client of one endpoint."""
    if target.get("command"):
        command, *args = target["command"]
        # What servers log would drown the steps.
        quiet = pathlib.Path(os.devnull)
        transport = StdioTransport(command, args, env=target.get("env"), log_file=quiet, keep_alive=False)
    else:
        transport = StreamableHttpTransport(target["url"], headers=options.header)

    async def elicit(_message, _answer_type, params, context):
        return await person.elicit(context, params)

    async def sample(_messages, params, context):
        return await person.sample(context, params)

    asked = {} if person.mute else {"elicitation_handler": elicit, "sampling_handler": sample, "roots": ["file:///interop"]}
    mode = "legacy" if options.era == "legacy" else "auto"
    async with Client(transport, mode=mode, **asked) as client:
        yield Wire(client)


class Wire:
    """The client's methods that hand over what came over the wire, under the SDK's names."""

    def __init__(self, client):
        self.client = client
        self.list_tools = client.list_tools_mcp
        self.list_resources = client.list_resources_mcp
        self.list_resource_templates = client.list_resource_templates_mcp
        self.list_prompts = client.list_prompts_mcp
        self.read_resource = client.read_resource_mcp
        self.get_prompt = client.get_prompt_mcp
        self.complete = client.complete_mcp

    @property
    def protocol_version(self):
        return self.client.session.protocol_version

    async def call_tool(self, name, arguments, progress_callback=None):
        return await self.client.call_tool_mcp(name, arguments, progress_handler=progress_callback)


if __name__ == "__main__":
    main(connect)
