// The everything-server of the revisions with a handshake (up to 2025-11-25), on the official SDK 1.x.

import { randomUUID } from 'node:crypto';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  ErrorCode,
  GetPromptRequestSchema,
  isInitializeRequest,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListRootsResultSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { ASKING, askingPrompt } from './asking.mjs';
import { answered, complete, FORMS, INFO, MARKED, object, pause, PROMPTS, RESOURCES, TEMPLATE, text, TOOLS } from './fixtures.mjs';
import { listen, transportWanted } from './listen.mjs';

async function ask(io, message, properties, required = []) {
  const params = { message, requestedSchema: { type: 'object', properties, required } };
  const answer = await io.request({ method: 'elicitation/create', params }, ElicitResultSchema);
  return answered(answer);
}

const LEGACY_TOOLS = [
  ...TOOLS,
  {
    name: 'test_tool_with_logging',
    description: 'Logs three times',
    async call(_args, io) {
      for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await io.notify({ method: 'notifications/message', params: { level: 'info', data } });
        await pause(50, io.signal);
      }
      return text('Tool with logging executed successfully');
    },
  },
  {
    name: 'test_sampling',
    description: 'Asks the client for a completion',
    inputSchema: object({ prompt: { type: 'string' } }, ['prompt']),
    async call({ prompt }, io) {
      const params = { messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens: 100 };
      const answer = await io.request({ method: 'sampling/createMessage', params }, CreateMessageResultSchema);
      return text(`LLM response: ${answer.content.text}`);
    },
  },
  {
    name: 'test_elicitation',
    description: 'Asks the user',
    inputSchema: object({ message: { type: 'string' } }, ['message']),
    call: ({ message }, io) =>
      ask(io, message, { response: { type: 'string', description: "User's response" } }, ['response']),
  },
  ...Object.entries(FORMS).map(([name, properties]) => ({
    name,
    description: 'Asks the user with a rich form',
    call: (_args, io) => ask(io, 'Please fill in the form', properties),
  })),
  {
    name: 'test_reconnection',
    description: 'Ends its stream in the middle of the call, so that the client must come back for the answer',
    async call(_args, io) {
      io.closeStream?.();
      await pause(100, io.signal);
      return text('Reconnection test completed successfully');
    },
  },
  MARKED,
  ...ASKING,
];

/** The results of what a server may ask in the middle of a call. */
const ANSWERS = {
  'elicitation/create': ElicitResultSchema,
  'sampling/createMessage': CreateMessageResultSchema,
  'roots/list': ListRootsResultSchema,
};

/** How a tool asks: `ask(method, params)` resolves with the client's answer. */
const asking = (extra) => (method, params) => extra.sendRequest({ method, ...(params && { params }) }, ANSWERS[method]);

function newServer() {
  const capabilities = {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    prompts: { listChanged: true },
    logging: {},
    completions: {},
  };
  const server = new Server(INFO, { capabilities });

  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: LEGACY_TOOLS.map(({ name, description, inputSchema = object() }) => ({ name, description, inputSchema })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = LEGACY_TOOLS.find(({ name }) => name === params.name);
    if (!tool) throw new McpError(ErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
    const progressToken = params._meta?.progressToken;
    try {
      return await tool.call(params.arguments ?? {}, {
        signal: extra.signal,
        request: extra.sendRequest,
        ask: asking(extra),
        declared: server.getClientCapabilities() ?? {},
        changed: { tools: () => server.sendToolListChanged(), prompts: () => server.sendPromptListChanged() },
        notify: extra.sendNotification,
        closeStream: extra.closeSSEStream,
        progress: (progress, total) =>
          progressToken === undefined
            ? undefined
            : extra.sendNotification({
                method: 'notifications/progress',
                params: { progressToken, progress, total },
              }),
      });
    } catch (error) {
      return { ...text(String(error?.message ?? error)), isError: true };
    }
  });

  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: RESOURCES.map(({ content: _, ...resource }) => resource),
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => {
    const { content: _, ...template } = TEMPLATE;
    return { resourceTemplates: [template] };
  });
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
    const found = RESOURCES.find((resource) => resource.uri === uri);
    if (!found && !id) throw new McpError(-32002, `Resource not found: ${uri}`, { uri });
    const content = found ? found.content : TEMPLATE.content(id);
    return { contents: [{ uri, mimeType: (found ?? TEMPLATE).mimeType, ...content }] };
  });
  server.setRequestHandler(SubscribeRequestSchema, () => ({}));
  server.setRequestHandler(UnsubscribeRequestSchema, () => ({}));

  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: [...PROMPTS, askingPrompt].map(({ name, description, arguments: names = [] }) => ({
      name,
      description,
      arguments: names.map((argument) => ({ name: argument, required: true })),
    })),
  }));
  server.setRequestHandler(GetPromptRequestSchema, async ({ params }, extra) => {
    if (params.name === askingPrompt.name) return { messages: await askingPrompt.messages({}, asking(extra)) };
    const prompt = PROMPTS.find(({ name }) => name === params.name);
    if (!prompt) throw new McpError(ErrorCode.InvalidParams, `Unknown prompt: ${params.name}`);
    return { messages: prompt.messages(params.arguments ?? {}) };
  });
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => complete(params.argument.value));
  server.setRequestHandler(SetLevelRequestSchema, () => ({}));
  return server;
}

/** Keeps what was sent on each stream of a session, so that a client can come back for it. */
function newEventStore() {
  const events = [];
  return {
    async storeEvent(streamId, message) {
      events.push({ streamId, message });
      return String(events.length);
    },
    async replayEventsAfter(lastEventId, { send }) {
      const last = Number(lastEventId);
      const { streamId } = events[last - 1];
      for (const [index, event] of events.entries()) {
        const worthSending = event.streamId === streamId && Object.keys(event.message).length > 0;
        if (index >= last && worthSending) await send(String(index + 1), event.message);
      }
      return streamId;
    },
  };
}

const sessions = new Map();

async function handle(req, res) {
  const id = req.headers['mcp-session-id'];
  if (id !== undefined) {
    const transport = sessions.get(id);
    if (transport) return transport.handleRequest(req, res);
    return refuse(res, 404, 'Session not found');
  }
  if (req.method !== 'POST') return refuse(res, 400, 'Session ID required');
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  let body;
  try {
    body = JSON.parse(Buffer.concat(chunks));
  } catch {
    return refuse(res, 400, 'Parse error', -32700);
  }
  if (!isInitializeRequest(body)) return refuse(res, 400, 'Session ID required');
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: newEventStore(),
    retryInterval: 500,
    onsessioninitialized: (newId) => void sessions.set(newId, transport),
    onsessionclosed: (oldId) => void sessions.delete(oldId),
  });
  await newServer().connect(transport);
  await transport.handleRequest(req, res, body);
}

function refuse(res, status, message, code = -32000) {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }));
}

const wanted = transportWanted();
if (wanted.stdio) {
  process.stdin.on('end', () => process.exit());
  await newServer().connect(new StdioServerTransport());
} else {
  listen(wanted.port, handle);
}
