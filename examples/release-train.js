// A release: checks and notes from two other workflows, then a go or no-go.
//
// workflow() runs another script inside this one. It may be given by path or by the name of a
// saved workflow; only one level deep. The plan runs through the children too, because they
// share the run's cap on agents and its budget. As a saved workflow, copy all three files to
// .claude/workflows/. Here:
//   flyball plan example:release-train --args '{"version":"2.4.0","since":"v2.3.0"}'
export const meta = {
  name: 'release-train',
  description: 'Runs the release checks and writes the notes in two child workflows, then decides go or no-go',
  whenToUse: 'Cutting a release from a branch that is believed to be ready',
  phases: [
    { title: 'Children', detail: 'release-checks and release-notes, side by side' },
    { title: 'Decide', detail: 'go or no-go, with reasons' },
    { title: 'Announce', detail: 'only on go' },
  ],
};

const input = typeof args === 'string' ? JSON.parse(args) : args ?? {};
if (!input.version || !input.since) {
  // Refuse early and say what is missing: an agent would guess, and charge for it.
  throw new Error('release-train needs args like {"version": "2.4.0", "since": "v2.3.0"}');
}
const { version, since } = input;

const DECISION = {
  type: 'object',
  required: ['decision', 'reasons'],
  properties: {
    decision: { type: 'string', enum: ['go', 'no-go'] },
    reasons: { type: 'array', items: { type: 'string' } },
    blockers: { type: 'array', items: { type: 'string' }, description: 'what has to happen before a go' },
  },
};

phase('Children');
// Without the checks there is no release; without the notes there is one with a poor text.
// parallel() turns a throw into null, so the two cases are told apart afterwards.
const [checks, notes] = await parallel([
  () => workflow({ scriptPath: 'examples/release-checks.js' }, { version, since }),
  () => workflow('release-notes', { version, since }),
]);
if (checks === null) {
  return { status: 'no-go', version, reasons: ['the release checks did not run'] };
}
if (notes === null) log('no release notes: the child workflow failed or is not saved');

const verdict = await agent(
  `Decide whether version ${version} (changes since ${since}) may be released.\n` +
    `Checks:\n${JSON.stringify(checks, null, 2)}\n` +
    `Notes:\n${notes?.text ?? '(none were written)'}\n` +
    'A failed check is a no-go unless it is plainly unrelated to users. Give reasons a release manager can verify.',
  { label: 'decide', phase: 'Decide', schema: DECISION, effort: 'high' },
);
if (verdict?.decision !== 'go') {
  return { status: 'no-go', version, reasons: verdict?.reasons ?? ['no decision was made'], blockers: verdict?.blockers ?? [] };
}

const announcement = await agent(
  `Write the announcement of version ${version} for users: at most 150 words, the two changes that matter most first, ` +
    `then how to upgrade. From these notes only:\n${notes?.text ?? since}`,
  { label: 'announce', phase: 'Announce' },
);
return { status: 'go', version, reasons: verdict.reasons, announcement };
