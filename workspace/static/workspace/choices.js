// Whether a field holds something else than the page came with: for scripts that must not
// miss what somebody chose before they were there.

"use strict";

function differs(field) {
  if (field.options) {
    const first = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(0, first);
  }
  return field.checked !== field.defaultChecked || field.value !== field.defaultValue;
}
