// Walks the plan with the command line of MCP Inspector, which is one process and one connection a request.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { walk } from './walk.mjs';

const program = fileURLToPath(new URL('../node_modules/.bin/mcp-inspector', import.meta.url));
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

async function connect({ url, era }) {
  const ask = async (method, ...words) => {
    const flags = ['--cli', '--server-url', url, '--transport', 'http', '--protocol-era', era, '--format', 'json', '--quiet'];
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...flags, '--method', method, ...words], {
      maxBuffer: OUTPUT_BYTES_MAX,
    }).catch(({ code, stdout, stderr }) => {
      // A tool's own failure is an answer, too: it exits with 5.
      if (code === 5 && stdout) return { stdout };
      throw new Error(`exit ${code}: ${stderr}`);
    });
    const said = JSON.parse(stdout);
    return said.result ?? said;
  };
  return {
    listTools: () => ask('tools/list'),
    listResources: () => ask('resources/list'),
    listResourceTemplates: () => ask('resources/templates/list'),
    listPrompts: () => ask('prompts/list'),
    callTool: ({ name, arguments: args }) => ask('tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)),
    readResource: ({ uri }) => ask('resources/read', '--uri', uri),
    getPrompt: ({ name, arguments: args }) =>
      ask('prompts/get', '--prompt-name', name, '--prompt-args', ...Object.entries(args).map((pair) => pair.join('='))),
    close: async () => {},
  };
}

await walk(connect, ['legacy', 'modern']);
