// Columns: the list as it was, and beside it the list of each method.
function columnBefore(documents) {
  const cards = documents.map((text, index) => card({ index, text }, `${index + 1}`));
  const fold = button("fold", "Show the order before", () => {
    const open = section.classList.toggle("unfolded");
    fold.textContent = open ? "Hide the order before" : "Show the order before";
    fold.setAttribute("aria-expanded", open);
  });
  fold.setAttribute("aria-expanded", "false");
  const section = column("Before", [made("p", "hint", "the first stage's order"), fold], [listOf(cards)]);
  section.classList.add("before");
  return section;
}

function columnAfter(documents, reply) {
  const account = reply.rerank_plugins;
  const { ranked, flagged, leftOut } = sorted(documents, reply);
  const tops = topsOf([...ranked, ...flagged, ...leftOut].map((entry) => entry.why));
  const placed = ranked.map((entry) => cardAfter(entry, tops, account.score_kind));
  const gone = (entries) => entries.map((entry) => cardLeftOut(entry, tops));
  return column(reply.model, [...methodOf(reply, account), cost(account), kept(ranked, [...flagged, ...leftOut])], [
    listOf(placed),
    ...group("Flagged by the verifier", gone(flagged)),
    ...group("Left out", gone(leftOut)),
    ...notes(account.notes),
    ...codeOf(reply.model),
  ]);
}

function column(title, facts, content) {
  return made("section", "column", made("div", "about", made("h3", "", title), ...facts), made("div", "", ...content));
}

const listOf = (cards) => made("ol", "", ...cards);
const group = (title, cards) => (cards.length ? [made("h4", "", `${title} (${cards.length})`), listOf(cards)] : []);

function sorted(documents, reply) {
  const ranked = reply.results.map(({ index, rerank_plugins: told }) => ({ ...told, index, text: documents[index] }));
  const gone = reply.rerank_plugins.dropped.map((entry) => ({ ...entry, text: documents[entry.index] }));
  return { ranked, flagged: gone.filter(isFlagged), leftOut: gone.filter((entry) => !isFlagged(entry)) };
}

const isFlagged = (entry) => Boolean(found(entry.why, "verdict")?.flagged);
const was = (place) => made("span", "was", `was ${place}`);

function card({ index, text }, place, ...head) {
  const top = made("div", "head", made("span", "place", place), ...head);
  const element = made("li", "document", top, made("p", "text", text));
  element.dataset.index = index;
  element.tabIndex = -1;
  return element;
}

function cardAfter(entry, tops, scoreKind) {
  const head = [movement(entry), ...marks(entry, scoreKind), ...scored(entry.score, scoreKind)];
  return withReasons(card(entry, `${entry.rank}`, ...head), entry.why, tops);
}

function cardLeftOut(entry, tops) {
  const reason = made("span", isFlagged(entry) ? "mark flagged" : "reason", entry.reason);
  const element = card(entry, "\u2013", was(entry.index + 1), reason);
  element.classList.add("left-out");
  return withReasons(element, entry.why, tops);
}

function movement({ rank, first_stage_rank: before }) {
  const up = before - rank;
  if (up === 0) return made("span", "move same", ...signed("=", "stays"));
  const arrow = up > 0 ? `\u25b2 ${up}` : `\u25bc ${-up}`;
  const words = `${up > 0 ? "up" : "down"} ${Math.abs(up)}, `;
  return made("span", "moved", made("span", `move ${up > 0 ? "up" : "down"}`, ...signed(arrow, words)), was(before));
}

function marks({ why, score }, scoreKind) {
  const said = [
    [found(why, "below_floor") === true, "below the floor"],
    [found(why, "ranked_by_model") === false, "not named by the model"],
    [found(why, "verdict")?.checked === false, "not checked"],
    [score === null && scoreKind !== "order", "no score"],
  ];
  return said.filter(([holds]) => holds).map(([, text]) => made("span", "mark", text));
}

// Where only the order means anything the score is 1 / rank, which the place says already.
function scored(score, kind) {
  return score === null || kind === "order" ? [] : [made("span", "score", `score ${short(score)}`)];
}

function withReasons(element, why, tops) {
  const shown = reasons(why, tops);
  if (!shown.hasChildNodes()) return element;
  const details = made("details", "why", made("summary", "", "Why ", made("span", "gist", gist(why))), shown);
  element.append(details);
  return element;
}

function methodOf(reply, account) {
  if (account.method === reply.model) return [];
  const code = made("code", "", account.method);
  code.title = account.method; // it may be longer than the line that it has
  return [code];
}

function cost(account) {
  const [read, written] = [account.prompt_tokens, account.completion_tokens];
  const parts = [
    counted(account.calls, "call"),
    ...(read + written ? [`${counted(read, "token")} read, ${written.toLocaleString("en")} written`] : []),
    account.seconds < 0.1 ? `${Math.round(1000 * account.seconds)} ms` : `${account.seconds.toFixed(1)} s`,
    ...(account.dollars === null ? [] : [`$${account.dollars.toFixed(account.dollars < 0.01 ? 5 : 3)}`]),
  ];
  return made("ul", "cost", ...parts.map((part) => made("li", "", part)));
}

function kept(ranked, gone) {
  const moved = ranked.filter((entry) => entry.rank !== entry.first_stage_rank).length;
  const parts = [`${moved} of ${ranked.length} moved`];
  if (gone.length) parts.push(`${gone.length} left out`);
  // A reply has only what was sent: the places between belong to what the method found itself.
  const others = ranked.length ? ranked.at(-1).rank - ranked.length : 0;
  if (others) parts.push(`${counted(others, "place")} taken by what the method found itself`);
  return made("p", "hint", parts.join(", "));
}

function notes(all) {
  const told = (note) => made("li", note.kind === "info" ? "" : "warning", made("b", "", note.kind), " ", note.message);
  return all.length ? [made("h4", "", "Notes"), made("ul", "notes", ...all.map(told))] : [];
}
