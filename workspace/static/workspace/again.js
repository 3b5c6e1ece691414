// A page about work that goes on looks again, while somebody looks at it.

"use strict";

const EVERY = 5000; // milliseconds

setInterval(() => { if (!document.hidden) location.reload(); }, EVERY);
