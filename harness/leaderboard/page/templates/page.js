"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byName = new Map([...data.entries, ...data.claims].map((entry) => [entry.name, entry]));
  const overview = document.getElementById("overview");
  const article = document.getElementById("entry");
  const table = document.getElementById("board");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  const filter = document.getElementById("filter");
  const status = document.getElementById("status");
  const sorting = document.getElementById("sort-select");
  const count = document.getElementById("count");
  const title = document.title;
  const texts = new Map(rows.map((row) => [row, row.cells[1].textContent.toLowerCase()]));

  // Everything of a submission goes through textContent or setAttribute; nothing is parsed as HTML.
  const SVG = "http://www.w3.org/2000/svg";
  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    for (const child of (children || []).flat()) {
      if (child !== null && child !== undefined) node.append(child);
    }
    return node;
  };
  const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  const percent = (value) => (value === null || value === undefined ? "–" : (100 * value).toFixed(2));
  const capitalised = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  const amount = (value) => value.toLocaleString("en");

  function sort(column, descending) {
    const numeric = heads[column].dataset.type === "number";
    const value = (row) => row.cells[column].dataset.value;
    rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
      return descending ? -order : order;
    });
    body.append(...rows);
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    sorting.value = String(column);
  }

  function show() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let visible = 0;
    for (const row of rows) {
      const { kind, eligible } = row.dataset;
      const wanted = {
        "": true,
        eligible: eligible === "yes",
        run: kind === "run",
        entries: kind !== "reference",
      }[status.value];
      row.hidden = !(wanted && words.every((word) => texts.get(row).includes(word)));
      visible += row.hidden ? 0 : 1;
    }
    count.textContent = `${visible} of ${rows.length} rows`;
  }

  heads.forEach((head, column) => {
    sorting.append(el("option", { value: String(column) }, head.textContent));
    head.querySelector("button").addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      sort(column, now ? now === "ascending" : head.dataset.first === "desc");
    });
  });
  sorting.value = "2";
  sorting.addEventListener("change", () => {
    const column = Number(sorting.value);
    sort(column, heads[column].dataset.first === "desc");
  });
  filter.addEventListener("input", show);
  status.addEventListener("change", show);
  document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());

  const list = (pairs) => el("dl", {}, pairs.flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, value)]));

  function scores(entry) {
    const second = data.second === null ? [] : [data.second];
    const measures = data.measures.map((item) => item.heading);
    const heading = ["Set", "%", "95 % interval", "Right", "No leak", ...[...second, ...measures].map(capitalised)];
    const line = (set) => {
      const score = entry.scores[set.task];
      if (!score) return el("tr", {}, el("th", { scope: "row" }, set.title), el("td", { colspan: String(heading.length - 1) }, "–"));
      const exact = score.correct === null ? "" : `${amount(score.correct)} of ${amount(score.examples)}`;
      return el("tr", {}, el("th", { scope: "row" }, set.title), el("td", {}, el("b", {}, percent(score.value))),
        el("td", {}, `${percent(score.low)} – ${percent(score.high)}`), el("td", {}, exact),
        el("td", {}, percent(score.clean)), second.length ? el("td", {}, percent(score.second)) : null,
        data.measures.map((item) => el("td", {}, percent(score.measures[item.name]))));
    };
    return el("div", { class: "scroll" }, el("table", {},
      el("thead", {}, el("tr", {}, heading.map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, data.sets.map(line))));
  }

  function curve(points) {
    if (points.length < 2) return null;
    const [w, h, left, bottom] = [620, 220, 44, 190];
    const last = points[points.length - 1][0];
    const top = Math.max(...points.map((point) => point[1]));
    const low = Math.min(0, ...points.map((point) => point[1]));
    const x = (round) => left + ((round - points[0][0]) / Math.max(1, last - points[0][0])) * (w - left - 14);
    const y = (loss) => bottom - ((loss - low) / (top - low || 1)) * (bottom - 14);
    const ticks = [0, 1, 2, 3, 4].map((step) => low + ((top - low) * step) / 4);
    return svg("svg", { class: "curve", viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": `Training loss from ${points[0][1]} in round ${points[0][0]} to ${points[points.length - 1][1]} in round ${last}` },
      ticks.map((tick) => [
        svg("line", { class: "grid", x1: left, x2: w - 14, y1: y(tick), y2: y(tick) }),
        svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tick.toFixed(2)),
      ]).flat(),
      svg("path", { d: points.map(([round, loss], i) => `${i ? "L" : "M"}${x(round).toFixed(1)} ${y(loss).toFixed(1)}`).join("") }),
      svg("text", { x: left, y: h - 8 }, `round ${points[0][0]}`),
      svg("text", { x: w - 14, y: h - 8, "text-anchor": "end" }, `round ${last}`));
  }

  const LEVELS = ["claimed", "rescored", "re-evaluated", "round-replayed", "re-run"];
  function ladder(entry) {
    const reached = LEVELS.indexOf(entry.level);
    return el("ol", { class: "ladder" }, LEVELS.map((level, index) => {
      const rung = entry.rungs.find((item) => item.level === level);
      const small = rung ? el("small", {}, `${rung.date.slice(0, 10)} · ${rung.command}`) : null;
      return el("li", index <= reached ? { class: "on" } : {}, level, small);
    }));
  }

  function samples(entry) {
    if (!entry.samples.length) return null;
    const line = (item) => {
      const right = item.answer === item.target;
      return el("tr", {}, el("td", {}, `${item.task} ${item.index}`), el("td", {}, item.target),
        el("td", { class: right ? "right" : "wrong" }, `${right ? "✓" : "✗"} ${item.answer}`), el("td", {}, item.output || "(empty)"));
    };
    const heading = ["Row", "Right answer", "Read as", "Raw output"];
    return [el("h3", {}, "Answers, right and wrong"),
      el("p", { class: "hint" }, "The sets' licences keep their text out; rows are named by number."),
      el("div", { class: "scroll" }, el("table", { class: "samples" },
        el("thead", {}, el("tr", {}, heading.map((text) => el("th", { scope: "col" }, text)))),
        el("tbody", {}, entry.samples.map(line))))];
  }

  function findings(entry) {
    if (!entry.findings.length) return null;
    return [el("h3", {}, "Findings"), el("ul", { class: "findings" },
      entry.findings.map((item) => el("li", { class: item.severity }, item.text)))];
  }

  function view(entry) {
    const facts = [
      entry.average === null ? null : `${percent(entry.average)} % average`,
      entry.bytes_total === null ? null : `${(entry.bytes_total / 2 ** 30).toFixed(2)} GiB sent`,
      entry.parameters === null ? null : `${(entry.parameters / 1e6).toFixed(1)} M adapter weights`,
      entry.rounds === null ? null : `${entry.rounds} rounds`,
      entry.rank_group === null ? null : `group ${entry.rank_group}`,
    ].filter(Boolean);
    const heading = el("h2", { tabindex: "-1" }, entry.name);
    const loss = curve(entry.losses);
    const link = /^https:\/\//.test(entry.source)
      ? el("p", {}, el("a", { href: entry.source, rel: "noopener noreferrer nofollow" }, entry.source)) : null;
    const reasons = entry.reasons.length
      ? el("div", { class: "reasons" }, entry.reasons.map((text) => el("p", {}, `Not eligible: ${text}`))) : null;
    const digests = Object.entries(entry.digests).map(([key, value]) => [key, el("span", { class: "mono" }, value)]);
    article.replaceChildren(...[
      el("a", { class: "back", href: "#/" }, "← All entries"), heading,
      el("p", { class: "hint" }, [entry.model, entry.method].filter(Boolean).join(" · ")), link,
      el("ul", { class: "facts" }, facts.map((text) => el("li", {}, text))), reasons,
      el("h3", {}, "Scores"), scores(entry),
      el("h3", {}, "Verified"), ladder(entry),
      findings(entry),
      loss ? [el("h3", {}, "Training loss"), loss] : null,
      el("div", { class: "two" },
        el("div", {}, el("h3", {}, "Configuration"), list(Object.entries(entry.config))),
        el("div", {}, Object.keys(entry.environment).length ? [el("h3", {}, "Environment"), list(Object.entries(entry.environment))] : null)),
      samples(entry),
      digests.length ? [el("h3", {}, "Digests"), list(digests)] : null,
    ].flat().filter((node) => node !== null));
    return heading;
  }

  let opener = null;
  function route() {
    const match = /^#\/entry\/(.+)$/.exec(location.hash);
    let name = null;
    try { name = match && decodeURIComponent(match[1]); } catch { name = null; }
    const entry = name === null ? null : byName.get(name);
    overview.hidden = Boolean(entry);
    article.hidden = !entry;
    if (entry) {
      opener = name;
      const heading = view(entry);
      document.title = `${entry.name} · ${title}`;
      window.scrollTo(0, 0);
      heading.focus({ preventScroll: true });
    } else {
      document.title = title;
      const row = opener === null ? null : rows.find((item) => item.dataset.name === opener);
      if (row) row.querySelector("a").focus();
      opener = null;
    }
  }
  window.addEventListener("hashchange", route);
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && article.hidden) {
      event.preventDefault();
      filter.focus();
    } else if (event.key === "Escape" && !article.hidden) {
      location.hash = "#/";
    }
  });
  show();
  route();
})();
