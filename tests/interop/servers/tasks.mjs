// The Tasks extension (io.modelcontextprotocol/tasks) on the server SDK 2.x, which leaves it to its users.
//
// Tools marked `task` answer a client that declares the extension with a task; the rest is
// tasks/get, tasks/update and tasks/cancel.

import { randomUUID } from 'node:crypto';
import { CLIENT_CAPABILITIES_META_KEY, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';
import * as z from 'zod/v4';

export const TASKS = 'io.modelcontextprotocol/tasks';

const tasks = new Map();

/** Whether this very request declares the extension. */
export function declared(ctx) {
  const capabilities = ctx.mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY];
  return capabilities?.extensions?.[TASKS] !== undefined;
}

function demand(ctx) {
  if (declared(ctx)) return;
  throw new ProtocolError(
    ProtocolErrorCode.MissingRequiredClientCapability,
    `this needs the client capability ${TASKS}`,
    { requiredCapabilities: { extensions: { [TASKS]: {} } } },
  );
}

/** Calls a tool that may become a task; `work({ signal, ask })` is what the task does. */
export async function callAsTask(tool, args, ctx) {
  if (tool.task === 'required') demand(ctx);
  if (!declared(ctx)) return tool.work(args, { signal: ctx.mcpReq.signal });
  return { resultType: 'task', ...visible(start(tool, args)) };
}

function start(tool, args) {
  const now = new Date().toISOString();
  const canceller = new AbortController();
  const task = {
    taskId: randomUUID(),
    status: 'working',
    createdAt: now,
    lastUpdatedAt: now,
    ttlMs: 300_000,
    pollIntervalMs: 100,
    questions: new Map(),
    canceller,
  };
  tasks.set(task.taskId, task);
  const ask = (key, params) =>
    new Promise((resolve) => {
      task.questions.set(key, { request: { method: 'elicitation/create', params }, resolve });
      move(task, 'input_required');
    });
  tool.work(args, { signal: canceller.signal, ask }).then(
    (result) => end(task, 'completed', { result: { resultType: 'complete', ...result } }),
    (error) =>
      error instanceof ProtocolError
        ? end(task, 'failed', { error: { code: error.code, message: error.message } })
        : end(task, 'completed', {
            result: { resultType: 'complete', content: [{ type: 'text', text: error.message }], isError: true },
          }),
  );
  return task;
}

function move(task, status) {
  task.status = status;
  task.lastUpdatedAt = new Date().toISOString();
}

function end(task, status, outcome) {
  if (task.outcome) return;
  task.outcome = outcome;
  move(task, status);
}

/** What every task message carries. */
function visible({ taskId, status, createdAt, lastUpdatedAt, ttlMs, pollIntervalMs }) {
  return { taskId, status, createdAt, lastUpdatedAt, ttlMs, pollIntervalMs };
}

function find(taskId, ctx) {
  demand(ctx);
  const task = tasks.get(taskId);
  if (!task) throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'unknown task');
  return task;
}

const named = z.looseObject({ taskId: z.string() });
const answered = z.looseObject({ taskId: z.string(), inputResponses: z.record(z.string(), z.unknown()).optional() });

/** Answers tasks/get, tasks/update and tasks/cancel on `server`. */
export function serveTasks(server) {
  server.setRequestHandler('tasks/get', { params: named }, ({ taskId }, ctx) => {
    const task = find(taskId, ctx);
    const pending = [...task.questions].map(([key, { request }]) => [key, request]);
    const asked = task.status === 'input_required' ? { inputRequests: Object.fromEntries(pending) } : {};
    return { ...visible(task), ...asked, ...task.outcome };
  });
  server.setRequestHandler('tasks/update', { params: answered }, ({ taskId, inputResponses }, ctx) => {
    const task = find(taskId, ctx);
    // The SDK lifts the answers out of the parameters, as it does for tools/call.
    for (const [key, answer] of Object.entries(inputResponses ?? ctx.mcpReq.inputResponses ?? {})) {
      const question = task.questions.get(key);
      if (!question) continue;
      task.questions.delete(key);
      if (task.questions.size === 0) move(task, 'working');
      question.resolve(answer);
    }
    return {};
  });
  server.setRequestHandler('tasks/cancel', { params: named }, ({ taskId }, ctx) => {
    const task = find(taskId, ctx);
    end(task, 'cancelled', {});
    task.questions.clear();
    task.canceller.abort(new Error('cancelled'));
    return {};
  });
}
