// Walks the plan with the official TypeScript SDK 1.x, which knows the revisions up to 2025-11-25.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { walk } from './walk.mjs';

async function connect({ url, command, env, headers }, { mute, elicit, sample }) {
  const capabilities = mute ? {} : { elicitation: {}, sampling: {}, roots: {} };
  const client = new Client({ name: 'interop-ts1', version: '1.0.0' }, { capabilities });
  if (!mute) {
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => elicit(params));
    client.setRequestHandler(CreateMessageRequestSchema, () => sample());
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///interop', name: 'interop' }] }));
  }
  const transport = command
    ? new StdioClientTransport({
        command: command[0],
        args: command.slice(1),
        env: { ...getDefaultEnvironment(), ...env },
        stderr: 'ignore',
      })
    : new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  let revision;
  const accept = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (version) => {
    revision = version;
    accept?.(version);
  };
  await client.connect(transport);
  return {
    revision,
    listTools: (params) => client.listTools(params),
    listResources: (params) => client.listResources(params),
    listResourceTemplates: (params) => client.listResourceTemplates(params),
    listPrompts: (params) => client.listPrompts(params),
    callTool: (params, options) => client.callTool(params, undefined, options),
    readResource: (params) => client.readResource(params),
    getPrompt: (params) => client.getPrompt(params),
    complete: (params) => client.complete(params),
    close: () => client.close(),
  };
}

await walk(connect, ['legacy']);
