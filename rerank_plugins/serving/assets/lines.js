// Lines: from each document's card to its card in the next column. They are read off the page as it stands, and drawn
// anew whenever its size changes.
const SVG = "http://www.w3.org/2000/svg";

function gap() {
  const element = document.createElementNS(SVG, "svg");
  element.setAttribute("class", "gap");
  element.setAttribute("aria-hidden", "true");
  return element;
}

function drawLines(columns) {
  for (const between of columns.querySelectorAll("svg.gap")) {
    const { width, top } = between.getBoundingClientRect();
    const lines = width ? linesBetween(between.previousElementSibling, between.nextElementSibling) : [];
    const drawn = lines.map((line) => path(line, width, top));
    between.replaceChildren(...drawn);
  }
  if (chosen !== null) mark(chosen);
}

function linesBetween(left, right) {
  const from = new Map(cardsOf(left).map((one, place) => [one.dataset.index, { one, place }]));
  return cardsOf(right).flatMap((to, place) => {
    const { index } = to.dataset;
    const start = from.get(index);
    return start ? [{ index, from: middle(start.one), to: middle(to), kind: kindOf(start, to, place) }] : [];
  });
}

function middle(element) {
  const head = element.firstChild.getBoundingClientRect();
  return head.top + head.height / 2;
}

function kindOf(start, to, place) {
  if (to.classList.contains("left-out") || start.one.classList.contains("left-out")) return "gone";
  if (start.place === place) return "same";
  return place < start.place ? "up" : "down";
}

function path({ index, from, to, kind }, width, top) {
  const element = document.createElementNS(SVG, "path");
  const [start, end, half] = [from - top, to - top, width / 2];
  element.setAttribute("d", `M0 ${start}C${half} ${start} ${half} ${end} ${width} ${end}`);
  element.setAttribute("class", `line ${kind}`);
  element.dataset.index = index;
  return element;
}
