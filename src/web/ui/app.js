"use strict";
// The page for people: what burns, since when, who knows; quiet it in two clicks.

const main = document.getElementById("main");
const state = document.getElementById("state");

/* An element: h("p", {class: "soft"}, "text", child). Text is never parsed as HTML. */
function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

async function call(method, path, body) {
  const answer = await fetch(path, body === undefined ? { method } : {
    method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const text = await answer.text();
  let json = null;
  try { json = text ? JSON.parse(text) : null; } catch { /* plain text */ }
  if (!answer.ok) throw new Error(json && (json.error || json.message) || (typeof json === "string" ? json : text) || answer.statusText);
  return json;
}

function ago(time) {
  const seconds = Math.max(0, (Date.now() - new Date(time)) / 1000);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

const clock = (time) => new Date(time).toLocaleString();
const ranks = { critical: 0, page: 0, error: 0, warning: 1, info: 2, none: 3 };
const rank = (alert) => ranks[alert.labels.severity] ?? 1;
const tone = (alert) => ["critical", "warning", "info", "none"][rank(alert)];

function labelList(labels, hidden = []) {
  return h("ul", { class: "labels" }, Object.entries(labels).filter(([name]) => !hidden.includes(name))
    .map(([name, value]) => h("li", {}, `${name}=${value}`)));
}

// ---- burning ----

function alertCard(alert, silences, flags) {
  const quiet = alert.status.state === "suppressed";
  const by = alert.status.silencedBy.map((id) => silences.get(id) || flags.get(id) || id)
    .concat(alert.status.inhibitedBy.map((id) => `inhibited by ${id}`));
  return h("article", { class: `card ${tone(alert)} ${quiet ? "quiet" : ""}` },
    h("h3", {}, h("span", { class: "word" }, alert.labels.severity || "no severity"), alert.labels.alertname || "(no name)",
      h("span", { class: "soft" }, `since ${ago(alert.startsAt)}`, " · ", alert.receivers.map((r) => r.name).join(", "))),
    h("p", {}, alert.annotations.summary || alert.annotations.message || ""),
    alert.annotations.description ? h("p", { class: "soft" }, alert.annotations.description) : null,
    alert.annotations.runbook ? h("details", {}, h("summary", {}, "Runbook"), h("pre", {}, alert.annotations.runbook)) : null,
    labelList(alert.labels, ["alertname", "severity"]),
    quiet ? h("p", { class: "soft" }, "Quiet: ", by.join("; ")) : null,
    h("div", { class: "row" },
      h("button", { onclick: () => openQuiet(alert.labels) }, "Keep quiet…")));
}

// In a storm nobody reads more, and a browser cannot show a hundred thousand.
const shownMost = 300;

/* Alerts of these severities, the loud or the quiet ones; one more than is shown tells that there are more. */
function alertsOf(severities, quiet) {
  const filter = encodeURIComponent(`severity${severities}`);
  return call("GET", `/api/v2/alerts?filter=${filter}&limit=${shownMost + 1}&${quiet ? "active=false" : "silenced=false&inhibited=false"}`);
}

// Flags are listed among silences, for programs that know no flags.
const isFlag = (silence) => Boolean(silence.annotations && silence.annotations.maintenance);

const number = (alerts) => (alerts.length > shownMost ? `More than ${shownMost}` : alerts.length);

async function burning() {
  const urgent = '"critical|page|error"', calm = '"critical|page|error|info|none"';
  const [critical, warnings, hushed, silenceList, flagList, rules] = await Promise.all([
    alertsOf(`=~${urgent}`, false), alertsOf(`!~${calm}`, false), alertsOf('!~"info|none"', true),
    call("GET", "/api/v2/silences?expired=false"),
    call("GET", "/api/v1/maintenance"), call("GET", "/api/v1/rules?type=alert")]);
  const alerts = critical.concat(warnings, hushed);
  const silences = new Map(silenceList.filter((s) => !isFlag(s)).map((s) => [s.id, `silenced by ${s.createdBy} until ${clock(s.endsAt)}: ${s.comment}`]));
  const flags = new Map(flagList.data.map((f) => [f.id, `flagged by ${f.owner}: ${f.reason}`]));
  const real = alerts.filter((alert) => rank(alert) < 3)
    .sort((a, b) => rank(a) - rank(b) || new Date(b.startsAt) - new Date(a.startsAt));
  const loud = real.filter((alert) => alert.status.state !== "suppressed");
  const quiet = real.filter((alert) => alert.status.state === "suppressed");
  const pending = rules.data.groups.flatMap((group) => group.rules).flatMap((rule) => rule.alerts || [])
    .filter((alert) => alert.state === "pending");
  const card = (alert) => alertCard(alert, silences, flags);
  return [
    h("h2", {}, loud.length ? `${number(loud)} burning` : "Nothing burns"), ...loud.slice(0, shownMost).map(card),
    pending.length ? h("h2", {}, `${pending.length} about to`) : null,
    ...pending.map((alert) => h("article", { class: `card ${tone(alert)}` },
      h("h3", {}, h("span", { class: "word" }, "pending"), alert.labels.alertname,
        h("span", { class: "soft" }, `since ${ago(alert.activeAt)}`)),
      h("p", {}, alert.annotations.summary || ""), labelList(alert.labels, ["alertname"]))),
    quiet.length ? h("h2", {}, `${number(quiet)} kept quiet`) : null, ...quiet.slice(0, shownMost).map(card)];
}

// ---- keeping quiet ----

const dialog = document.getElementById("quiet-dialog");

function openQuiet(labels) {
  const likely = ["alertname", "cluster", "instance", "namespace", "team"];
  const set = document.getElementById("quiet-matchers");
  set.replaceChildren(set.firstElementChild, ...Object.entries(labels).map(([name, value]) =>
    h("label", {}, h("input", { type: "checkbox", name, value, checked: likely.includes(name) }), ` ${name}="${value}"`)));
  document.getElementById("quiet-owner").value = localStorage.getItem("owner") || "";
  document.getElementById("quiet-error").textContent = "";
  dialog.showModal();
}

const chosenMatchers = () => [...dialog.querySelectorAll("fieldset input:checked")]
  .map((box) => ({ name: box.name, value: box.value, isRegex: false, isEqual: true }));

/* What it would catch, before it is set. */
async function previewQuiet() {
  const told = document.getElementById("quiet-error");
  try {
    const { data } = await call("POST", "/api/v1/silences/preview", { matchers: chosenMatchers(), limit: 1 });
    told.textContent = `Now: ${data.alertCount} alerts. Last 7 days: ${data.lastWeek.alerts} alerts rang ${data.lastWeek.firings} times.`;
  } catch (error) {
    told.textContent = error.message;
  }
}

async function keepQuiet(kind) {
  const field = (id) => document.getElementById(id).value;
  const matchers = chosenMatchers();
  const from = new Date();
  const to = new Date(from.getTime() + field("quiet-span") * 1000);
  localStorage.setItem("owner", field("quiet-owner"));
  if (!matchers.length) throw new Error("Choose at least one label.");
  if (kind === "silence") {
    await call("POST", "/api/v2/silences", { matchers, startsAt: from.toISOString(), endsAt: to.toISOString(),
      createdBy: field("quiet-owner"), comment: field("quiet-reason") });
  } else {
    await call("POST", "/api/v1/maintenance", { matchers, mode: "all", ends_at: to.toISOString(),
      owner: field("quiet-owner"), reason: field("quiet-reason") });
  }
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
  const kind = event.submitter.value;
  if (kind === "cancel") return;
  event.preventDefault();
  if (kind === "preview") return previewQuiet();
  try {
    await keepQuiet(kind);
    dialog.close();
    show();
  } catch (error) {
    document.getElementById("quiet-error").textContent = error.message;
  }
});

async function quiet() {
  const [all, flags] = await Promise.all([call("GET", "/api/v2/silences?expired=false"), call("GET", "/api/v1/maintenance")]);
  const silences = all.filter((s) => !isFlag(s));
  const operator = (m) => (m.isRegex ? (m.isEqual === false ? "!~" : "=~") : (m.isEqual === false ? "!=" : "="));
  const end = async (path) => { await call("DELETE", path); show(); };
  return [
    h("h2", {}, "Maintenance flags"), flags.data.length ? null : h("p", { class: "soft" }, "None."),
    ...flags.data.map((f) => h("article", { class: "card" },
      h("h3", {}, f.matchers.join(", ")), h("p", {}, `${f.owner}: ${f.reason}`),
      h("p", { class: "soft" }, `${f.mode}, ${f.ends_at ? `until ${clock(f.ends_at)}` : `to be reviewed ${clock(f.review_at)}`}, by ${f.origin}`,
        f.schedule ? ", only in its windows" : "", f.active ? "" : ", not active now"),
      f.forgotten ? h("p", { class: "err" }, "Its review is overdue.") : null,
      f.origin === "api" ? h("button", { onclick: () => end(`/api/v1/maintenance/${f.id}`) }, "Clear") : null)),
    h("h2", {}, "Silences"), silences.length ? null : h("p", { class: "soft" }, "None."),
    ...silences.map((s) => h("article", { class: "card" },
      h("h3", {}, s.matchers.map((m) => `${m.name}${operator(m)}"${m.value}"`).join(", ")),
      h("p", {}, `${s.createdBy}: ${s.comment}`),
      h("p", { class: "soft" }, `${s.status.state}, until ${clock(s.endsAt)}`, s.schedule ? ", only in its windows" : ""),
      h("button", { onclick: () => end(`/api/v2/silence/${s.id}`) }, "Expire")))];
}

// ---- rules, sources ----

async function rules() {
  const { data } = await call("GET", "/api/v1/rules?exclude_alerts=true");
  const bad = data.fileErrors || [];
  return [h("h2", {}, "Rules"), bad.length ? h("p", { class: "err", role: "alert" }, "Not live, because something is wrong in it:") : null,
    bad.length ? h("ul", {}, bad.map((line) => h("li", { class: "err" }, line))) : null, ...data.groups.map((group) => h("details", { open: group.rules.some((r) => r.health === "err") || undefined },
    h("summary", {}, `${group.name} `, h("span", { class: "soft" }, `${group.file}, every ${group.interval} s, ${(group.evaluationTime * 1000).toFixed(1)} ms`)),
    group.fileError ? h("p", { class: "err" }, group.fileError) : null,
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Rule", "State", "Series", "Expression"].map((t) => h("th", { scope: "col" }, t)))),
      h("tbody", {}, group.rules.map((rule) => h("tr", {},
        h("td", {}, rule.name), h("td", { class: rule.health === "err" ? "err" : "" }, rule.health === "err" ? rule.lastError : rule.state || rule.health),
        h("td", {}, String(rule.lastSeriesFetched ?? "")), h("td", {}, h("code", {}, rule.query))))))))) ];
}

function damage(blocks) {
  const what = (block) => block.setAside ? "was set aside, its samples are missing from answers" : `has ${block.frames} parts that cannot be read`;
  return blocks.length ? h("ul", { role: "alert" }, blocks.map((block) => h("li", { class: "err" }, `Block ${block.block} is damaged: it ${what(block)}.`))) : null;
}

async function sources() {
  const [{ data }, store] = await Promise.all([call("GET", "/api/v1/sources"), call("GET", "/api/v1/status/store?limit=1")]);
  return [h("h2", {}, "Sources"), damage(store.data.damagedBlocks || []), h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ["Source", "Newest sample", "Every", "Series", "Refused"].map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, data.map((s) => h("tr", {}, h("td", {}, s.source || "(no label)"), h("td", {}, `${ago(s.newest)} ago`),
      h("td", {}, s.interval ? `${s.interval} s` : "?"), h("td", {}, String(s.series)), h("td", {}, String(s.refusedTotal)))))))];
}

// ---- query ----

function graph(series) {
  const points = series.flatMap((s) => (s.values || []).map(([t, v]) => [t, parseFloat(v)])).filter(([, v]) => Number.isFinite(v));
  if (!points.length) return h("p", { class: "soft" }, "No data.");
  const [t0, t1] = [Math.min(...points.map((p) => p[0])), Math.max(...points.map((p) => p[0]))];
  const [v0, v1] = [Math.min(...points.map((p) => p[1])), Math.max(...points.map((p) => p[1]))];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 1000 300");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${series.length} series from ${v0} to ${v1}`);
  series.slice(0, 50).forEach((one, index) => {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    line.setAttribute("points", (one.values || []).map(([t, v]) =>
      `${(t - t0) / (t1 - t0 || 1) * 990 + 5},${295 - (parseFloat(v) - v0) / (v1 - v0 || 1) * 290}`).join(" "));
    line.setAttribute("fill", "none");
    line.setAttribute("stroke", `hsl(${index * 47 % 360} 60% 50%)`);
    line.setAttribute("stroke-width", "2");
    line.setAttribute("vector-effect", "non-scaling-stroke");
    svg.append(line);
  });
  return h("div", {}, svg, h("p", { class: "soft" }, `${v0} … ${v1}, last hour, ${series.length} series`));
}

async function query(text) {
  const expr = text ? decodeURIComponent(text) : "";
  const form = h("form", { class: "line", onsubmit: (event) => { event.preventDefault(); location.hash = `query/${encodeURIComponent(event.target.expr.value)}`; } },
    h("label", { for: "expr" }, "PromQL"), h("input", { id: "expr", name: "expr", value: expr, spellcheck: "false" }), h("button", {}, "Run"));
  if (!expr) return [h("h2", {}, "Query"), form];
  const end = Math.floor(Date.now() / 1000);
  const asked = encodeURIComponent(expr);
  const [past, now] = await Promise.all([
    call("GET", `/api/v1/query_range?query=${asked}&start=${end - 3600}&end=${end}&step=15`).catch((error) => error),
    call("GET", `/api/v1/query?query=${asked}&time=${end}`).catch((error) => error)]);
  if (now instanceof Error) return [h("h2", {}, "Query"), form, h("p", { class: "err", role: "alert" }, now.message)];
  return [h("h2", {}, "Query"), form, past instanceof Error ? h("p", { class: "soft" }, past.message) : graph(past.data.result), results(now.data)];
}

/* What the expression gives now, as a table. */
function results({ resultType, result }) {
  if (resultType === "scalar" || resultType === "string") return h("p", {}, h("code", {}, result[1]));
  const value = (one) => one.value ? one.value[1] : one.values ? one.values.map(([t, v]) => `${v} @${t}`).join(" ") : "histogram";
  const name = ({ __name__: metric = "", ...labels }) =>
    metric + (Object.keys(labels).length || !metric ? `{${Object.entries(labels).map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(", ")}}` : "");
  return h("div", {}, h("p", { class: "soft" }, result.length ? `${result.length} results now${result.length > 200 ? ", the first 200" : ""}` : "Nothing now."),
    result.length ? h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Series", "Value"].map((t) => h("th", { scope: "col" }, t)))),
      h("tbody", {}, result.slice(0, 200).map((one) => h("tr", {}, h("td", {}, h("code", {}, name(one.metric))), h("td", {}, value(one))))))) : null);
}

// ---- the frame ----

const pages = { burning, rules, quiet, sources, query };
let shown = 0;

async function show() {
  const [name, argument] = (location.hash.slice(1) || "burning").split(/\/(.*)/);
  const page = pages[name] || burning;
  const turn = ++shown;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  try {
    const content = await page(argument);
    if (turn === shown) main.replaceChildren(...content.flat().filter(Boolean));
    state.textContent = `as of ${new Date().toLocaleTimeString()}`;
  } catch (error) {
    if (turn === shown) main.replaceChildren(h("p", { class: "err", role: "alert" }, error.message));
  }
}

addEventListener("hashchange", show);
setInterval(() => { if (["", "#burning"].includes(location.hash) && !dialog.open && !document.hidden) show(); }, 10000);
show();
