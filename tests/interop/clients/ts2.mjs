// Walks the plan with the official TypeScript SDK 2.x: `--era legacy` is its default, `--era modern` its negotiation.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { walk } from './walk.mjs';

async function connect({ url, command, env, headers, era }, { mute, elicit, sample }) {
  const capabilities = mute ? {} : { elicitation: {}, sampling: {}, roots: {} };
  const options = { capabilities, ...(era === 'modern' && { versionNegotiation: { mode: 'auto' } }) };
  const client = new Client({ name: 'interop-ts2', version: '1.0.0' }, options);
  if (!mute) {
    client.setRequestHandler('elicitation/create', ({ params }) => elicit(params));
    client.setRequestHandler('sampling/createMessage', () => sample());
    client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///interop', name: 'interop' }] }));
  }
  const transport = command
    ? new StdioClientTransport({
        command: command[0],
        args: command.slice(1),
        env: { ...getDefaultEnvironment(), ...env },
        stderr: 'ignore',
      })
    : new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  await client.connect(transport);
  return {
    revision: client.getNegotiatedProtocolVersion(),
    listTools: (params) => client.listTools(params),
    listResources: (params) => client.listResources(params),
    listResourceTemplates: (params) => client.listResourceTemplates(params),
    listPrompts: (params) => client.listPrompts(params),
    callTool: (params, options) => client.callTool(params, options),
    readResource: (params) => client.readResource(params),
    getPrompt: (params) => client.getPrompt(params),
    complete: (params) => client.complete(params),
    close: () => client.close(),
  };
}

await walk(connect, ['legacy', 'modern']);
