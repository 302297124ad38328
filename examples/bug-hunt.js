// Hunts bugs in rounds until two rounds in a row find nothing new.
//
// How many rounds that takes is anybody's guess, so the loop has a hard cap. Without it a finder
// that always reports something would go on to the runtime's 1,000 agents.
//   flyball plan example:bug-hunt --assume hunt.bugs=3
export const meta = {
  name: 'bug-hunt',
  description: 'Several hunters per round look for bugs until the well is dry, then each bug is confirmed by a test',
  whenToUse: 'A module that has been trouble for months',
  phases: [
    { title: 'Hunt', detail: 'four hunters per round, at most six rounds' },
    { title: 'Confirm', detail: 'one failing test per new bug' },
    { title: 'Report' },
  ],
};

const input = typeof args === 'string' ? JSON.parse(args) : args ?? {};
const target = input.target ?? 'src';
const MAX_ROUNDS = input.rounds ?? 6;
const DRY_ROUNDS = 2;
const HUNTERS = [
  'follow the money: every place where a number is rounded, summed or compared',
  'follow the time: order, retries, timeouts, zones',
  'follow the failure: what happens after each error',
  'follow the caller: which documented promise is not kept',
];

const BUGS = {
  type: 'object',
  required: ['bugs'],
  properties: {
    bugs: {
      type: 'array',
      items: {
        type: 'object',
        required: ['file', 'line', 'title', 'trigger'],
        properties: {
          file: { type: 'string' },
          line: { type: 'integer', minimum: 1 },
          title: { type: 'string' },
          trigger: { type: 'string', description: 'what has to happen for the bug to show' },
        },
      },
    },
  },
};
const CONFIRMED = {
  type: 'object',
  required: ['reproduced', 'test'],
  properties: {
    reproduced: { type: 'boolean' },
    test: { type: 'string', description: 'path of the failing test, or why there is none' },
  },
};

const keyOf = (bug) => `${bug.file}:${bug.line}`;
const seen = new Set(); // everything ever reported, confirmed or not: a rejected bug must not come back
const confirmed = [];
let dry = 0;
let round = 0;

while (dry < DRY_ROUNDS && round < MAX_ROUNDS) {
  round += 1;
  // The hunters are told what is known, so the prompt grows from round to round.
  const known = [...seen].slice(-100).join('\n') || '(nothing yet)';
  const found = await parallel(
    HUNTERS.map((way, n) => () =>
      agent(
        `Round ${round}. Hunt for bugs in ${target}. Your way: ${way}.\n` +
          `Already reported, do not report again:\n${known}\n` +
          'A bug has a place and a trigger. Return an empty list rather than a guess.',
        { label: `hunt:${n + 1}`, phase: 'Hunt', schema: BUGS },
      ),
    ),
  );
  // Hunters that all failed (or were denied by a budget) have not shown that the well is dry.
  if (found.every((result) => result === null)) {
    return { status: 'failed', at: `round ${round}`, confirmed };
  }
  const fresh = [];
  for (const bug of found.filter(Boolean).flatMap((result) => result.bugs)) {
    if (seen.has(keyOf(bug))) continue;
    seen.add(keyOf(bug));
    fresh.push(bug);
  }
  log(`round ${round}: ${fresh.length} new, ${seen.size} in all`);
  if (fresh.length === 0) {
    dry += 1;
    continue;
  }
  dry = 0;
  const checks = await parallel(
    fresh.map((bug) => async () => {
      const check = await agent(
        `Reproduce this bug in ${target} with the smallest failing test, in a scratch file, and run it. Do not fix it.\n` +
          JSON.stringify(bug, null, 2),
        { label: `confirm:${keyOf(bug)}`, phase: 'Confirm', schema: CONFIRMED },
      );
      return check?.reproduced ? { ...bug, test: check.test } : null;
    }),
  );
  confirmed.push(...checks.filter(Boolean));
}

const stopped = dry >= DRY_ROUNDS ? 'dry' : 'round limit';
if (confirmed.length === 0) return { status: 'no bugs confirmed', stopped, rounds: round, reported: seen.size };

phase('Report');
const report = await agent(
  `Write a list of these confirmed bugs in ${target} for the people who will fix them, grouped by cause, ` +
    `with the failing test of each.\n${JSON.stringify(confirmed, null, 2)}`,
  { label: 'report' },
);
return { status: 'bugs', stopped, rounds: round, reported: seen.size, confirmed, report };
