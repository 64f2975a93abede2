"""The benchmark's environments as MCP servers: one a suite, on the official SDK, over HTTP. What a tool does is the benchmark's own code."""

import asyncio

import uvicorn
import yaml
from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime
from mcp import types
from mcp.server.lowlevel import Server

# The environments are files of a thousand lines, read anew for each run: the benchmark's own reader takes most of a run's time.
yaml.safe_load = lambda text: yaml.load(text, yaml.CSafeLoader)


class World:
    """One suite's server and the environment that its tools act on now."""

    def __init__(self, suite):
        self.suite = suite
        self.reset({}, None)
        self.server = Server(suite.name, on_list_tools=self.list_tools, on_call_tool=self.call_tool)

    def reset(self, injections: dict[str, str], user_task) -> None:
        """A fresh environment with these texts injected, made ready for a task."""
        environment = self.suite.load_and_inject_default_environment(injections)
        self.environment = user_task.init_environment(environment) if user_task else environment
        self.before = self.environment.model_copy(deep=True)
        self.runtime = FunctionsRuntime(self.suite.tools)
        self.received: list[FunctionCall] = []

    async def list_tools(self, _context, _params) -> types.ListToolsResult:
        tools = [
            types.Tool(name=tool.name, description=tool.description, input_schema=tool.parameters.model_json_schema())
            for tool in self.suite.tools
        ]
        return types.ListToolsResult(tools=tools)

    async def call_tool(self, _context, params) -> types.CallToolResult:
        arguments = params.arguments or {}
        result, error = self.runtime.run_function(self.environment, params.name, arguments)
        self.received.append(FunctionCall(function=params.name, args=arguments))
        text = error or tool_result_to_str(result)
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=error is not None)


async def serve(world: World) -> tuple[str, uvicorn.Server, asyncio.Task]:
    """Starts a world on a free port. Returns its URL, and what stops it."""
    app = world.server.streamable_http_app(json_response=True)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        if running.done():
            raise RuntimeError(f"the server of {world.suite.name} did not start")
        await asyncio.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    return f"http://127.0.0.1:{port}/mcp", server, running
