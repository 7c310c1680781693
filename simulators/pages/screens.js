// Asks for fresh screens now and then. They come rendered and escaped from the server; times are shown as local ones.
"use strict";
const screens = document.getElementById("screens");
const source = location.pathname === "/" ? "/screens" : location.pathname.replace(/\/$/, "") + "/screens";
let known = new Set();
let last = "";

function localize() {
  for (const time of screens.querySelectorAll("time")) {
    const seconds = time.className === "clock" ? undefined : "2-digit";
    time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: seconds });
  }
}

function show(first) {
  const cards = [...screens.querySelectorAll(".card")];
  if (!first) cards.filter((card) => !known.has(card.id)).forEach((card) => card.classList.add("fresh"));
  known = new Set(cards.map((card) => card.id));
  localize();
}

function busy() {
  // Whoever is about to press a link keeps it under the finger.
  return screens.contains(document.activeElement) && document.activeElement.matches(".card a");
}

async function refresh() {
  try {
    const answer = await fetch(source, { cache: "no-store" });
    const text = answer.ok ? await answer.text() : null;
    if (text !== null && text !== last && !busy()) {
      last = text;
      const places = [...screens.querySelectorAll("ol")].map((list) => list.scrollTop);
      screens.innerHTML = text;
      [...screens.querySelectorAll("ol")].forEach((list, index) => { list.scrollTop = places[index] ?? 0; });
      show(false);
    }
  } catch { /* The demo has been stopped; what was shown stays. */ }
  setTimeout(refresh, 1000);
}

show(true);
setTimeout(refresh, 1000);
