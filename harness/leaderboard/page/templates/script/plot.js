// Accuracy against communication with the Pareto front, and the best of its time. One tab stop each: arrow
// keys go from point to point.
const CHARACTER = 7.4;
const CELL = 7;

function front(points) {
  const kept = [];
  let best = -Infinity;
  for (const point of [...points].sort((a, b) => a.mib - b.mib || b.average - a.average || a.place - b.place)) {
    if (point.average > best) {
      kept.push(point);
      best = point.average;
    }
  }
  return kept;
}

// Of thousands of points those that would cover one another are drawn once; the best of each cell stays.
function thinned(points, kept) {
  const cells = new Map();
  for (const point of points) {
    const place = `${Math.round(point.x / CELL)} ${Math.round(point.y / CELL)} ${point.status}`;
    const other = cells.get(place);
    if (!other || (!kept.has(other) && (kept.has(point) || point.average > other.average))) cells.set(place, point);
  }
  return [...new Set([...cells.values(), ...kept])];
}

function frame(width, height, label) {
  return svg("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label });
}

function drawPlot(list, references) {
  const box = byId("plot");
  const points = list.filter((entry) => entry.average !== null && entry.bytes && entry.kind === "run")
    .map((entry) => ({ ...entry, mib: entry.bytes / 2 ** 20 }));
  if (!points.length) {
    box.replaceChildren(el("p", { class: "empty" }, "Nothing to draw: no run that is shown has an average and a byte count."));
    return;
  }
  const wide = window.innerWidth > 760;
  const [width, height, left, right, top, bottom] = wide ? [720, 380, 48, 700, 16, 332] : [420, 360, 42, 406, 16, 312];
  const lines = references.filter((entry) => entry.average !== null);
  const values = [...points, ...lines].map((entry) => entry.average);
  const lowX = Math.floor(Math.log10(Math.min(...points.map((p) => p.mib))));
  const highX = Math.log10(Math.max(index.limit_mib, ...points.map((p) => p.mib))) + 0.12;
  const lowY = Math.floor(20 * Math.min(...values) - 0.2) / 20;
  const highY = Math.min(1, Math.ceil(20 * Math.max(...values) + 0.2) / 20);
  const x = (mib) => left + ((Math.log10(mib) - lowX) / (highX - lowX)) * (right - left);
  const y = (value) => bottom - ((value - lowY) / (highY - lowY || 1)) * (bottom - top);
  for (const point of points) [point.x, point.y] = [x(point.mib), y(point.average)];
  const best = front(points.filter((point) => point.status === "eligible"));
  const drawn = thinned(points, new Set(best)).sort((a, b) => a.mib - b.mib || a.average - b.average || a.place - b.place);
  const picture = frame(width, height, `Average ${index.metric} of ${howMany(points.length, "run")} against the bytes they sent`);
  for (let tick = Math.round(lowY * 20); tick <= Math.round(highY * 20); tick += 2) {
    picture.append(svg("line", { class: "grid", x1: left, x2: right, y1: y(tick / 20), y2: y(tick / 20) }),
      svg("text", { x: left - 6, y: y(tick / 20) + 4, "text-anchor": "end" }, `${5 * tick} %`));
  }
  for (let power = lowX; power <= Math.floor(highX); power += wide ? 1 : 2) {
    const mib = 10 ** power;
    picture.append(svg("line", { class: "grid", x1: x(mib), x2: x(mib), y1: top, y2: bottom }),
      svg("text", { x: x(mib), y: bottom + 16, "text-anchor": "middle" }, mib < 1000 ? `${mib} MiB` : `${mib / 1000}k MiB`));
  }
  picture.append(svg("text", { x: right, y: bottom + 36, "text-anchor": "end" }, "train messages, both directions"),
    svg("line", { class: "limit", x1: x(index.limit_mib), x2: x(index.limit_mib), y1: top, y2: bottom }),
    svg("text", { x: x(index.limit_mib) - 4, y: top + 10, "text-anchor": "end" }, "limit"));
  const written = [];
  for (const [i, line] of lines.entries()) {
    const at = y(line.average);
    written.push([right - 2 - CHARACTER * line.title.length, at - 14, right, at + 14]);
    picture.append(svg("line", { class: "baseline", x1: left, x2: right, y1: at, y2: at }),
      svg("text", { class: "reference", x: right - 2, y: at + (i === lines.length - 1 ? 13 : -4), "text-anchor": "end" }, line.title));
  }
  if (best.length) {
    const steps = best.map((point, i) => (i ? `H${point.x.toFixed(1)}V${point.y.toFixed(1)}` : `M${point.x.toFixed(1)} ${point.y.toFixed(1)}`));
    picture.append(svg("path", { class: "front", d: `${steps.join("")}H${right}` }));
  }
  const onFront = new Set(best);
  if (drawn.length > 250) picture.classList.add("many");
  picture.append(...drawn.map((point) => dot(point, onFront.has(point))), ...labels(drawn, onFront, left, right, written));
  rove(picture);
  box.replaceChildren(picture);
}

function dot(point, isFront) {
  const mib = point.mib < 10 ? amount(point.mib) : grouped(Math.round(point.mib));
  const title = `${point.name}: ${percent(point.average)} %, ${mib} MiB, ${point.status}`;
  return svg("a", { href: entryLink(point.name), tabindex: "-1", "aria-label": title, class: "point" },
    svg("circle", { class: `dot ${point.status.replace(" ", "-")}`, cx: point.x.toFixed(1), cy: point.y.toFixed(1), r: isFront ? 6.5 : 5 }),
    svg("title", {}, title));
}

// Names beside the points of the front, and beside the others while they are few, where there is room.
function labels(points, onFront, left, right, written) {
  const taken = [...written, ...points.map((p) => [p.x - 8, p.y - 8, p.x + 8, p.y + 8])];
  const found = [];
  const first = [...points].sort((a, b) => onFront.has(b) - onFront.has(a) || b.average - a.average);
  for (const point of first) {
    if (!onFront.has(point) && points.length > 24) break;
    const text = point.name.length > 26 ? `${point.name.slice(0, 25)}…` : point.name;
    const size = CHARACTER * text.length;
    for (const [anchor, at] of [["start", point.x + 11], ["end", point.x - 11]]) {
      const start = anchor === "start" ? at : at - size;
      const room = [start, point.y - 8, start + size, point.y + 8];
      const free = room[0] > left && room[2] < right
        && !taken.some((b) => room[0] < b[2] && b[0] < room[2] && room[1] < b[3] && b[1] < room[3]);
      if (free) {
        taken.push(room);
        found.push(svg("text", { class: "label", x: at, y: point.y + 4, "text-anchor": anchor, "aria-hidden": "true" }, text));
        break;
      }
    }
  }
  return found;
}

function rove(picture) {
  const points = [...picture.querySelectorAll(".point")];
  if (points.length) points[0].setAttribute("tabindex", "0");
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = points.indexOf(document.activeElement);
    const next = event.key === "Home" ? 0 : event.key === "End" ? points.length - 1 : at + (step || 0);
    if (at < 0 || (step === undefined && !["Home", "End"].includes(event.key))) return;
    event.preventDefault();
    if (next < 0 || next >= points.length) return;
    points[at].setAttribute("tabindex", "-1");
    points[next].setAttribute("tabindex", "0");
    points[next].focus();
  });
}

function drawHistory(list) {
  const box = byId("history"); // A board of the open division, on which nothing ranks, has no such box.
  if (!box) return;
  const dated = list.filter((entry) => entry.status === "eligible" && entry.average !== null && /^\d{4}-\d{2}-\d{2}$/.test(entry.date))
    .sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : b.average - a.average || a.place - b.place));
  let highest = -Infinity;
  const best = dated.filter((entry) => entry.average > highest && (highest = entry.average) !== null);
  if (!best.length) {
    box.replaceChildren(el("p", { class: "empty" }, "No run that is shown ranks yet."));
    return;
  }
  const [width, height, left, right, top, bottom] = [420, 360, 48, 404, 20, 312];
  const days = (entry) => Date.parse(entry.date) / 86400000;
  const [begin, end] = [days(dated[0]), days(dated[dated.length - 1])];
  const values = best.map((entry) => entry.average);
  const low = Math.floor(20 * Math.min(...values) - 0.2) / 20;
  const high = Math.min(1, Math.ceil(20 * Math.max(...values) + 0.2) / 20);
  const x = (entry) => (end > begin ? left + 10 + ((days(entry) - begin) / (end - begin)) * (right - left - 20) : (left + right) / 2);
  const y = (value) => bottom - ((value - low) / (high - low || 1)) * (bottom - top);
  const picture = frame(width, height, `The best of its time: ${howMany(best.length, "run")}, from ${percent(values[0])} to ${percent(values[values.length - 1])} %`);
  for (let tick = Math.round(low * 20); tick <= Math.round(high * 20); tick += 1) {
    picture.append(svg("line", { class: "grid", x1: left, x2: right, y1: y(tick / 20), y2: y(tick / 20) }),
      svg("text", { x: left - 6, y: y(tick / 20) + 4, "text-anchor": "end" }, `${5 * tick} %`));
  }
  picture.append(svg("text", { x: left, y: bottom + 18 }, dated[0].date));
  if (end > begin) picture.append(svg("text", { x: right, y: bottom + 18, "text-anchor": "end" }, dated[dated.length - 1].date));
  const path = best.map((entry, i) => (i ? `H${x(entry).toFixed(1)}V${y(entry.average).toFixed(1)}` : `M${x(entry).toFixed(1)} ${y(entry.average).toFixed(1)}`));
  picture.append(svg("path", { class: "front", d: `${path.join("")}H${right}` }),
    ...best.map((entry) => dot({ ...entry, mib: (entry.bytes || 0) / 2 ** 20, x: x(entry), y: y(entry.average) }, true)));
  rove(picture);
  box.replaceChildren(picture);
}
