// The table of reasons: searched, chosen from and sorted here, drawn a page at a time.

const PAGE = 50;
const ROWS = DATA.grants.map(([project, kind, given, least, most, reason, sentence, merit]) => {
  const [name, title, pool] = DATA.projects[project];
  const code = DATA.reasons[reason];
  const row = {
    id: project,
    project: name,
    title,
    pool: poolWord(pool),
    kind: DATA.kinds[kind],
    given,
    least,
    asked: most,
  };
  Object.assign(row, { merit, code, reason: DATA.reasonWords[code] || code, sentence: DATA.sentences[sentence] });
  row.text = [name, title, row.pool, DATA.pools[pool][0], row.kind, row.reason, code, row.sentence]
    .join("\n")
    .toLowerCase();
  return row;
});
const table = { sort: null, down: false, page: 0, rows: ROWS };
const field = (name) => document.getElementById(`reasons-${name}`);

function filter() {
  const wanted = field("search").value.trim().toLowerCase();
  const [pool, reason] = [field("pool").value, field("reason").value];
  table.rows = ROWS.filter(
    (row) => row.text.includes(wanted) && (!pool || row.pool === pool) && (!reason || row.reason === reason),
  );
  if (table.sort) {
    const by = table.sort;
    const order = (a, b) =>
      typeof a[by] === "number" ? a[by] - b[by] : a[by].localeCompare(b[by], DATA.lang, { numeric: true });
    table.rows.sort((a, b) => (table.down ? order(b, a) : order(a, b)));
  }
  table.page = 0;
  drawRows();
}

function cells(row) {
  const asked = row.least === row.asked ? count(row.asked) : `${count(row.least)}–${count(row.asked)}`;
  const name = make("td", {}, make("span", { text: row.project }));
  if (row.title) name.append(make("br"), make("span", { class: "small", text: row.title }));
  const show = make("button", {
    type: "button",
    class: "link",
    text: say("show"),
    "aria-label": `${row.project}: ${say("show")}`,
  });
  show.addEventListener("click", () => {
    choose(row.id);
    document.getElementById("map").scrollIntoView();
  });
  const why = make("td", {}, make("span", { class: row.given ? "reason" : "reason none", text: row.reason }));
  if (row.code !== "full") why.append(make("br"), make("span", { class: "small", text: row.sentence }));
  return make(
    "tr",
    {},
    name,
    make("td", { text: row.pool }),
    make("td", { text: row.kind }),
    make("td", { class: "n", text: asked }),
    make("td", { class: "n", text: count(row.given) }),
    make("td", { class: "n", text: count(row.merit) }),
    why,
    make("td", {}, ...(row.given ? [show] : [])),
  );
}

function drawRows() {
  const first = table.page * PAGE;
  const part = table.rows.slice(first, first + PAGE);
  document.querySelector("#reasons-table tbody").replaceChildren(...part.map(cells));
  field("count").textContent = part.length
    ? say("rows", { from: first + 1, to: first + part.length, n: table.rows.length })
    : say("rows_none");
  field("previous").disabled = table.page === 0;
  field("next").disabled = first + PAGE >= table.rows.length;
}

function sortBy(button) {
  const by = button.dataset.sort;
  table.down = table.sort === by ? !table.down : ["asked", "given", "merit"].includes(by);
  table.sort = by;
  for (const head of document.querySelectorAll("#reasons-table th")) head.removeAttribute("aria-sort");
  button.parentElement.setAttribute("aria-sort", table.down ? "descending" : "ascending");
  filter();
}

function choices(name, values) {
  const select = field(name);
  select.append(make("option", { value: "", text: say("all") }));
  for (const value of [...new Set(values)].sort((a, b) => a.localeCompare(b, DATA.lang))) {
    select.append(make("option", { value, text: value }));
  }
  select.addEventListener("change", filter);
}

function reasonsTable() {
  choices(
    "pool",
    ROWS.map((row) => row.pool),
  );
  choices(
    "reason",
    ROWS.map((row) => row.reason),
  );
  field("search").addEventListener("input", filter);
  for (const button of document.querySelectorAll("#reasons-table [data-sort]"))
    button.addEventListener("click", () => sortBy(button));
  for (const [name, step] of [
    ["previous", -1],
    ["next", 1],
  ]) {
    field(name).textContent = say(name);
    field(name).addEventListener("click", () => {
      table.page += step;
      drawRows();
    });
  }
  filter();
}
