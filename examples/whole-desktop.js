// How not to scope a run: "tidy up my whole desktop", an agent for every file under a folder.
//
// It is short and reads well, and nothing in it says how much work it asks for. The list has no
// maxItems, the fan-out no slice, the folder no filter, and folders are opened again and again.
// Planning it costs nothing:
//   flyball plan example:whole-desktop
// Read `ceiling` (there is none), `ends` (some runs hit the runtime's cap and fail after paying
// for 1,000 agents) and `drivers` (the list alone decides). How to mend it stands at the end.
export const meta = {
  name: 'whole-desktop',
  description: 'Looks at every file under a folder and suggests what to keep, move or delete',
  whenToUse: 'To see what a preview is for. Not on a folder you care about',
  phases: [
    { title: 'List', detail: 'every file, in every folder' },
    { title: 'Look', detail: 'an agent per file' },
    { title: 'Plan' },
  ],
};

const input = typeof args === 'string' ? JSON.parse(args) : args ?? {};
const root = input.root ?? '~/Desktop';

const LISTING = {
  type: 'object',
  required: ['files', 'folders'],
  properties: {
    files: { type: 'array', items: { type: 'string' }, description: 'paths of the files in this folder' },
    folders: { type: 'array', items: { type: 'string' }, description: 'paths of the folders in this folder' },
  },
};
const ADVICE = {
  type: 'object',
  required: ['action', 'why'],
  properties: {
    action: { type: 'string', enum: ['keep', 'move', 'delete', 'ask'] },
    to: { type: 'string', description: 'where to move it' },
    why: { type: 'string' },
  },
};

// Every folder found is opened by one more agent, so the number of agents depends on the answers
// of agents that depend on answers. A shell command would list the tree for nothing.
const seen = new Set([root]);
const queue = [root];
const files = [];
while (queue.length > 0) {
  const batch = queue.splice(0, queue.length);
  const listings = await parallel(
    batch.map((folder) => () =>
      agent(`List everything directly in ${folder}: files and folders, hidden ones too. Full paths.`, {
        label: `list:${folder}`,
        phase: 'List',
        schema: LISTING,
      }),
    ),
  );
  for (const listing of listings.filter(Boolean)) {
    files.push(...listing.files);
    for (const folder of listing.folders) {
      if (seen.has(folder)) continue;
      seen.add(folder);
      queue.push(folder);
    }
  }
}
log(`${files.length} files in ${seen.size} folders`);

// One agent per file, each with a full context of its own, to look at what may be an icon.
const advice = await parallel(
  files.map((file) => async () => {
    const answer = await agent(
      `Open ${file}, find out what it is and whether anything else refers to it. Should its owner keep, move or delete it? ` +
        'If in doubt, ask.',
      { label: `look:${file}`, phase: 'Look', schema: ADVICE },
    );
    return answer && { file, ...answer };
  }),
);

phase('Plan');
// All answers go into one prompt: with many files it does not fit any window.
const plan = await agent(`Write a plan to tidy up ${root} from this advice:\n${JSON.stringify(advice.filter(Boolean), null, 2)}`, {
  label: 'plan',
});
return { root, files: files.length, plan };

// To mend it: let one agent run `find` and return groups instead of files; put maxItems on the
// list and slice() before the fan-out; give each agent a group of fifty files; hand the last
// agent counts per action instead of all answers. Then plan again.
