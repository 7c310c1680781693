// Makes the page live: news arrive over the event stream, durations run, answers are given without a reload.
// The server renders every piece; this script only fetches the page anew and puts in what has changed.
"use strict";

const { now, lastId } = document.body.dataset;
const ahead = Date.parse(now) - Date.now(); // the server's clock counts, not this device's
const line = document.getElementById("line");
const refusal = document.getElementById("refusal");
const said = document.getElementById("said");
let heardAt = Date.now();
let latest = lastId; // the number of the last thing we were told
let waiting = null;
let source = null;
let pace = 150; // milliseconds between two looks; more where the line is slow

const again = { Accept: "text/html", "X-Looks-Again": "1" }; // nobody asks anew: what takes long is not begun again

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
  if (card.matches(".card--extreme")) sound();
  const words = [".severity", ".card__title"].map((part) => card.querySelector(part).textContent.trim());
  document.getElementById("announcement").textContent = `New alert: ${words.join(", ")}`;
}

// Puts in whatever differs from a page that has just come from the server.
function take(page) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh) continue;
    if (part.dataset.part === "list") reconcile(part, fresh);
    else part.textContent = fresh.textContent;
  }
  document.title = page.title;
  tick();
}

async function read(answer) {
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

async function refresh() {
  const begun = Date.now();
  const answer = await fetch(location.href, { headers: again, signal: AbortSignal.timeout(10000) });
  if (new URL(answer.url).pathname !== location.pathname) return location.assign(answer.url); // signed out
  if (!answer.ok) throw new Error(`${answer.status}`);
  take(await read(answer));
  pace = Math.min(5000, Math.max(150, 3 * (Date.now() - begun)));
}

// Many things may happen at once; the page is fetched once for all of them.
function refreshSoon() {
  if (!document.querySelector("main [data-part]")) return;
  waiting ??= setTimeout(() => {
    waiting = null;
    refresh().catch(outOfTouch);
  }, pace);
}

function moveDoor(door) {
  const tile = document.getElementById(`door-${door.campus}-${door.id}`);
  refreshSoon(); // what is said about all doors together has changed, too
  if (!tile?.matches(".tile")) return;
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

// ------------------------------------------------------------------------------------------------------- forms
// A form goes where it would go without this script; the answer is put in without a reload, and a refusal stands
// beside what was typed.
async function send(form, given) {
  const isFile = form.enctype === "multipart/form-data";
  const answer = await fetch(form.action, {
    method: "POST",
    headers: { Accept: "application/json", "X-CSRF-Token": given.get("csrf") },
    body: isFile ? given : new URLSearchParams(given),
    signal: AbortSignal.timeout(30000),
  });
  if (answer.status === 401 || new URL(answer.url).pathname === "/login") return location.assign("/login");
  if (!answer.ok) return refuse(form, await answer.json());
  const page = await read(answer);
  const target = new URL(answer.url);
  if (form.matches("[data-answer]") && target.pathname === location.pathname) take(page);
  else goOn(page, target);
  say(page);
}

function say(page) {
  const words = page.getElementById("said")?.textContent ?? "";
  said.textContent = words;
  said.hidden = !words;
}

function goOn(page, target) {
  const main = document.importNode(page.getElementById("main"), true);
  document.getElementById("main").replaceWith(main);
  take(page);
  if (target.href !== location.href) history.pushState(null, "", target);
  place = location.pathname + location.search;
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
  dress(main);
}

function refuse(form, told) {
  refusal.textContent = told.detail;
  refusal.hidden = false;
  for (const { where } of told.problems ?? []) {
    const field = form.elements.namedItem(where);
    if (field instanceof HTMLElement) field.setAttribute("aria-invalid", "true");
  }
  refusal.scrollIntoView({ block: "nearest" });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || form.matches("[data-plain]")) return;
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("button");
  const given = new FormData(form, event.submitter); // before it is disabled: a button that is says nothing
  button.disabled = true;
  refusal.hidden = true;
  said.hidden = true;
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  try {
    await send(form, given);
  } catch {
    refusal.hidden = false;
    refusal.textContent = "No answer came, so it is not known whether this counted. Look again, and try once more.";
    outOfTouch();
  }
  button.disabled = false;
});

// Going back over what was put in without a reload; a jump within the page is none of it.
let place = location.pathname + location.search;
addEventListener("popstate", () => {
  if (location.pathname + location.search !== place) location.reload();
});

// ------------------------------------------------------------------------------------------------------- sound
// Browsers let a page sound only after somebody has pressed something, so it is a switch, and it says how it stands.
let ears = null;

function sound() {
  if (ears?.state !== "running") return;
  for (const beat of [0, 0.35, 0.7]) {
    const tone = new OscillatorNode(ears, { type: "square", frequency: 880 });
    const soft = new GainNode(ears, { gain: 0.15 });
    tone.connect(soft).connect(ears.destination);
    tone.start(ears.currentTime + beat);
    tone.stop(ears.currentTime + beat + 0.2);
  }
}

function dressSound(part) {
  const button = part.querySelector("#sound");
  if (!button) return;
  const show = () => {
    const on = ears?.state === "running";
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Sound is on" : "Sound is off";
  };
  button.hidden = false;
  button.addEventListener("click", async () => {
    ears ??= new AudioContext();
    await (ears.state === "running" ? ears.suspend() : ears.resume());
    show();
    sound();
  });
  show();
}

// --------------------------------------------------------------------- sliders that say what their value would cost
function amount(text) {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (!parts.length || parts.map((part) => part[0]).join("") !== text.trim()) return text.trim() === "" ? NaN : Number(text);
  const unit = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 };
  return parts.reduce((sum, [, number, name]) => sum + number * unit[name], 0);
}

function priceOf(param, value) {
  const rows = [...document.querySelectorAll(`[data-prices="${CSS.escape(param)}"] tr[data-amount]`)];
  const exact = rows.find((row) => Number(row.dataset.amount) === value);
  for (const piece of document.querySelectorAll(`[data-prices="${CSS.escape(param)}"] [data-amount]`)) {
    const chosen = Number(piece.dataset.amount) === value;
    piece.classList.toggle(piece.matches("tr") ? "prices__chosen" : "price__one--chosen", chosen);
  }
  if (exact || !rows.length || Number.isNaN(value)) return exact?.dataset.words ?? "";
  const below = rows.findLast((row) => Number(row.dataset.amount) < value);
  const above = rows.find((row) => Number(row.dataset.amount) > value);
  if (!below || !above) return "Outside of what was worked out.";
  return `Between ${below.dataset.words}; and ${above.dataset.words}.`;
}

function dressKnobs(part) {
  for (const knob of part.querySelectorAll(".knob")) {
    const slider = knob.querySelector(".knob__slider");
    const field = knob.querySelector(".knob__value");
    if (!slider) continue;
    const stops = slider.dataset.stops.split(" ");
    slider.hidden = false;
    slider.addEventListener("input", () => {
      field.value = stops[slider.value];
      field.dispatchEvent(new Event("input"));
    });
    field.addEventListener("input", () => {
      const value = amount(field.value);
      const far = stops.map((stop) => Math.abs(Math.log((amount(stop) + 1) / (value + 1))));
      if (!Number.isNaN(value)) slider.value = far.indexOf(Math.min(...far));
      slider.setAttribute("aria-valuetext", field.value);
      knob.querySelector(".knob__said").textContent = priceOf(knob.dataset.param, value);
    });
  }
  for (const field of document.querySelectorAll(".knob__value")) field.dispatchEvent(new Event("input"));
}

// What is being worked out is looked for again until it is there; then its section is put in.
function dressWaiting(part) {
  const room = part.querySelector("[data-wait]")?.closest("section");
  if (!room) return;
  setTimeout(async () => {
    if (!room.isConnected) return;
    try {
      const answer = await fetch(location.href, { headers: again, signal: AbortSignal.timeout(10000) });
      const fresh = answer.ok && (await read(answer)).getElementById(room.id);
      if (!fresh) return location.reload();
      const next = document.importNode(fresh, true);
      room.replaceWith(next);
      dress(next);
    } catch {
      dressWaiting(part);
    }
  }, 1000);
}

// A sheet to print.
function dressPrint(part) {
  for (const button of part.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
}

// A press on the plan says where a door is.
function dressFloor(part) {
  const floor = part.querySelector(".floor--placing");
  const doors = floor?.querySelector(".floor__doors");
  if (!doors) return;
  floor.addEventListener("click", (event) => {
    const box = doors.viewBox.baseVal;
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(doors.getScreenCTM().inverse());
    const share = (at, length) => Math.min(1, Math.max(0, at / length)).toFixed(3);
    document.getElementById("place-x").value = share(point.x, box.width);
    document.getElementById("place-y").value = share(point.y, box.height);
    document.getElementById("place-door").focus({ preventScroll: true });
  });
}

// What a piece of the page can do only with a script.
function dress(part) {
  dressSound(part);
  dressKnobs(part);
  dressWaiting(part);
  dressPrint(part);
  dressFloor(part);
}

document.querySelector("#campus")?.addEventListener("change", (event) => event.target.form.submit());
setInterval(tick, 1000);
setInterval(check, 10000);
setInterval(refreshSoon, 60000);
dress(document);
listen();
