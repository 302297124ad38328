// Answers a question from sources: angles, sources, claims, three votes per claim, cited answer.
//
// Every list is capped with slice(), so the plan has a ceiling: 1 + 6 + 16 + 3 x 24 + 1 agents.
//   flyball plan example:deep-research --args '"Which databases support incremental view maintenance?"'
// Not named deep-research: Claude Code ships a workflow of that name.
export const meta = {
  name: 'research-with-votes',
  description: 'Researches a question on the web, votes on every claim and writes an answer with citations',
  whenToUse: 'The answer will be relied on and has to be traceable to sources',
  phases: [
    { title: 'Angles', detail: 'split the question' },
    { title: 'Search', detail: 'one searcher per angle' },
    { title: 'Read', detail: 'one reader per source, none twice' },
    { title: 'Vote', detail: 'three independent votes per claim' },
    { title: 'Answer' },
  ],
};

const question = typeof args === 'string' ? args : args?.question;
if (!question) {
  return { status: 'no question', hint: 'pass the question as args, as text or as {"question": "..."}' };
}
const MAX_ANGLES = 6;
const MAX_SOURCES = 16;
const MAX_CLAIMS = 24;

const list = (name, properties) => ({
  type: 'object',
  required: [name],
  properties: { [name]: { type: 'array', items: { type: 'object', required: Object.keys(properties), properties } } },
});
const ANGLES = list('angles', {
  name: { type: 'string', description: 'two or three words' },
  query: { type: 'string', description: 'what to type into a search engine' },
});
const SOURCES = list('sources', {
  url: { type: 'string' },
  title: { type: 'string' },
  kind: { type: 'string', enum: ['primary', 'secondary', 'opinion'] },
});
const CLAIMS = list('claims', {
  text: { type: 'string', description: 'one fact that could be false' },
  quote: { type: 'string', description: 'the words of the source that carry it' },
  weight: { type: 'integer', minimum: 1, maximum: 5, description: '5: the answer turns on it' },
});
const VOTE = {
  type: 'object',
  required: ['supported', 'why'],
  properties: { supported: { type: 'boolean' }, why: { type: 'string' } },
};

phase('Angles');
const split = await agent(
  `Question: ${question}\nName up to ${MAX_ANGLES} angles that together would answer it and overlap little. ` +
    'Include one that looks for evidence against the obvious answer.',
  { label: 'angles', schema: ANGLES },
);
if (!split) return { status: 'failed', at: 'angles' };

// A URL may come from several angles; `https://x.org/a/` and `http://www.x.org/a#b` are one page.
const pageOf = (url) => url.trim().toLowerCase().replace(/^https?:\/\/(www\.)?/, '').replace(/[#?].*$/, '').replace(/\/+$/, '');
const taken = new Set();
const takeNew = (source) => {
  const page = pageOf(source.url);
  if (taken.has(page) || taken.size >= MAX_SOURCES) return false;
  taken.add(page);
  return true;
};

const read = await pipeline(
  split.angles.slice(0, MAX_ANGLES),
  (angle) =>
    agent(
      `Question: ${question}\nYour angle: ${angle.name}. Start from the search "${angle.query}" and refine it. ` +
        'Return up to 5 sources you would cite, primary ones first. Open none of them in full.',
      { label: `search:${angle.name}`, phase: 'Search', schema: SOURCES },
    ),
  (found) =>
    parallel(
      found.sources.filter(takeNew).map((source) => async () => {
        const page = await agent(
          `Question: ${question}\nRead ${source.url} (${source.title}). Extract up to 4 claims that bear on the question, ` +
            'each with the exact words that carry it. If the page cannot be opened, return none.',
          { label: `read:${pageOf(source.url)}`, phase: 'Read', schema: CLAIMS },
        );
        return (page?.claims ?? []).map((claim) => ({ ...claim, url: source.url, kind: source.kind }));
      }),
    ),
);

// The barrier is needed here: only with all claims on the table can the heaviest be chosen.
const claims = read.filter(Boolean).flat(2).filter(Boolean).sort((a, b) => b.weight - a.weight).slice(0, MAX_CLAIMS);
if (claims.length === 0) return { status: 'no evidence', question, sources: [...taken] };

const judged = await parallel(
  claims.map((claim, n) => async () => {
    const votes = await parallel(
      ['the quote', 'other sources', 'the date'].map((lens) => () =>
        agent(
          `Is this claim supported? Judge by ${lens}: does it say what is claimed, does it hold elsewhere, is it still true?\n` +
            `Claim: ${claim.text}\nQuote: "${claim.quote}"\nSource: ${claim.url} (${claim.kind})\nIf you cannot tell, it is not supported.`,
          { label: `vote:${n + 1}`, phase: 'Vote', schema: VOTE },
        ),
      ),
    );
    return votes.filter(Boolean).filter((vote) => vote.supported).length >= 2 ? claim : null;
  }),
);
const held = judged.filter(Boolean);
if (held.length === 0) return { status: 'nothing held', question, claims: claims.length };

phase('Answer');
const answer = await agent(
  `Answer in at most 600 words: ${question}\nUse only these claims and cite each as [n]; list the sources at the end. ` +
    `Say plainly what they leave open and where they disagree.\n${JSON.stringify(held.map((claim, n) => ({ n: n + 1, ...claim })), null, 2)}`,
  { label: 'answer' },
);
return { status: 'answered', question, claims: held.length, answer };
