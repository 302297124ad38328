// A review of about 200 agents: every file of a service is read once and checked by two others.
//
// Most of its width stands in the script (files, two checkers each, one summary per area), so the
// plan's band of agents is narrow, and what remains uncertain is what one agent uses.
// Without arguments it reviews a made-up shop of 64 files, so that it can be planned anywhere:
//   flyball plan example:review-200 --policy haiku-fanout
export const meta = {
  name: 'review-200',
  description: 'Reviews every file of a service, has two checkers confirm each review, and reports by area',
  whenToUse: 'Before a release that many hands have worked on',
  phases: [
    { title: 'Review', detail: 'one reader per file' },
    { title: 'Check', detail: 'two checkers per review, one where nothing was found' },
    { title: 'Reproduce', detail: 'one failing test per confirmed critical finding' },
    { title: 'Areas', detail: 'one summary per area' },
    { title: 'Report' },
  ],
};

const input = typeof args === 'string' ? JSON.parse(args) : args ?? {};

// The default: 8 areas of 8 files. Pass {"files": ["src/a.ts", ...]} to review your own.
const AREAS = ['accounts', 'billing', 'catalog', 'checkout', 'inventory', 'notify', 'search', 'shipping'];
const PARTS = ['routes', 'service', 'store', 'model', 'events', 'jobs', 'policy', 'client'];
const files = input.files ?? AREAS.flatMap((area) => PARTS.map((part) => `src/${area}/${part}.ts`));
if (files.length === 0) {
  return { status: 'nothing to review' };
}
// The area of a file is the folder it lies in.
const areaOf = (file) => file.split('/').slice(0, -1).join('/') || '.';

const REVIEW = {
  type: 'object',
  required: ['findings'],
  properties: {
    findings: {
      type: 'array',
      maxItems: 8, // a bound that the plan can prove with
      items: {
        type: 'object',
        required: ['line', 'title', 'scenario', 'severity'],
        properties: {
          line: { type: 'integer', minimum: 1 },
          title: { type: 'string' },
          scenario: { type: 'string', description: 'inputs and steps that lead to the wrong result' },
          severity: { type: 'string', enum: ['low', 'medium', 'high', 'critical'] },
        },
      },
    },
  },
};
const CHECK = {
  type: 'object',
  required: ['wrong_lines', 'note'],
  properties: {
    wrong_lines: { type: 'array', items: { type: 'integer' }, description: 'lines of findings that do not hold' },
    note: { type: 'string', description: 'why, and what the reader overlooked' },
  },
};

const reviews = await pipeline(
  files,
  (file) =>
    agent(
      `Review ${file} as it is now, with the files it calls and the files that call it.\n` +
        'Report only defects that a user or an operator could meet: wrong results, lost data, leaks, ' +
        'missing authorisation, unbounded work. Each needs a line and a scenario. An empty list is a good answer.',
      { label: `review:${file}`, phase: 'Review', schema: REVIEW },
    ),
  async (review, file) => {
    // A clean review is worth one second look; findings are worth two independent checks.
    const checkers = review.findings.length > 0 ? 2 : 1;
    const checks = await parallel(
      Array.from({ length: checkers }, (_, n) => () =>
        agent(
          `Checker ${n + 1} of ${checkers}. Another reader reviewed ${file} and reported:\n` +
            `${JSON.stringify(review.findings, null, 2)}\n` +
            'Read the code yourself. Name the lines of findings that do not hold, and say what was overlooked.',
          { label: `check:${file}`, phase: 'Check', schema: CHECK },
        ),
      ),
    );
    const wrong = new Set(checks.filter(Boolean).flatMap((check) => check.wrong_lines));
    const confirmed = review.findings.filter((finding) => !wrong.has(finding.line));
    return { file, confirmed, notes: checks.filter(Boolean).map((check) => check.note) };
  },
);

const done = reviews.filter(Boolean);
const critical = done
  .flatMap((review) => review.confirmed.map((finding) => ({ file: review.file, ...finding })))
  .filter((finding) => finding.severity === 'critical')
  .slice(0, 12);

// A test that fails is the best report. Capped: twelve crashes are enough to stop a release.
const tests = await parallel(
  critical.map((finding) => () =>
    agent(
      `Write the smallest test that fails because of this defect in ${finding.file} and run it. Do not fix the defect.\n` +
        JSON.stringify(finding, null, 2),
      { label: `reproduce:${finding.file}:${finding.line}`, phase: 'Reproduce' },
    ),
  ),
);

// What was not read is part of the answer: a failed reader must not pass for a clean file.
const unread = files.filter((_, n) => reviews[n] === null);
const areas = [...new Set(done.map((review) => areaOf(review.file)))];
const summaries = await parallel(
  areas.map((area) => () =>
    agent(
      `Summarise the state of ${area} in ten lines for its owner: what to fix first, and which cause is behind several findings.\n` +
        JSON.stringify(done.filter((review) => areaOf(review.file) === area), null, 2),
      { label: `area:${area}`, phase: 'Areas' },
    ),
  ),
);

phase('Report');
const report = await agent(
  'Write the release review from these area summaries: can it ship, and if not, what has to happen first?\n\n' +
    `${summaries.filter(Boolean).join('\n\n---\n\n')}\n\nNot reviewed: ${unread.join(', ') || 'none'}`,
  { label: 'report' },
);
const status = unread.length > 0 ? 'incomplete' : 'reviewed';
return { status, files: done.length, unread, critical, tests: tests.filter(Boolean).length, report };
