// The two tables: pages of rows, headings that sort, columns that are chosen.
const PAGE_ROWS = 50;
// Rows that fit a window; those below keep what they show until these are painted.
const FIRST_ROWS = 15;
const chosen = new Set();

const columnsShown = () => {
  const names = state.cols ? state.cols.split(",") : null;
  return index.columns.filter((column) => (names ? names.includes(column.key) : column.shown));
};

function bar(entry) {
  const line = (name, a, b) => svg("line", { class: name, x1: a, x2: b, y1: 4, y2: 4 });
  return svg("svg", { class: "bar", viewBox: "0 0 100 8", "aria-hidden": "true" }, line("rail", 0, 100),
    line("range", (100 * entry.low).toFixed(1), (100 * entry.high).toFixed(1)),
    svg("circle", { cx: (100 * entry.average).toFixed(1), cy: 4, r: 3 }));
}

function cell(column, entry) {
  const value = entry[column.key];
  const text = shown(column, value);
  const name = ["average", "group"].includes(column.key) ? column.key : column.form;
  const td = el("td", { "data-label": column.label, class: name });
  if (column.key === "group") td.append(el("span", { class: "badge-group" }, text));
  else if (column.key === "average" && value !== null) {
    const half = entry.low === null ? "" : ` ± ${fixed(50 * (entry.high - entry.low), 1)}`;
    td.append(el("b", {}, text), el("span", { class: "ci" }, half), entry.low === null ? "" : bar(entry));
  } else if (column.key === "level" && value !== null) {
    td.append(el("span", { class: "level" }, svg("svg", { viewBox: "0 0 44 8", "aria-hidden": "true" },
      index.levels.map((_, step) => svg("rect", { class: earned(entry, step) ? "on" : "off", x: step * 9, y: 0, width: 7, height: 8, rx: 1.5 }))), text));
    const missing = index.levels.filter((_, step) => step < value && !earned(entry, step));
    if (missing.length) td.append(el("span", { class: "sub" }, `not ${missing.join(" or ")}`));
  } else td.append(text);
  return td;
}

function entryCell(entry) {
  const head = entry.kind === "reference"
    ? el("span", { class: "name" }, entry.title)
    : el("a", { class: "name", href: entryLink(entry.name) }, entry.name);
  const sub = entry.kind === "reference" ? entry.about : [entry.model, entry.peft, entry.strategy].filter(Boolean).join(" · ");
  const box = entry.kind === "reference" ? null
    : el("input", { type: "checkbox", class: "pick", "aria-label": `Compare ${entry.name}`, value: entry.name });
  if (box) box.checked = chosen.has(entry.name);
  return el("th", { scope: "row" }, el("span", { class: "entry-cell" }, box, el("span", {}, head,
    sub ? el("span", { class: "sub" }, sub) : null,
    el("span", { class: "badges" }, el("span", { class: `badge ${entry.status.replace(" ", "-")}` }, entry.status),
      entry.author ? el("span", { class: "badge" }, entry.author) : null,
      entry.warnings ? el("span", { class: "badge warn" }, howMany(entry.warnings, "contradiction")) : null))));
}

function drawHead(table, columns, sort) {
  const head = (column) => {
    const sorted = sort.replace("-", "") === column.key;
    const button = el("button", { type: "button", title: column.about || null }, column.label);
    const th = el("th", { scope: "col", "data-key": column.key, class: column.form,
      "aria-sort": sorted ? (sort.startsWith("-") ? "descending" : "ascending") : null }, button);
    return th;
  };
  const all = [{ key: "name", label: "Entry", form: "entry", best: "text" }, ...columns];
  table.tHead.rows[0].replaceChildren(...all.map(head));
}

function drawTable(name, list, columns, pageKey) {
  const table = byId(`${name}-table`);
  if (!table) return;
  drawHead(table, columns, state.sort);
  const pages = Math.max(1, Math.ceil(list.length / PAGE_ROWS));
  const page = Math.min(state[pageKey], pages);
  const rows = list.slice((page - 1) * PAGE_ROWS, page * PAGE_ROWS).map((entry) => () =>
    el("tr", { class: entry.kind, "data-name": entry.name }, entryCell(entry), columns.map((column) => cell(column, entry))));
  if (!rows.length) {
    const text = filtering() ? "No entry is like that." : "No entry yet. Yours would be the first.";
    const clear = filtering() ? el("button", { type: "button", class: "plain", "data-reset": "" }, "Clear the filter") : null;
    rows.push(() => el("tr", { class: "none" }, el("td", { colspan: columns.length + 1 }, text, " ", clear)));
  }
  const body = table.tBodies[0];
  fillRows(body, rows.slice(0, FIRST_ROWS), 0);
  if (rows.length <= FIRST_ROWS) fillRows(body, [], rows.length, true);
  afterPaint(name, () => fillRows(body, rows.slice(FIRST_ROWS), Math.min(rows.length, FIRST_ROWS), true));
  drawPager(name, pageKey, page, pages, list.length);
}

function fillRows(body, rows, from, last = false) {
  const old = [...body.rows].slice(from, last ? undefined : from + rows.length);
  for (const [at, make] of rows.entries()) {
    if (old[at]) old[at].replaceWith(make());
    else body.append(make());
  }
  for (const row of old.slice(rows.length)) row.remove();
}

function drawPager(name, pageKey, page, pages, count) {
  const pager = byId(`${name}-pager`);
  pager.hidden = pages < 2;
  if (pages < 2) return pager.replaceChildren();
  const focused = pager.contains(document.activeElement) ? document.activeElement.dataset.step : null;
  const step = (text, target, label) => el("button", { type: "button", class: "plain", "data-page": target, "data-key": pageKey, "data-step": label,
    disabled: target < 1 || target > pages || target === page ? "" : null, "aria-label": label }, text);
  pager.replaceChildren(step("«", 1, "First page"), step("‹", page - 1, "Previous page"),
    el("span", {}, `${grouped((page - 1) * PAGE_ROWS + 1)}–${grouped(Math.min(count, page * PAGE_ROWS))} of ${grouped(count)}`),
    step("›", page + 1, "Next page"), step("»", pages, "Last page"));
  if (focused) pager.querySelector(`[data-step="${focused}"]`)?.focus();
  return undefined;
}

function drawCompareLink() {
  const link = byId("compare-link");
  const names = [...chosen];
  link.hidden = names.length < 2;
  link.textContent = "Compare the two";
  link.href = names.length < 2 ? "#/" : `#/compare/${names.map(encodeURIComponent).join("/")}`;
}

function makeColumns() {
  byId("columns").append(...index.columns.map((column) => {
    const box = el("input", { type: "checkbox", value: column.key });
    return el("label", {}, box, ` ${column.label}`);
  }));
}

function drawChooser(columns) {
  const names = new Set(columns.map((column) => column.key));
  for (const box of byId("columns").querySelectorAll("input")) box.checked = names.has(box.value);
  const select = byId("sort-select");
  const option = (column) => [
    el("option", { value: `-${column.key}` }, `${column.label} ↓`), el("option", { value: column.key }, `${column.label} ↑`)];
  select.replaceChildren(el("option", { value: "" }, "rank"), ...[{ key: "name", label: "Entry" }, ...columns].flatMap(option));
  select.value = state.sort;
}
