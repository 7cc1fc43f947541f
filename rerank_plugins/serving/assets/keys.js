// Keys: one stop of the Tab key per column; arrows go on from there. The chosen document is marked in every column.
let chosen = null;
let marked = [];

function choose(event) {
  const one = event.target.closest?.("[data-index]");
  if (one?.matches(".document") && event.type === "focusin") makeCurrent(one);
  const index = one ? one.dataset.index : null;
  if (index !== chosen) mark(index);
}

function mark(index) {
  for (const element of marked) element.classList.remove("chosen");
  chosen = index;
  marked = index === null ? [] : [...byId("results").querySelectorAll(`[data-index="${index}"]`)];
  for (const element of marked) element.classList.add("chosen");
  byId("results").classList.toggle("choosing", marked.length > 0);
}

// Only what is inside the current card can be reached by Tab, so that hundreds of cards are no burden.
function makeCurrent(one) {
  for (const other of one.closest(".column").querySelectorAll(".document")) reachable(other, other === one);
}

function reachable(one, is) {
  one.tabIndex = is ? 0 : -1;
  for (const inside of one.querySelectorAll("summary, button")) inside.tabIndex = is ? 0 : -1;
}

const STEPS = {
  ArrowDown: (one) => beside(one, 1),
  ArrowUp: (one) => beside(one, -1),
  ArrowLeft: (one) => across(one, -1),
  ArrowRight: (one) => across(one, 1),
  Home: (one) => cardsOf(one.closest(".column")).at(0),
  End: (one) => cardsOf(one.closest(".column")).at(-1),
};

function onKey(event) {
  if (event.key === "Escape") return byId("query").focus();
  if (!event.target.matches(".document")) return;
  if (event.key === "Enter") return unfold(event.target);
  const next = STEPS[event.key]?.(event.target);
  if (!next) return;
  event.preventDefault();
  next.focus();
}

const cardsOf = (column) => [...column.querySelectorAll(".document")];

function beside(one, step) {
  const cards = cardsOf(one.closest(".column"));
  return cards[cards.indexOf(one) + step];
}

function across(one, step) {
  const columns = [...document.querySelectorAll(".column")];
  const next = columns[columns.indexOf(one.closest(".column")) + step];
  const other = next?.querySelector(`.document[data-index="${one.dataset.index}"]`);
  return other?.offsetParent ? other : null; // a column that is folded away has nothing to go to
}

function unfold(one) {
  const details = one.querySelector("details");
  if (details) details.open = !details.open;
}
