// Two entries side by side: the paired test of the table's groups, and the rows on which they differ.

// Source: Numerical Recipes, `erfcc`; the error is below 1.2e-7 of the value.
function erfc(x) {
  const z = Math.abs(x);
  const t = 1 / (1 + z / 2);
  const polynomial = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223]
    .reduce((sum, factor) => sum * t + factor, 0);
  const value = t * Math.exp(-z * z + polynomial);
  return x >= 0 ? value : 2 - value;
}

// Rows are one hexadecimal number with a 1 before them: "1b" is 1011 with the 1 gone, of 4 rows.
function rowsOf(score) {
  if (!score || !score.bits) return null;
  const text = [...score.bits].map((digit) => Number.parseInt(digit, 16).toString(2).padStart(4, "0")).join("");
  return text.slice(text.indexOf("1") + 1);
}

// As `harness.leaderboard.compare.p_value`: differing rows are fair coins if neither entry is better.
function paired(first, second) {
  const count = index.sets.length;
  const sets = [];
  let variance = 0;
  let difference = 0;
  for (const set of index.sets) {
    const [a, b] = [first.scores[set.task], second.scores[set.task]];
    if (!a || !b) return { sets: [], p: null, difference: null };
    const [ours, theirs] = [rowsOf(a), rowsOf(b)];
    const item = { set, a, b, only: null };
    if (ours && theirs && ours.length === theirs.length) {
      item.only = [[], []];
      for (let row = 0; row < ours.length; row += 1) {
        if (ours[row] !== theirs[row]) item.only[ours[row] === "1" ? 0 : 1].push(row);
      }
      item.variance = (item.only[0].length + item.only[1].length) / ours.length ** 2;
    } else {
      item.variance = a.stderr ** 2 + b.stderr ** 2;
    }
    item.p = chance(a.value - b.value, item.variance);
    variance += item.variance / count ** 2;
    difference += (a.value - b.value) / count;
    sets.push(item);
  }
  return { sets, p: chance(difference, variance), difference };
}

const chance = (difference, variance) => (variance === 0 ? (difference === 0 ? 1 : 0) : erfc(Math.abs(difference) / Math.sqrt(2 * variance)));
const percentOf = (p) => (p < 0.0001 ? "less than 0.01" : fixed(100 * p, 2));
const shownP = (p) => (p === null ? "–" : p < 0.0001 ? "< 0.0001" : fixed(p, 4));
const points = (value) => `${value >= 0 ? "+" : "−"}${fixed(Math.abs(100 * value), 2)}`;
const LISTED = 400;

function differing(item, first, second) {
  if (!item.only) return el("p", { class: "hint" }, `${item.set.title}: one of the two kept no rows, so the test is unpaired.`);
  const half = (rows, name) => el("div", {}, el("h4", {}, `${grouped(rows.length)} only ${name} has right`),
    el("p", { class: "rows mono" }, rows.slice(0, LISTED).join(" ") + (rows.length > LISTED ? ` and ${grouped(rows.length - LISTED)} more` : "") || "none"));
  return el("details", {}, el("summary", {}, `${item.set.title}: they differ on ${howMany(item.only[0].length + item.only[1].length, "row")}`),
    el("div", { class: "two" }, half(item.only[0], first.name), half(item.only[1], second.name)));
}

function compareView(first, second, one, two) {
  const found = paired(one, two);
  const verdict = found.p === null ? "One of them lacks a set, so that they cannot be compared."
    : found.p < 0.05 ? `${found.difference > 0 ? first.name : second.name} is better: chance alone would part them so far in ${percentOf(found.p)} % of cases.`
      : `They cannot be told apart: chance alone would part them so far in ${percentOf(found.p)} % of cases.`;
  const row = (item) => el("tr", {}, el("th", { scope: "row" }, item.set.title), el("td", {}, percent(item.a.value)), el("td", {}, percent(item.b.value)),
    el("td", {}, points(item.a.value - item.b.value)), el("td", {}, item.only ? String(item.only[0].length) : "–"),
    el("td", {}, item.only ? String(item.only[1].length) : "–"), el("td", {}, shownP(item.p)));
  const total = found.p === null ? [] : [el("tr", { class: "total" }, el("th", { scope: "row" }, "Average"), el("td", {}, percent(first.average)), el("td", {}, percent(second.average)),
    el("td", {}, points(found.difference)), el("td", {}, ""), el("td", {}, ""), el("td", {}, shownP(found.p)))];
  const keys = [...new Set([...Object.keys(one.config), ...Object.keys(two.config)])];
  const setting = (key) => {
    const same = one.config[key] === two.config[key];
    return el("tr", { class: same ? "same" : "differs" }, el("th", { scope: "row" }, key), el("td", {}, one.config[key] ?? "–"), el("td", {}, two.config[key] ?? "–"));
  };
  const facts = [["average %", (e) => percent(e.average)], ["verified", (e) => (e.level === null ? "–" : index.levels[e.level])], ["status", (e) => e.status],
    ["GiB", (e) => (e.bytes ? amount(e.bytes / 2 ** 30) : "–")], ["adapter M", (e) => (e.parameters ? amount(e.parameters / 1e6) : "–")],
    ["base M", (e) => (e.size ? amount(e.size / 1e6) : "–")], ["hours", (e) => (e.hours === null ? "–" : fixed(e.hours, 2))], ["licence", (e) => e.licence || "–"]];
  const fact = ([name, of]) => el("tr", { class: String(of(first)) === String(of(second)) ? "same" : "differs" }, el("th", { scope: "row" }, name), el("td", {}, String(of(first))), el("td", {}, String(of(second))));
  const heads = ["Setting", first.name, second.name];
  return [
    el("a", { class: "back", href: lastList }, "← All entries"),
    el("h2", { tabindex: "-1" }, `${first.name} and ${second.name}`),
    el("p", { class: "verdict" }, verdict),
    el("p", { class: "hint" }, "Two-sided paired test over the rows that both answered: rows on which they agree say nothing, every other one would be a fair coin if neither were better."),
    scrolling("Scores of both", tableOf(["Set", first.name, second.name, "Difference", "Only the first", "Only the second", "p"], [...found.sets.map(row), ...total], "compare")),
    el("h3", {}, "Rows on which they differ"), found.sets.map((item) => differing(item, first, second)),
    el("h3", {}, "Side by side"), scrolling("Settings of both", tableOf(heads, [...facts.map(fact), ...keys.map(setting)], "settings")),
    el("p", {}, el("a", { href: entryLink(first.name) }, first.name), " · ", el("a", { href: entryLink(second.name) }, second.name)),
  ];
}
