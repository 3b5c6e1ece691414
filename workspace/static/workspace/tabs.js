// On narrow screens tabs scroll: the one that is open is in sight.

"use strict";

document.addEventListener("DOMContentLoaded", () => {
  document.querySelector(".cx-tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
});
