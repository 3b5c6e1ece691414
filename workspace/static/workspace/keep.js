// What somebody typed outlives a sign-in that expired before they sent it.
//
// A form that is sent is remembered in this tab. If the next page is the sign-in, and the one
// after it the same form again, what was typed is put back; any other page forgets it. Secrets
// and files are not remembered, nor what makes a form take effect once.

"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const NAME = "stipend.typed";
  const FORMS = "form.cx-dialog, form[data-live], #content-main form[method=post]";
  const OWN = ["csrfmiddlewaretoken", "once", "next", "previewed", "refresh"];
  const SECRET = ["password", "file", "submit", "button"];
  const NOTE = "You were signed out before this was sent. What you had typed is back; nothing was saved.";
  const isSignIn = (path) => path.endsWith("/login/");

  document.addEventListener("submit", (event) => {
    if (!event.target.matches(FORMS)) return;
    const typed = [...new FormData(event.target)].filter(([name, value]) => {
      const field = event.target.elements[name];
      return typeof value === "string" && !OWN.includes(name) && !(field && SECRET.includes(field.type));
    });
    sessionStorage.setItem(NAME, JSON.stringify({ path: location.pathname, typed }));
  });

  const kept = JSON.parse(sessionStorage.getItem(NAME) || "null");
  if (!kept || isSignIn(location.pathname)) return;
  sessionStorage.removeItem(NAME);
  const form = document.querySelector(FORMS);
  const before = document.referrer ? new URL(document.referrer).pathname : "";
  if (!form || !isSignIn(before) || kept.path !== location.pathname) return;

  for (const field of form.elements) {
    if (!field.name || OWN.includes(field.name) || SECRET.includes(field.type)) continue;
    const said = kept.typed.filter(([name]) => name === field.name).map(([, value]) => value);
    if (field.type === "checkbox" || field.type === "radio") field.checked = said.includes(field.value);
    else if (field.multiple) [...field.options].forEach((option) => { option.selected = said.includes(option.value); });
    else if (said.length) [field.value] = said;
  }
  // Inputs that come only with a choice ride along unseen, until the choice brings them.
  const grows = form.querySelector('[data-live-part="fields"]');
  for (const [name, value] of grows ? kept.typed : []) {
    if (!form.elements[name]) grows.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  form.querySelector("[data-reshapes]")?.dispatchEvent(new Event("change", { bubbles: true }));
  const note = Object.assign(document.createElement("p"), { className: "cx-note", textContent: NOTE });
  note.setAttribute("role", "status");
  form.prepend(note);
});
