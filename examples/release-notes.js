// Release notes from the merged changes. A workflow of its own, and a child of release-train.
//
// A child's `args` are the second argument of workflow(); its return value goes to the parent.
export const meta = {
  name: 'release-notes',
  description: 'Reads the merged changes since a tag, sorts them and writes release notes',
  phases: [
    { title: 'Collect', detail: 'list the merged changes' },
    { title: 'Explain', detail: 'one agent per group of changes' },
    { title: 'Write' },
  ],
};

const input = typeof args === 'string' ? JSON.parse(args) : args ?? {};
const since = input.since ?? 'the last tag';
const version = input.version ?? 'the next version';
const PER_AGENT = 8; // eight small changes fit into one agent's attention
const MAX_GROUPS = 20;

const CHANGES = {
  type: 'object',
  required: ['changes'],
  properties: {
    changes: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'title', 'kind'],
        properties: {
          id: { type: 'string', description: 'number of the pull request, or a commit' },
          title: { type: 'string' },
          kind: { type: 'string', enum: ['feature', 'fix', 'performance', 'breaking', 'internal'] },
        },
      },
    },
  },
};
const ENTRIES = {
  type: 'object',
  required: ['entries'],
  properties: {
    entries: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'sentence'],
        properties: {
          id: { type: 'string' },
          sentence: { type: 'string', description: 'what a user notices, in one sentence' },
          upgrade: { type: 'string', description: 'what a user has to do; left out if nothing' },
        },
      },
    },
  },
};

phase('Collect');
const collected = await agent(
  `List every change merged since ${since}: \`git log --first-parent ${since}..HEAD\`, with pull requests where they are named.`,
  { label: 'collect', schema: CHANGES },
);
const visible = (collected?.changes ?? []).filter((change) => change.kind !== 'internal');
if (visible.length === 0) return { text: `No change in ${version} is visible to users.`, entries: 0 };

const groups = [];
for (let start = 0; start < visible.length && groups.length < MAX_GROUPS; start += PER_AGENT) {
  groups.push(visible.slice(start, start + PER_AGENT));
}
const explained = await parallel(
  groups.map((group, n) => () =>
    agent(
      'Read the diff of each of these changes and write one sentence per change on what a user notices. ' +
        `Leave out what no user can notice.\n${JSON.stringify(group, null, 2)}`,
      { label: `explain:${n + 1}`, phase: 'Explain', schema: ENTRIES, effort: 'low' },
    ),
  ),
);
const entries = explained.filter(Boolean).flatMap((part) => part.entries);

phase('Write');
const text = await agent(
  `Write the release notes of ${version} in Markdown: breaking changes with their upgrade steps first, then features, fixes, ` +
    `performance. Keep the sentences, merge duplicates, invent nothing.\n${JSON.stringify(entries, null, 2)}`,
  { label: 'write' },
);
return { text, entries: entries.length };
