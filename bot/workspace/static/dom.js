// Builds DOM nodes. Nothing on this page is ever parsed as HTML: text goes in as text.

// el("p", {class: "x", onclick: f}, "text", node, null): attributes, listeners (on…), then children; null is skipped.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  append(node, children);
  return node;
}

export function append(node, children) {
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== "") node.append(child);
  }
  return node;
}

export function fill(node, ...children) {
  node.replaceChildren();
  return append(node, children);
}

// Runs what a button does, once at a time. It is not disabled meanwhile: a disabled button loses the keyboard's focus.
export async function busy(button, work) {
  if (button.hasAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  button.setAttribute("aria-disabled", "true");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-busy");
    button.removeAttribute("aria-disabled");
  }
}

const WEB = new Set(["http:", "https:", "mailto:"]);

// A link, or the plain label where the address is none that a chat should follow.
export function link(address, label) {
  let target = null;
  try {
    target = new URL(address);
  } catch {
    return document.createTextNode(label);
  }
  if (!WEB.has(target.protocol)) return document.createTextNode(label);
  return el("a", { href: target.href, target: "_blank", rel: "noopener noreferrer" }, label);
}

export function clockTime(ts) {
  return new Date(Number(ts) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function fullTime(ts) {
  return new Date(Number(ts) * 1000).toLocaleString([], { dateStyle: "full", timeStyle: "long" });
}

export function timeNode(ts) {
  const at = new Date(Number(ts) * 1000);
  return el("time", { datetime: at.toISOString(), title: fullTime(ts) }, clockTime(ts));
}
