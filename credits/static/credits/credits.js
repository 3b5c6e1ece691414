// A picker shows its choice at once. Without this script its button does the same.

"use strict";

for (const form of document.querySelectorAll("form[data-at-once]")) {
  form.addEventListener("change", () => form.requestSubmit());
  // Somebody chose before this script was there.
  if ([...form.querySelectorAll("select")].some(differs)) form.requestSubmit();
  for (const button of form.querySelectorAll("button")) button.hidden = true;
}
