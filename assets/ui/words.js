// Nodes and words: what the other files of the page write with.

// What is counted besides dollars.
export const UNITS = {
  billed_tokens: "billed tokens",
  output_tokens: "output tokens",
  requests: "requests",
  agents: "agents",
};

export const byId = (id) => document.getElementById(id);
export const fromTemplate = (id) => byId(id).content.firstElementChild.cloneNode(true);

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function made(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

export const count = (number) => number.toLocaleString("en-US");

export function dollars(decimal) {
  const number = Number(decimal);
  if (number === 0) return "$0";
  const digits = Math.abs(number) < 1 ? 4 : 2;
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return "$" + number.toLocaleString("en-US", format);
}

export const quantity = (unit, number) => (unit === "usd" ? dollars(number) : count(number));

export function span(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 360) / 10} h`;
}
