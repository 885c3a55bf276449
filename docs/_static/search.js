/* The search: ranks the sections of `search-sections.js` by the words of the query, the rarer the word the heavier.

   An id leads to its rule, the text of a message to the section that has it as its heading. A word matches its other
   forms (stop, stopped), names that begin with it (Aborted, AbortedError) and, least, names that contain it. */

"use strict";

const SHOWN = 30;
const TITLE = 5;
const PAGE_TITLE = 0.5;
const PARTS = {specification: "the specification", api: "the API", guides: "the guides", status: "the results"};
const EMPTY = new Set("a an and are can do does did for happen happens how i if in is it my of on or the to was what when which who why with"
  .split(" "));

function stem(word) {
  if (!/^[a-z]{4,}$/.test(word)) return word;
  return word.replace(/ies$/, "y").replace(/(?:ing|ed|es|s)$/, "").replace(/([^aeiousl])\1$/, "$1").replace(/e$/, "");
}

/* Whole names and their parts: `tf.train.Saver` is also `tf`, `train` and `saver`. */
function split(text) {
  const words = [];
  for (const [name] of text.toLowerCase().matchAll(/[a-z0-9]+(?:[-_./][a-z0-9]+)*/g)) {
    const parts = new Set([name, ...name.split(/[./]/), ...name.split(/[-./]/), ...name.split(/[-_./]/)]);
    for (const part of parts) words.push(stem(part));
  }
  return words;
}

function count(words) {
  const counts = new Map();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

const plain = (text) => text.toLowerCase().replace(/[^a-z0-9_/-]+/g, " ").trim();

const MEAN_TITLE = SECTIONS.reduce((sum, [, , title]) => sum + split(title).length, 0) / SECTIONS.length;

const INDEX = SECTIONS.map(([page, anchor, title, ofPage, text, keywords = ""]) => {
  const words = split(text);
  return {page, anchor, title, ofPage, text, length: words.length, inText: count(words), inTitle: count(split(`${title} ${keywords}`)),
    inPage: count(split(ofPage)), short: 2 / (1 + split(title).length / MEAN_TITLE), plainTitle: plain(title), plainText: plain(text)};
});
const USES = new Map();
for (const entry of INDEX)
  for (const word of new Set([...entry.inText.keys(), ...entry.inTitle.keys()])) USES.set(word, (USES.get(word) ?? 0) + 1);
const MEAN = INDEX.reduce((sum, entry) => sum + entry.length, 0) / INDEX.length;

/* A term of the query: the words of the index that it stands for, each with how much of a match it is. */
function term(word) {
  const like = new Map([[word, 1]]);
  if (word.length > 3)
    for (const known of USES.keys())
      if (known !== word && known.includes(word)) like.set(known, known.startsWith(word) ? 0.5 : 0.2);
  const uses = Math.max(USES.get(word) ?? 0, 0.5);
  return {like, weight: Math.log(1 + INDEX.length / uses)};
}

function terms(query) {
  const words = new Set();
  for (const word of query.toLowerCase().split(/\s+/)) {
    const parts = split(word);
    if (parts.length) for (const part of USES.has(parts[0]) ? [parts[0]] : parts) words.add(part);
  }
  const telling = [...words].filter((word) => !EMPTY.has(word));
  return (telling.length ? telling : [...words]).map(term);
}

function best(counts, like) {
  let most = 0;
  for (const [word, share] of like) most = Math.max(most, share * (counts.get(word) ?? 0));
  return most;
}

function score(entry, query, asked) {
  let sum = 0, found = 0, all = 0;
  const long = 0.5 + 0.5 * entry.length / MEAN;
  for (const {like, weight} of asked) {
    const times = TITLE * entry.short * Math.min(1, best(entry.inTitle, like)) + PAGE_TITLE * Math.min(1, best(entry.inPage, like))
      + best(entry.inText, like) / long;
    sum += weight * times / (times + 1.5);
    all += weight;
    if (times > 0) found += weight;
  }
  if (entry.anchor === query.trim().toLowerCase()) return 1000;
  const phrase = plain(query);
  if (entry.plainTitle === phrase) sum *= 4;
  else if (/^monitored\.(extras\.)?$/.test(entry.anchor.slice(0, -phrase.length)) && entry.plainTitle.endsWith(phrase)) sum *= 1.5;
  else if (phrase.includes(" ") && entry.plainTitle.includes(phrase)) sum *= 2;
  else if (phrase.includes(" ") && entry.plainText.includes(phrase)) sum *= 1.4;
  if (!entry.anchor || /^specification|troubleshooting/.test(entry.page)) sum *= 1.2;
  if (entry.page === "changelog" || entry.page === "index") sum /= 2;
  return sum * (found / all) ** 2;
}

function search(query) {
  const asked = terms(query);
  if (!asked.length) return [];
  const found = INDEX.map((entry) => [score(entry, query, asked), entry]).filter(([points]) => points > 0);
  found.sort(([a], [b]) => b - a);
  return found.filter(([points]) => points > found[0][0] / 6 || found[0][0] === 1000).map(([, entry]) => entry);
}

/* The first words of a page and of what has all of the query in its title, else those around the place that has most of
   the query; the words of the query marked. */
function excerpt(entry, query) {
  const words = query.toLowerCase().split(/[^a-z0-9_-]+/).map(stem).filter((word) => /[a-z0-9]/.test(word) && !EMPTY.has(word));
  const text = entry.text;
  const whole = (word) => (word.length > 3 ? `${word}[a-z]*` : `(?<![a-z])${word}(?![a-z])`);
  const pattern = words.length && new RegExp(words.map(whole).join("|"), "gi");
  const title = entry.title.toLowerCase();
  const begins = !entry.anchor || words.every((word) => title.includes(word));
  const places = pattern && !begins ? [...text.matchAll(pattern)].map((match) => match.index) : [];
  const most = (start) => places.filter((place) => place >= start && place < start + 180).length;
  const start = places.reduce((kept, place) => (most(place) > most(kept) ? place : kept), places[0] ?? 0);
  const from = start < 60 ? 0 : text.indexOf(" ", start - 40) + 1;
  const element = document.createElement("p");
  const to = text.length < from + 220 ? text.length : text.lastIndexOf(" ", from + 220);
  const shown = (from ? "… " : "") + text.slice(from, to) + (to < text.length ? " …" : "");
  let end = 0;
  for (const match of pattern ? shown.matchAll(pattern) : []) {
    const mark = document.createElement("mark");
    mark.textContent = match[0];
    element.append(shown.slice(end, match.index), mark);
    end = match.index + match[0].length;
  }
  element.append(shown.slice(end));
  return element;
}

function show(query) {
  const found = search(query);
  const list = document.querySelector(".search-results");
  list.replaceChildren();
  for (const entry of found.slice(0, SHOWN)) {
    const item = document.createElement("li"), link = document.createElement("a"), page = document.createElement("span");
    link.href = `${entry.page}.html` + (entry.anchor && `#${entry.anchor}`);
    link.textContent = entry.title;
    page.textContent = entry.anchor ? entry.ofPage : PARTS[entry.page.replace(/\/index$/, "").split("/").at(-2)] ?? "";
    page.className = "search-page";
    item.append(link, " ", page, excerpt(entry, query));
    list.append(item);
  }
  document.querySelector(".search-summary").textContent = !query.trim() ? "" : !found.length
    ? "Nothing found. Fewer words may find more; a name can be cut short."
    : `${found.length} place${found.length === 1 ? "" : "s"}` + (found.length > SHOWN ? `, the best ${SHOWN} shown.` : ".");
}

if (typeof document !== "undefined") {
  const input = document.querySelector(".search-form input");
  input.value = new URLSearchParams(window.location.search).get("q") ?? "";
  for (const other of document.querySelectorAll("input.sidebar-search")) other.value = input.value;
  show(input.value);
  if (!input.value) input.focus();
  input.addEventListener("input", () => {
    show(input.value);
    history.replaceState(null, "", "?" + new URLSearchParams({q: input.value}));
  });
  input.form.addEventListener("submit", (event) => event.preventDefault());
}
