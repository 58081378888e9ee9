// What happens when: the address changes, a filter is set, a heading is clicked, a key is pressed.
const overview = byId("overview");
const article = byId("entry");
const pageTitle = document.title;
let lastList = "#/";
let opener = null;
let turn = 0;

function drawList() {
  words = folded(state.q).split(/\s+/).filter(Boolean);
  const runs = entries.filter((entry) => entry.kind === "run");
  const references = entries.filter((entry) => entry.kind === "reference");
  const all = entries.filter((entry) => entry.kind !== "claim");
  const found = all.filter((entry) => (entry.kind === "reference" ? !filtering() : matches(entry)));
  const columns = columnsShown();
  if (charted === null) fillFacets(runs);
  else afterPaint("facets", () => fillFacets(runs));
  drawTable("board", ordered(found, state.sort), columns, "page");
  const claims = entries.filter((entry) => entry.kind === "claim");
  const claimColumns = columns.filter((column) => column.claims);
  drawTable("claims", ordered(claims.filter((entry) => matches(entry, "status")), state.sort), claimColumns, "cpage");
  const kept = found.filter((entry) => entry.kind === "run");
  drawCharts(kept, references);
  drawChooser(columns);
  drawCompareLink();
  byId("query").value = state.q;
  for (const input of document.querySelectorAll("#facets input")) input.value = state[input.name];
  byId("reset").hidden = !filtering();
  byId("count").textContent = `${grouped(kept.length)} of ${howMany(runs.length, "run")}`;
}

// The charts follow the filter alone, after the table: sorting and turning pages leave them as they are.
let charted = null;
function drawCharts(kept, references) {
  const filter = JSON.stringify([...FACETS.map(({ key }) => state[key]), state.q, state.from, state.to, window.innerWidth > 760]);
  if (filter === charted) return;
  charted = filter;
  afterPaint("charts", () => {
    drawPlot(kept, references);
    drawHistory(kept);
  });
}

function change(values, goesBack = true) {
  Object.assign(state, values);
  if (goesBack) Object.assign(state, { page: values.page ?? 1, cpage: values.cpage ?? 1 });
  writeState();
  drawList();
}

const plainFilter = () => Object.fromEntries([...FACETS.map(({ key }) => [key, ""]), ["q", ""], ["from", ""], ["to", ""]]);

function sortBy(key) {
  const column = index.columns.find((item) => item.key === key) || { best: "text" };
  const first = column.best === "high" ? `-${key}` : key;
  const other = first.startsWith("-") ? key : `-${key}`;
  change({ sort: state.sort === first ? other : first });
  document.querySelector(`#board-table th[data-key="${key}"] button`)?.focus();
}

function missing(name) {
  return [el("a", { class: "back", href: lastList }, "← All entries"), el("h2", { tabindex: "-1" }, "No such entry"),
    el("p", {}, `This board has no entry ${name}. It may have another name, or stand on another board: `, el("a", { href: "../index.html" }, "all boards"), ".")];
}

async function opened(names) {
  const found = names.map((name) => byName.get(name));
  const absent = names.find((_, i) => !found[i]);
  if (absent !== undefined) return missing(absent);
  const loading = [el("a", { class: "back", href: lastList }, "← All entries"), el("h2", { tabindex: "-1" }, names.join(" and ")), el("p", { class: "hint" }, "Loading …")];
  if (!names.every((name) => details.has(name))) article.replaceChildren(...loading);
  try {
    const pages = await Promise.all(names.map(detailsOf));
    return names.length === 1 ? entryView(found[0], pages[0]) : compareView(found[0], found[1], pages[0], pages[1]);
  } catch {
    return [...loading.slice(0, 2), el("p", {}, "Its page could not be read: the file is not beside this one. Its folder is ",
      fileLink(names[0]), ".")];
  }
}

function namesOf(hash) {
  const match = /^#\/(entry|compare)\/([^/?]+)(?:\/([^/?]+))?$/.exec(hash);
  if (!match || (match[1] === "compare") !== Boolean(match[3])) return null;
  try {
    return match.slice(2).filter(Boolean).map(decodeURIComponent);
  } catch {
    return null;
  }
}

function focusRow(name) {
  const focus = () => document.querySelector(`tr[data-name="${CSS.escape(name)}"] a`)?.focus();
  focus();
  afterPaint("focus", () => document.activeElement === document.body && focus());
}

async function route() {
  const mine = (turn += 1);
  const names = namesOf(location.hash);
  overview.hidden = names !== null;
  article.hidden = names === null;
  if (names === null) {
    const query = /^#\/\?(.*)$/.exec(location.hash);
    readState(query ? query[1] : "");
    lastList = location.hash || "#/";
    document.title = pageTitle;
    drawList();
    if (opener !== null) focusRow(opener);
    opener = null;
    return;
  }
  opener = names[0];
  document.title = `${names.join(" and ")} · ${pageTitle}`;
  const parts = await opened(names);
  if (mine !== turn) return;
  fill((article.replaceChildren(), article), {}, parts);
  window.scrollTo(0, 0);
  article.querySelector("h2").focus({ preventScroll: true });
}

function listen() {
  const tools = document.querySelector(".tools");
  const chooser = document.querySelector(".chooser");
  tools.addEventListener("submit", (event) => event.preventDefault());
  byId("query").addEventListener("input", (event) => change({ q: event.target.value }));
  byId("facets").addEventListener("change", (event) => change({ [event.target.name]: event.target.value }));
  byId("reset").addEventListener("click", () => change(plainFilter()));
  byId("sort-select").addEventListener("change", (event) => change({ sort: event.target.value }));
  byId("columns").addEventListener("change", () => {
    const names = [...byId("columns").querySelectorAll("input:checked")].map((box) => box.value);
    const plain = index.columns.filter((column) => column.shown).map((column) => column.key);
    change({ cols: names.join() === plain.join() ? "" : names.join() || "none" }, false);
  });
  overview.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.closest("thead")) sortBy(button.parentElement.dataset.key);
    else if (button.dataset.page) change({ [button.dataset.key]: Number(button.dataset.page) }, false);
    else if ("reset" in button.dataset) change(plainFilter());
  });
  overview.addEventListener("change", (event) => {
    if (!event.target.matches(".pick")) return;
    chosen[event.target.checked ? "add" : "delete"](event.target.value);
    if (chosen.size > 2) chosen.delete([...chosen][0]);
    for (const box of document.querySelectorAll(".pick")) box.checked = chosen.has(box.value);
    drawCompareLink();
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    (article.hidden ? byId("board-table").parentElement : article.querySelector("h2")).focus();
  });
  window.addEventListener("hashchange", route);
  window.matchMedia("(max-width: 760px)").addEventListener("change", () => article.hidden && drawList());
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && article.hidden) {
      event.preventDefault();
      byId("query").focus();
    } else if (event.key === "Escape" && !article.hidden) {
      location.hash = lastList;
    } else if (event.key === "Escape" && chooser.open) {
      chooser.open = false;
      chooser.querySelector("summary").focus();
    }
  });
}

load("entries.js").then(() => {
  for (const node of document.querySelectorAll(".tools, .table-tools, #charts")) node.hidden = false;
  sortIntoFacets();
  makeFacets();
  makeColumns();
  listen();
  route();
}, () => {
  byId("board-title").after(el("p", { class: "hint" }, "entries.js is not beside this file: filters, plots and pages of entries need it."));
});
