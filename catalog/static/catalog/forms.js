// Suggests IDs while a name is typed, and shows inputs only where they apply.
// Without it every form still works: the server checks all there is to check.
"use strict";

function suggestion(name) {
    return name.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase()
        .replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 255).replace(/-+$/, "");
}

function suggestIds(form) {
    for (const input of form.querySelectorAll("[data-suggest-from]")) {
        const source = form.elements[input.dataset.suggestFrom];
        let suggested = suggestion(source.value);
        source.addEventListener("input", () => {
            const isOurs = input.value === "" || input.value === suggested;
            suggested = suggestion(source.value);
            if (isOurs) { input.value = suggested; }
        });
    }
}

function showWhereApplicable(form) {
    const parts = [...form.querySelectorAll("[data-show-when]")].map((input) => {
        const [field, values] = input.dataset.showWhen.split("=");
        return { box: input.closest(".group") || input, field, values: values.split("|") };
    });
    const boxOf = (control) => (control.closest ? control : control[0]).closest(".group");
    const apply = () => {
        for (const part of parts) {
            const control = form.elements[part.field];
            if (!control) { continue; }
            const source = boxOf(control);
            const applies = part.values.includes(control.value) && !(source && source.hidden);
            part.box.hidden = !applies;
        }
    };
    form.addEventListener("change", apply);
    apply();
}

for (const form of document.querySelectorAll("form.cx-dialog")) {
    suggestIds(form);
    showWhereApplicable(form);
}
