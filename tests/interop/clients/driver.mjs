// The official suite's scenarios for clients, with Tollgate as the client: `driver.mjs URL` puts `tollgate stdio` between the suite's
// server at URL and the official SDK, and uses everything that it finds there. TOLLGATE_BIN names the gateway.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const url = process.argv.at(-1);
const modern = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION === '2026-07-28';
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');
// Some scenarios list a tool that a careful client never gets to see, or fails when called: what counts is what the suite's server saw.
const tolerant = (work) => work.catch((error) => console.error(`${error.message ?? error}`));

const home = mkdtempSync(join(tmpdir(), 'tollgate-driver-'));
const config = join(home, 'tollgate.yaml');
writeFileSync(config, JSON.stringify({ state: join(home, 'state'), servers: { it: { url } }, policy: { default: 'allow' } }));

const capabilities = { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} };
const negotiation = modern ? { versionNegotiation: { mode: 'auto' } } : {};
const client = new Client({ name: 'driver', version: '1.0.0' }, { capabilities, ...negotiation });
client.setRequestHandler('elicitation/create', ({ params }) => ({ action: 'accept', content: fill(params.requestedSchema) }));
client.setRequestHandler('sampling/createMessage', () => ({
  role: 'assistant',
  content: { type: 'text', text: 'a sampled answer' },
  model: 'none',
}));
client.setRequestHandler('roots/list', () => ({ roots: [] }));

const command = { command: process.env.TOLLGATE_BIN, args: ['stdio', '--config', config], stderr: 'inherit' };
await client.connect(new StdioClientTransport(command));
const { tools } = await client.listTools();
console.error(`tools: ${tools.map(({ name }) => name).join(' ')}`);
const wanted = context.toolCalls?.map(({ name, arguments: args }) => ({ name: `it_${name}`, arguments: args }));
const calls = wanted ?? tools.map(({ name, inputSchema }) => ({ name, arguments: fill(inputSchema, name) }));
await Promise.all(calls.map((call) => tolerant(client.callTool(call))));
const { resources = [] } = (await tolerant(client.listResources())) ?? {};
for (const { uri } of resources) await tolerant(client.readResource({ uri }));
const { prompts = [] } = (await tolerant(client.listPrompts())) ?? {};
for (const prompt of prompts) {
  const args = Object.fromEntries((prompt.arguments ?? []).map(({ name }) => [name, 'interop']));
  await tolerant(client.getPrompt({ name: prompt.name, arguments: args }));
}
await client.close();
rmSync(home, { recursive: true });

/** What is required, with the simplest value of its type; defaults stay out, for whoever applies them. */
function fill({ properties = {}, required = [] }, tool) {
  const simplest = { string: 'interop', boolean: true, number: 1, integer: 1, array: [] };
  const rich = tools?.find(({ name }) => name.endsWith('json_schema_2020_12_tool'))?.inputSchema;
  if (tool?.endsWith('json_schema_echo')) return { schema: rich };
  return Object.fromEntries(required.map((name) => [name, simplest[properties[name]?.type] ?? {}]));
}
