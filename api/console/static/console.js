// Makes the page live: news arrive over the event stream, durations run, answers are given without a reload.
// The server renders every piece; this script only fetches the page anew and puts in what has changed.
"use strict";

const { now, lastId, csrf } = document.body.dataset;
const ahead = Date.parse(now) - Date.now(); // the server's clock counts, not this device's
const line = document.getElementById("line");
const refusal = document.getElementById("refusal");
let heardAt = Date.now();
let latest = lastId; // the number of the last thing we were told
let waiting = null;
let source = null;

const present = () => Date.now() + ahead;

// ------------------------------------------------------------------------------------------------ durations
function spell(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-since]")) {
    const words = spell(present() - Date.parse(time.dataset.since));
    if (time.textContent !== words) time.textContent = words;
  }
}

// -------------------------------------------------------------------------------------- changing what differs
function reconcile(list, fresh) {
  const had = new Map([...list.children].map((piece) => [piece.dataset.key, piece]));
  const wanted = [...fresh.children];
  const keys = new Set(wanted.map((piece) => piece.dataset.key));
  for (const [key, piece] of had) if (!keys.has(key)) piece.remove();
  wanted.forEach((piece, place) => {
    let current = had.get(piece.dataset.key);
    if (!current || current.dataset.mark !== piece.dataset.mark) {
      const next = document.importNode(piece, true);
      if (current) {
        carryOver(current, next);
        const focused = current.contains(document.activeElement) && document.activeElement.id;
        current.replaceWith(next);
        if (focused) document.getElementById(focused)?.focus();
      } else if (next.matches(".card")) {
        next.classList.add("card--new");
        announce(next);
      }
      current = next;
    }
    if (list.children[place] !== current) list.insertBefore(current, list.children[place] ?? null);
  });
}

// What somebody has begun to write, or has opened, stays.
function carryOver(from, to) {
  for (const field of from.querySelectorAll("select, textarea")) {
    const other = to.querySelector(`#${CSS.escape(field.id)}`);
    if (other) other.value = field.value;
  }
  for (const details of from.querySelectorAll("details[open]")) {
    to.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  }
}

function announce(card) {
  const words = [".severity", ".card__title"].map((part) => card.querySelector(part).textContent.trim());
  document.getElementById("announcement").textContent = `New alert: ${words.join(", ")}`;
}

async function refresh() {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
  if (answer.redirected) return location.assign(answer.url); // signed out
  if (!answer.ok) throw new Error(`${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh) continue;
    if (part.dataset.part === "list") reconcile(part, fresh);
    else part.textContent = fresh.textContent;
  }
  document.title = page.title;
  tick();
}

// Many things may happen at once; the page is fetched once for all of them.
function refreshSoon() {
  waiting ??= setTimeout(() => {
    waiting = null;
    refresh().catch(outOfTouch);
  }, 150);
}

function moveDoor(door) {
  const tile = document.getElementById(`door-${door.campus}-${door.id}`);
  if (!tile) return refreshSoon();
  const field = (name) => tile.querySelector(`[data-field="${name}"]`);
  const position = door.position ?? "unknown";
  tile.className = `tile tile--${position}`;
  tile.dataset.mark = "moved";
  field("position").textContent = position;
  field("lock").textContent = door.lock ?? "";
  const time = document.createElement("time");
  if (door.since) time.dataset.since = time.dateTime = door.since;
  field("length").replaceChildren(time);
  tick();
}

// ------------------------------------------------------------------------------------------ in touch, or not
function inTouch() {
  heardAt = Date.now();
  if (line.dataset.state === "live") return;
  line.dataset.state = "live";
  line.textContent = "Live";
}

function outOfTouch() {
  if (line.dataset.state === "away") return;
  line.dataset.state = "away";
  const since = new Date(heardAt).toLocaleTimeString([], { hour12: false });
  line.textContent = `Out of touch since ${since}. What you see may be old.`;
}

function listen() {
  source = new EventSource(`/api/v1/stream?last_id=${latest}`);
  source.addEventListener("open", () => {
    if (line.dataset.state === "away") refreshSoon();
    inTouch();
  });
  source.addEventListener("error", () => {
    outOfTouch();
    // Refused for good, the browser does not try again by itself; perhaps we are signed out, the page will tell.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => refresh().then(listen, listen), 5000);
  });
  for (const topic of ["alert", "door", "delivery", "gathering", "system"]) {
    source.addEventListener(topic, (event) => {
      inTouch();
      latest = event.lastEventId;
      if (topic === "door") moveDoor(JSON.parse(event.data));
      else refreshSoon();
    });
  }
}

// The stream's own heartbeat does not show in a page, so a broken line is noticed by asking.
async function check() {
  try {
    const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    if (source.readyState === EventSource.OPEN) inTouch();
  } catch {
    outOfTouch();
  }
}

// ----------------------------------------------------------------------------------------------------- answers
async function send(form) {
  const said = Object.fromEntries(new FormData(form));
  delete said.csrf;
  const answer = await fetch(`/api/v1${new URL(form.action).pathname}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(said),
    signal: AbortSignal.timeout(15000),
  });
  const told = await answer.json();
  refusal.hidden = answer.ok;
  refusal.textContent = answer.ok ? "" : told.detail;
  await refresh();
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-answer]")) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await send(form);
  } catch {
    refusal.hidden = false;
    refusal.textContent = "No answer came, so it is not known whether this counted. Look again, and try once more.";
    outOfTouch();
  }
  button.disabled = false;
});

setInterval(tick, 1000);
setInterval(check, 10000);
setInterval(() => refresh().catch(outOfTouch), 60000);
listen();
