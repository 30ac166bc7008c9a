// The map: domains as tiles, nodes as squares, and what was clicked beside it.

const OVERVIEW = 640; // nodes up to which every one is drawn at once
const STEP = 2048; // squares drawn before more are asked for
const TAKEN = "repeating-linear-gradient(135deg, #8b98a5 0 2px, #c9d2da 2px 5px)";
const FIGURES_IN = new Set(["count", "down", "gpus", "taken", "free"]);
const LINES = 400; // rows of the table behind the map
const TABLE = document.getElementById("map-table");
const VIEW = document.getElementById("map-view");
const DETAIL = document.getElementById("map-detail");
const ABOUT = document.getElementById("map-about");
const state = { place: NATION, project: null };

function shade(pool) {
  return pool < 0 ? TAKEN : DATA.colours[pool];
}

function label(place) {
  const name = place.name === "" ? "–" : place.name;
  return `${levelWord(place.depth)} ${name}: ${say("used", { used: place.used, gpus: place.gpus })}`;
}

function stack(place) {
  const bar = make("span", { class: "stack", "aria-hidden": "true" });
  for (const [pool, gpus] of [...place.by].sort((a, b) => b[1] - a[1])) {
    const part = make("span", { background: shade(pool) });
    part.style.width = `${(100 * gpus) / Math.max(1, place.gpus)}%`;
    bar.append(part);
  }
  return bar;
}

// Columns for what is in a tile: how full each is, and which hold the project that was chosen.
function columns(place, chosen) {
  const row = make("span", { class: "columns", "aria-hidden": "true" });
  for (const kid of place.kids.slice(0, 64)) {
    const column = make("span", { class: chosen.has(kid) ? "here" : "" }, make("span"));
    column.firstChild.style.height = `${(100 * kid.used) / Math.max(1, kid.gpus)}%`;
    row.append(column);
  }
  return row;
}

function tile(place, chosen) {
  const kinds = [...place.kinds].map((kind) => DATA.kinds[kind]).join(", ");
  const button = make("button", { type: "button", class: "tile", "aria-label": `${label(place)}, ${say("open")}` });
  if (chosen.has(place)) button.classList.add("here");
  button.addEventListener("click", () => open(place));
  button.append(
    make("span", { class: "name", text: place.name || "–" }),
    make("span", { class: "figures", text: `${count(place.used)} / ${count(place.gpus)} · ${kinds}` }),
    stack(place),
  );
  if (place.kids && place.kids[0] && place.kids[0].kids) button.append(columns(place, chosen));
  return button;
}

// The colours of a node, from below: a stripe for each seat, white for what is free.
function paint(node) {
  if (node.seats.length && node.seats.every(([project]) => DATA.projects[project][2] < 0)) return TAKEN;
  let at = 0;
  const stripes = [];
  for (const [project, gpus] of node.seats) {
    const pool = DATA.projects[project][2];
    const next = at + (100 * gpus) / node.size;
    stripes.push(`${pool < 0 ? "#9aa7b3" : DATA.colours[pool]} ${at}% ${next}%`);
    at = next;
  }
  return `linear-gradient(to top, ${[...stripes, `#ffffff ${at}% 100%`].join(", ")})`;
}

function square(node, chosen) {
  const who = node.seats.map(([project, gpus]) => `${DATA.projects[project][0]} ${gpus}`).join(", ");
  const told = node.up ? say("used", { used: node.used, gpus: node.gpus }) : say("down");
  const title = `${node.name}: ${who || told}`;
  const button = make("button", { type: "button", class: "square", tabindex: "-1", title });
  button.setAttribute("aria-label", `${node.name}: ${told}${who ? `, ${who}` : ""}`);
  if (node.up) button.style.background = paint(node);
  else button.classList.add("down");
  if (chosen.has(node)) button.classList.add("here");
  button.addEventListener("click", () => showNode(node));
  return button;
}

// The squares of one panel are one stop of the Tab key; arrows move inside.
function arrows(panel) {
  const squares = [...panel.querySelectorAll(".square")];
  if (!squares.length) return;
  squares[0].tabIndex = 0;
  panel.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = squares.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = squares[Math.min(squares.length - 1, Math.max(0, at + step))];
    squares[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

function panels(place) {
  const depth = Math.min(DEPTH, Math.max(place.depth + 1, DEPTH - 1));
  if (place.depth >= depth) return [place];
  const found = [];
  const walk = (at) => (at.depth === depth || !at.kids ? found.push(at) : at.kids.forEach(walk));
  place.kids.forEach(walk);
  return found;
}

function nodeView(place, chosen) {
  let left = STEP;
  const view = make("div");
  let group = null;
  for (const part of panels(place)) {
    if (left <= 0) break;
    const inside = part.inside || part;
    if (!group || group.of !== inside) {
      const path = inside.path
        .slice(place.depth)
        .map((name) => name || "–")
        .join(" / ");
      group = { of: inside, head: path ? "h4" : "h3", panels: make("div", { class: "panels" }) };
      if (path) view.append(make("h3", { text: path }));
      view.append(group.panels);
    }
    const grid = make("div", { class: "squares", role: "group", "aria-label": label(part) });
    const racks = part.depth < DEPTH ? part.kids : [part];
    for (const rack of racks) {
      const nodes = rack.kids.slice(0, Math.max(0, left));
      left -= nodes.length;
      grid.append(make("span", { class: "rack", title: rack.name }, ...nodes.map((node) => square(node, chosen))));
    }
    arrows(grid);
    const head = make(
      group.head,
      {},
      make("span", { text: part.name || levelWord(part.depth) }),
      make("small", { text: `${count(part.used)} / ${count(part.gpus)}` }),
    );
    group.panels.append(make("div", { class: "panel" }, head, grid));
  }
  const rest = place.nodes - (STEP - Math.max(0, left));
  if (rest > 0) view.append(make("p", { class: "small", text: say("more", { n: rest }) }));
  return view;
}

function overview(place, chosen) {
  const deep = place.depth + 1 < DEPTH;
  const view = make("div");
  for (const kid of deep ? place.kids : [place]) {
    const tiles = make("div", { class: "tiles" }, ...kid.kids.map((part) => tile(part, chosen)));
    if (deep) {
      const jump = make("button", { type: "button", class: "link", text: kid.name || "–", click: () => open(kid) });
      view.append(
        make(
          "h3",
          {},
          jump,
          make("small", { text: `${count(kid.used)} / ${count(kid.gpus)} GPU · ${say("nodes", { n: kid.nodes })}` }),
        ),
      );
    }
    view.append(tiles);
  }
  return view;
}

function crumbs(place) {
  const line = [];
  for (let at = place; at; at = at.inside) line.unshift(at);
  const list = make("ol", { class: "crumbs" });
  for (const at of line) {
    const text = at === NATION ? say("nation") : at.name || "–";
    const item =
      at === place
        ? make("strong", { text, tabindex: "-1", id: "map-here" })
        : make("button", { type: "button", class: "link", text, click: () => open(at) });
    list.append(make("li", {}, item));
  }
  return list;
}

// Everything that holds the project that was chosen: its nodes, and the domains above them.
function holders(project) {
  const found = new Set();
  for (const node of SEATS.get(project) || []) for (let at = node; at; at = at.inside) found.add(at);
  return found;
}

function draw({ place, project } = state) {
  const chosen = holders(project);
  const small = place.nodes <= OVERVIEW || place.depth >= DEPTH;
  ABOUT.textContent = ABOUT.dataset[small ? "nodes" : "tiles"];
  VIEW.replaceChildren(crumbs(place), small ? nodeView(place, chosen) : overview(place, chosen));
  tabulate(place, small);
}

// The same as a table: the nodes or the tiles that are in view.
function tabulate(place, small) {
  const within = (parts) => parts.flatMap((part) => part.kids || [part]);
  const parts = small ? [...nodesOf(place)] : place.depth + 1 < DEPTH ? within(place.kids) : place.kids;
  const heads = small
    ? ["node", "kind", "gpus", "taken", "projects"]
    : ["domain", "count", "down", "gpus", "taken", "free"];
  const row = (part) =>
    small
      ? [
          part.name,
          DATA.kinds[part.kind],
          part.gpus,
          part.used,
          part.up ? part.seats.map(([id, gpus]) => `${DATA.projects[id][0]} ${gpus}`).join(", ") : say("down"),
        ]
      : [part.path.join(" / "), part.nodes, part.downs, part.gpus, part.used, part.gpus - part.used];
  const cell = (value) =>
    make("td", {
      class: typeof value === "number" ? "n" : null,
      text: typeof value === "number" ? count(value) : value,
    });
  const head = make(
    "tr",
    {},
    ...heads.map((name) => make("th", { scope: "col", class: FIGURES_IN.has(name) ? "n" : null, text: say(name) })),
  );
  const caption = make("caption", { text: place === NATION ? say("nation") : place.path.join(" / ") });
  const body = make("tbody", {}, ...parts.slice(0, LINES).map((part) => make("tr", {}, ...row(part).map(cell))));
  const table = make("table", {}, caption, make("thead", {}, head), body);
  const more =
    parts.length > LINES ? [make("p", { class: "small", text: say("rest", { n: parts.length - LINES }) })] : [];
  TABLE.replaceChildren(TABLE.firstElementChild, table, ...more);
}

function open(place) {
  state.place = place;
  draw();
  document.getElementById("map-here").focus({ preventScroll: true });
}

function facts(rows) {
  const list = make("dl");
  for (const [term, value] of rows) list.append(make("dt", { text: term }), make("dd", {}, value));
  return list;
}

function projectButton(project) {
  const [name, title] = DATA.projects[project];
  return make("button", { type: "button", class: "link", text: name, title, click: () => choose(project) });
}

function showNode(node) {
  const seats = make("ul");
  for (const [project, gpus] of node.seats) {
    const what = `${count(gpus)} GPU · ${poolWord(DATA.projects[project][2])}`;
    seats.append(make("li", {}, projectButton(project), make("span", { text: ` ${what}` })));
  }
  DETAIL.replaceChildren(
    make("h3", { text: node.name }),
    facts([
      [say("place"), node.path.join(" / ") || "–"],
      [say("kind"), DATA.kinds[node.kind]],
      [say("gpus"), count(node.size)],
      [say("owner"), poolWord(node.owner)],
      [say("state"), say(node.up ? "up" : "down")],
    ]),
    make("h4", { text: say("projects") }),
    node.seats.length ? seats : make("p", { text: say("empty") }),
  );
}

// Choose a project: ring what holds it, and open a domain that holds all of it, as large as all its nodes can be drawn.
function choose(project, jump = true) {
  state.project = project;
  const nodes = SEATS.get(project) || [];
  if (nodes.length && jump) {
    let place = above(nodes[0], DEPTH);
    while (place.inside && !nodes.every((node) => above(node, place.depth) === place)) place = place.inside;
    while (place.inside && place.inside.nodes <= OVERVIEW) place = place.inside;
    state.place = place;
  }
  draw();
  showProject(project, nodes);
}

function showProject(project, nodes) {
  const [name, title, pool] = DATA.projects[project];
  const spans = [];
  for (let depth = 1; depth <= DEPTH + 1; depth++) {
    spans.push(`${levelWord(depth)} ${count(new Set(nodes.map((node) => above(node, depth))).size)}`);
  }
  const gpus = nodes.reduce((sum, node) => sum + node.seats.filter((seat) => seat[0] === project)[0][1], 0);
  const drop = () => {
    state.project = null;
    draw();
    DETAIL.replaceChildren();
  };
  DETAIL.replaceChildren(
    make("h3", { text: name }),
    ...(title ? [make("p", { text: title })] : []),
    facts([
      [say("pool"), poolWord(pool)],
      [say("gpus"), count(gpus)],
      [say("sits"), nodes.length ? spans.join(" · ") : say("nowhere")],
    ]),
    make("button", { type: "button", text: say("clear"), click: drop }),
  );
}

function finder() {
  const box = document.getElementById("map-find");
  const input = make("input", { type: "search", id: "find", autocomplete: "off" });
  const found = make("span", { role: "status", class: "found" });
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    found.replaceChildren();
    if (!wanted) return;
    const hits = DATA.projects
      .map((row, index) => [row, index])
      .filter(([row]) => `${row[0]} ${row[1]}`.toLowerCase().includes(wanted));
    found.append(hits.length ? say("found", { n: hits.length }) : say("found_none"), " ");
    for (const [, index] of hits.slice(0, 6)) found.append(projectButton(index), " ");
  });
  const text = box.dataset.label;
  box.append(make("label", {}, text + " ", input), found);
}

function legend() {
  const box = document.getElementById("map-legend");
  const pools = [...NATION.by.keys()].filter((pool) => pool >= 0).sort((a, b) => a - b);
  for (const pool of pools) box.append(make("span", {}, make("i", { background: shade(pool) }), poolWord(pool)));
  if (NATION.by.has(-1)) box.append(make("span", {}, make("i", { background: TAKEN }), say("background")));
  box.append(make("span", {}, make("i", { background: "#fff" }), say("free")));
  if (NATION.downs) box.append(make("span", {}, make("i", { class: "down" }), say("down")));
}
