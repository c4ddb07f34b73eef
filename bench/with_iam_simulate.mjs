// iam-simulate on the work of policies.py: node with_iam_simulate.mjs FOLDER WORK MODE, WORK being a file of JSON.
// Prints the CPU seconds that the evaluations took, and the answers as a line of A, D and I.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, work, mode] = process.argv.slice(2);
const require = createRequire(folder + "/");
const { runSimulation, runUnsafeSimulation } = require("@cloud-copilot/iam-simulate");
const { createValidatedPolicy, validateIdentityPolicy } = require("@cloud-copilot/iam-policy");

const { policies, requests, pairs } = JSON.parse(readFileSync(work, "utf-8"));
const ready = mode === "validated" ? policies.map((each) => createValidatedPolicy(each, validateIdentityPolicy)) : policies;

async function evaluate([policy, request]) {
  const simulation = {
    request: requests[request],
    identityPolicies: [{ name: "p", policy: ready[policy] }],
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  };
  if (mode === "unchecked") return runUnsafeSimulation(simulation, {});
  const answer = await runSimulation(simulation, {});
  if (answer.resultType === "error") throw new Error(JSON.stringify(answer.errors));
  return answer.overallResult;
}

for (const pair of pairs.slice(0, 500)) await evaluate(pair);
const begin = process.cpuUsage();
const answers = [];
for (const pair of pairs) answers.push((await evaluate(pair))[0]);
const { user, system } = process.cpuUsage(begin);
process.stdout.write(`${(user + system) / 1e6}\n${answers.join("")}\n`);
