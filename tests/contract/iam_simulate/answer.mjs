// Puts requests to iam-simulate: a line of JSON in, a line of JSON out, in order, until the input ends.
// The line: {"policies": {...}, "requests": [...]}; the answer: a result or {"error": ...} for each request.
// With "unchecked" the requests go past iam-simulate's own validation, its fastest way: bench/policies.py asks so.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { runSimulation, runUnsafeSimulation, anonymousPrincipal } = createRequire(process.argv[2] + "/")(
  "@cloud-copilot/iam-simulate",
);

async function decide(policies, request) {
  const principal = request.principal === "anonymous" ? anonymousPrincipal : request.principal;
  const answer = await runSimulation({ ...policies, request: { ...request, principal } }, {});
  return answer.resultType === "error" ? { error: answer.errors } : answer.overallResult;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { policies, requests, unchecked } = JSON.parse(line);
  const answers = [];
  for (const request of requests) {
    answers.push(unchecked ? runUnsafeSimulation({ ...policies, request }, {}) : await decide(policies, request));
  }
  process.stdout.write(JSON.stringify(answers) + "\n");
}
