// Runs a Node.js handler as Lambda does: loads it once, then asks the Runtime API for one event after the other.
import { existsSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { basename, dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

const { env } = process;
const [host, port] = env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new Agent({ keepAlive: true });
let id = 'undefined';

function call(method, path, text = '', headers = {}) {
  return new Promise((done, failed) => {
    headers = { ...headers, 'Content-Length': Buffer.byteLength(text) };
    const sent = request({ host, port, agent, method, headers, path: `/2018-06-01/runtime/${path}` }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part)).on('error', failed);
      answer.on('end', () => done({ headers: answer.headers, text: Buffer.concat(parts).toString() }));
    });
    sent.on('error', failed).end(text);
  });
}

function log(level, ...parts) {
  process.stdout.write(`${new Date().toISOString()}\t${id}\t${level}\t${format(...parts).replace(/\n/g, '\r')}\n`);
}
for (const level of ['log', 'debug', 'info', 'warn', 'error', 'trace']) {
  console[level] = (...parts) => log(level === 'log' ? 'INFO' : level.toUpperCase(), ...parts);
}

function report(path, title, error) {
  const known = error instanceof Error || (error && error.errorType);
  const errorType = known ? error.errorType || error.name : typeof error;
  const errorMessage = known ? error.message : String(error);
  const text = JSON.stringify({ errorType, errorMessage, trace: (known && error.stack ? error.stack : '').split('\n') });
  log('ERROR', `${title} \t${text}`);
  return call('POST', path, text, { 'Lambda-Runtime-Function-Error-Type': encodeURI(errorType) });
}

const fault = (errorType, message) => Object.assign(new Error(message), { errorType });

async function load(handler) {
  const name = basename(handler);
  const dot = name.indexOf('.');
  if (dot < 1) throw fault('Runtime.MalformedHandlerName', 'Bad handler');
  const path = resolve(env.LAMBDA_TASK_ROOT, dirname(handler), name.slice(0, dot));
  const file = ['.js', '.mjs', '.cjs'].map((ending) => path + ending).find((each) => existsSync(each));
  if (!file) throw fault('Runtime.ImportModuleError', `Error: Cannot find module '${name.slice(0, dot)}'`);
  const module = await import(pathToFileURL(file)).catch((error) => {
    throw error instanceof SyntaxError ? Object.assign(error, { errorType: 'Runtime.UserCodeSyntaxError' }) : error;
  });
  const find = (from) => name.slice(dot + 1).split('.').reduce((value, key) => value?.[key], from);
  const found = find(module) ?? find(module.default);
  if (found === undefined) throw fault('Runtime.HandlerNotFound', `${handler} is undefined or not exported`);
  if (typeof found !== 'function') throw fault('Runtime.HandlerNotFound', `${handler} is not a function`);
  return found;
}

function contextOf(headers, done) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    awsRequestId: id,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    succeed: (value) => done(null, value),
    fail: (error) => done(error ?? 'handled'),
    done,
  };
}

function run(handler, event, headers) {
  return new Promise((succeed, fail) => {
    const done = (error, value) => (error === null || error === undefined ? succeed(value) : fail(error));
    const result = handler(event, contextOf(headers, done), done);
    if (typeof result?.then === 'function') result.then(succeed, fail);
  });
}

let handler;
try {
  handler = await load(env._HANDLER);
} catch (error) {
  await report('init/error', 'Uncaught Exception', error);
  process.exit(1);
}
const die = (title, status) => async (error) => {
  await report(`invocation/${id}/error`, title, error);
  process.exit(status);
};
process.on('uncaughtException', die('Uncaught Exception', 129));
process.on('unhandledRejection', (reason) => {
  const error = fault('Runtime.UnhandledPromiseRejection', String(reason));
  die('Unhandled Promise Rejection', 128)(Object.assign(error, { stack: reason?.stack ?? error.stack }));
});
for (;;) {
  const { headers, text } = await call('GET', 'invocation/next');
  id = headers['lambda-runtime-aws-request-id'];
  if (headers['lambda-runtime-trace-id']) env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
  else delete env._X_AMZN_TRACE_ID;
  try {
    const value = await run(handler, JSON.parse(text), headers);
    await call('POST', `invocation/${id}/response`, JSON.stringify(value) ?? 'null');
  } catch (error) {
    await report(`invocation/${id}/error`, 'Invoke Error', error);
  }
}
