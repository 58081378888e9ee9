// The page of one entry: what it scored, who filed it, and what to type to repeat it.
const list = (pairs) => el("dl", {}, pairs.flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, value)]));
const link = (url, text) => (/^https:\/\//.test(url) ? el("a", { href: url, rel: "noopener noreferrer nofollow" }, text) : text);
const scrolling = (label, table) => el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, table);
const tableOf = (heads, rows, name) => el("table", { class: name || null }, el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))),
  el("tbody", {}, rows));

function scoreTable(found) {
  const second = index.second === null ? [] : [index.second];
  const measures = index.measures.map((item) => item.heading);
  const heads = ["Set", "%", "95 % interval", "Right", "No leak", ...[...second, ...measures].map(capitalised)];
  const row = (set) => {
    const score = found.scores[set.task];
    if (!score) return el("tr", {}, el("th", { scope: "row" }, set.title), el("td", { colspan: heads.length - 1 }, "–"));
    const exact = score.correct === null ? "" : `${grouped(score.correct)} of ${grouped(score.examples)}`;
    return el("tr", {}, el("th", { scope: "row" }, set.title), el("td", {}, el("b", {}, percent(score.value))),
      el("td", {}, `${percent(score.low)} – ${percent(score.high)}`), el("td", {}, exact), el("td", {}, percent(score.clean)),
      second.length ? el("td", {}, percent(score.second)) : null,
      index.measures.map((item) => el("td", {}, percent(score.measures[item.name]))));
  };
  return scrolling("Scores", tableOf(heads, index.sets.map(row)));
}

function curve(points) {
  if (points.length < 2) return null;
  const [w, h, left, bottom] = [620, 220, 44, 190];
  const [first, last] = [points[0], points[points.length - 1]];
  const top = Math.max(...points.map((point) => point[1]));
  const low = Math.min(0, ...points.map((point) => point[1]));
  const x = (round) => left + ((round - first[0]) / Math.max(1, last[0] - first[0])) * (w - left - 14);
  const y = (loss) => bottom - ((loss - low) / (top - low || 1)) * (bottom - 14);
  const ticks = [0, 1, 2, 3, 4].map((step) => low + ((top - low) * step) / 4);
  return svg("svg", { class: "curve", viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": `Training loss from ${first[1]} in round ${first[0]} to ${last[1]} in round ${last[0]}` },
    ticks.map((tick) => [svg("line", { class: "grid", x1: left, x2: w - 14, y1: y(tick), y2: y(tick) }),
      svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tick.toFixed(2))]),
    svg("path", { d: points.map(([round, loss], i) => `${i ? "L" : "M"}${x(round).toFixed(1)} ${y(loss).toFixed(1)}`).join("") }),
    svg("text", { x: left, y: h - 8 }, `round ${first[0]}`), svg("text", { x: w - 14, y: h - 8, "text-anchor": "end" }, `round ${last[0]}`));
}

function ladder(entry, found) {
  return el("ol", { class: "ladder" }, index.levels.map((level, step) => {
    const rung = found.rungs.find((item) => item.level === level);
    const small = rung ? el("small", {}, `${rung.date.slice(0, 10)} · ${rung.command}`) : null;
    return el("li", earned(entry, step) ? { class: "on" } : {}, level, small);
  }));
}

// A line breaks between words: whoever types it from the page should not see `--` without its option.
const wordsOf = (text) => text.split(/(\s)/).map((part) => (/\S/.test(part) ? el("span", { class: "word" }, part) : part));

function repeatBox(found) {
  if (!found.repetitions.length) return null;
  const steps = new Map();
  for (const item of found.repetitions) steps.set(item.what, [...(steps.get(item.what) || []), item]);
  const step = ([what, items]) => el("li", {}, el("h4", {}, capitalised(what),
    el("span", { class: "time" }, [duration(items[0].seconds), `earns ${items[0].earns}`].filter(Boolean).join(" · "))),
  el("pre", { class: "commands", tabindex: "0" }, el("samp", {}, wordsOf(items.map((item) => item.command).join("\n")))),
  items.map((item) => (item.note ? el("p", { class: "hint" }, item.note) : null)));
  const machine = found.machine ? ` Times are the record's, on ${found.machine}.` : "";
  return el("section", { class: "repeat", "aria-labelledby": "repeat-title" }, el("h3", { id: "repeat-title" }, "Repeat it"),
    el("p", { class: "hint" }, "In a clone of ", repository(),
      `, after pip install -r requirements.txt.${machine}`),
    el("ol", {}, [...steps].map(step)));
}

function sampleTable(found) {
  if (!found.samples.length) return null;
  const row = (item) => {
    const right = item.answer === item.target;
    return el("tr", {}, el("td", {}, `${item.task} ${item.index}`), el("td", {}, item.target),
      el("td", { class: right ? "right" : "wrong" }, `${right ? "✓" : "✗"} ${item.answer}`), el("td", {}, item.output || "(empty)"));
  };
  return [el("h3", {}, "Answers, right and wrong"), el("p", { class: "hint" }, "The sets' licences keep their text out; rows are named by number."),
    scrolling("Answers", tableOf(["Row", "Right answer", "Read as", "Raw output"], found.samples.map(row), "samples"))];
}

// A file of an entry, or its folder; a link where pages and submissions lie beside one another.
const fileLink = (name, file = "", text = `submissions/${index.board}/${name}`) => (index.submissions
  ? el("a", { href: `${index.submissions}/${index.board}/${[name, ...file.split("/")].map(encodeURIComponent).join("/")}` }, text) : text);
const repository = () => (index.repository ? link(index.repository, index.repository) : "the repository");

function fileList(entry, found) {
  const names = Object.entries(found.files);
  if (!names.length) return null;
  const size = (bytes) => (bytes < 1024 ? `${bytes} B` : bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(0)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`);
  return [el("h3", {}, "Files"), index.submissions ? null : el("p", { class: "hint" }, "In the folder ", fileLink(entry.name), " of ", repository(), "."),
    el("ul", { class: "files" }, names.map(([name, bytes]) =>
    el("li", {}, fileLink(entry.name, name, name), ` ${size(bytes)}`)))];
}

function people(entry, found) {
  const author = found.author || {};
  const parts = [
    author.handle ? el("a", { href: `https://github.com/${encodeURIComponent(author.handle)}`, rel: "noopener noreferrer nofollow" }, author.name || author.handle) : null,
    author.handle && author.name ? `@${author.handle}` : null, author.affiliation,
    entry.date ? `${found.submitted ? "filed" : entry.kind === "claim" ? "imported" : "run"} ${entry.date}` : null, entry.licence ? `licence ${entry.licence}` : null,
  ].filter(Boolean);
  return parts.length ? el("p", { class: "people" }, parts.flatMap((part, i) => [i ? " · " : "", el("bdi", {}, part)])) : null;
}

// Names are offered as they are typed: of thousands that hold the text, so many at once.
const OFFERED = 50;
function comparePicker(entry) {
  const others = entries.filter((other) => other.kind !== "reference" && other.name !== entry.name);
  const names = el("datalist", { id: "compare-names" });
  const input = el("input", { id: "compare-with", list: "compare-names", autocomplete: "off", placeholder: "name of another entry …" });
  const count = el("output", { for: "compare-with", "aria-live": "polite" });
  const offer = () => {
    const found = others.filter((other) => other.name.includes(folded(input.value.trim())));
    const first = found.slice(0, OFFERED);
    names.replaceChildren(...first.map((other) => el("option", { value: other.name })));
    const more = first.length < found.length ? `, the first ${OFFERED} are offered` : "";
    count.textContent = !found.length && input.value.trim() ? "no entry has such a name" : `${grouped(found.length)} of ${grouped(others.length)} ${others.length === 1 ? "entry" : "entries"}${more}`;
  };
  const go = () => {
    const other = byName.get(input.value.trim());
    if (other && other !== entry) location.hash = `#/compare/${encodeURIComponent(entry.name)}/${encodeURIComponent(other.name)}`;
  };
  input.addEventListener("input", (event) => {
    offer();
    if (!event.inputType || event.inputType === "insertReplacementText") go(); // A name was picked, not typed.
  });
  input.addEventListener("change", go);
  offer();
  return el("div", { class: "compare-picker" }, el("label", { for: "compare-with" }, "Compare with"), input, names, count);
}

function entryView(entry, found) {
  const facts = [
    ["average", entry.average === null ? null : `${percent(entry.average)} %`], ["group", entry.group],
    ["sent", entry.bytes ? `${amount(entry.bytes / 2 ** 30)} GiB` : null],
    ["adapter", entry.parameters ? `${amount(entry.parameters / 1e6)} M` : null],
    ["base model", entry.size ? `${amount(entry.size / 1e6)} M` : null], ["rounds", entry.rounds],
    ["hours", entry.hours === null ? null : fixed(entry.hours, 2)], ["whose code", entry.whose || null], ["isolation", entry.isolation || null],
  ].filter(([, value]) => value !== null && value !== undefined);
  const loss = curve(found.losses);
  const texts = Object.entries(found.texts);
  const digests = Object.entries(found.digests).filter(([, value]) => value).map(([key, value]) => [key, el("span", { class: "mono" }, value)]);
  const links = found.links.map((item) => [item.what, link(item.url, item.text)]);
  if (found.source) links.push(["source", link(found.source, found.source)]);
  const heading = (text) => el("h3", {}, text);
  return [
    el("a", { class: "back", href: lastList }, "← All entries"),
    el("h2", { tabindex: "-1" }, entry.name),
    el("p", { class: "hint" }, [entry.model, found.method].filter(Boolean).join(" · ")),
    people(entry, found),
    el("div", { class: "badges" }, el("span", { class: `badge ${entry.status.replace(" ", "-")}` }, entry.status),
      entry.level === null ? null : el("span", { class: "badge" }, index.levels[entry.level])),
    el("dl", { class: "tiles" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value))))),
    found.reasons.length ? el("div", { class: "reasons" }, found.reasons.map((text) => el("p", {}, capitalised(text)))) : null,
    links.length ? [heading("Links"), list(links)] : null,
    repeatBox(found),
    found.command ? [heading("What was typed"), el("pre", { class: "commands", tabindex: "0" }, el("samp", {}, found.command))] : null,
    heading("Scores"), scoreTable(found), comparePicker(entry),
    entry.kind === "run" ? [heading("Verified"), ladder(entry, found)] : null,
    found.findings.length ? [heading("Findings"), el("ul", { class: "findings" }, found.findings.map((item) => el("li", { class: item.severity }, item.text)))] : null,
    found.stated.length ? [heading("Taken as stated"), el("p", { class: "hint" }, "Nothing in the files confirms these; the levels above say what was repeated."),
      el("ul", { class: "findings" }, found.stated.map((text) => el("li", {}, text)))] : null,
    loss ? [heading("Training loss"), loss] : null,
    texts.length ? [heading("What clients are trained on"), texts.map(([name, text]) => el("details", { open: text.length < 400 ? "" : null },
      el("summary", {}, name), el("pre", { class: "text", tabindex: "0" }, text)))] : null,
    el("div", { class: "two" }, el("div", {}, Object.keys(found.config).length ? [heading("Configuration"), list(Object.entries(found.config))] : null),
      el("div", {}, Object.keys(found.environment).length ? [heading("Environment"), list(Object.entries(found.environment))] : null)),
    sampleTable(found), fileList(entry, found),
    digests.length ? [heading("Digests"), list(digests)] : null,
  ];
}
