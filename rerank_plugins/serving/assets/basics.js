"use strict";

// Text only ever becomes text nodes: markup in a document or in a model's answer does nothing.
const byId = (id) => document.getElementById(id);

function made(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

// What is seen says it with a sign, what is heard with words.
function signed(sign, words) {
  const seen = made("span", "", sign);
  seen.setAttribute("aria-hidden", "true");
  return [seen, made("span", "unseen", words)];
}

function button(className, text, does) {
  const element = made("button", className, text);
  element.type = "button";
  element.addEventListener("click", does);
  return element;
}

function say(sentence, wrong = false) {
  byId("status").textContent = sentence;
  byId("status").className = wrong ? "wrong" : "";
}

function short(value) {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return `${Number(value.toPrecision(3))}`;
}

const percent = (value) => `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)}%`;
const counted = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
