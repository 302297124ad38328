// Migrates files that do not depend on each other: each in its own worktree, checked, repaired once.
//
// Two things make it dear: an agent in a worktree shares no cached prefix with its siblings, and
// high effort writes more output per request. The plan counts both. Try
//   flyball plan example:migrate-files --assume scan.files=40
export const meta = {
  name: 'migrate-files',
  description: 'Migrates every file that matches, one worktree each, with a check and at most one repair per file',
  whenToUse: 'A mechanical change with judgement in it: a new API, a new test framework, a new module system',
  phases: [
    { title: 'Scan', detail: 'find the files' },
    { title: 'Migrate', detail: 'one agent per file, in a worktree' },
    { title: 'Check', detail: 'one agent per attempt' },
    { title: 'Repair', detail: 'at most one per file' },
    { title: 'Report' },
  ],
};

const input = typeof args === 'string' ? JSON.parse(args) : args ?? {};
const goal = input.goal ?? 'replace the callback API of `request` by the promise API of `fetch`';
const where = input.where ?? 'src/**/*.js';
const check = input.check ?? 'npm test';
const MAX_REPAIRS = 1;

const FILES = {
  type: 'object',
  required: ['files'],
  properties: {
    files: {
      type: 'array',
      items: {
        type: 'object',
        required: ['path', 'why'],
        properties: {
          path: { type: 'string' },
          why: { type: 'string', description: 'what in the file needs the change' },
        },
      },
    },
  },
};
const CHANGE = {
  type: 'object',
  required: ['branch', 'summary', 'skipped'],
  properties: {
    branch: { type: 'string', description: 'the branch that holds the commit' },
    summary: { type: 'string' },
    skipped: { type: 'boolean', description: 'true if the file should stay as it is' },
  },
};
const VERDICT = {
  type: 'object',
  required: ['pass', 'problems'],
  properties: {
    pass: { type: 'boolean' },
    problems: { type: 'array', items: { type: 'string' }, description: 'what is wrong; empty if it passes' },
  },
};

phase('Scan');
const scan = await agent(
  `We want to ${goal}. List the files under ${where} that need it. Search, then open each hit: ` +
    'a mention in a comment is no reason. Leave out generated and vendored files.',
  { label: 'scan', schema: FILES, effort: 'low' },
);
if (scan === null) throw new Error('the scan failed: nothing is known about the files');
if (scan.files.length === 0) return { status: 'nothing to migrate', where };

// The result of the last agent to touch a file decides; nothing is shared between files.
const outcomes = await pipeline(
  scan.files,
  (file) =>
    agent(
      `In ${file.path}: ${goal}. Reason to touch it: ${file.why}.\n` +
        'Change this file and its own test only. Keep behaviour, names and comments. ' +
        `Run \`${check}\` for what you touched, commit to a branch named migrate/${file.path.replace(/[^a-z0-9]+/gi, '-')}.`,
      { label: `migrate:${file.path}`, phase: 'Migrate', schema: CHANGE, isolation: 'worktree', effort: 'high' },
    ),
  async (change, file) => {
    if (change.skipped) return { path: file.path, status: 'skipped', note: change.summary };
    let verdict = null;
    for (let attempt = 0; attempt <= MAX_REPAIRS; attempt += 1) {
      verdict = await agent(
        `Check branch ${change.branch} against its base. It was to ${goal} in ${file.path} and nothing else. ` +
          `Run \`${check}\`. Pass it only if the tests pass and no behaviour changed beyond the goal.`,
        { label: `check:${file.path}`, phase: 'Check', schema: VERDICT },
      );
      if (verdict === null || verdict.pass || attempt === MAX_REPAIRS) break;
      await agent(
        `Branch ${change.branch} was to ${goal} in ${file.path}. A check found:\n- ${verdict.problems.join('\n- ')}\n` +
          'Check the branch out in your worktree, fix exactly this, run the check, commit.',
        { label: `repair:${file.path}`, phase: 'Repair', isolation: 'worktree', effort: 'high' },
      );
    }
    // A check that could not run is not a pass.
    const status = verdict?.pass ? 'migrated' : 'needs a person';
    return { path: file.path, branch: change.branch, status, problems: verdict?.problems ?? ['not checked'] };
  },
);

const done = outcomes.filter(Boolean);
const count = (status) => done.filter((outcome) => outcome.status === status).length;
log(`${count('migrated')} migrated, ${count('skipped')} skipped, ${count('needs a person')} need a person`);

phase('Report');
const report = await agent(
  `Write the pull request text for this migration: ${goal}. Say what was done in three sentences, list the branches ` +
    'that need a person with the reason, and name any pattern in the problems.\n' +
    JSON.stringify(done, null, 2),
  { label: 'report' },
);
return { status: 'done', migrated: count('migrated'), lost: scan.files.length - done.length, report };
