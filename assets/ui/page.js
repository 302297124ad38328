// The live page of a gateway: draws every snapshot it is sent, and sends what is to be done.
// Everything that came from outside is set as text, never as markup.

import { draw, markGap, offer, remember } from "/ui/chart.js";
import {
  UNITS, byId, count, dollars, fromTemplate, made, quantity, setText,
} from "/ui/words.js";

// Denials are read out at most so often, milliseconds.
const ANNOUNCE_EVERY = 10000;
const RETRY = 3000;

// ---- accounts

// Nodes of a list by key, in the order given; a node that stays is not touched, so focus stays too.
function keep(list, entries, keyOf, make) {
  const known = (list.known ??= new Map());
  const keys = new Set(entries.map(keyOf));
  for (const [key, item] of known) {
    if (!keys.has(key)) {
      item.node.remove();
      known.delete(key);
    }
  }
  entries.forEach((entry, index) => {
    const key = keyOf(entry);
    let item = known.get(key);
    if (!item) {
      item = make(entry);
      known.set(key, item);
    }
    if (list.children[index] !== item.node) {
      list.insertBefore(item.node, list.children[index] ?? null);
    }
    item.update?.(entry);
  });
}

function showAccounts(list, accounts, canAct) {
  keep(list, accounts, (account) => account.id, (account) => accountItem(account, canAct));
}

function accountItem(first, canAct) {
  const node = fromTemplate("account");
  const units = node.querySelector(".units");
  const actions = canAct ? actionsOf(first) : null;
  if (actions) node.append(actions.node);
  setText(node.querySelector(".name"), first.name);
  const update = (account) => {
    setText(node.querySelector(".state"), stateOf(account));
    keep(units, account.units, (unit) => unit.unit, unitItem);
    actions?.update(account);
  };
  return { node, update };
}

function stateOf(account) {
  if (account.paused) return "paused";
  const full = account.units.filter((unit) => unit.left !== null && Number(unit.left) === 0);
  if (full.some((unit) => Number(unit.reserved) === 0)) return "used up";
  return full.length > 0 ? "all reserved" : "";
}

function unitItem() {
  const node = fromTemplate("unit");
  const update = ({ unit, limit, settled, reserved, left }) => {
    const part = (number) => {
      const all = Math.max(Number(limit), Number(settled) + Number(reserved));
      return limit !== null && all > 0 ? `${(100 * Number(number)) / all}%` : "0";
    };
    node.classList.toggle("unlimited", limit === null);
    node.querySelector(".bar .spent").style.width = part(settled);
    node.querySelector(".bar .reserved").style.width = part(reserved);
    setText(node.querySelector(".of-spent"), quantity(unit, settled));
    setText(node.querySelector(".of-reserved"), quantity(unit, reserved));
    const rest = node.querySelector(".of-left");
    const counted = UNITS[unit] ? ` ${UNITS[unit]}` : "";
    const words = `${quantity(unit, left)} left of ${quantity(unit, limit)}${counted}`;
    setText(rest, limit === null ? "no limit" : words);
  };
  return { node, update };
}

// ---- plan windows

const WINDOWS = { "5h": "Five hours", week: "Week" };
const percent = (thousandths) => `${Math.round(thousandths / 100) / 10}%`;

function planWindowItem(first) {
  const node = fromTemplate("plan-window");
  const whose = first.account === null ? "" : `, plan ${first.account.slice(0, 8)}`;
  setText(node.querySelector(".name"), (WINDOWS[first.window] ?? first.window) + whose);
  const update = (window) => {
    const { used_milli_percent: used, limit_milli_percent: limit, resets_at: end } = window;
    const isReached = used !== null && limit !== null && used >= limit;
    setText(node.querySelector(".state"), isReached ? "soft limit reached" : "");
    node.querySelector(".spent").style.width = percent(Math.min(used ?? 0, 100000));
    const mark = node.querySelector(".limit");
    mark.hidden = limit === null;
    mark.style.left = percent(Math.min(limit ?? 0, 100000));
    const seen = window.seen_at === null ? "not seen yet" : "begun anew, not seen since";
    setText(node.querySelector(".of-used"), used === null ? seen : `${percent(used)} used`);
    setText(node.querySelector(".of-limit"), limit === null ? "no limit" : `soft limit ${percent(limit)}`);
    setText(node.querySelector(".of-end"), end === null ? "" : `begins anew ${momentOf(end)}`);
  };
  return { node, update };
}

function momentOf(at) {
  const then = new Date(at);
  const isToday = then.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { weekday: "short", day: "numeric", month: "short" };
  return then.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit", hour12: false });
}

// ---- actions

async function send(action) {
  try {
    const reply = await fetch("/ui/act", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(action),
    });
    if (reply.ok) return null;
    if (reply.status === 401) return "this page is locked: open the address the gateway printed";
    return (await reply.json()).error;
  } catch {
    return "the gateway cannot be reached";
  }
}

function actionsOf({ id, name }) {
  const node = fromTemplate("actions");
  const outcome = node.querySelector(".outcome");
  const { amount, pause, stop } = node.elements;
  const raise = node.querySelector(".raise");
  let paused = false;
  outcome.id = `outcome-${(actionsOf.made = (actionsOf.made ?? 0) + 1)}`;
  amount.setAttribute("aria-describedby", outcome.id);
  amount.setAttribute("aria-label", `raise by, for ${name}, with a unit such as 5usd`);
  raise.querySelector("button").setAttribute("aria-label", `Raise ${name}`);
  stop.setAttribute("aria-label", `Stop ${name}…`);

  const perform = async (action, words) => {
    if (node.ariaBusy === "true") return false;
    node.ariaBusy = "true";
    outcome.classList.remove("failed");
    setText(outcome, "…");
    const trouble = await send({ account: id, ...action });
    outcome.classList.toggle("failed", trouble !== null);
    setText(outcome, trouble ?? words);
    node.ariaBusy = "false";
    return trouble === null;
  };

  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    const by = amount.value.trim();
    const done = await perform({ act: "raise", amount: by }, `Raised by ${by}.`);
    amount.ariaInvalid = String(!done);
    if (done) amount.value = "";
    else amount.focus();
  });
  pause.addEventListener("click", () =>
    paused
      ? perform({ act: "resume" }, "Resumed.")
      : perform({ act: "pause" }, "Paused: its requests wait."),
  );
  stop.addEventListener("click", async () => {
    if (await confirmStop(name)) perform({ act: "stop" }, "Stopped: its requests are refused.");
  });

  const update = (account) => {
    paused = account.paused;
    setText(pause, paused ? "Resume" : "Pause");
    pause.setAttribute("aria-label", `${pause.textContent} ${name}`);
    raise.hidden = account.units.every((unit) => unit.limit === null);
  };
  return { node, update };
}

// Asks; the browser gives the focus back to where it was.
function confirmStop(name) {
  const dialog = byId("stop");
  setText(byId("stop-heading"), `Stop ${name}?`);
  dialog.returnValue = "keep";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "stop"), { once: true });
  });
}

// ---- requests

function who(request) {
  const head = (name) => (name.length > 16 ? name.slice(0, 12) + "…" : name);
  const parts = [];
  if (request.run) parts.push(`run ${head(request.run)}`);
  else if (request.session) parts.push(`session ${head(request.session)}`);
  else parts.push("no session");
  if (request.agent) parts.push(`agent ${head(request.agent)}`);
  if (request.phase) parts.push(`phase ${head(request.phase)}`);
  if (request.key) parts.push(`of ${head(request.key)}`);
  return parts;
}

const whoInWords = (request) => who(request).join(", ");

function timeOf(at) {
  const node = made("time", new Date(at).toLocaleTimeString([], { hour12: false }));
  node.dateTime = at;
  return node;
}

function requestRow(request) {
  const node = made("tr");
  const time = made("td");
  time.append(timeOf(request.at));
  const [payer, ...rest] = who(request);
  const whose = made("td", payer, "who");
  if (rest.length > 0) whose.append(made("small", rest.join(", ")));
  const words = request.ending.replaceAll("_", " ");
  const isGood = ["complete", "drained"].includes(request.ending);
  const ending = made("td", request.cut_by_cap ? `${words}, cut by its cap` : words);
  ending.className = isGood ? "ending" : "ending failed";
  const maybe = (value, say) => made("td", value === null ? "–" : say(value), "number");
  node.append(
    time,
    ending,
    maybe(request.charged_usd, dollars),
    whose,
    made("td", request.sent_model ? `${request.model} → ${request.sent_model}` : request.model || "–"),
    maybe(request.input_tokens, count),
    maybe(request.output_tokens, count),
    made("td", (request.took_milliseconds / 1000).toFixed(1), "number"),
  );
  return { node };
}

function denialItem(request) {
  const node = made("li");
  const head = made("p", undefined, "quiet");
  const words = `${request.ending.replaceAll("_", " ")}: ${whoInWords(request)}`;
  head.append(timeOf(request.at), ` ${words}`);
  node.append(head, made("p", (request.note ?? "–").replace(/^flyball: /, "")));
  return { node };
}

function showRequests(id, requests, make) {
  const key = (request) => [request.at, request.took_milliseconds, request.agent].join(" ");
  keep(byId(id), requests, key, make);
  byId(id).closest(".scrolls").hidden = requests.length === 0;
  byId(`no-${id}`).hidden = requests.length > 0;
}

// ---- snapshots

function figure(id, text, more) {
  const node = byId(id);
  const wanted = more ? `${text} ${more}` : text;
  if (node.textContent === wanted) return;
  node.replaceChildren(text);
  if (more) node.append(" ", made("small", more));
}

function show(snapshot) {
  const { accounts, now, since_start: since } = snapshot;
  figure("in-flight", count(now.in_flight));
  figure("waiting", count(now.waiting));
  figure("charged", dollars(since.charged_usd));
  figure("requests-count", count(since.requests), `${count(since.answered)} answered`);
  figure("refused", count(since.refused));
  const share = since.caps_lowered > 0 ? (100 * since.cut_by_cap) / since.caps_lowered : 0;
  const digits = share > 0 && share < 10 ? 1 : 0;
  const lowered = `${count(since.cut_by_cap)} of ${count(since.caps_lowered)} lowered`;
  figure("cut", `${share.toFixed(digits)} %`, lowered);
  showRequests("requests", snapshot.requests, requestRow);
  showRequests("denials", snapshot.denials, denialItem);
  announce(since.refused, snapshot.denials[0]);
  byId("trouble").hidden = snapshot.trouble === null;
  const what = accounts === null ? "The accounts cannot be read" : "Nothing is admitted";
  setText(byId("trouble"), snapshot.trouble === null ? "" : `${what}: ${snapshot.trouble}`);
  if (accounts === null) return;
  showAccounts(byId("budgets"), accounts.budgets, false);
  showAccounts(byId("runs"), accounts.runs, true);
  const windowKey = (window) => `${window.window} ${window.account}`;
  keep(byId("plan-windows"), accounts.plan_windows, windowKey, planWindowItem);
  byId("plan").hidden = accounts.plan_windows.length === 0;
  byId("no-budgets").hidden = accounts.budgets.length > 0;
  byId("no-runs").hidden = accounts.runs.length > 0;
  byId("runs-left-out").hidden = accounts.runs_left_out === 0;
  setText(byId("runs-left-out"), `${count(accounts.runs_left_out)} older ones: flyball runs charged`);
  for (const account of [...accounts.budgets, ...accounts.runs]) remember(account);
  offer(accounts);
  draw();
}

// Reads new denials out, not each of a flood.
const announced = { refused: null, at: 0 };

function announce(refused, latest) {
  const now = Date.now();
  const first = announced.refused === null;
  if (!first && (refused === announced.refused || now - announced.at < ANNOUNCE_EVERY)) return;
  if (!first && latest) {
    const fresh = refused - announced.refused;
    const whose = fresh === 1 ? "A request was" : `${count(fresh)} requests were`;
    setText(byId("announcement"), `${whose} denied: ${latest.note ?? ""}`);
  }
  announced.refused = refused;
  announced.at = now;
}

let isLive = false;

function connection(state, words) {
  const node = byId("connection");
  if (isLive && state !== "live") markGap();
  isLive = state === "live";
  node.dataset.state = state;
  setText(node, words);
}

function watch() {
  const events = new EventSource("/ui/events");
  events.addEventListener("open", () => connection("live", "live"));
  events.addEventListener("snapshot", (event) => show(JSON.parse(event.data)));
  events.addEventListener("error", async () => {
    connection("lost", "connection lost, trying again");
    // While it is open, the browser itself tries again.
    if (events.readyState !== EventSource.CLOSED) return;
    const status = await fetch("/ui", { cache: "no-store" }).then((reply) => reply.status, () => 0);
    if (status === 401) {
      connection("lost", "locked: open the address that the gateway printed at its start");
    } else {
      setTimeout(watch, RETRY);
    }
  });
}

byId("chart-account").addEventListener("change", draw);
new ResizeObserver(draw).observe(byId("chart"));
setInterval(() => isLive && draw(), 1000);
watch();
