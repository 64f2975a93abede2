// What the suite of 2026-07-28 asks for, as a server with a handshake does it: it asks its client in the middle of the call and waits.
//
// `io` = { ask(method, params), declared, changed, notify } beside what fixtures.mjs has.

import { text } from './fixtures.mjs';

const form = (message, name, type) => ({
  message,
  requestedSchema: { type: 'object', properties: { [name]: { type } }, required: [name] },
});
const sample = (question, maxTokens) => ({
  messages: [{ role: 'user', content: { type: 'text', text: question } }],
  maxTokens,
});

const name = async ({ ask }) => (await ask('elicitation/create', form('What is your name?', 'name', 'string'))).content?.name;
const confirm = ({ ask }) => ask('elicitation/create', form('Please confirm', 'ok', 'boolean'));
const greeting = async ({ ask }) => (await ask('sampling/createMessage', sample('Generate a greeting', 50))).content.text;
const roots = async ({ ask }) => (await ask('roots/list')).roots;

export const ASKING = [
  {
    name: 'test_missing_capability',
    description: 'Needs sampling',
    async call(_args, { ask }) {
      await ask('sampling/createMessage', sample('Reply with the single word: pong', 16));
      return text('sampling round-trip complete');
    },
  },
  {
    name: 'test_streaming_elicitation',
    description: 'Its stream carries nothing but the result',
    call: () => text('stream observed: result frames only'),
  },
  {
    name: 'test_logging_tool',
    description: 'Logs',
    async call(_args, { notify }) {
      await notify({ method: 'notifications/message', params: { level: 'info', data: 'test_logging_tool ran' } });
      return text('logged');
    },
  },
  {
    name: 'test_input_required_result_elicitation',
    description: 'Asks for a name',
    call: async (_args, io) => text(`Hello, ${await name(io)}!`),
  },
  {
    name: 'test_input_required_result_sampling',
    description: 'Asks for a completion',
    async call(_args, { ask }) {
      const { content } = await ask('sampling/createMessage', sample('What is the capital of France?', 100));
      return text(`Sampling response: ${content.text}`);
    },
  },
  {
    name: 'test_input_required_result_list_roots',
    description: 'Asks for the roots',
    async call(_args, io) {
      const found = await roots(io);
      return text(`Client exposed ${found.length} root(s): ${found.map(({ uri }) => uri).join(', ')}`);
    },
  },
  {
    name: 'test_input_required_result_request_state',
    description: 'Its state is the open call',
    async call(_args, io) {
      await confirm(io);
      return text('state-ok: requestState verified and confirmation received');
    },
  },
  {
    name: 'test_input_required_result_multiple_inputs',
    description: 'Asks for three things at once',
    async call(_args, io) {
      const [who, hello, found] = await Promise.all([name(io), greeting(io), roots(io)]);
      return text(`${hello} ${who}, ${found.length} root(s) visible`);
    },
  },
  {
    name: 'test_input_required_result_multi_round',
    description: 'Asks twice, one after the other',
    async call(_args, { ask }) {
      const first = await ask('elicitation/create', form('Step 1: What is your name?', 'name', 'string'));
      const second = await ask('elicitation/create', form('Step 2: What is your favorite color?', 'color', 'string'));
      return text(`Multi-round complete: ${first.content?.name} likes ${second.content?.color}`);
    },
  },
  {
    name: 'test_input_required_result_tampered_state',
    description: 'Its state is the open call: what a client may tamper with is the gateway\'s',
    async call(_args, io) {
      await confirm(io);
      return text('integrity-ok: requestState verified');
    },
  },
  {
    name: 'test_input_required_result_capabilities',
    description: 'Asks only for what the client declared',
    async call(_args, io) {
      const kinds = { elicitation: name, sampling: greeting, roots };
      const questions = Object.keys(kinds).filter((kind) => io.declared[kind] !== undefined);
      if (questions.length === 0) return text('The client can be asked nothing');
      await Promise.all(questions.map((kind) => kinds[kind](io)));
      return text('Capability-aware input requests fulfilled');
    },
  },
  {
    name: 'test_trigger_tool_change',
    description: 'Says that the tools changed',
    async call(_args, { changed }) {
      await changed.tools();
      return text('tools/list_changed sent');
    },
  },
  {
    name: 'test_trigger_prompt_change',
    description: 'Says that the prompts changed',
    async call(_args, { changed }) {
      await changed.prompts();
      return text('prompts/list_changed sent');
    },
  },
];

export const askingPrompt = {
  name: 'test_input_required_result_prompt',
  description: 'Asks before it renders',
  async messages(_args, ask) {
    const answer = await ask('elicitation/create', form('What context should the prompt use?', 'context', 'string'));
    return [{ role: 'user', content: { type: 'text', text: `Use the following context: ${answer.content?.context}` } }];
  },
};
