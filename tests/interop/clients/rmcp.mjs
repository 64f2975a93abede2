// Walks the plan with the official Rust SDK: each connection is a process of rmcp/src/main.rs, which takes one request a line.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { walk } from './walk.mjs';

const program = fileURLToPath(new URL('../../../target/interop/rmcp/debug/interop-rmcp', import.meta.url));

async function connect({ url, era }, { mute, elicit, sample }) {
  const child = spawn(program, [url, era, ...(mute ? ['mute'] : [])], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const say = (line) => child.stdin.write(`${JSON.stringify(line)}\n`);
  const answer = async () => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error('interop-rmcp ended');
      const { asked, params, result, error } = JSON.parse(value);
      if (error) throw new Error(error);
      if (!asked) return result;
      say(asked === 'elicit' ? elicit(params) : sample(params));
    }
  };
  // One request at a time, as the steps of this client come.
  const ask = async (method, params) => {
    say({ method, params });
    return answer();
  };
  const introduced = await answer();
  return {
    revision: introduced?.protocolVersion ?? introduced?.supportedVersions?.[0],
    listTools: (params = null) => ask('tools/list', params),
    listResources: (params = null) => ask('resources/list', params),
    listResourceTemplates: (params = null) => ask('resources/templates/list', params),
    listPrompts: (params = null) => ask('prompts/list', params),
    callTool: (params) => ask('tools/call', params),
    readResource: (params) => ask('resources/read', params),
    getPrompt: (params) => ask('prompts/get', params),
    complete: (params) => ask('completion/complete', params),
    close: async () => child.stdin.end(),
  };
}

await walk(connect, ['legacy', 'modern']);
