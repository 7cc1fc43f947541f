"use strict";

// Text is only ever set as textContent: markup in a document or in a model's answer does nothing.
const byId = (id) => document.getElementById(id);
let models = [];
let examples = [];

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function say(sentence, wrong) {
  byId("status").textContent = sentence;
  byId("status").className = wrong ? "wrong" : "";
}

async function asked(path, body) {
  const headers = {};
  if (byId("key").value) headers["Authorization"] = "Bearer " + byId("key").value;
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Error("The server cannot be reached.");
  }
  if (answer.status === 401) byId("key-row").hidden = false;
  const reply = await answer.json().catch(() => ({ message: "The server's answer cannot be read." }));
  if (answer.ok) return reply;
  const wait = answer.headers.get("Retry-After");
  throw new Error(reply.message + (wait ? ` (in ${wait} s)` : ""));
}

async function load() {
  try {
    models = (await asked("v1/models")).data;
    examples = await asked("examples");
  } catch (error) {
    return say(error.message, true);
  }
  for (const [id, empty] of [["first", 0], ["second", 1]]) {
    byId(id).length = empty;
    for (const model of models) byId(id).add(new Option(named(model), model.id));
  }
  byId("sample").length = 1;
  examples.forEach((example, place) => byId("sample").add(new Option(example.query, place)));
  say("");
}

const named = (model) => (model.id === model.method ? model.id : `${model.id}: ${model.method}`);

function passages() {
  const text = byId("passages").value;
  const separator = /\n[ \t]*\n/.test(text.trim()) ? /\n[ \t]*\n/ : /\n/;
  return text.split(separator).map((part) => part.trim()).filter(Boolean);
}

function fill() {
  const example = examples[byId("sample").value];
  if (!example) return;
  byId("query").value = example.query;
  byId("passages").value = example.documents.join("\n\n");
}

async function submit(event) {
  event.preventDefault();
  const query = byId("query").value;
  const documents = passages();
  const names = [...new Set([byId("first").value, byId("second").value].filter(Boolean))];
  const top = byId("keep").valueAsNumber;
  byId("go").disabled = true;
  say(`Reranking ${documents.length} passages ...`);
  const asking = names.map((model) =>
    asked("v2/rerank", { model, query, documents, explain: true, ...(top ? { top_n: top } : {}) }));
  const answers = await Promise.allSettled(asking);
  byId("go").disabled = false;
  const failed = answers.filter((answer) => answer.status === "rejected");
  say(failed.length ? failed.map((answer) => answer.reason.message).join(" ") : "Done.", failed.length > 0);
  show(documents, answers.filter((answer) => answer.status === "fulfilled").map((answer) => answer.value));
}

function show(documents, replies) {
  const before = column("Before: the first stage");
  documents.forEach((text, index) => before.list.append(item(index, `${index + 1}`, text)));
  byId("results").replaceChildren(before.section, ...replies.map((reply) => after(documents, reply)));
  byId("results").focus({ preventScroll: true });
}

function column(title) {
  const section = made("section");
  const list = made("ol");
  section.append(made("h2", "", title), list);
  return { section, list };
}

function item(index, place, text) {
  const element = made("li", "document");
  element.dataset.index = index;
  element.tabIndex = 0;
  const head = made("div", "head");
  head.append(made("span", "place", place));
  element.append(head, made("p", "text", text));
  return element;
}

function after(documents, reply) {
  const { section, list } = column("After: " + reply.model);
  const account = reply.rerank_plugins;
  section.insertBefore(made("p", "faint", cost(account)), list);
  for (const result of reply.results) {
    const found = result.rerank_plugins;
    const element = item(result.index, `${found.rank}`, documents[result.index]);
    element.firstChild.append(...movement(found), ...score(found.score));
    if (Object.keys(found.why).length) element.append(reasons(found.why));
    list.append(element);
  }
  for (const dropped of account.dropped) {
    const element = item(dropped.index, "left out", documents[dropped.index]);
    element.classList.add("left-out");
    element.firstChild.append(made("span", "", `was ${dropped.index + 1}`), made("span", "down", dropped.reason));
    if (Object.keys(dropped.why).length) element.append(reasons(dropped.why));
    list.append(element);
  }
  for (const note of account.notes) section.append(made("p", "faint", `${note.kind}: ${note.message}`));
  section.append(...code(reply.model));
  return section;
}

function cost(account) {
  const parts = [`${account.calls} calls`];
  if (account.prompt_tokens) parts.push(`${account.prompt_tokens} + ${account.completion_tokens} tokens`);
  parts.push(`${account.seconds.toFixed(2)} s`);
  if (account.dollars !== null) parts.push(`$${account.dollars.toFixed(4)}`);
  return parts.join(", ");
}

function movement(found) {
  const up = found.first_stage_rank - found.rank;
  if (up === 0) return [made("span", "", "as before")];
  const arrow = up > 0 ? `\u25b2 ${up} up` : `\u25bc ${-up} down`;
  return [made("span", up > 0 ? "up" : "down", arrow), made("span", "", `was ${found.first_stage_rank}`)];
}

const score = (value) => (value === null ? [] : [made("span", "", `score ${short(value)}`)]);
const short = (value) => (Number.isInteger(value) ? `${value}` : value.toPrecision(3));

function reasons(why) {
  const details = made("details");
  details.append(made("summary", "", "Why"), listed(why));
  return details;
}

// A criterion is a name with a score on a scale; all other reasons are shown by their names.
const isCriterion = (value) => value && typeof value === "object" && "name" in value && value.scale > 0;

function listed(value) {
  const list = made("dl");
  for (const [name, entry] of Object.entries(value)) {
    if (entry === null || entry === "" || (Array.isArray(entry) && !entry.length)) continue;
    const [shown, label] = isCriterion(entry) ? [bar(entry), entry.name] : [plain(entry), label_of(name, value)];
    const place = made("dd");
    place.append(shown);
    list.append(made("dt", "", label), place);
  }
  return list;
}

const label_of = (name, value) => (Array.isArray(value) ? `${Number(name) + 1}` : name.replaceAll("_", " "));

function plain(entry) {
  if (typeof entry === "number") return short(entry);
  return typeof entry === "object" ? listed(entry) : String(entry);
}

function bar(criterion) {
  const row = made("span", "bar");
  if (typeof criterion.score !== "number") {
    row.textContent = "not graded";
    return row;
  }
  const meter = made("meter");
  meter.max = criterion.scale;
  meter.value = criterion.score;
  meter.setAttribute("aria-label", criterion.name);
  row.append(meter, made("span", "", `${short(criterion.score)} of ${criterion.scale}`));
  return row;
}

function code(name) {
  const model = models.find((one) => one.id === name);
  return Object.entries(model ? model.code : {}).map(([framework, text]) => {
    const details = made("details");
    const copy = made("button", "", "Copy");
    copy.type = "button";
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text).then(() => { copy.textContent = "Copied"; }, () => { copy.textContent = "Select it and copy"; });
    });
    details.append(made("summary", "", `The same in ${framework}`), made("pre", "", text), copy);
    return details;
  });
}

// The same document is marked in every column when it has the focus or the pointer.
function mark(event) {
  const chosen = event.target.closest && event.target.closest("li.document");
  for (const element of document.querySelectorAll("li.document")) {
    element.classList.toggle("same-as-chosen", Boolean(chosen) && element.dataset.index === chosen.dataset.index);
  }
}

byId("ask").addEventListener("submit", submit);
byId("sample").addEventListener("change", fill);
byId("key").addEventListener("change", load);
byId("results").addEventListener("focusin", mark);
byId("results").addEventListener("mouseover", mark);
load();
