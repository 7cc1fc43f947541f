"use strict";

// Text is only ever set as textContent: markup in a document, a question or an answer does nothing.
const byId = (id) => document.getElementById(id);
const conversation = []; // the server keeps nothing: each request carries all of it
let asking = null; // what stops the answer that is under way

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function say(sentence, wrong) {
  byId("status").textContent = sentence;
  byId("status").classList.toggle("wrong", Boolean(wrong));
}

async function load() {
  const about = await fetch("about").then((answer) => answer.json()).catch(() => null);
  if (!about) return say("The server cannot be reached.", true);
  byId("about").textContent = `${about.documents} passages, reranked by ${about.method}, answered by ${about.model}`;
  byId("toy").hidden = !about.is_toy;
  byId("examples").hidden = !about.examples.length;
  for (const question of about.examples) {
    const button = made("button", "", question);
    button.type = "button";
    button.addEventListener("click", () => ask(question));
    byId("examples").append(button);
  }
}

async function ask(question) {
  const turn = begin(question);
  conversation.push({ role: "user", content: question });
  asking = new AbortController();
  busy(true);
  say("Searching and reranking ...");
  try {
    for await (const [name, data] of events({ messages: conversation }, asking.signal)) turn[name]?.(data);
    turn.end("The connection ended before the answer did.");
  } catch (error) {
    turn.end(error.name === "AbortError" ? "Stopped." : error.message);
  }
  if (turn.answer()) conversation.push({ role: "assistant", content: turn.answer() });
  else conversation.pop();
  busy(false);
}

function busy(now) {
  byId("send").disabled = now;
  byId("send").hidden = now;
  byId("stop").hidden = !now;
  byId("new").hidden = now;
  byId("examples").hidden = true;
  const free = document.activeElement === document.body && matchMedia("(pointer: fine)").matches; // no keyboard pops up
  if (!now && free) byId("question").focus({ preventScroll: true });
}

// EventSource can only GET, so the stream is read by hand: blocks end with an empty line, fields with a line.
async function* events(body, signal) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
  const answer = await fetch("chat", options).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("The server cannot be reached.");
  });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || `HTTP ${answer.status}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n");
      const field = (name) => lines.filter((line) => line.startsWith(name)).map((line) => line.slice(name.length)).join("\n");
      if (field("data: ")) yield [field("event: "), JSON.parse(field("data: "))]; // comments keep the connection alive
    }
  }
}

// What is shown of one question, with a function for each event.
function begin(question) {
  const place = byId("turns").children.length + 1;
  const item = made("li");
  const text = made("p", "text writing");
  const bill = made("p", "faint");
  const answer = made("div", "answer");
  const aside = made("aside");
  answer.append(text, bill);
  item.append(made("p", "question", question), answer, aside);
  byId("turns").append(item);
  item.scrollIntoView({ block: "start" });
  let written = "", count = 0, ended = false;

  function end(trouble) {
    if (ended) return;
    ended = true;
    text.classList.remove("writing");
    if (trouble) bill.replaceChildren(made("span", "wrong", trouble));
    say("");
  }
  return {
    answer: () => written,
    end,
    sources(data) {
      count = data.sources.length;
      aside.append(...listed(place, data));
      say("Reading the sources ...");
    },
    token(data) {
      written += data.text;
      text.replaceChildren(...marked(written, place, count));
      say("Answering ...");
    },
    citations(data) {
      for (const number of data.cited) byId(`source-${place}-${number}`).classList.add("cited");
      const notes = data.cited.length ? [] : ["The answer cites no source."];
      if (data.invented.length) notes.push(`It cites what is no source: ${data.invented.join(", ")}.`);
      for (const note of notes) bill.append(made("span", data.invented.length ? "wrong" : "", `${note} `));
    },
    error(data) { end(data.message); },
    done(data) {
      bill.append(made("span", "", cost(data)));
      end();
    },
  };
}

function cost(data) {
  const { seconds, calls, tokens } = data;
  const times = Object.entries(seconds).filter(([, value]) => value >= 0.05).map(([name, value]) => `${name} ${value.toFixed(1)} s`);
  const spent = tokens.prompt === null ? "" : `, ${tokens.prompt} + ${tokens.answer} tokens`;
  return [...times, `${calls.rerank} calls to rerank`, `${calls.chat} to the chat model${spent}`].join(", ") + ".";
}

// An answer as nodes: each [n] in it is a button that leads to the source.
function marked(written, place, count) {
  return written.split(/(\[\d{1,3}(?:\s*[,;]\s*\d{1,3})*\])/).flatMap((part, index) =>
    index % 2 ? part.match(/\d+/g).map((number) => mark(Number(number), place, count)) : [part]);
}

function mark(number, place, count) {
  const known = number >= 1 && number <= count;
  const button = made("button", known ? "mark" : "mark invented", `[${number}]`);
  button.type = "button";
  button.setAttribute("aria-label", known ? `Source ${number}` : `${number} is no source`);
  if (known) button.addEventListener("click", () => show(byId(`source-${place}-${number}`), button));
  else button.title = "There is no such source.";
  return button;
}

function show(source, from) {
  source.querySelector("details").open = true;
  source.onkeydown = (event) => { if (event.key === "Escape") from.focus(); };
  source.focus({ preventScroll: true });
  source.scrollIntoView({ block: "nearest" });
}

function listed(place, data) {
  const list = made("ol");
  for (const source of data.sources) {
    const card = carded(source, source.number, source.was - source.number);
    card.id = `source-${place}-${source.number}`;
    list.append(card);
  }
  const parts = [made("h2", "", "Sources, best first"), list];
  if (data.left_out.length) {
    const details = made("details");
    const others = made("ol");
    others.append(...data.left_out.map((source) => carded(source, "", null)));
    details.append(made("summary", "", `${data.left_out.length} passages were found and left out`), others);
    parts.push(details);
  }
  for (const note of data.notes) parts.push(made("p", "because", note));
  return parts;
}

function carded(source, number, up) {
  const card = made("li", "source");
  const head = made("div", "head");
  const text = made("details");
  card.tabIndex = -1;
  head.append(made("span", "", `${number}`), made("span", "", source.source || "A document"));
  if (up !== null) head.append(moved(up));
  text.append(made("summary", "", "Text"), made("p", "passage", source.text));
  card.append(head, made("p", "because", source.because), text);
  return card;
}

function moved(up) {
  if (!up) return made("span", "moved", "as before");
  return made("span", `moved ${up > 0 ? "up" : "down"}`, up > 0 ? `\u25b2 ${up}` : `\u25bc ${-up}`);
}

function submit(event) {
  event.preventDefault();
  const question = byId("question").value.trim();
  if (!question || !byId("stop").hidden) return;
  byId("question").value = "";
  ask(question);
}

byId("ask").addEventListener("submit", submit);
byId("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
});
byId("stop").addEventListener("click", () => asking.abort());
byId("new").addEventListener("click", () => {
  conversation.length = 0;
  byId("turns").replaceChildren();
  byId("new").hidden = true;
  byId("examples").hidden = !byId("examples").children.length;
  byId("question").focus();
});
load();
