// Several designs, a panel that scores each from different sides, and one design that takes the best.
//
// Nothing here depends on an answer: the number of agents is a product the plan can prove,
// candidates + candidates x judges + 1. Change `candidates` and watch the cost:
//   flyball plan example:judge-panel --args '{"candidates":5}'
export const meta = {
  name: 'judge-panel',
  description: 'Drafts several designs independently, scores them with a panel of judges and merges the best parts',
  whenToUse: 'A decision that is hard to undo and has more than one sound answer',
  phases: [
    { title: 'Draft', detail: 'independent designs' },
    { title: 'Judge', detail: 'every judge scores every design' },
    { title: 'Merge', detail: 'the winner, with the best of the others' },
  ],
};

const input = typeof args === 'string' ? JSON.parse(args) : args ?? {};
const problem =
  input.problem ??
  'Our webhook sender retries failed deliveries in memory and loses them on deploy. Design durable delivery for ' +
    '200 deliveries a second on the Postgres we have, with at-least-once delivery and order per customer.';
// A caller's number is a request, not a promise: keep it within sane bounds.
const candidates = Math.min(Math.max(input.candidates ?? 3, 2), 8);

// A different starting point for each draft. The same prompt N times gives N similar answers.
const STANCES = [
  'the fewest moving parts that could work',
  'the easiest to operate at three in the morning',
  'the easiest to change in a year',
  'the least load on the database',
  'the strongest guarantees, whatever the effort',
  'something the team can ship this week',
  'bought or borrowed parts before own code',
  'no new state anywhere',
];
const JUDGES = [
  { lens: 'failure', ask: 'What happens in a crash, a deploy, a slow customer, a full disk?' },
  { lens: 'operation', ask: 'Can the people on call see, explain and repair it?' },
  { lens: 'cost', ask: 'What does it cost to build, to run and to leave?' },
];

const SCORE = {
  type: 'object',
  required: ['score', 'flaw', 'keep'],
  properties: {
    score: { type: 'integer', minimum: 0, maximum: 10 },
    flaw: { type: 'string', description: 'the worst thing about it' },
    keep: { type: 'string', description: 'the one idea worth taking into any design' },
  },
};

phase('Draft');
const drafts = await parallel(
  STANCES.slice(0, candidates).map((stance, n) => () =>
    agent(
      `${problem}\n\nPropose one design. Start from this stance: ${stance}. At most 500 words: the parts, ` +
        'the path of one delivery, what happens on each failure, the migration. Read the code first where it matters.',
      { label: `draft:${n + 1}`, effort: 'high' },
    ),
  ),
);

// A failed draft is null. Keep each design's number, or scores would move to the wrong one.
const entries = drafts.map((text, n) => ({ n: n + 1, text })).filter((entry) => entry.text);
if (entries.length === 0) return { status: 'no drafts' };

const scored = await parallel(
  entries.map((entry) => async () => {
    const scores = await parallel(
      JUDGES.map((judge) => () =>
        agent(
          `Problem:\n${problem}\n\nDesign:\n${entry.text}\n\nYou judge ${judge.lens} only. ${judge.ask} ` +
            'Score 0 to 10, where 5 is acceptable. Judge the design, not its wording.',
          { label: `judge:${judge.lens}:${entry.n}`, phase: 'Judge', schema: SCORE },
        ),
      ),
    );
    const cast = scores.filter(Boolean);
    const total = cast.reduce((sum, score) => sum + score.score, 0);
    // The mean, so that a missing judge does not sink a design.
    return { ...entry, mean: cast.length ? total / cast.length : 0, flaws: cast.map((s) => s.flaw), keep: cast.map((s) => s.keep) };
  }),
);

// Ties go to the lower number: the result must not depend on who finished first.
const ranking = scored.filter(Boolean).sort((a, b) => b.mean - a.mean || a.n - b.n);
const [winner, ...others] = ranking;
log(`design ${winner.n} leads with ${winner.mean.toFixed(1)} of 10`);

const design = await agent(
  `${problem}\n\nThis design won:\n${winner.text}\n\nIts flaws: ${winner.flaws.join('; ')}\n` +
    `Ideas from the others: ${others.flatMap((other) => other.keep).join('; ') || 'none'}\n\n` +
    'Write the final design: fix the flaws, take an idea only if it fits, and end with the three riskiest assumptions.',
  { label: 'merge', phase: 'Merge', effort: 'high' },
);
return { status: 'decided', winner: winner.n, ranking: ranking.map(({ n, mean }) => ({ n, mean })), design };
