// Eight agents in three steps: the workload of plan_vs_node.sh. Small, so that what is measured
// is the tool and not the script.
export const meta = {
  name: 'eight-agents',
  description: 'Two drafts, two judges each, one comparison and one final text',
  phases: [{ title: 'Draft' }, { title: 'Judge' }, { title: 'Merge' }],
};

const SCORE = {
  type: 'object',
  required: ['score', 'flaw'],
  properties: {
    score: { type: 'integer', minimum: 0, maximum: 10 },
    flaw: { type: 'string', description: 'the worst thing about it' },
  },
};

phase('Draft');
const drafts = await parallel(
  ['the fewest moving parts', 'the easiest to operate'].map((stance, n) => () =>
    agent(`Design durable delivery of webhooks. Start from this stance: ${stance}.`, { label: `draft:${n + 1}` }),
  ),
);
const judged = await parallel(
  drafts.map((draft, n) => async () => {
    const scores = await parallel(
      ['failure', 'cost'].map((lens) => () =>
        agent(`Judge ${lens} of this design, 0 to 10:\n${draft}`, { label: `judge:${lens}:${n + 1}`, phase: 'Judge', schema: SCORE }),
      ),
    );
    return { draft, scores: scores.filter(Boolean) };
  }),
);
const comparison = await agent(`Compare these designs:\n${JSON.stringify(judged)}`, { label: 'compare', phase: 'Merge' });
return agent(`Write the final design from this comparison:\n${comparison}`, { label: 'final', phase: 'Merge' });
