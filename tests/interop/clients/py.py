"""Walks the plan with the official Python SDK."""

import os

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import get_default_environment, stdio_client
from mcp.client.streamable_http import streamable_http_client
from walk import STEP_SECONDS_MAX, main


def connect(target, options, person):
    """A client of one endpoint."""
    if target.get("command"):
        command, *args = target["command"]
        env = {**get_default_environment(), **target.get("env", {})}
        # What servers log would drown the steps.
        quiet = open(os.devnull, "w")
        transport = stdio_client(StdioServerParameters(command=command, args=args, env=env), errlog=quiet)
    else:
        client = httpx2.AsyncClient(headers=options.header, timeout=STEP_SECONDS_MAX, trust_env=False)
        transport = streamable_http_client(target["url"], http_client=client)
    mode = "legacy" if options.era == "legacy" else "auto"
    if person.mute:
        return Client(transport, mode=mode)
    return Client(
        transport,
        mode=mode,
        elicitation_callback=person.elicit,
        sampling_callback=person.sample,
        list_roots_callback=person.roots,
    )


if __name__ == "__main__":
    main(connect)
