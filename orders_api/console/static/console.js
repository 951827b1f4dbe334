// What pages can do with JavaScript and without it alike, made smoother: copying, the search key, menus that close, rows.
"use strict";

function ready(root) {
  for (const button of root.querySelectorAll("button.copy")) button.hidden = false;
  const live = document.getElementById("live");
  if (live) {
    live.hidden = false;
    live.setAttribute("aria-pressed", source !== null);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
    return;
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.menu[open]");
  if (event.key === "Escape" && menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  const isTyping = event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog");
  const isOff = document.documentElement.dataset.keys === "off";
  if (isTyping || isOff || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = goes ? null : KEYS[event.key]?.[1];
  const place = goes ? PLACES[event.key]?.[1] : undefined;
  goes = false;
  if (place) location.assign(document.querySelector("a.home").pathname + place);
  if (act) {
    event.preventDefault();
    act();
  }
});

// Keys, unless the user has switched them off: what each is called, and what it does.
let goes = false;
const PLACES = {
  o: ["Orders", "orders"],
  i: ["Incidents", "incidents"],
  c: ["Cancellations", "cancellations"],
  f: ["Files", "files"],
  s: ["Shipments", "shipments"],
};
const KEYS = {
  "/": ["Search", () => document.getElementById("find")?.focus()],
  g: ["Go to …", () => (goes = true)],
  j: ["Next row", () => step(1)],
  k: ["Row before", () => step(-1)],
  x: ["Tick the row", () => row()?.querySelector("th input[type=checkbox]")?.click()],
  o: ["Open the row in a new tab", () => row() && window.open(row().querySelector("th a").href, "_blank", "noopener")],
  "?": ["These keys", explain],
};

function row() {
  return document.activeElement.closest?.("tbody tr");
}

function step(by) {
  const links = [...document.querySelectorAll("tbody th a:first-of-type")];
  const present = links.findIndex((link) => link.closest("tr") === row());
  links[Math.min(Math.max(present + by, 0), links.length - 1)]?.focus();
}

function explain() {
  const dialog = document.createElement("dialog");
  const list = document.createElement("dl");
  const told = [...Object.entries(KEYS), ["Enter", ["Open the row"]]];
  told.push(...Object.entries(PLACES).map(([key, [word]]) => [`g ${key}`, [word]]));
  for (const [key, [word]] of told) {
    const term = list.appendChild(document.createElement("dt"));
    term.appendChild(document.createElement("kbd")).textContent = key;
    list.appendChild(document.createElement("dd")).textContent = word;
  }
  const close = document.createElement("button");
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  const heading = document.createElement("h2");
  heading.textContent = "Keys";
  heading.id = "keys";
  dialog.setAttribute("aria-labelledby", "keys");
  dialog.append(heading, list, close);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// A filter that was changed keeps its menu open, so that several values can be ticked, and keeps the focus.
let open = [];
document.addEventListener("htmx:before:swap", () => {
  open = [...document.querySelectorAll("details[open][id]")].map((menu) => menu.id);
});
document.addEventListener("htmx:after:swap", () => {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  ready(document);
  tell();
});

// The list of orders, where somebody wants it, says that there is something new; it never moves by itself.
const heard = { new: 0, changed: 0, isMore: false };
let source = null;

function tell() {
  const more = heard.isMore ? "+" : "";
  const said = [heard.new && `${heard.new}${more} new`, heard.changed && `${heard.changed}${more} changed`].filter(Boolean);
  const news = document.getElementById("news");
  if (news && said.length) {
    news.querySelector("a").textContent = `${said.join(", ")}: show`;
    news.hidden = false;
  }
}

function listen(address) {
  source = new EventSource(address);
  source.addEventListener("orders", (event) => {
    const found = JSON.parse(event.data);
    heard.new += found.new;
    heard.changed += found.changed;
    heard.isMore ||= found.is_more;
    tell();
  });
}

function setLive(live, isLive) {
  localStorage.setItem("orders-live", isLive ? "on" : "off");
  source?.close();
  source = null;
  if (isLive) listen(live.dataset.events);
  ready(document);
}

document.addEventListener("click", (event) => {
  const live = event.target.closest("#live");
  if (live) setLive(live, source === null);
});
document.addEventListener("DOMContentLoaded", () => {
  const live = document.getElementById("live");
  if (live && localStorage.getItem("orders-live") === "on") setLive(live, true);
  ready(document);
});
addEventListener("pagehide", () => source?.close());
