// Call the handler of a Node.js function, as Lambda's runtime does, and write its response.
//
// Runs inside the function's process: `node bootstrap.cjs EVENT RESULT REQUEST_ID ARN SECONDS`, where EVENT and
// RESULT are descriptors, and SECONDS is the function's timeout. RESULT receives the line READY once the handler is
// imported, then a line of JSON, `{"error": "..."}` ("" stands for success), then the response.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const [event, result, requestId, arn, seconds] = process.argv.slice(2);
const ended = { isSent: false };

function failed(type, message) {
  const error = new Error(message);
  error.name = type;
  error.stack = `${type}: ${message}`;
  return error;
}

function finish(error, body) {
  if (ended.isSent) return;
  ended.isSent = true;
  send(Buffer.concat([Buffer.from(`${JSON.stringify({ error })}\n`), Buffer.from(body)]));
  process.exit(0);
}

function send(data) {
  let written = 0;
  while (written < data.length) {
    try {
      written += fs.writeSync(Number(result), data, written);
    } catch (problem) {
      if (problem.code !== "EAGAIN") throw problem;
    }
  }
}

function refuse(thrown) {
  const isError = thrown instanceof Error;
  const errorType = isError ? thrown.name : typeof thrown;
  const errorMessage = isError ? thrown.message : String(thrown);
  const trace = isError ? String(thrown.stack).split("\n") : [];
  console.error(`Invoke Error\t${JSON.stringify({ errorType, errorMessage, stack: trace })}`);
  finish("Unhandled", JSON.stringify({ errorType, errorMessage, trace }));
}

function succeed(response) {
  let body;
  try {
    body = JSON.stringify(response === undefined ? null : response);
  } catch (error) {
    refuse(failed("Runtime.MarshalError", `Unable to stringify response body: ${error.message}`));
    return;
  }
  finish("", body === undefined ? "null" : body);
}

async function findHandler(name) {
  const folder = process.env.LAMBDA_TASK_ROOT;
  const match = /^(.+)\.([^./]+)$/.exec(name);
  if (match === null) throw failed("Runtime.MalformedHandlerName", "Bad handler");
  const file = ["", ".js", ".mjs", ".cjs"].map((end) => path.resolve(folder, match[1]) + end)
    .find((candidate) => fs.existsSync(candidate) && fs.statSync(candidate).isFile());
  if (file === undefined) {
    throw failed("Runtime.ImportModuleError", `Error: Cannot find module '${match[1]}'`);
  }
  let module;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (error) {
    if (error instanceof SyntaxError) throw failed("Runtime.UserCodeSyntaxError", `SyntaxError: ${error.message}`);
    if (String(error.code).includes("MODULE_NOT_FOUND")) {
      throw failed("Runtime.ImportModuleError", `Error: ${error.message}`);
    }
    throw error;
  }
  const handler = module[match[2]] ?? (module.default ?? {})[match[2]];
  if (handler === undefined) {
    throw failed("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  }
  if (typeof handler !== "function") throw failed("Runtime.HandlerNotFound", `${name} is not a function`);
  return handler;
}

function makeContext() {
  const deadline = Date.now() + Number(seconds) * 1000;
  return {
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    invokedFunctionArn: arn,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    awsRequestId: requestId,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, Math.round(deadline - Date.now())),
    succeed,
    fail: refuse,
    done: (error, response) => (error ? refuse(error) : succeed(response)),
  };
}

async function main() {
  process.on("uncaughtException", refuse);
  process.on("unhandledRejection", refuse);
  const payload = fs.readFileSync(Number(event), "utf8");
  const handler = await findHandler(process.env._HANDLER);
  send(Buffer.from("READY\n"));
  const context = makeContext();
  const returned = handler(JSON.parse(payload || "{}"), context, context.done);
  if (returned !== undefined && returned !== null && typeof returned.then === "function") {
    succeed(await returned);
  } else if (handler.length < 3) {
    succeed(returned);
  } else {
    // The handler calls its callback; if nothing is left to wait for, it never does.
    process.on("beforeExit", () => succeed(null));
  }
}

main().catch(refuse);
