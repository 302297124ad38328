// Review a diff: five readers look from different angles, three sceptics vote on each finding.
//
// The shape most reviews have, and the one whose cost surprises most: the number of agents is
// decided by the answers of the first five, so nobody knows it beforehand. Plan it first:
//   flyball plan example:review-diff --args '{"base":"main"}'
//
// The first statement has to be `meta`, a pure literal: it is read, never run.
export const meta = {
  name: 'review-diff',
  description: 'Reviews the diff against a base branch from five angles and votes on every finding',
  whenToUse: 'Before merging a branch that is larger than one person reads with care',
  phases: [
    { title: 'Find', detail: 'five readers, one angle each' },
    { title: 'Verify', detail: 'three sceptics per finding' },
    { title: 'Report', detail: 'one summary' },
  ],
};

// The value comes from the caller as it is; some callers send JSON as a string.
const input = typeof args === 'string' ? JSON.parse(args) : args ?? {};
const base = input.base ?? 'main';

const ANGLES = [
  { key: 'correctness', ask: 'logic that is wrong: inverted conditions, off-by-one, wrong operator, lost error, a branch that can no longer be reached' },
  { key: 'boundaries', ask: 'inputs at the edge: empty, null, zero, negative, very large, Unicode, duplicate, out of order' },
  { key: 'concurrency', ask: 'shared state: races, missing awaits, locks held across IO, work done twice after a retry' },
  { key: 'security', ask: 'what an outsider controls: injection, path traversal, missing authorisation, secrets in logs' },
  { key: 'contracts', ask: 'what callers rely on: changed defaults, renamed fields, removed errors, migrations that cannot be rolled back' },
];

// `findings` has no maxItems. That is honest (a reader should not stop at six bugs), and it is
// why the plan of this script has no ceiling.
const FINDINGS = {
  type: 'object',
  required: ['findings'],
  properties: {
    findings: {
      type: 'array',
      items: {
        type: 'object',
        required: ['file', 'line', 'title', 'scenario', 'severity'],
        properties: {
          file: { type: 'string', description: 'path from the root of the repository' },
          line: { type: 'integer', minimum: 1 },
          title: { type: 'string', description: 'the defect in one sentence' },
          scenario: { type: 'string', description: 'inputs and steps that lead to the wrong result' },
          severity: { type: 'string', enum: ['low', 'medium', 'high', 'critical'] },
        },
      },
    },
  },
};

const VOTE = {
  type: 'object',
  required: ['refuted', 'reason'],
  properties: {
    refuted: { type: 'boolean', description: 'true if the finding does not hold, or you cannot tell' },
    reason: { type: 'string', description: 'the lines that decide it' },
  },
};

// Two angles often name the same line. Code runs one callback at a time, so a Set is safe here.
const seen = new Set();
const isNew = (finding) => {
  const key = `${finding.file}:${finding.line}`;
  return seen.has(key) ? false : Boolean(seen.add(key));
};

// pipeline() has no barrier: the findings of the first reader are voted on while others still read.
const reviewed = await pipeline(
  ANGLES,
  (angle) =>
    agent(
      `Read the change: run \`git diff ${base}...HEAD\`, then open the files around each hunk.\n` +
        `Look only for ${angle.ask}.\n` +
        'Report a finding only if you can name inputs that make the new code misbehave. ' +
        'Style, naming and missing tests are not findings. An empty list is a good answer.',
      { label: `find:${angle.key}`, phase: 'Find', schema: FINDINGS },
    ),
  (found, angle) =>
    parallel(
      found.findings.filter(isNew).map((finding) => async () => {
        const votes = await parallel(
          [1, 2, 3].map((voter) => () =>
            agent(
              `A reviewer claims that the change against ${base} has this defect:\n` +
                `${JSON.stringify(finding, null, 2)}\n` +
                `You are sceptic ${voter} of 3 and see no other vote. Read ${finding.file} around line ${finding.line}, ` +
                'follow the callers, and try to show that the claim is wrong. Refute it if you are not sure.',
              { label: `verify:${finding.file}:${finding.line}`, phase: 'Verify', schema: VOTE },
            ),
          ),
        );
        // An agent that failed, was skipped or was denied by a budget is null: it is not a vote.
        const cast = votes.filter(Boolean);
        const refuted = cast.filter((vote) => vote.refuted).length >= 2;
        return refuted ? null : { ...finding, angle: angle.key, votes: cast.length, reasons: cast.map((vote) => vote.reason) };
      }),
    ),
);

const confirmed = reviewed.filter(Boolean).flat().filter(Boolean);
log(`${seen.size} places named, ${confirmed.length} held against three sceptics`);
// A reader that never answered found nothing either. Do not report that as a clean diff.
const unread = ANGLES.filter((_, n) => reviewed[n] === null).map((angle) => angle.key);
if (confirmed.length === 0) {
  return { status: unread.length > 0 ? 'incomplete' : 'clean', base, unread, examined: seen.size };
}

phase('Report');
const report = await agent(
  `Write a review of the change against ${base} for its author, worst defect first. ` +
    'For each: file:line, the scenario, what to change. Merge findings with one cause. ' +
    `Add nothing that is not in this list:\n${JSON.stringify(confirmed, null, 2)}`,
  { label: 'report' },
);
return { status: 'findings', base, unread, confirmed, report };
