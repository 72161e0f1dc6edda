// Keeps a job's page up to date: the server draws it, and this draws the parts anew that changed.
// Text from a job gets into the page as text alone.
"use strict";

const OFTEN = 2000; // milliseconds between looks where the stream of events has failed
const SELDOM = 5000; // where it has not: the sentence speaks of seconds
const LOG_EVERY = 1000;
const MOST_FAILURES = 3; // of the stream in a row, before it is given up
const MOST_LINES = 1000; // of a log, as the server keeps

const job = document.getElementById("job");
const lines = document.getElementById("lines");
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const hasEnded = () => job.dataset.ended === "true";

let every = SELDOM;
let asking = null;
let askAgain = false;

// The page as it stands now; one question at a time, and one more for who asks meanwhile.
function refresh() {
  askAgain = asking !== null;
  asking ??= draw().finally(() => {
    asking = null;
    if (askAgain) refresh();
  });
  return asking;
}

async function draw() {
  let answer;
  try {
    answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  } catch {
    return; // the server is away; the next look may find it
  }
  if (answer.status === 404 || answer.status === 410) location.reload();
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = fresh.getElementById("job");
  if (now === null) return;
  document.title = fresh.title;
  localise(now);
  for (const part of now.querySelectorAll("[data-part]")) replace(part);
  job.dataset.ended = now.dataset.ended;
}

function replace(part) {
  const old = document.getElementById(part.id);
  if (old.innerHTML === part.innerHTML) return;
  // Not to the button that comes in its place: somebody may be about to press Enter.
  const hadFocus = old.contains(document.activeElement);
  old.replaceChildren(...part.childNodes);
  if (hadFocus) job.querySelector("h1").focus();
}

function showProgress({ percent, message }) {
  const bar = job.querySelector("progress");
  if (bar === null) {
    refresh();
    return;
  }
  bar.value = percent;
  document.getElementById("percent").textContent = `${Number(percent.toFixed(1))} %`;
  document.getElementById("message").textContent = message ?? "";
}

function listen() {
  const stream = new EventSource(job.dataset.events);
  let failures = 0;
  const close = () => {
    stream.close();
    every = OFTEN;
  };
  stream.addEventListener("open", () => (failures = 0));
  stream.addEventListener("job", (event) => {
    const { status } = JSON.parse(event.data);
    if (status !== document.getElementById("status").textContent.trim()) refresh();
  });
  stream.addEventListener("status", refresh);
  stream.addEventListener("progress", (event) => showProgress(JSON.parse(event.data).progress));
  stream.addEventListener("end", () => {
    stream.close();
    refresh();
  });
  stream.addEventListener("error", () => {
    failures += 1;
    if (stream.readyState === EventSource.CLOSED || failures >= MOST_FAILURES) close();
  });
  addEventListener("pagehide", () => stream.close());
}

function* spansOf(line) {
  const attempt = String(line.attempt);
  if (attempt !== lines.dataset.attempt) {
    const begin = document.createElement("span");
    begin.className = "begin";
    begin.textContent = `Attempt ${attempt}\n`;
    yield begin;
  }
  lines.dataset.attempt = attempt;
  yield lineOf(line);
}

function lineOf({ time, level, stream, message }) {
  const line = document.createElement("span");
  const moment = document.createElement("time");
  const mark = document.createElement("b");
  line.className = "line";
  line.dataset.level = level ?? "";
  moment.dateTime = time;
  moment.dataset.clock = "";
  mark.textContent = level ?? stream;
  line.append(moment, " ", mark, ` ${message}\n`);
  return line;
}

async function readLog() {
  let log;
  try {
    const answer = await fetch(`${job.dataset.log}?after=${lines.dataset.next}`, {
      headers: { Accept: "application/json" },
      cache: "no-store",
    });
    if (!answer.ok) return;
    log = await answer.json();
  } catch {
    return;
  }
  lines.dataset.next = log.next;
  if (log.lines.length === 0) return;
  document.getElementById("logged").hidden = false;
  const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
  for (const line of log.lines) lines.append(...spansOf(line));
  while (lines.children.length > MOST_LINES) {
    lines.firstElementChild.remove();
    document.getElementById("dropped").hidden = false;
  }
  localise(lines);
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}

async function follow() {
  while (!hasEnded()) {
    await wait(LOG_EVERY);
    if (!document.hidden && document.getElementById("status").textContent.trim() === "started") {
      await readLog();
    }
  }
  await readLog(); // what was written last
}

async function look() {
  while (!hasEnded()) {
    await wait(every);
    if (!document.hidden && !hasEnded()) await refresh();
  }
}

if (!hasEnded()) {
  lines.scrollTop = lines.scrollHeight;
  listen();
  look();
  follow();
}
// A page that comes back from the browser's memory is as old as it was left.
addEventListener("pageshow", (event) => event.persisted && location.reload());
document.addEventListener("submit", (event) => {
  const button = event.target.querySelector("button");
  if (button.getAttribute("aria-disabled") === "true") event.preventDefault();
  button.setAttribute("aria-disabled", "true");
});
