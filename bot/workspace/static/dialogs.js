// Modals of the app, and the question that a button may ask before it acts.

import { clickInView, post } from "/static/api.js";
import { renderBlocks, textNode } from "/static/blocks.js";
import { busy, el, fill } from "/static/dom.js";
import { contextFor, failedIn, sameControl, screen } from "/static/screen.js";

const at = (id) => document.getElementById(id);
let openModal = null; // {id, hash, key, errors, problem, read()}

export function drawModal() {
  const dialog = at("modal");
  const view = screen.picture.modals.at(-1);
  if (!view) {
    openModal = null;
    if (dialog.open) dialog.close();
    return;
  }
  if (openModal?.key === keyOf(view)) return;
  const before = openModal?.id === view.id ? openModal : null;
  const said = before?.hash === view.hash ? before : { errors: {}, problem: "" };
  const focused = before && dialog.contains(document.activeElement) ? document.activeElement : null;
  const form = fillModal(view, before ? before.read() : view.state.values, said.errors, said.problem);
  if (dialog.open) {
    ((focused && sameControl(form, focused)) ?? form.querySelector("[autofocus]") ?? at("modal-title")).focus();
  } else {
    dialog.showModal();
  }
}

// What a redraw depends on: what the app shows, and which of its buttons nobody answered.
function keyOf(view) {
  return JSON.stringify([view.id, view.hash, screen.picture.failures.filter((one) => one.view_id === view.id && one.action_id)]);
}

function fillModal(view, values, errors, problem) {
  const body = renderBlocks(view.blocks, contextFor({
    confirm: askToConfirm, prefix: "modal", values, errors, act: (block, element, chosen) => clickInView(view, block, element, chosen, body.read),
    failed: failedIn(view),
  }));
  openModal = { id: view.id, hash: view.hash, key: keyOf(view), errors, problem, read: body.read };
  const submit = view.submit ? el("button", { type: "submit", class: "primary" }, view.submit.text) : null;
  const form = el("form", {
    method: "dialog", novalidate: true,
    onsubmit: (event) => {
      event.preventDefault();
      if (submit) busy(submit, () => submitModal(view, body.read()));
    },
  },
    el("div", { class: "dialog-head" },
      el("h2", { id: "modal-title", tabindex: "-1" }, view.title.text),
      el("button", { type: "button", class: "x", "aria-label": "Close", onclick: () => closeModal(view, true) }, "✕")),
    el("div", { class: "dialog-body" }, body.node),
    problem ? el("p", { class: "problem", role: "alert" }, problem) : null,
    el("div", { class: "dialog-foot" },
      el("button", { type: "button", onclick: () => closeModal(view, false) }, view.close?.text ?? (submit ? "Cancel" : "Close")),
      submit));
  fill(at("modal"), form);
  return form;
}

async function submitModal(view, values) {
  const answer = await post("view_submit", { user: screen.user, view_id: view.id, values });
  const errors = answer.errors ?? {};
  const problem = answer.ok && (answer.acked || Object.keys(errors).length) ? "" : "We had some trouble connecting. Try again?";
  const shown = screen.picture.modals.find((one) => one.id === view.id);
  if (!shown || !(Object.keys(errors).length || problem)) return;
  const form = fillModal(shown, values, errors, problem);
  (form.querySelector(".wrong input, .wrong select, .wrong textarea") ?? at("modal-title")).focus();
}

function closeModal(view, everything) {
  return post("view_close", { user: screen.user, view_id: view.id, everything });
}

export function askToConfirm(definition) {
  const dialog = at("confirm");
  const context = contextFor({});
  return new Promise((resolve) => {
    const yes = el("button", { type: "submit", value: "yes", class: definition.style ?? "primary" }, definition.confirm.text);
    const no = el("button", { type: "submit", value: "no" }, definition.deny.text);
    fill(dialog, el("form", { method: "dialog" },
      el("div", { class: "dialog-head" }, el("h2", { id: "confirm-title" }, definition.title.text)),
      el("div", { class: "dialog-body", id: "confirm-text" }, textNode(definition.text, context)),
      el("div", { class: "dialog-foot" }, no, yes)));
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
    no.focus();
  });
}

at("modal").addEventListener("cancel", (event) => {
  event.preventDefault();
  const view = screen.picture.modals.at(-1);
  if (view) closeModal(view, false);
});
