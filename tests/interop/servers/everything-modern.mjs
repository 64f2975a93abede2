// The everything-server of 2026-07-28 alone, on the official server SDK 2.x, with the Tasks extension.

import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  createMcpHandler,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  McpServer,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  ResourceTemplate,
} from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod/v4';
import { answered, complete, FORMS, INFO, MARKED, object, pause, PROMPTS, RESOURCES, TEMPLATE, text, TOOLS } from './fixtures.mjs';
import { listen, transportWanted } from './listen.mjs';
import { callAsTask, serveTasks, TASKS } from './tasks.mjs';

// Every HTTP request gets a server of its own, so what lasts between rounds is sealed into the state.
const sealed = createRequestStateCodec({ key: crypto.getRandomValues(new Uint8Array(32)) });

const form = (message, name, type) =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: 'object', properties: { [name]: { type } }, required: [name] },
  });
const sample = (question, maxTokens) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: question } }], maxTokens });
const ASK = {
  user_name: () => form('What is your name?', 'name', 'string'),
  confirm: () => form('Please confirm', 'ok', 'boolean'),
  greeting: () => sample('Generate a greeting', 50),
  client_roots: () => inputRequired.listRoots(),
};

/** Asks for `keys` in one round, with `state` (if any) sealed. */
async function askFor(keys, state) {
  const inputRequests = Object.fromEntries(keys.map((key) => [key, ASK[key]()]));
  return inputRequired({ inputRequests, ...(state && { requestState: await sealed.mint(state) }) });
}

const MODERN_TOOLS = [
  ...TOOLS,
  MARKED,
  {
    name: 'test_missing_capability',
    description: 'Needs sampling',
    call: (_args, { answers }) =>
      answers.llm_answer
        ? text('sampling round-trip complete')
        : inputRequired({ inputRequests: { llm_answer: sample('Reply with the single word: pong', 16) } }),
  },
  {
    name: 'test_streaming_elicitation',
    description: 'Its stream carries nothing but the result',
    call: () => text('stream observed: result frames only'),
  },
  {
    name: 'test_logging_tool',
    description: 'Logs, for those who asked for it',
    async call(_args, { ctx }) {
      await ctx.mcpReq.log('info', 'test_logging_tool ran');
      return text('logged');
    },
  },
  // What the suite of 2025-11-25 asks for, as a server of this revision does it.
  {
    name: 'test_tool_with_logging',
    description: 'Logs three times, for those who asked for it',
    async call(_args, { ctx, signal }) {
      for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await ctx.mcpReq.log('info', data);
        await pause(50, signal);
      }
      return text('Tool with logging executed successfully');
    },
  },
  {
    name: 'test_sampling',
    description: 'Asks the client for a completion',
    inputSchema: object({ prompt: { type: 'string' } }, ['prompt']),
    call: ({ prompt }, { answers }) =>
      answers.completion
        ? text(`LLM response: ${answers.completion.content?.text}`)
        : inputRequired({ inputRequests: { completion: sample(prompt, 100) } }),
  },
  {
    name: 'test_elicitation',
    description: 'Asks the user',
    inputSchema: object({ message: { type: 'string' } }, ['message']),
    call: ({ message }, { answers }) =>
      answers.form ? answered(answers.form) : inputRequired({ inputRequests: { form: form(message, 'response', 'string') } }),
  },
  ...Object.entries(FORMS).map(([name, properties]) => ({
    name,
    description: 'Asks the user with a rich form',
    call(_args, { answers }) {
      if (answers.form) return answered(answers.form);
      const requestedSchema = { type: 'object', properties, required: [] };
      return inputRequired({ inputRequests: { form: inputRequired.elicit({ message: 'Please fill in the form', requestedSchema }) } });
    },
  })),
  {
    name: 'test_reconnection',
    description: 'Takes a moment; its stream ends with the answer, as all of this revision do',
    async call(_args, { signal }) {
      await pause(100, signal);
      return text('Reconnection test completed successfully');
    },
  },
  {
    name: 'test_input_required_result_elicitation',
    description: 'Asks for a name',
    call(_args, { answers }) {
      const name = acceptedContent(answers, 'user_name')?.name;
      return typeof name === 'string' ? text(`Hello, ${name}!`) : askFor(['user_name']);
    },
  },
  {
    name: 'test_input_required_result_sampling',
    description: 'Asks for a completion',
    call: (_args, { answers }) =>
      answers.capital_question
        ? text(`Sampling response: ${answers.capital_question.content?.text}`)
        : inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?', 100) } }),
  },
  {
    name: 'test_input_required_result_list_roots',
    description: 'Asks for the roots',
    call(_args, { answers }) {
      const roots = answers.client_roots?.roots;
      if (!Array.isArray(roots)) return askFor(['client_roots']);
      return text(`Client exposed ${roots.length} root(s): ${roots.map(({ uri }) => uri).join(', ')}`);
    },
  },
  {
    name: 'test_input_required_result_request_state',
    description: 'Keeps its state with the client',
    call(_args, { answers, state }) {
      if (!acceptedContent(answers, 'confirm')) return askFor(['confirm'], { tool: 'request_state' });
      if (!state) throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'the state is missing');
      return text('state-ok: requestState verified and confirmation received');
    },
  },
  {
    name: 'test_input_required_result_multiple_inputs',
    description: 'Asks for three things at once',
    call(_args, { answers }) {
      const name = acceptedContent(answers, 'user_name')?.name;
      const greeting = answers.greeting?.content?.text;
      const roots = answers.client_roots?.roots;
      if (typeof name !== 'string' || typeof greeting !== 'string' || !Array.isArray(roots)) {
        return askFor(['user_name', 'greeting', 'client_roots'], { tool: 'multiple_inputs' });
      }
      return text(`${greeting} ${name}, ${roots.length} root(s) visible`);
    },
  },
  {
    name: 'test_input_required_result_multi_round',
    description: 'Asks twice, one after the other',
    async call(_args, { answers, state }) {
      const name = acceptedContent(answers, 'step1')?.name;
      if (state?.round === 2) {
        return text(`Multi-round complete: ${state.name} likes ${acceptedContent(answers, 'step2')?.color}`);
      }
      if (state?.round === 1) {
        return inputRequired({
          inputRequests: { step2: form('Step 2: What is your favorite color?', 'color', 'string') },
          requestState: await sealed.mint({ round: 2, name }),
        });
      }
      return inputRequired({
        inputRequests: { step1: form('Step 1: What is your name?', 'name', 'string') },
        requestState: await sealed.mint({ round: 1 }),
      });
    },
  },
  {
    name: 'test_input_required_result_tampered_state',
    description: 'Refuses a state it did not seal',
    call: (_args, { answers, state }) =>
      state && acceptedContent(answers, 'confirm')
        ? text('integrity-ok: requestState verified')
        : askFor(['confirm'], { tool: 'tampered_state' }),
  },
  {
    name: 'test_input_required_result_capabilities',
    description: 'Asks only for what the client declared',
    call(_args, { answers, declared }) {
      if (Object.keys(answers).length > 0) return text('Capability-aware input requests fulfilled');
      const kinds = { elicitation: 'user_name', sampling: 'greeting', roots: 'client_roots' };
      const keys = Object.keys(kinds).filter((kind) => declared?.[kind] !== undefined);
      return keys.length > 0 ? askFor(keys.map((kind) => kinds[kind])) : text('The client can be asked nothing');
    },
  },
  {
    name: 'test_trigger_tool_change',
    description: 'Says that the tools changed',
    call(_args, { changed }) {
      changed.tools();
      return text('tools/list_changed sent');
    },
  },
  {
    name: 'test_trigger_prompt_change',
    description: 'Says that the prompts changed',
    call(_args, { changed }) {
      changed.prompts();
      return text('prompts/list_changed sent');
    },
  },
  {
    name: 'greet',
    description: 'Never becomes a task',
    inputSchema: object({ name: { type: 'string' } }, ['name']),
    call: ({ name }) => text(`Hello, ${name}!`),
  },
  {
    name: 'slow_compute',
    description: 'Becomes a task where it may',
    inputSchema: object({ seconds: { type: 'number' }, label: { type: 'string' } }),
    task: 'optional',
    async work({ seconds = 0 }, { signal }) {
      await pause(seconds * 1000, signal);
      return text(`computed for ${seconds} s`);
    },
  },
  {
    name: 'failing_job',
    description: 'A task that ends in a tool error',
    task: 'required',
    async work(_args, { signal }) {
      await pause(1000, signal);
      throw new Error('the job failed');
    },
  },
  {
    name: 'protocol_error_job',
    description: 'A task that ends in a protocol error',
    task: 'required',
    async work(_args, { signal }) {
      await pause(100, signal);
      throw new ProtocolError(ProtocolErrorCode.InternalError, 'the job broke');
    },
  },
  {
    name: 'confirm_delete',
    description: 'A task that asks once',
    inputSchema: object({ filename: { type: 'string' } }),
    task: 'required',
    async work({ filename }, { ask }) {
      const answer = await ask('confirm', question(`Delete ${filename}?`, 'confirm', 'boolean'));
      return text(answer.action === 'accept' ? `deleted ${filename}` : `kept ${filename}`);
    },
  },
  {
    name: 'multi_input',
    description: 'A task that asks two things at once',
    task: 'required',
    async work(_args, { ask }) {
      const answers = await Promise.all([
        ask('first', question('First name?', 'name', 'string')),
        ask('second', question('Second name?', 'name', 'string')),
      ]);
      return text(`got ${answers.length} answers`);
    },
  },
  {
    name: 'test_tool_with_task',
    description: 'Asks for a name, then becomes a task',
    call(_args, { answers, ctx }) {
      const name = acceptedContent(answers, 'user_name')?.name;
      if (typeof name !== 'string') return askFor(['user_name']);
      const work = async () => text(`Hello, ${name}!`);
      return callAsTask({ task: 'required', work }, {}, ctx);
    },
  },
];

function question(message, name, type) {
  return {
    mode: 'form',
    message,
    requestedSchema: { type: 'object', properties: { [name]: { type } }, required: [name] },
  };
}

async function callTool({ params }, ctx, changed) {
  const tool = MODERN_TOOLS.find(({ name }) => name === params.name);
  if (!tool) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
  const { mcpReq } = ctx;
  const progressToken = mcpReq._meta?.progressToken;
  const io = {
    ctx,
    changed,
    signal: mcpReq.signal,
    answers: mcpReq.inputResponses ?? {},
    state: mcpReq.requestState(),
    declared: mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY],
    progress: (progress, total) =>
      progressToken === undefined
        ? undefined
        : mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total } }),
  };
  try {
    return await (tool.task ? callAsTask(tool, params.arguments ?? {}, ctx) : tool.call(params.arguments ?? {}, io));
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    return { ...text(error.message), isError: true };
  }
}

function newServer(changed) {
  const mcp = new McpServer(INFO, {
    capabilities: {
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: { listChanged: true },
      logging: {},
      completions: {},
      extensions: { [TASKS]: {} },
    },
    requestState: { verify: sealed.verify },
  });

  for (const { name, description, inputSchema = object() } of MODERN_TOOLS) {
    mcp.registerTool(name, { description, inputSchema: fromJsonSchema(inputSchema) }, () => ({}));
  }
  // A protocol error of a tool must leave as one, so the calls bypass the SDK's own dispatch.
  mcp.server.setRequestHandler('tools/call', (request, ctx) => callTool(request, ctx, changed(mcp)));

  for (const { uri, name, description, mimeType, content } of RESOURCES) {
    mcp.registerResource(name, uri, { description, mimeType }, () => ({ contents: [{ uri, mimeType, ...content }] }));
  }
  mcp.registerResource(
    TEMPLATE.name,
    new ResourceTemplate(TEMPLATE.uriTemplate, { list: undefined }),
    { description: TEMPLATE.description, mimeType: TEMPLATE.mimeType },
    (uri, { id }) => {
      if (!id) throw new ResourceNotFoundError(uri.href);
      return { contents: [{ uri: uri.href, mimeType: TEMPLATE.mimeType, ...TEMPLATE.content(id) }] };
    },
  );

  for (const { name, description, arguments: names = [], messages } of PROMPTS) {
    const argsSchema = z.object(Object.fromEntries(names.map((argument) => [argument, z.string()])));
    mcp.registerPrompt(name, { description, argsSchema }, (args) => ({ messages: messages(args) }));
  }
  mcp.registerPrompt('test_input_required_result_prompt', { description: 'Asks before it renders' }, (ctx) => {
    const context = acceptedContent(ctx.mcpReq.inputResponses, 'user_context')?.context;
    if (typeof context !== 'string') {
      const user_context = form('What context should the prompt use?', 'context', 'string');
      return inputRequired({ inputRequests: { user_context } });
    }
    const content = { type: 'text', text: `Use the following context: ${context}` };
    return { messages: [{ role: 'user', content }] };
  });
  mcp.server.setRequestHandler('completion/complete', ({ params }) => complete(params.argument.value));

  serveTasks(mcp.server);
  return mcp;
}

const wanted = transportWanted();
if (wanted.stdio) {
  const changed = (mcp) => ({
    tools: () => mcp.sendToolListChanged(),
    prompts: () => mcp.sendPromptListChanged(),
  });
  process.stdin.on('end', () => process.exit());
  serveStdio(() => newServer(changed), { legacy: 'reject' });
} else {
  const changed = () => ({
    tools: () => handler.notify.toolsChanged(),
    prompts: () => handler.notify.promptsChanged(),
  });
  const handler = createMcpHandler(() => newServer(changed), {
    legacy: 'reject',
    onerror: (error) => console.error(error),
  });
  listen(wanted.port, toNodeHandler(handler));
}
