// The command palette: a dialog that finds what is typed, and goes there.
//
// Focus stays in the input; the option that Enter takes is its active descendant.

"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const palette = document.getElementById("palette");
  if (!palette) return; // nobody is signed in
  const input = document.getElementById("palette-input");
  const results = document.getElementById("palette-results");
  const note = document.getElementById("palette-note");
  const PAUSE = 120; // ms without a key before it asks
  let waiting = 0;
  let asked = null; // what is under way
  let shown = null; // what the options are for

  const options = () => [...results.querySelectorAll("[role=option]")];
  const active = () => results.querySelector("[aria-selected=true]");

  function activate(option) {
    active()?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  async function ask() {
    asked?.abort();
    const own = (asked = new AbortController());
    const typed = input.value;
    const address = `${palette.dataset.url}?${new URLSearchParams({ s: typed })}`;
    try {
      const answer = await fetch(address, { signal: own.signal, headers: { Accept: "text/html" } });
      if (answer.redirected) return location.reload(); // signed out: the page says so
      if (!answer.ok) throw new Error(String(answer.status));
      results.innerHTML = await answer.text();
      if (own.signal.aborted) return;
      shown = typed;
      const words = results.querySelector("[data-note]");
      note.textContent = words.textContent;
      words.remove();
      input.setAttribute("aria-expanded", String(options().length > 0));
      activate(options()[0]);
    } catch (error) {
      if (error.name === "AbortError") return;
      results.replaceChildren();
      activate(null);
      note.textContent = "The search does not answer. Try again in a moment.";
    }
  }

  function open() {
    if (palette.open) return;
    palette.showModal();
    input.select();
    if (shown !== input.value) ask();
  }

  function go(option, elsewhere) {
    if (elsewhere) window.open(option.href, "_blank", "noopener");
    else location.assign(option.href);
  }

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
    if (event.shiftKey || event.altKey) return;
    event.preventDefault();
    open();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-opens-palette]")) open();
  });

  palette.addEventListener("click", (event) => {
    const isBeside = event.target === palette;
    if (isBeside || event.target.closest("[data-closes-palette]")) palette.close();
  });

  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, PAUSE);
  });

  input.addEventListener("keydown", async (event) => {
    const all = options();
    const place = all.indexOf(active());
    if (event.key === "ArrowDown") activate(all[(place + 1) % all.length]);
    else if (event.key === "ArrowUp") activate(all[(place - 1 + all.length) % all.length]);
    else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      const elsewhere = event.ctrlKey || event.metaKey;
      clearTimeout(waiting);
      if (shown !== input.value) await ask(); // fast fingers mean what they typed
      if (shown === input.value && active()) go(active(), elsewhere);
      return;
    } else return;
    event.preventDefault();
  });
});
