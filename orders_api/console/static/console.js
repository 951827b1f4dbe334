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

// A row of a list leads where its first link does, unless something else in it was clicked, or words were marked.
document.addEventListener("click", (event) => {
  const link = event.target.closest("#list tbody tr")?.querySelector("th a");
  if (!link || event.target.closest("a, button, input, select, label, details") || String(getSelection())) return;
  if (event.ctrlKey || event.metaKey) window.open(link.href, "_blank", "noopener");
  else link.click();
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
  const act = goes ? null : KEYS[event.key];
  const place = goes ? PLACES[event.key] : undefined;
  goes = false;
  if (place) location.assign(document.querySelector("a.home").pathname + place);
  if (act) {
    event.preventDefault();
    act();
  }
});

// Keys, unless the user has switched them off: what each does. What they are called stands in the page's dialog.
let goes = false;
const PLACES = { o: "orders", i: "incidents", c: "cancellations", f: "files", s: "shipments" };
const KEYS = {
  "/": () => document.getElementById("find")?.focus(),
  g: () => (goes = true),
  j: () => step(1),
  k: () => step(-1),
  x: () => row()?.querySelector("th input[type=checkbox]")?.click(),
  o: () => row() && window.open(row().querySelector("th a").href, "_blank", "noopener"),
  "?": () => document.getElementById("keys")?.showModal(),
};

function row() {
  return document.activeElement.closest?.("tbody tr");
}

function step(by) {
  const links = [...document.querySelectorAll("tbody th a:first-of-type")];
  const present = links.findIndex((link) => link.closest("tr") === row());
  links[Math.min(Math.max(present + by, 0), links.length - 1)]?.focus();
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
  const news = document.getElementById("news");
  const said = ["new", "changed"].filter((what) => news && heard[what]);
  if (said.length) {
    const parts = said.map((what) => news.dataset[what].replace("{}", heard[what] + more));
    news.querySelector("a").textContent = news.dataset.show.replace("{}", parts.join(", "));
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
