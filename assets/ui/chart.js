// The chart: what an account has spent and reserved, and its limit, since the page was opened.

import { byId, dollars, made, setText, span } from "/ui/words.js";

// A chart keeps so many changes of an account; then every second one goes.
const SAMPLES_MAX = 2000;

// Changes of each account, by its id.
const past = new Map();

export function remember(account) {
  const { limit, settled, reserved } = account.units.find((unit) => unit.unit === "usd");
  const spent = Number(settled);
  const held = spent + Number(reserved);
  const sample = { at: Date.now(), spent, held, limit: limit === null ? null : Number(limit) };
  const samples = past.get(account.id) ?? [];
  const last = samples.at(-1);
  const isSame = last && ["spent", "held", "limit"].every((name) => last[name] === sample[name]);
  if (!isSame) samples.push(sample);
  if (samples.length > SAMPLES_MAX) {
    past.set(account.id, samples.filter((sample, index) => sample.gap || index % 2 === 1));
  } else {
    past.set(account.id, samples);
  }
}

export function markGap() {
  for (const samples of past.values()) {
    if (samples.length > 0 && !samples.at(-1).gap) samples.push({ at: Date.now(), gap: true });
  }
}

export function offer(accounts) {
  const select = byId("chart-account");
  const groups = [["Budgets", accounts.budgets], ["Runs and sessions", accounts.runs]];
  const wanted = JSON.stringify(groups.map(([, group]) => group.map((account) => account.name)));
  if (select.wanted === wanted) return;
  const before = select.value;
  const options = groups.filter(([, group]) => group.length > 0).map(([label, group]) => {
    const node = made("optgroup");
    node.label = label;
    for (const account of group) {
      const option = made("option", account.name);
      option.value = account.id;
      node.append(option);
    }
    return node;
  });
  select.wanted = wanted;
  select.replaceChildren(...options);
  if ([...select.options].some((option) => option.value === before)) select.value = before;
}

function drawn(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// The smallest of 1, 2, 5, 10, … times a power of ten that is not below `least`.
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((factor) => power * factor >= least * 0.999);
}

// Stretches without a gap, each with the time it ends.
function stretches(samples, now) {
  const found = [];
  let open = [];
  for (const sample of samples) {
    if (!sample.gap) open.push(sample);
    else if (open.length > 0) {
      found.push({ samples: open, end: sample.at });
      open = [];
    }
  }
  if (open.length > 0) found.push({ samples: open, end: now });
  return found;
}

// Corners of a line that holds each value until the next.
function corners({ samples, end }, name, x, y) {
  return samples.flatMap((sample, index) => {
    const until = samples[index + 1]?.at ?? end;
    return [[x(sample.at), y(sample[name])], [x(until), y(sample[name])]];
  });
}

const path = (points) => "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");

function drawStretch(chart, stretch, x, y, ceiling) {
  const spent = corners(stretch, "spent", x, y);
  const held = corners(stretch, "held", x, y);
  const [from, to] = [spent[0][0], spent.at(-1)[0]];
  chart.append(
    drawn("path", { class: "area spent", d: `${path([[from, y(0)], ...spent, [to, y(0)]])}Z` }),
    drawn("path", { class: "area reserved", d: `${path([...held, ...spent.toReversed()])}Z` }),
    drawn("path", { class: "line reserved", d: path(held) }),
    drawn("path", { class: "line spent", d: path(spent) }),
  );
  // A limit may come and go within a stretch.
  const isAway = ({ limit }) => limit === null || limit > ceiling;
  const limits = stretch.samples.map((sample) => ({ ...sample, gap: isAway(sample) }));
  for (const part of stretches(limits, stretch.end)) {
    chart.append(drawn("path", { class: "line limit", d: path(corners(part, "limit", x, y)) }));
  }
}

function drawAxes(chart, { width, height, left, bottom, seconds, top }, x, y, now) {
  const step = roundStep(top / 4);
  const digits = step < 1 ? Math.max(2, Math.min(6, -Math.floor(Math.log10(step)))) : 0;
  for (let value = 0; value <= top * 1.001; value += step) {
    chart.append(
      drawn("line", { class: "grid", x1: left, x2: width, y1: y(value), y2: y(value) }),
      drawn(
        "text",
        { x: left - 6, y: y(value) + 4, "text-anchor": "end" },
        `$${value.toFixed(digits)}`,
      ),
    );
  }
  const steps = [10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];
  const ticks = Math.max(2, Math.floor((width - left) / 110));
  const every = steps.find((step) => seconds / step <= ticks) ?? seconds;
  for (let ago = 0; ago <= seconds; ago += every) {
    const at = x(now - ago * 1000);
    if (ago > 0 && at < left + 24) break;
    const anchor = ago === 0 ? "end" : "middle";
    const words = ago === 0 ? "now" : `−${span(ago)}`;
    chart.append(drawn("text", { x: at, y: height - bottom + 18, "text-anchor": anchor }, words));
  }
}

export function draw() {
  const chart = byId("chart");
  const select = byId("chart-account");
  const samples = past.get(select.value) ?? [];
  const last = samples.findLast((sample) => !sample.gap);
  if (!last) return;
  const now = Date.now();
  const seconds = Math.max(30, (now - samples[0].at) / 1000);
  const most = Math.max(...samples.filter((sample) => !sample.gap).map((sample) => sample.held));
  // Far above everything, a limit would press the rest to the ground.
  const ceiling = most === 0 ? Infinity : 8 * most;
  const limits = samples.map((sample) => sample.limit ?? 0).filter((limit) => limit <= ceiling);
  const top = Math.max(most, ...limits) * 1.08 || 1;
  const [width, height, left, bottom] = [chart.clientWidth, chart.clientHeight, 64, 24];
  const x = (at) => width - ((now - at) / 1000 / seconds) * (width - left);
  const y = (value) => 8 + (1 - value / top) * (height - bottom - 8);
  chart.replaceChildren();
  drawAxes(chart, { width, height, left, bottom, seconds, top }, x, y, now);
  for (const stretch of stretches(samples, now)) drawStretch(chart, stretch, x, y, ceiling);

  const name = select.selectedOptions[0].textContent;
  const limit = last.limit === null ? "no limit" : `limit ${dollars(last.limit)}`;
  const above = last.limit !== null && last.limit > ceiling ? ", which is above the chart" : "";
  const held = dollars(last.held - last.spent);
  const over = span((now - samples[0].at) / 1000);
  setText(
    byId("chart-summary"),
    `${name}: ${dollars(last.spent)} spent, ${held} reserved, ${limit}${above}. ` +
      `The chart begins when this page was opened, ${over} ago.`,
  );
}
