let models = [];
let examples = [];
let waiting = null;

async function load() {
  try {
    models = (await asked("v1/models")).data;
    examples = await asked("examples");
  } catch (error) {
    return say(error.message, true);
  }
  fillSelects();
  byId("unlock").hidden = true;
  byId("go").disabled = false;
  say("");
}

function fillSelects() {
  for (const [id, empty] of [["first", 0], ["second", 1]]) {
    byId(id).length = empty;
    for (const model of models) byId(id).add(new Option(named(model), model.id));
  }
  byId("sample").length = 1;
  examples.forEach((example, place) => byId("sample").add(new Option(example.query, place)));
}

function named({ id, method }) {
  const told = method.length > 50 ? `${nameOf(method)}(\u2026)` : method;
  return id === method ? id : `${id}: ${told}`;
}

function passages() {
  const text = byId("passages").value;
  const separator = /\n[ \t]*\n/.test(text.trim()) ? /\n[ \t]*\n/ : /\n/;
  return text.split(separator).map((part) => part.trim()).filter(Boolean);
}

function count() {
  const number = passages().length;
  byId("count").textContent = number ? counted(number, "passage") : "";
}

function fill() {
  const example = examples[byId("sample").value];
  if (!example) return;
  byId("query").value = example.query;
  byId("passages").value = example.documents.join("\n\n");
  count();
}

async function submit(event) {
  event.preventDefault();
  if (waiting) return;
  const question = byId("query").value;
  const documents = passages();
  const names = [...new Set([byId("first").value, byId("second").value].filter(Boolean))];
  begin(documents);
  const answers = await Promise.allSettled(names.map((model) => rerank(model, question, documents)));
  const stopped = waiting.signal.aborted;
  end();
  if (stopped) return say("Stopped.");
  report(answers, names, question, documents);
}

function rerank(model, query, documents) {
  const top = byId("keep").valueAsNumber;
  return asked("v2/rerank", { model, query, documents, explain: true, ...(top ? { top_n: top } : {}) }, waiting.signal);
}

function begin(documents) {
  waiting = new AbortController();
  const began = Date.now();
  waiting.clock = setInterval(() => {
    byId("elapsed").textContent = `${Math.round((Date.now() - began) / 1000)} s`;
  }, 1000);
  byId("go").disabled = true;
  byId("stop").hidden = false;
  byId("results").setAttribute("aria-busy", "true");
  say(`Reranking ${counted(documents.length, "passage")}.`);
}

function end() {
  clearInterval(waiting.clock);
  waiting = null;
  byId("elapsed").textContent = "";
  byId("go").disabled = false;
  byId("stop").hidden = true;
  byId("results").removeAttribute("aria-busy");
}

function report(answers, names, question, documents) {
  const whose = (place) => (names.length > 1 ? `${names[place]}: ` : "");
  const wrong = answers.flatMap(({ reason }, place) => (reason ? [`${whose(place)}${reason.message}`] : []));
  const replies = answers.flatMap(({ value }) => value ?? []);
  if (replies.length) show(question, documents, replies);
  say(wrong.join(" ") || `Done: ${counted(documents.length, "passage")}.`, wrong.length > 0);
}

function show(question, documents, replies) {
  const columns = made("div", "columns", columnBefore(documents));
  for (const reply of replies) columns.append(gap(), columnAfter(documents, reply));
  columns.dataset.methods = replies.length;
  byId("results").replaceChildren(overview(question, replies), columns);
  mark(null);
  settle(columns);
  byId("results").focus({ preventScroll: true });
  byId("results").scrollIntoView();
}

function settle(columns) {
  for (const one of columns.querySelectorAll(".column")) {
    cardsOf(one).forEach((each, place) => reachable(each, place === 0));
  }
  shorten(columns);
  watching.disconnect();
  watching.observe(columns);
}

// First all are measured and then all are changed: in turns, each change would have the page laid out again.
function shorten(columns) {
  const texts = [...columns.querySelectorAll(".text")];
  const long = texts.filter((text) => text.scrollHeight > text.clientHeight + 1);
  for (const text of long) text.after(whole(text));
}

function whole(text) {
  const more = button("more", "Show all", () => {
    const open = text.classList.toggle("whole");
    more.textContent = open ? "Show less" : "Show all";
    more.setAttribute("aria-expanded", open);
  });
  more.setAttribute("aria-expanded", "false");
  more.tabIndex = text.parentNode.tabIndex;
  return more;
}

const watching = new ResizeObserver(([{ target }]) => drawLines(target));

const KEYS =
  "Arrow keys go from passage to passage, and across to the same one; Enter opens its reasons; " +
  "Escape goes back to the question.";

function overview(question, replies) {
  const orders = replies.map((reply) => reply.results.map((result) => result.index));
  const told = orders.length > 1 ? [made("p", "agreement", agreement(...orders))] : [];
  const open = button("all-reasons", "Open all reasons", () => {
    const now = open.textContent === "Open all reasons";
    for (const details of byId("results").querySelectorAll("details.why")) details.open = now;
    open.textContent = now ? "Close all reasons" : "Open all reasons";
  });
  return made("div", "overview", made("h2", "", question), open, ...told, made("p", "hint keys", KEYS));
}

function agreement(one, other) {
  const first = Math.min(5, one.length, other.length);
  const shared = one.slice(0, first).filter((index) => other.slice(0, first).includes(index)).length;
  const top = one[0] === other[0] ? "Both put the same passage first" : "They put different passages first";
  return first > 1 ? `${top}; of the first ${first}, ${shared} are the same.` : `${top}.`;
}

byId("ask").addEventListener("submit", submit);
byId("unlock").addEventListener("submit", (event) => { event.preventDefault(); load(); });
byId("stop").addEventListener("click", () => waiting?.abort());
byId("sample").addEventListener("change", fill);
byId("passages").addEventListener("input", count);
byId("passages").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
});
for (const id of ["query", "passages"]) {
  byId(id).addEventListener("input", () => { byId("sample").value = ""; });
}
byId("results").addEventListener("focusin", choose);
byId("results").addEventListener("mouseover", choose);
byId("results").addEventListener("mouseleave", () => mark(null));
byId("results").addEventListener("keydown", onKey);
count();
load();
