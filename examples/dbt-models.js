// Documents and tests every model of a dbt project.
//
// The project decides the width, not the script: a plan without a count is a guess. Pin it:
//   flyball plan example:dbt-models --assume list.models=340
export const meta = {
  name: 'dbt-models',
  description: 'Writes documentation and tests for every model of a dbt project, then checks the whole project',
  whenToUse: 'After taking over a project whose models have no descriptions and few tests',
  phases: [
    { title: 'List', detail: 'one agent reads the manifest' },
    { title: 'Document', detail: 'one agent per model' },
    { title: 'Test', detail: 'one agent per model' },
    { title: 'Summary' },
  ],
};

const input = typeof args === 'string' ? JSON.parse(args) : args ?? {};
const project = input.project ?? '.';
const only = input.select ?? '*';

const MODELS = {
  type: 'object',
  required: ['models'],
  properties: {
    models: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'path', 'layer'],
        properties: {
          name: { type: 'string' },
          path: { type: 'string', description: 'path of the .sql file' },
          layer: { type: 'string', enum: ['staging', 'intermediate', 'mart'] },
          upstream: { type: 'array', items: { type: 'string' }, description: 'names of the models it refs' },
        },
      },
    },
  },
};
const DOCUMENTED = {
  type: 'object',
  required: ['grain', 'columns', 'changed'],
  properties: {
    grain: { type: 'string', description: 'what one row stands for' },
    columns: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'description'],
        properties: {
          name: { type: 'string' },
          description: { type: 'string' },
          key: { type: 'boolean', description: 'part of the key of the table' },
        },
      },
    },
    changed: { type: 'boolean', description: 'whether the yaml file was edited' },
  },
};
const TESTED = {
  type: 'object',
  required: ['passed', 'tests_added'],
  properties: {
    passed: { type: 'boolean' },
    tests_added: { type: 'integer', minimum: 0 },
    failures: { type: 'array', items: { type: 'string' }, description: 'names of failing tests' },
  },
};

phase('List');
const listed = await agent(
  `In the dbt project at ${project}, run \`dbt ls --resource-type model --select "${only}" --output json\`. ` +
    'If dbt is not installed, read models/**/*.sql instead. Return every model, none twice, upstream models first.',
  { label: 'list', schema: MODELS },
);
// One failed agent must not look like an empty project.
if (listed === null) throw new Error('the list of models could not be read');
if (listed.models.length === 0) return { status: 'no models', project };

// One pipeline() call takes 4,096 items at most; larger projects go in turns.
const AT_ONCE = 4096;
const results = [];
for (let start = 0; start < listed.models.length; start += AT_ONCE) {
  const chunk = listed.models.slice(start, start + AT_ONCE);
  const part = await pipeline(
    chunk,
    (model) =>
      agent(
        `Document the dbt model ${model.name} (${model.path}, layer ${model.layer}). Read its SQL and the yaml of ` +
          `${(model.upstream ?? []).join(', ') || 'its sources'}. Write the description of the model, its grain and each column ` +
          'into the schema yaml beside it. Describe meaning and unit, not the SQL. Leave good descriptions alone.',
        { label: `document:${model.name}`, phase: 'Document', schema: DOCUMENTED },
      ),
    (documented, model) =>
      agent(
        `Add tests to the dbt model ${model.name} (${model.path}): not_null and unique on its key, relationships to ` +
          'upstream models, accepted_values where the SQL lists them. Then run ' +
          `\`dbt test --select ${model.name}\` and report. Never weaken a test to make it pass.\n` +
          `Its grain: ${documented.grain}\nIts columns: ${JSON.stringify(documented.columns)}`,
        { label: `test:${model.name}`, phase: 'Test', schema: TESTED },
      ).then((tested) => tested && { model: model.name, layer: model.layer, ...tested }),
  );
  results.push(...part);
  log(`${Math.min(start + AT_ONCE, listed.models.length)} of ${listed.models.length} models done`);
}

const done = results.filter(Boolean);
const failing = done.filter((result) => !result.passed);
// Hand the writer counts and the failures only: the full list would fill its context.
const byLayer = Object.fromEntries(
  ['staging', 'intermediate', 'mart'].map((layer) => [layer, done.filter((result) => result.layer === layer).length]),
);
phase('Summary');
const summary = await agent(
  `Summarise for the data team. ${done.length} of ${listed.models.length} models were documented and tested, by layer: ` +
    `${JSON.stringify(byLayer)}. Group these failing models by likely cause and say which to fix first:\n` +
    JSON.stringify(failing.slice(0, 200), null, 2),
  { label: 'summary' },
);
return { status: 'done', models: done.length, failing: failing.map((result) => result.model), summary };
