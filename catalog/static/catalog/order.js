// Lets rows be put in order by dragging their handles; the arrows beside them do it by keyboard.
"use strict";

for (const list of document.querySelectorAll("[data-ordered]")) {
    const rows = () => [...list.querySelectorAll("[data-movable]:has(.cx-handle)")];
    const before = rows();
    let dragged = null;

    for (const row of before) {
        const handle = row.querySelector(".cx-handle");
        handle.hidden = false;
        handle.addEventListener("dragstart", (event) => {
            dragged = row;
            event.dataTransfer.effectAllowed = "move";
            event.dataTransfer.setData("text/plain", "");
            event.dataTransfer.setDragImage(row, 0, 0);
            row.classList.add("cx-dragged");
        });
        handle.addEventListener("dragend", () => {
            row.classList.remove("cx-dragged");
            if (dragged) { before[before.length - 1].after(...before); } // let go somewhere else
            dragged = null;
        });
    }

    list.addEventListener("dragover", (event) => {
        const row = event.target.closest("[data-movable]");
        if (!dragged || !row) { return; }
        event.preventDefault();
        const box = row.getBoundingClientRect();
        const isBelow = event.clientY > box.top + box.height / 2;
        if (row !== dragged) { row[isBelow ? "after" : "before"](dragged); }
    });

    list.addEventListener("drop", (event) => {
        if (!dragged) { return; }
        event.preventDefault();
        const places = rows().indexOf(dragged) - before.indexOf(dragged);
        const form = dragged.querySelector("[data-move]");
        dragged = null;
        if (!places) { return; }
        const input = document.createElement("input");
        Object.assign(input, { type: "hidden", name: "places", value: places });
        form.append(input);
        form.submit();
    });
}
