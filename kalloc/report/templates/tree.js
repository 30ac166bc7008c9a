"use strict";
// The data of the page as a tree of domains and nodes, with what is used of each.

const DATA = JSON.parse(document.getElementById("data").textContent);
const WORDS = DATA.words;
const DEPTH = DATA.levels.length;

function say(key, values = {}) {
  return WORDS[key].replace(/\{(\w+)\}/g, (_, name) => count(values[name]));
}

function count(value) {
  return typeof value === "number" ? value.toLocaleString("en-US", { maximumFractionDigits: 2 }) : String(value);
}

// Make an element; text is always text, never markup.
function make(tag, options = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") element.textContent = value;
    else if (name === "click") element.addEventListener("click", value);
    else if (name === "background") element.style.background = value;
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...inside);
  return element;
}

function leaf(raw, place) {
  const [called, sort, ...pairs] = raw;
  const [kind, size, owner, up] = DATA.sorts[sort];
  const seats = [];
  for (let at = 0; at < pairs.length; at += 2) seats.push([pairs[at], pairs[at + 1]]);
  const name = typeof called === "number" ? [...place.path, `n${called}`].join("/") : called;
  const node = { name, path: place.path, inside: place, depth: DEPTH + 1, kind, size, owner, up: up === 1, seats };
  Object.assign(node, {
    nodes: 1,
    downs: up ? 0 : 1,
    gpus: up ? size : 0,
    used: 0,
    by: new Map(),
    kinds: new Set([kind]),
  });
  for (const [project, gpus] of seats) {
    const pool = DATA.projects[project][2];
    node.by.set(pool, (node.by.get(pool) || 0) + gpus);
    if (up) node.used += gpus;
  }
  return node;
}

// Return a domain with everything in it counted.
function grow(raw, above, depth) {
  const path = above ? [...above.path, raw[0]] : [];
  const domain = { name: raw[0], path, inside: above, depth, nodes: 0, downs: 0, gpus: 0, used: 0 };
  Object.assign(domain, { by: new Map(), kinds: new Set(), kids: [] });
  for (const item of raw[1]) {
    const kid = depth === DEPTH ? leaf(item, domain) : grow(item, domain, depth + 1);
    domain.kids.push(kid);
    for (const sum of ["nodes", "downs", "gpus", "used"]) domain[sum] += kid[sum];
    for (const [pool, gpus] of kid.by) domain.by.set(pool, (domain.by.get(pool) || 0) + gpus);
    for (const kind of kid.kinds) domain.kinds.add(kind);
  }
  return domain;
}

const NATION = grow(["", DATA.tree], null, 0);

function* nodesOf(place) {
  if (!place.kids) yield place;
  else for (const kid of place.kids) yield* nodesOf(kid);
}

const SEATS = new Map();
for (const node of nodesOf(NATION)) {
  for (const [project] of node.seats) {
    if (!SEATS.has(project)) SEATS.set(project, []);
    SEATS.get(project).push(node);
  }
}

// Return the domain of a node or domain at a depth.
function above(place, depth) {
  let at = place;
  while (at.depth > depth) at = at.inside;
  return at;
}

function levelWord(depth) {
  return depth === 0 ? say("nation") : DATA.levelWords[DATA.levels[depth - 1] || "node"];
}

function poolWord(pool) {
  return pool < 0 ? say("background") : DATA.pools[pool][1] || DATA.pools[pool][0];
}
