// What a page's script reads: the index at once, the details of an entry when it is opened. Both are
// scripts that hold nothing but data, since a page from a disk may read no other file.
const SVG = "http://www.w3.org/2000/svg";

// Everything of a submission goes through textContent or setAttribute; nothing is parsed as HTML.
const fill = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  for (const child of (children || []).flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
};
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const byId = (id) => document.getElementById(id);

// As Python writes a number: of two decimals that are equally near, the even one. `toFixed` takes the larger one,
// so that 3.125 would be 3.13 here and 3.12 in every other table.
function fixed(value, digits) {
  const text = value.toFixed(digits);
  const halfway = Math.abs(value * 2 ** (digits + 1)) % 2 === 1;
  const last = Number(text.at(-1));
  return halfway && last % 2 === 1 ? text.slice(0, -1) + (last - 1) : text;
}
const percent = (value) => (value === null || value === undefined ? "–" : fixed(100 * value, 2));
// Letters alone, so that a search for "muller" finds Müller.
const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const capitalised = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const grouped = (value) => value.toLocaleString("en-US");
const howMany = (count, thing) => `${grouped(count)} ${thing}${count === 1 ? "" : "s"}`;
function amount(value) {
  let [digits, bound] = [2, 0.1];
  for (; value > 0 && value < bound; bound /= 10) digits += 1;
  return fixed(value, digits);
}
const duration = (seconds) => {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 90) return `about ${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min`;
  return `about ${(seconds / 3600).toFixed(1)} h`;
};
const entryLink = (name) => `#/entry/${encodeURIComponent(name)}`;

function shown(column, value) {
  if (value === null || value === undefined || value === "") return "–";
  switch (column.form) {
    case "percent": return percent(value);
    case "gib": return amount(value / 2 ** 30);
    case "millions": return amount(value / 1e6);
    case "hours": return fixed(value, 2);
    case "level": return index.levels[value];
    case "count": return grouped(value);
    default: return String(value);
  }
}

// What nobody waits for is drawn after the frame that shows the rest; of two jobs of a name the later one counts.
const due = new Map();
function afterPaint(name, job) {
  due.set(name, job);
  const run = () => {
    if (due.get(name) !== job) return;
    due.delete(name);
    job();
  };
  requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(run), 0));
}

let index = null;
let entries = [];
const byName = new Map();
const details = new Map();
const waiting = new Map();

window.leaderboardIndex = (data) => {
  index = data;
  entries = data.rows.map((row) => Object.fromEntries(data.fields.map((field, i) => [field, row[i]])));
  for (const [place, entry] of entries.entries()) {
    entry.place = place;
    entry.text = folded([entry.name, entry.title, entry.model, entry.peft, entry.strategy, entry.author, entry.people, entry.licence, entry.changes]
      .join(" "));
    if (entry.kind !== "reference") byName.set(entry.name, entry);
  }
};
window.leaderboardEntry = (name, value) => {
  details.set(name, value);
};

function load(source) {
  return new Promise((resolve, reject) => {
    const script = el("script", { src: source });
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(source)));
    document.head.append(script);
  });
}

async function detailsOf(name) {
  if (!details.has(name)) {
    if (!waiting.has(name)) waiting.set(name, load(`entries/${encodeURIComponent(name)}.js`));
    try {
      await waiting.get(name);
    } finally {
      waiting.delete(name);
    }
  }
  return details.get(name);
}
