// Release checks, one agent each. A workflow of its own, and a child of release-train.
export const meta = {
  name: 'release-checks',
  description: 'Runs a fixed list of release checks and looks twice at each failure',
  phases: [
    { title: 'Check', detail: 'one agent per check' },
    { title: 'Recheck', detail: 'one agent per failed check' },
  ],
};

const input = typeof args === 'string' ? JSON.parse(args) : args ?? {};
const version = input.version ?? 'the next version';
const since = input.since ?? 'the last tag';

const CHECKS = [
  { key: 'build', ask: 'Build from a clean clone with the documented command.' },
  { key: 'tests', ask: 'Run the whole test suite twice and compare: a test that fails once is a failure.' },
  { key: 'upgrade', ask: `Install the version tagged ${since}, create data with it, upgrade, and read the data back.` },
  { key: 'compatibility', ask: `Compare the public interface with ${since}: what would break for a caller?` },
  { key: 'dependencies', ask: 'Look for new, unpinned, yanked or unmaintained dependencies and for licences we do not accept.' },
  { key: 'documentation', ask: `Run every command of the README. Does it mention what changed in ${version}?` },
];

const RESULT = {
  type: 'object',
  required: ['pass', 'evidence'],
  properties: {
    pass: { type: 'boolean' },
    evidence: { type: 'string', description: 'the command and the lines of its output that decide it' },
    problems: { type: 'array', items: { type: 'string' } },
  },
};

const ask = (check, label, phase, extra) =>
  agent(
    `Release check "${check.key}" for ${version}. ${check.ask} ${extra}\n` +
      'Change nothing in the repository. Without evidence from a command you ran, the check has not passed.',
    { label: `${label}:${check.key}`, phase, schema: RESULT },
  );

const results = await pipeline(
  CHECKS,
  async (check) => ({ check, result: await ask(check, 'check', 'Check', '') }),
  async ({ check, result }) => {
    if (result?.pass) return { check: check.key, pass: true, evidence: result.evidence };
    // A failure may be the fault of the agent or of its machine: look once more before a no-go.
    const again = await ask(check, 'recheck', 'Recheck', `A first look failed with: ${result?.evidence ?? 'no answer'}. Is that real?`);
    return { check: check.key, pass: Boolean(again?.pass), evidence: again?.evidence ?? 'no answer', problems: again?.problems ?? [] };
  },
);

const failed = results.filter((result) => !result?.pass);
log(`${results.length - failed.length} of ${results.length} checks passed`);
return { passed: failed.length === 0, results };
