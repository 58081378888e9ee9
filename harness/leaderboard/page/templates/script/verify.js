// Dropped files are checked by the harness itself, which runs as WebAssembly: nothing leaves the browser.
const byId = (id) => document.getElementById(id);
const MOST_BYTES = 256 * 2 ** 20;
const JUDGE = `
from harness.leaderboard.verifier.in_browser import judge
lambda names, buffers: judge({name: buffer.to_bytes() for name, buffer in zip(names, buffers)})
`;

let starting = null;
const say = (text) => { byId("said").textContent = text; };
const painted = () => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve, 0)); });

async function bytesOf(name) {
  const answer = await fetch(`verifier/${name}`);
  if (!answer.ok) throw new Error(`verifier/${name} is not beside this page`);
  return answer.arrayBuffer();
}

async function start() {
  const place = new URL("verifier/", location.href).href;
  const { loadPyodide } = await import(`${place}pyodide.mjs`);
  const python = await loadPyodide({ indexURL: place });
  const { wheels } = JSON.parse(new TextDecoder().decode(await bytesOf("packages.json")));
  for (const name of wheels) python.unpackArchive(await bytesOf(name), "wheel");
  const site = python.runPython("import site; site.getsitepackages()[0]");
  python.unpackArchive(await bytesOf("harness.zip"), "zip", { extractDir: site });
  return python.runPython(JUDGE);
}

// A folder's files by path; a folder gives up to 100 of its entries at a time.
async function filesIn(entry, above = "") {
  const name = `${above}${entry.name}`;
  if (entry.isFile) return [[name, await new Promise((resolve, reject) => { entry.file(resolve, reject); })]];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) return found;
    for (const item of some) found.push(...await filesIn(item, `${name}/`));
  }
}

async function check(pairs) {
  byId("result").hidden = true;
  const size = pairs.reduce((sum, [, file]) => sum + file.size, 0);
  if (!pairs.length || size > MOST_BYTES) {
    say(pairs.length ? `${Math.round(size / 2 ** 20)} MiB are more than ${MOST_BYTES / 2 ** 20}: drop one submission's folder.` : "Nothing was dropped: a folder, a zip file or a result.json is expected.");
    return;
  }
  try {
    say("Loading the checker …");
    await painted();
    starting ||= start();
    const judge = await starting;
    say(`Checking ${pairs.length} ${pairs.length === 1 ? "file" : "files"} …`);
    await painted();
    const buffers = await Promise.all(pairs.map(async ([, file]) => new Uint8Array(await file.arrayBuffer())));
    const found = JSON.parse(judge(pairs.map(([name]) => name), buffers));
    byId("verdict").textContent = found.clean ? "Clean" : "Found wanting";
    byId("lines").textContent = found.lines.join("\n");
    byId("result").hidden = false;
    byId("verdict").focus();
    say("Other files can be dropped now.");
  } catch (error) {
    starting = null;
    say(`The checker could not be run: ${error.message}. harness verify FOLDER says the same.`);
  }
}

function chosen(input, nameOf) {
  check([...input.files].map((file) => [nameOf(file), file]));
  input.value = ""; // So that the same files, mended, can be chosen again.
}

function listen() {
  const drop = byId("drop");
  for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());
  drop.addEventListener("drop", async (event) => {
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    check((await Promise.all(entries.map((entry) => filesIn(entry)))).flat());
  });
  byId("folder").addEventListener("change", (event) => chosen(event.target, (file) => file.webkitRelativePath));
  byId("file").addEventListener("change", (event) => chosen(event.target, (file) => file.name));
}

if (location.protocol === "file:") {
  for (const input of document.querySelectorAll("input")) input.disabled = true;
  say("A page that was opened from a disk may not load the checker. Serve the folder, python -m http.server, and open its address; or type harness verify FOLDER.");
} else {
  listen();
}
