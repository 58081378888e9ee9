// What is shown, as it stands in the address: `#/?q=llama&family=llama&sort=-average&page=2`. A link to it
// shows the same to everybody, and the browser's back button goes back.
const SIZES = [["below 500 M", 0, 5e8], ["500 M to 1 B", 5e8, 1e9], ["1 to 3 B", 1e9, 3e9], ["3 to 8 B", 3e9, 8e9],
  ["above 8 B", 8e9, Infinity]];
const sizeOf = (entry) => (entry.size === null ? "" : SIZES.find(([, low, high]) => entry.size >= low && entry.size < high)[0]);

// A level above others says nothing of them: a round may be replayed of a run that nobody evaluated again.
const earned = (entry, step) => Boolean((entry.rungs >> step) & 1);

const FACETS = [
  { key: "status", label: "Status", of: (entry) => entry.status },
  { key: "model", label: "Model", of: (entry) => entry.model },
  { key: "size", label: "Size", of: sizeOf, order: SIZES.map(([name]) => name) },
  { key: "family", label: "Family", of: (entry) => entry.family },
  { key: "peft", label: "Method", of: (entry) => entry.peft },
  { key: "strategy", label: "Strategy", of: (entry) => entry.strategy },
  { key: "level", label: "Verified", of: (entry) => (entry.level === null ? "" : index.levels[entry.level]) },
  { key: "whose", label: "Whose code", of: (entry) => entry.whose.split(":")[0] },
  { key: "isolation", label: "Isolation", of: (entry) => entry.isolation },
  { key: "licence", label: "Licence", of: (entry) => entry.licence },
];

const isDate = (text) => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text));

const state = {};
const PLAIN_STATE = { q: "", sort: "", page: 1, cpage: 1, cols: "", from: "", to: "" };

function readState(query) {
  const given = new URLSearchParams(query);
  for (const [key, value] of Object.entries(PLAIN_STATE)) state[key] = given.get(key) ?? value;
  for (const { key } of FACETS) state[key] = given.get(key) ?? "";
  for (const key of ["page", "cpage"]) state[key] = Math.max(1, Number.parseInt(state[key], 10) || 1);
  for (const key of ["from", "to"]) if (!isDate(state[key])) state[key] = "";
  // A column of a link that this board has not, or no longer, is left out.
  const known = new Set(["name", ...index.columns.map((column) => column.key)]);
  if (!known.has(state.sort.replace("-", ""))) state.sort = "";
  const columns = state.cols.split(",").filter((key) => known.has(key));
  if (state.cols !== "none") state.cols = columns.join();
}

function writeState() {
  const kept = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    if (String(value) !== String(PLAIN_STATE[key] ?? "")) kept.set(key, value);
  }
  const text = kept.toString();
  const hash = text ? `#/?${text}` : "#/";
  lastList = hash;
  if (location.hash !== hash && !(hash === "#/" && location.hash === "")) history.replaceState(null, "", hash);
}

function sortIntoFacets() {
  for (const entry of entries) entry.of = Object.fromEntries(FACETS.map((facet) => [facet.key, facet.of(entry)]));
}

const meetsWords = (entry) => !(state.from && entry.date < state.from) && !(state.to && entry.date > state.to)
  && words.every((word) => entry.text.includes(word));

function matches(entry, but = null) {
  for (const { key } of FACETS) {
    if (key !== but && state[key] && entry.of[key] !== state[key]) return false;
  }
  return meetsWords(entry);
}

// How many entries each value of each facet would leave: those that fail no other facet.
function facetCounts(list) {
  const counts = new Map(FACETS.map(({ key }) => [key, new Map()]));
  const chosenKeys = FACETS.map(({ key }) => key).filter((key) => state[key]);
  for (const entry of list) {
    const failed = chosenKeys.filter((key) => entry.of[key] !== state[key]);
    if (failed.length > 1 || !meetsWords(entry)) continue;
    for (const key of failed.length ? failed : counts.keys()) {
      const value = entry.of[key];
      if (value) counts.get(key).set(value, (counts.get(key).get(value) || 0) + 1);
    }
  }
  return counts;
}

let words = [];
const filtering = () => FACETS.some(({ key }) => state[key]) || state.q.trim() || state.from || state.to;

// Entries in the table's own order unless a column is chosen; those without a value come last.
const collator = new Intl.Collator("en", { numeric: true });
function ordered(list, sort) {
  if (!sort) return list;
  const descending = sort.startsWith("-");
  const key = descending ? sort.slice(1) : sort;
  const numeric = list.some((entry) => typeof entry[key] === "number");
  const empty = (value) => value === null || value === undefined || value === "";
  return [...list].sort((a, b) => {
    const [x, y] = [a[key], b[key]];
    if (empty(x) || empty(y)) return (empty(x) - empty(y)) || a.place - b.place;
    const order = numeric ? x - y : collator.compare(x, y);
    return (descending ? -order : order) || a.place - b.place;
  });
}

function fillFacets(list) {
  const box = byId("facets");
  const all = facetCounts(list);
  for (const facet of FACETS) {
    const label = box.querySelector(`[data-facet="${facet.key}"]`);
    const counts = all.get(facet.key);
    if (state[facet.key] && !counts.has(state[facet.key])) counts.set(state[facet.key], 0);
    const names = [...counts.keys()].sort((a, b) => (facet.order ? facet.order.indexOf(a) - facet.order.indexOf(b) : collator.compare(a, b)));
    const select = label.querySelector("select");
    const signature = names.map((name) => `${name} ${counts.get(name)}`).join("\n");
    if (select.dataset.signature !== signature) {
      select.dataset.signature = signature;
      select.replaceChildren(el("option", { value: "" }, "any"),
        ...names.map((name) => el("option", { value: name }, `${name.length > 48 ? `${name.slice(0, 47)}…` : name} (${counts.get(name)})`)));
    }
    select.value = state[facet.key];
    label.hidden = names.length < 2 && !state[facet.key];
  }
}

function makeFacets() {
  byId("facets").append(
    ...FACETS.map((facet) => el("label", { "data-facet": facet.key }, facet.label, el("select", { name: facet.key }))),
    el("label", {}, "From", el("input", { type: "date", name: "from" })),
    el("label", {}, "To", el("input", { type: "date", name: "to" })));
}
