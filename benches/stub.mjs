// Runs a workflow script once in plain Node, every agent answered by a stub: what a script costs
// without any planning around it, and a check that it runs at all.
//
//   node benches/stub.mjs SCRIPT [--args JSON] [--answers some|empty|null]
//
// Prints one line of JSON: how it ended and how many agents it started.
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const [path, ...rest] = process.argv.slice(2);
const flag = (name) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : undefined);
const answers = flag('--answers') ?? 'some';
const AsyncFunction = (async () => {}).constructor;
const HOOKS = ['agent', 'parallel', 'pipeline', 'phase', 'log', 'args', 'budget', 'workflow'];
const AGENTS_MAX = 1000;
let agents = 0;

// The smallest value that fits a schema, unlike its siblings, so that dedup by key sees new items.
function valueOf(schema, name, index) {
  if (schema.enum) return schema.enum[index % schema.enum.length];
  if (schema.type === 'object') {
    const entries = Object.entries(schema.properties ?? {});
    return Object.fromEntries(entries.map(([key, value]) => [key, valueOf(value, key, index)]));
  }
  if (schema.type === 'array') {
    const length = answers === 'empty' ? 0 : Math.min(2, schema.maxItems ?? 2);
    return Array.from({ length }, (_, n) => valueOf(schema.items ?? {}, name, index * 2 + n));
  }
  if (schema.type === 'integer' || schema.type === 'number') return Math.max(schema.minimum ?? 0, index % 10);
  if (schema.type === 'boolean') return index % 2 === 1;
  return `${name}-${index}`;
}

async function agent(prompt, options = {}) {
  agents += 1;
  if (agents > AGENTS_MAX) throw new Error(`agent() call cap reached (${AGENTS_MAX})`);
  const index = agents;
  if (answers === 'null') return null;
  if (!options.schema) return `${options.label ?? String(prompt).slice(0, 60)} done`;
  return valueOf(options.schema, 'value', index);
}

const settle = (promise) => promise.catch(() => null);
const start = async (thunk, ...values) => thunk(...values);
const parallel = (thunks) => Promise.all(thunks.map((thunk) => settle(start(thunk))));
const pipeline = (items, ...stages) =>
  Promise.all(
    items.map((item, index) =>
      settle(
        stages.reduce(async (previous, stage) => {
          const value = await previous;
          return value === null ? null : stage(value, item, index);
        }, Promise.resolve(item)),
      ),
    ),
  );

function compile(file) {
  const source = readFileSync(file, 'utf8').replace(/^export const meta/m, 'const meta');
  return new AsyncFunction(...HOOKS, `'use strict';\n${source}`);
}

function run(file, args, depth) {
  const workflow = (child, childArgs) => {
    if (depth > 0) throw new Error('workflow() cannot be called from within a child workflow');
    const name = typeof child === 'string' ? `${child}.js` : basename(child.scriptPath);
    return run(join(dirname(file), name), childArgs, depth + 1);
  };
  const budget = { total: null, spent: () => 0, remaining: () => Infinity };
  return compile(file)(agent, parallel, pipeline, () => {}, () => {}, args, budget, workflow);
}

try {
  const result = await run(path, flag('--args') && JSON.parse(flag('--args')), 0);
  console.log(JSON.stringify({ ended: 'returned', status: result?.status, agents }));
} catch (error) {
  console.log(JSON.stringify({ ended: 'threw', message: error.message, agents }));
  process.exitCode = 1;
}
