// Walks plan.json with one TypeScript client: what a script for one SDK hands in is `connect`.
//
//   --url URL | --stdio CMD ARG…   the gateway (--stdio takes the rest of the line)
//   --direct FILE                  no gateway: the servers themselves, { alias: { url } | { command, env } }
//   --era legacy|modern            which era the client speaks, where its SDK has both
//   --header NAME=VALUE            sent with every HTTP request
//   --set NAME=VALUE               fills ${NAME} in the plan
//   --only REGEX                   the steps to take

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

// The servers that speak no revision with a handshake: a legacy client reaches them only through the gateway.
const MODERN_ONLY = ['modern', 'piped'];
const CANCEL_SECONDS_MAX = 5;
const STEP_SECONDS_MAX = 20;
// Without the gateway the first list starts every server, one after the other.
const DIRECT_STEP_SECONDS_MAX = 90;

/** Runs the plan with `connect(target, behaviour)`, prints a line a step, and exits. */
export async function walk(connect, eras) {
  const options = commandLine(eras);
  const people = options.direct ? new People(direct(connect, options)) : new People(through(connect, options));
  const counts = { ok: 0, failed: 0, skipped: 0 };
  for (const step of plan(options)) {
    const why = await within(options.direct ? DIRECT_STEP_SECONDS_MAX : STEP_SECONDS_MAX, () => take(step, people)).catch((error) => error);
    if (why === undefined) {
      counts.ok += 1;
      console.log(`ok ${step.step}`);
    } else if (why instanceof Skipped) {
      counts.skipped += 1;
      console.log(`skip ${step.step}: ${why.message}`);
    } else {
      counts.failed += 1;
      console.log(`FAIL ${step.step}: ${String(why.message ?? why).replaceAll('\n', ' ')}`);
    }
  }
  await people.leave();
  const skipped = counts.skipped ? `, ${counts.skipped} skipped` : '';
  console.log(`${counts.ok} passed, ${counts.failed} failed${skipped}`);
  process.exit(counts.failed === 0 ? 0 : 1);
}

function commandLine(eras) {
  const argv = process.argv.slice(2);
  const at = argv.indexOf('--stdio');
  const command = at < 0 ? undefined : argv.splice(at).slice(1);
  const { values } = parseArgs({
    args: argv,
    options: {
      url: { type: 'string' },
      direct: { type: 'string' },
      era: { type: 'string', default: eras[0] },
      header: { type: 'string', multiple: true, default: [] },
      set: { type: 'string', multiple: true, default: [] },
      only: { type: 'string', default: '' },
    },
  });
  if (!eras.includes(values.era)) throw new Error(`--era is one of ${eras}`);
  if (!values.url && !values.direct && !command) throw new Error('one of --url, --stdio, --direct is needed');
  const pairs = (list) => Object.fromEntries(list.map((pair) => pair.split(/=(.*)/s, 2)));
  return { ...values, command, headers: pairs(values.header), set: pairs(values.set) };
}

function plan({ era, direct, set, only }) {
  const values = { run: randomUUID().slice(0, 8), ...set };
  const raw = readFileSync(new URL('plan.json', import.meta.url), 'utf8');
  const filled = raw.replace(/\$\{(\w+)\}/g, (_, name) => values[name] ?? fail(`--set ${name}=… is missing`));
  return JSON.parse(filled)
    .filter((step) => !step.era || step.era === era)
    .filter((step) => !(step.gate && direct))
    .filter((step) => new RegExp(only).test(step.step));
}

class Skipped extends Error {}

/** The three people at the client: one who accepts, one who declines, and nobody to ask. */
class People {
  #open;
  #clients = new Map();

  constructor(open) {
    this.#open = open;
  }

  async get(kind) {
    if (!this.#clients.has(kind)) this.#clients.set(kind, this.#meet(kind));
    return this.#clients.get(kind);
  }

  async #meet(kind) {
    const heard = { questions: [], samples: 0 };
    const behaviour = {
      mute: kind === 'nobody',
      elicit: ({ message, requestedSchema }) => {
        heard.questions.push(message);
        return kind === 'accept' ? { action: 'accept', content: fill(requestedSchema) } : { action: 'decline' };
      },
      sample: () => {
        heard.samples += 1;
        return { role: 'assistant', content: { type: 'text', text: 'a sampled answer' }, model: 'none', stopReason: 'endTurn' };
      },
    };
    return { client: await this.#open(behaviour), heard };
  }

  async leave() {
    for (const meeting of this.#clients.values()) {
      const met = await meeting.catch(() => undefined);
      await met?.client.close().catch(() => {});
    }
  }
}

/** Answers a form: what is required, with the simplest value of its type. */
function fill({ properties = {}, required = [] }) {
  const simplest = { string: 'interop', boolean: true, number: 1, integer: 1, array: [] };
  return Object.fromEntries(required.map((name) => [name, properties[name].enum?.[0] ?? simplest[properties[name].type]]));
}

function through(connect, { url, command, headers, era }) {
  return (behaviour) => connect({ url, command, headers, era }, behaviour);
}

/** A client of each server, behind one face that takes the gateway's names and URIs. */
function direct(connect, { direct: file, era }) {
  const targets = JSON.parse(readFileSync(file, 'utf8'));
  return async (behaviour) => {
    const open = new Map();
    const reach = (name, mark) => {
      const alias = name.slice(0, name.indexOf(mark));
      const target = targets[alias] ?? fail(`no server \`${alias}\` in ${file}`);
      if (MODERN_ONLY.includes(alias) && era === 'legacy') throw new Skipped(`${alias} is modern only`);
      if (!open.has(alias)) open.set(alias, connect({ ...target, headers: {}, era }, behaviour));
      return open.get(alias);
    };
    const rest = (name, mark) => name.slice(name.indexOf(mark) + 1);
    const prefixed = async (method, key, field, mark) => {
      const all = await Promise.all(
        Object.keys(targets).map(async (alias) => {
          const client = await Promise.resolve()
            .then(() => reach(alias + mark, mark))
            .catch((error) => (error instanceof Skipped ? undefined : Promise.reject(error)));
          const listed = await client?.[method]().catch(() => undefined);
          return (listed?.[key] ?? []).map((entry) => ({ ...entry, [field]: alias + mark + entry[field] }));
        }),
      );
      return { [key]: all.flat() };
    };
    return {
      listTools: () => prefixed('listTools', 'tools', 'name', '_'),
      listResources: () => prefixed('listResources', 'resources', 'uri', '+'),
      listResourceTemplates: () => prefixed('listResourceTemplates', 'resourceTemplates', 'uriTemplate', '+'),
      listPrompts: () => prefixed('listPrompts', 'prompts', 'name', '_'),
      callTool: async ({ name, ...params }, options) => {
        const result = await (await reach(name, '_')).callTool({ name: rest(name, '_'), ...params }, options);
        for (const block of result.content ?? []) {
          if (block.type === 'resource_link') block.uri = `${name.slice(0, name.indexOf('_'))}+${block.uri}`;
        }
        return result;
      },
      readResource: async ({ uri }) => (await reach(uri, '+')).readResource({ uri: rest(uri, '+') }),
      getPrompt: async ({ name, ...params }) => (await reach(name, '_')).getPrompt({ name: rest(name, '_'), ...params }),
      complete: async ({ ref, ...params }) =>
        (await reach(ref.name, '_')).complete({ ref: { ...ref, name: rest(ref.name, '_') }, ...params }),
      close: () => Promise.all([...open.values()].map(async (client) => (await client).close())),
    };
  };
}

/** Takes one step; throws what is wrong with it. */
async function take(step, people) {
  const { client, heard } = await people.get(step.as ?? 'accept');
  const before = { questions: heard.questions.length, samples: heard.samples };
  const kind = Object.keys(STEPS).find((name) => step[name] !== undefined) ?? fail('the plan has no such step');
  const seen = await STEPS[kind](client, step, people);
  if (step.text) contains(seen, step.text);
  if (step.lacks && seen.includes(step.lacks)) fail(`still contains \`${step.lacks}\`: ${seen}`);
  const asked = heard.questions.slice(before.questions);
  equal(asked.length, step.asked ?? 0, 'questions asked');
  if (step.question) contains(asked.join(), step.question);
  equal(heard.samples - before.samples, step.sampled ?? 0, 'completions asked for');
}

const STEPS = {
  async speaks(client, { speaks }) {
    equal(client.revision, speaks, 'revision');
  },

  async lists(client, { lists: { method, key, field, starts, rule, least } }) {
    const names = (await pages(client, method, key)).map((entry) => entry[field]);
    for (const start of starts) {
      if (!names.some((name) => name.startsWith(start))) fail(`nothing starts with \`${start}\` among ${names}`);
    }
    equal(new Set(names).size, names.length, 'distinct names');
    if (names.length < (least ?? 0)) fail(`${names.length} are fewer than ${least}`);
    if (rule) equal(names.filter((name) => !new RegExp(rule).test(name)).join(), '', 'names outside the rule');
  },

  async call(client, { call, with: args, refused }) {
    const result = await client.callTool({ name: call, arguments: args ?? {} });
    const text = textOf(result.content);
    const refusal = result._meta?.['dev.tollgate/refusal']?.code;
    equal(refusal, refused, `refusal (${text})`);
    equal(result.isError ?? false, refused !== undefined, `isError (${text})`);
    return text;
  },

  async fails(client, { fails, with: args }) {
    const result = await client.callTool({ name: fails, arguments: args ?? {} });
    equal(result.isError, true, 'isError');
    return textOf(result.content);
  },

  async links(client, { links, with: args }) {
    const result = await client.callTool({ name: links, arguments: args ?? {} });
    const uris = result.content.filter(({ type }) => type === 'resource_link').map(({ uri }) => uri);
    if (uris.length === 0) fail('no resource_link in the result');
    for (const uri of uris) {
      const { contents } = await client.readResource({ uri });
      equal(contents.length > 0, true, `${uri} can be read`);
    }
  },

  async read(client, { read }) {
    const { contents } = await client.readResource({ uri: read });
    return contents.map((content) => content.text ?? content.blob).join('\n');
  },

  async get(client, { get, with: args }) {
    const { messages } = await client.getPrompt({ name: get, arguments: args ?? {} });
    return textOf(messages.map(({ content }) => content));
  },

  async complete(client, { complete, argument, value, values }) {
    const ref = { type: 'ref/prompt', name: complete };
    const { completion } = await client.complete({ ref, argument: { name: argument, value } });
    equal(completion.values.join(), values.join(), 'values');
  },

  async progress(client, { progress, with: args }) {
    const reports = [];
    const result = await client.callTool(
      { name: progress, arguments: args ?? {} },
      { onprogress: (report) => reports.push(report.progress) },
    );
    if (reports.length === 0) fail('no progress arrived');
    equal(reports.join(), [...new Set(reports)].sort((a, b) => a - b).join(), 'progress, rising');
    return textOf(result.content);
  },

  /** Cancels at the first progress, then waits until the server says that it noticed. */
  async cancel(client, { cancel, seen }) {
    const label = randomUUID();
    const canceller = new AbortController();
    let cancelledAt;
    const options = {
      signal: canceller.signal,
      onprogress: () => {
        cancelledAt ??= Date.now();
        canceller.abort(new Error('enough'));
      },
    };
    const call = client.callTool({ name: cancel, arguments: { seconds: 30, label } }, options);
    const ended = await call.then(
      () => fail('the call ended well'),
      (error) => error,
    );
    if (!cancelledAt) throw ended;
    if (Date.now() - cancelledAt > 2000) fail('the call outlived its cancellation by 2 s');
    for (;;) {
      const { content } = await client.callTool({ name: seen, arguments: {} });
      if (textOf(content).includes(label)) return;
      if (Date.now() - cancelledAt > CANCEL_SECONDS_MAX * 1000) fail('the server saw no cancellation');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },
};

async function pages(client, method, key) {
  const all = [];
  let cursor;
  do {
    const page = await client[method](cursor === undefined ? undefined : { cursor });
    all.push(...page[key]);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return all;
}

function textOf(content) {
  return content.map((block) => block.text ?? block.resource?.text ?? `(${block.type})`).join('\n');
}

function contains(text, part) {
  if (!text.includes(part)) fail(`\`${part}\` is not in: ${text}`);
}

function equal(got, want, what) {
  if (got !== want) fail(`${what}: ${got}, not ${want}`);
}

function fail(message) {
  throw new Error(message);
}

async function within(seconds, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([work(), late]).finally(() => clearTimeout(timer));
}
