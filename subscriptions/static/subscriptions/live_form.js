// Keeps the summary of a form in step with what stands in the form.
//
// A form with `data-live` is sent with `refresh` whenever something changes; of the page that
// comes back only the parts marked `data-live-part` are taken over: the summary alone while
// somebody types, the fields too after a choice that makes others come and go. Without this
// script the button "Update summary" does the same.

"use strict";

const PAUSE = 250; // milliseconds after the last key

for (const form of document.querySelectorAll("form[data-live]")) {
  const outdated = new Set();
  let latest = 0;
  let waiting = 0;
  const buttons = form.querySelectorAll("[data-live-button]");
  const offer = (isOffered) => buttons.forEach((button) => { button.hidden = !isOffered; });

  const refresh = async (...parts) => {
    for (const part of parts) outdated.add(part);
    const number = ++latest;
    const sent = new FormData(form);
    sent.set("refresh", "1");
    // Read even if nobody wants it any more: an answer that is not read holds its connection.
    const text = await fetch(form.action, { method: "POST", body: sent })
      .then((answer) => (answer.ok ? answer.text() : null))
      .catch(() => null);
    if (number !== latest) return;
    offer(text === null);
    if (text === null) return;
    const page = new DOMParser().parseFromString(text, "text/html");
    const focused = document.activeElement ? document.activeElement.id : "";
    for (const part of outdated) {
      const mine = form.querySelector(`[data-live-part="${part}"]`);
      const theirs = page.querySelector(`[data-live-part="${part}"]`);
      if (mine && theirs) mine.replaceChildren(...theirs.childNodes);
    }
    if (focused && outdated.has("fields")) {
      const again = document.getElementById(focused);
      if (again) again.focus();
    }
    outdated.clear();
  };

  form.addEventListener("change", (event) => {
    if (event.target.hasAttribute("data-reshapes")) {
      clearTimeout(waiting);
      refresh("fields", "summary");
    }
  });
  form.addEventListener("input", (event) => {
    if (event.target.hasAttribute("data-reshapes")) return;
    clearTimeout(waiting);
    latest++; // an answer under way knows nothing of what is typed, and must not replace it
    waiting = setTimeout(() => refresh("summary"), PAUSE);
  });
  offer(false);
  // Somebody chose or typed before this script was there, or came back to what they had chosen.
  if ([...form.querySelectorAll("[data-reshapes]")].some(differs)) refresh("fields", "summary");
  else if ([...form.querySelectorAll("input, select, textarea")].some(differs)) refresh("summary");
}
