// Serves one MCP endpoint on loopback, for local clients only.

import { createServer } from 'node:http';
import { localhostHostValidation, localhostOriginValidation } from '@modelcontextprotocol/node';

/** Serves `handle(req, res)` at /mcp on `port` (0 = any free one) and prints the URL once it listens. */
export function listen(port, handle) {
  const hostAllowed = localhostHostValidation();
  const originAllowed = localhostOriginValidation();
  const server = createServer((req, res) => {
    if (!hostAllowed(req, res) || !originAllowed(req, res)) return;
    if (new URL(req.url, 'http://localhost').pathname !== '/mcp') {
      res.writeHead(404).end();
      return;
    }
    handle(req, res).catch((error) => {
      console.error(error);
      if (!res.headersSent) res.writeHead(500);
      res.end();
    });
  });
  server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));
}

/** Reads `--stdio` or `--http PORT` off the command line. */
export function transportWanted() {
  const [kind, port] = process.argv.slice(2);
  if (kind === '--stdio') return { stdio: true };
  if (kind === '--http' && /^\d+$/.test(port ?? '')) return { port: Number(port) };
  console.error(`usage: ${process.argv[1]} --stdio | --http PORT`);
  process.exit(2);
}
