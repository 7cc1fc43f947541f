// Reasons: what a method says of a document, each kind in the form that suits it. What has no form of its own is listed
// by its name, so that a method of one's own is explained too.
const RELEVANCE_SCALE = 10;
const NAMES = new Map([
  ["bm25", "BM25"],
  ["cross_encoder", "cross-encoder"],
  ["query_log_likelihood", "query log-likelihood"],
]);
const SCALED_BY_THE_LIST = ["bm25", "adds"];

const FORMS = {
  relevance: (value, why) => [bar("relevance", value, RELEVANCE_SCALE, graded(value, RELEVANCE_SCALE, why.floor))],
  criteria: (criteria) => criteria.map(criterion),
  total: (value) => [row("total", short(value))],
  floor: () => [],
  below_floor: (below) => (below ? [row("order", "below the floor: only its relevance counts")] : []),
  bm25: (value, why, tops) => [bar("BM25", value, tops.bm25, short(value)), ...shownAs(why)],
  bm25_source: () => [],
  shown: () => [],
  ranked_by_model: (named) => (named ? [] : [row("order", "the model did not name it")]),
  sorted_by_model: (is) => [row("order", is ? "sorted by the model" : "as before, behind those that the model sorted")],
  dropped_after: (place) => [row("order", `eliminated as number ${place + 1}`)],
  reason: (text) => quoted("reason", text),
  reasoning: (text) => quoted("reasoning", text),
  cosine: (value) => [bar("cosine", value, 1, short(value))],
  pooled_cosine: (value) => [bar("pooled cosine", value, 1, short(value))],
  probability: (value) => [bar("probability", value, 1, percent(value))],
  probabilities: (each) => Object.entries(each).map(([label, value]) => bar(label, value, 1, percent(value))),
  rationales: (each) => each.map((one) => rationale(one, "rationale")),
  best_rationale: (best, why) => (why.rationales?.length ? [] : [rationale(best, "nearest rationale")]),
  selected_by: (stages) => (stages.length ? [row("chosen by", stages.join(" and "))] : []),
  elbow: (elbow) => [row("elbow", `the first ${elbow.kept} are kept${elbow.found_by ? ` (${elbow.found_by})` : ""}`)],
  expanded_from: (index) => [row("stands beside", `passage ${index + 1}`)],
  verdict: (verdict) => [row("verifier", verified(verdict)), ...quoted("its reason", verdict.reason)],
  left_out_by: () => [], // the card's own reason says more
  searched_for: () => [],
  serves: (served, why) => subquestions(served, why.searched_for ?? []),
  fused: (parts, _, tops) => parts.map((part) => partOf(part, tops, added(part, tops))),
  cascade: (stages, _, tops) => stages.map((stage) => partOf(stage, tops, ...scoreOf(stage))),
  rerank: (stage, _, tops) => [partOf(stage, tops, ...scoreOf(stage))],
};

function reasons(why, tops) {
  const list = made("dl", "reasons");
  for (const [name, value] of Object.entries(why)) if (!isEmpty(value)) list.append(...rows(name, value, why, tops));
  return list;
}

function rows(name, value, why, tops) {
  const listed = () => [row(Array.isArray(why) ? `${Number(name) + 1}` : spelled(name), plain(value, tops))];
  return Object.hasOwn(FORMS, name) ? attempt(() => FORMS[name](value, why, tops), listed) : listed();
}

// A method of one's own may mean something else by a name that is known here.
function attempt(form, otherwise) {
  try {
    return form();
  } catch {
    return otherwise();
  }
}

const spelled = (name) => NAMES.get(name) ?? name.replaceAll("_", " ");

const isEmpty = (value) => value === null || value === "" || (typeof value === "object" && !Object.keys(value).length);

function plain(value, tops) {
  if (typeof value === "number") return short(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? reasons(value, tops) : String(value);
}

const row = (label, ...content) => made("div", "row", made("dt", "", label), made("dd", "", ...content));

function bar(label, value, scale, text) {
  const fill = made("span", "fill");
  fill.style.width = `${100 * Math.min(1, Math.max(0, scale > 0 ? value / scale : 0))}%`;
  return row(label, made("span", "bar", fill), made("span", "number", text));
}

const quoted = (label, text) => (text ? [row(label, made("q", "", text))] : []);
const added = ({ adds, weight }, tops) => bar("adds", adds, tops.adds, `${short(adds)}${times(weight)}`);
const times = (weight) => (weight === 1 ? "" : ` (weight ${short(weight)})`);

function graded(value, scale, floor) {
  return `${short(value)} of ${scale}${typeof floor === "number" ? ` (floor ${short(floor)})` : ""}`;
}

function criterion({ name, score, scale, weight, counted_as: instead }) {
  if (typeof score === "number") return bar(name, score, scale, `${graded(score, scale)}${times(weight)}`);
  return row(name, `not graded${typeof instead === "number" ? `, counted as ${short(instead)} of ${scale}` : ""}`);
}

function shownAs(why) {
  const source = why.bm25_source === "candidates" ? "these passages" : why.bm25_source;
  return [row("shown to model", `as ${why.shown ?? "nothing"}, from ${source}`)];
}

function rationale({ label, strategy, cosine }, kind) {
  const told = bar(kind, cosine, 1, short(cosine));
  told.lastChild.prepend(made("p", "", made("b", "", label), strategy ? `: ${strategy}` : ""));
  return told;
}

function verified({ flagged, kind, confidence, contradicts, checked }) {
  const sure = typeof confidence === "number" ? `, confidence ${percent(confidence)}` : "";
  const against = contradicts.length ? ` (passage ${contradicts.map((index) => index + 1).join(", ")})` : "";
  if (flagged) return `flagged: ${kind}${against}${sure}`;
  return checked ? `no objection${sure}` : "could not check it";
}

function subquestions(served, searched) {
  const places = new Map(served.map(({ subquestion, rank }) => [subquestion ?? 0, rank]));
  const place = (number) => (places.has(number) ? `place ${places.get(number)}` : "not found for it");
  const told = (number) => made("span", "number", place(number));
  const each = searched.map((question, at) => row(`sub-question ${at + 1}`, question, told(at + 1)));
  return [...each, ...(places.has(0) ? [row("the question", told(0))] : [])];
}

// A stage that gives reasons says its score among them, or has none but 1 / rank.
const scoreOf = ({ score, why }) => (typeof score === "number" && isEmpty(why) ? [row("score", short(score))] : []);

// One voice of several: its name, what it adds, its own reasons.
function partOf({ method, why }, tops, ...first) {
  const list = reasons(why, tops);
  list.prepend(...first);
  const part = row(method, list);
  part.classList.add("part");
  return part;
}

// The highest of the list, by which those bars are drawn that have no scale of their own.
function topsOf(whys) {
  const tops = {};
  const look = (value) => {
    for (const [name, entry] of Object.entries(value ?? {})) {
      if (SCALED_BY_THE_LIST.includes(name) && typeof entry === "number") tops[name] = Math.max(tops[name] ?? 0, entry);
      else if (typeof entry === "object") look(entry);
    }
  };
  look(whys);
  return tops;
}

// What a reason says wherever it stands: in its method's own reasons, or in those of a part.
function found(why, name) {
  if (Object.hasOwn(why, name)) return why[name];
  const parts = [why.cascade, why.fused, why.rerank].flat().filter((part) => part?.why);
  return parts.map((part) => found(part.why, name)).findLast((value) => value !== undefined);
}

// The reasons in a few words, for the line that opens them.
const gist = (why) => attempt(() => gistOf(why), () => "");

function gistOf(why) {
  if (why.fused) return why.fused.map((part) => `${nameOf(part.method)} adds ${short(part.adds)}`).join(", ");
  if (why.cascade) return gist(why.cascade.at(-1).why) || counted(why.cascade.length, "stage");
  if (why.serves) return `serves ${counted(why.serves.filter((one) => one.subquestion).length, "sub-question")}`;
  if (why.verdict?.flagged) return why.verdict.reason || why.verdict.kind;
  if (why.best_rationale) return `nearest to “${why.best_rationale.label}”`;
  if (why.criteria) return gistOfCriteria(why);
  if (why.probabilities) return gistOfBest(Object.entries(why.probabilities));
  const [name, value] = Object.entries(why).find(([, entry]) => typeof entry === "number") ?? [];
  return name ? `${spelled(name)} ${short(value)}` : "";
}

function gistOfCriteria({ relevance, criteria }) {
  const first = relevance === null ? "relevance not graded" : `relevance ${graded(relevance, RELEVANCE_SCALE)}`;
  return criteria.length ? `${first}, ${counted(criteria.length, "criterion", "criteria")}` : first;
}

const nameOf = (method) => method.split("(")[0];

function gistOfBest(each) {
  const [label, value] = each.reduce((best, one) => (one[1] > best[1] ? one : best));
  return `${label} ${percent(value)}`;
}
