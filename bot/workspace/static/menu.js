// A button that opens a list of choices: the actions of a message, the choices of an overflow element.

import { el } from "/static/dom.js";

// choices: [{label, about, choose()}]; about is shown below the label.
export function menu(label, choices) {
  const button = el("summary", { role: "button", "aria-label": label, "aria-expanded": "false" }, "⋯");
  const list = el("div", { class: "menu-items", role: "group", "aria-label": label }, ...choices.map(({ label, about, choose }) =>
    el("button", {
      type: "button",
      onclick: () => {
        node.open = false;
        button.focus();
        choose();
      },
    }, label, about ? [" ", el("small", {}, about)] : null)));
  const node = el("details", {
    class: "menu",
    ontoggle: () => {
      button.setAttribute("aria-expanded", String(node.open));
      if (node.open) list.scrollIntoView({ block: "nearest" });
    },
  }, button, list);
  return node;
}
