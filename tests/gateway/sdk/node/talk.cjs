// Does what each line of standard input asks for with the official SDK, and says what came of it.
//
// A line is `{"do", "url", "headers", "text"}`, an answer a line of JSON.
'use strict';

const readline = require('node:readline');
const { Anthropic } = require('@anthropic-ai/sdk');

const MODEL = 'claude-haiku-5-5';
const LOOK = {
  name: 'look',
  description: 'Looks at a part',
  input_schema: { type: 'object', properties: { part: { type: 'integer' } } },
};

const shown = message => ({
  stop_reason: message.stop_reason,
  text: message.content.map(block => (block.type === 'text' ? block.text : '')).join(''),
  output_tokens: message.usage ? message.usage.output_tokens : null,
});

const asked = (order, more) => ({
  model: MODEL,
  max_tokens: 900,
  messages: [{ role: 'user', content: order.text }],
  ...more,
});

async function stream(client, order) {
  let seen = '';
  const events = client.messages.stream(asked(order));
  events.on('text', text => {
    seen += text;
  });
  return { ...shown(await events.finalMessage()), seen };
}

async function tools(client, order) {
  const request = asked(order, { tools: [LOOK] });
  const first = await client.messages.create(request);
  const calls = first.content.filter(block => block.type === 'tool_use');
  const results = calls.map(call => ({
    type: 'tool_result',
    tool_use_id: call.id,
    content: 'all is well',
  }));
  request.messages.push(
    { role: 'assistant', content: first.content },
    { role: 'user', content: results },
  );
  const second = await client.messages.create(request);
  return { ...shown(second), first: first.stop_reason, called: calls.map(call => call.input) };
}

const DO = {
  ask: async (client, order) => shown(await client.messages.create(asked(order))),
  stream,
  tools,
  count: async (client, order) => {
    const { messages } = asked(order);
    return { tokens: (await client.messages.countTokens({ model: MODEL, messages })).input_tokens };
  },
};

const failure = error => ({
  error: error.constructor.name,
  status: error.status ?? null,
  message: String(error.message),
});

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    const client = new Anthropic({
      apiKey: 'any',
      baseURL: order.url,
      defaultHeaders: order.headers,
    });
    const told = await DO[order.do](client, order).catch(failure);
    process.stdout.write(`${JSON.stringify(told)}\n`);
  }
}

main();
