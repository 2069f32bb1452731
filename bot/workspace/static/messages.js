// Draws the messages of a channel, and redraws only those that changed.

import { clickInMessage, post } from "/static/api.js";
import { renderBlocks } from "/static/blocks.js";
import { askToConfirm } from "/static/dialogs.js";
import { el, timeNode } from "/static/dom.js";
import { menu } from "/static/menu.js";
import { mrkdwn } from "/static/mrkdwn.js";
import { contextFor, markControl, names, sameControl, screen, userOf } from "/static/screen.js";

let drawn = new Map(); // ts -> {key, node} of the messages on screen
let drawnPlace = null;
let linked = null; // the ts of the message that the page's address names

// Let the next drawing begin at the message *ts*.
export function beginAt(ts) {
  linked = ts;
}

export function drawMessages() {
  const log = document.getElementById("log");
  const place = `${screen.picture.me} ${screen.picture.channel}`;
  const fresh = place !== drawnPlace;
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  if (fresh) {
    drawn = new Map();
    log.replaceChildren();
    drawnPlace = place;
  }
  log.setAttribute("aria-live", fresh ? "off" : "polite");
  const wanted = inOrder(screen.picture.messages);
  const next = new Map();
  let before = null;
  for (const { message, isReply } of wanted) {
    const failures = screen.picture.failures.filter((one) => one.ts === message.ts);
    const key = JSON.stringify([message, failures, isReply]);
    const old = drawn.get(message.ts);
    const node = old?.key === key ? old.node : redrawn(old?.node, messageNode(message, failures, isReply));
    next.set(message.ts, { key, node });
    const expected = before ? before.nextSibling : log.firstChild;
    if (expected !== node) log.insertBefore(node, expected);
    before = node;
  }
  for (const [ts, { node }] of drawn) if (next.get(ts)?.node !== node) node.remove();
  drawn = next;
  if (!drawn.size && !log.firstChild) log.append(el("p", { class: "empty" }, "Nothing was said here yet."));
  else if (drawn.size) log.querySelector(".empty")?.remove();
  const found = fresh && scrollToLinked();
  if (fresh ? !found : atEnd) log.scrollTop = log.scrollHeight;
}

// The message stays the node that it was, and holds what is new. Whoever had the focus in it keeps it there: on the same
// control, or on the message itself.
function redrawn(old, node) {
  if (!old) return node;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  for (const { name, value } of node.attributes) old.setAttribute(name, value);
  old.replaceChildren(...node.childNodes);
  if (focused) (sameControl(old, focused) ?? old).focus({ preventScroll: true });
  return old;
}

function inOrder(messages) {
  const known = new Set(messages.map((message) => message.ts));
  const replies = messages.filter((one) => one.thread_ts && one.thread_ts !== one.ts && known.has(one.thread_ts));
  return messages
    .filter((one) => !replies.includes(one))
    .flatMap((message) => [
      { message, isReply: false },
      ...replies.filter((reply) => reply.thread_ts === message.ts).map((reply) => ({ message: reply, isReply: true })),
    ]);
}

function messageNode(message, failures, isReply) {
  const author = userOf(message.user);
  const name = author?.real_name ?? message.user;
  const body = message.blocks
    ? renderBlocks(message.blocks, contextFor({
      confirm: askToConfirm, prefix: `m${message.ts.replace(".", "-")}`,
      act: (block, element, chosen) => clickInMessage(message, block, element, chosen, body.read),
      failed: (block_id, action_id) => failures.find((one) => one.block_id === block_id && one.action_id === action_id),
    }))
    : { node: el("div", { class: "text" }, message.text ? mrkdwn(message.text, names) : null) };
  return el("article", {
    class: ["message", isReply && "reply", message.is_ephemeral && "ephemeral"].filter(Boolean).join(" "),
    tabindex: "-1", "data-ts": message.ts, "aria-label": `${name}${author?.is_bot ? ", app" : ""}`,
  },
    el("div", { class: "avatar", "aria-hidden": "true", "data-hue": hue(message.user) }, name.slice(0, 1).toUpperCase()),
    el("div", { class: "body" },
      el("div", { class: "byline" },
        el("strong", {}, name), author?.is_bot ? el("span", { class: "badge" }, "APP") : null, timeNode(message.ts),
        message.is_ephemeral ? el("span", { class: "only-you" }, "Only visible to you") : null,
        shortcutMenu(message)),
      body.node,
      ...(message.attachments ?? []).map((one) => attachmentNode(one, message)),
      ...(message.files ?? []).map((file) => el("a", { class: "file", href: `/files/${encodeURIComponent(file.id)}`, download: file.name }, `File: ${file.title}`)),
      message.edited ? el("span", { class: "edited" }, "(edited)") : null,
      message.reactions ? el("p", { class: "reactions" }, message.reactions.map((one) => `:${one.name}: ${one.count}`).join("  ")) : null,
      ...failures.filter((one) => !one.action_id).map((one) => el("p", { class: "problem", role: "alert" }, `⚠ ${one.text}`))));
}

function attachmentNode(attachment, message) {
  const context = contextFor({ confirm: askToConfirm, act: (block, element, chosen) => clickInMessage(message, block, element, chosen, null) });
  return el("div", { class: "attachment" },
    attachment.blocks ? renderBlocks(attachment.blocks, context).node : mrkdwn(attachment.text ?? attachment.fallback ?? "", names));
}

function hue(id) {
  return [...id].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 8, 0);
}

function shortcutMenu(message) {
  const { app, channel } = screen.picture;
  const offered = app.shortcuts.filter((one) => one.kind === "message");
  if (!offered.length || message.is_ephemeral) return null;
  const node = menu("More actions", offered.map((one) => ({
    label: one.name,
    about: `${app.name}: ${one.description}`,
    choose: () => post("shortcut", { user: screen.user, callback_id: one.callback_id, channel, ts: message.ts }),
  })));
  markControl(node, "message", "more actions");
  return node;
}

function scrollToLinked() {
  const node = linked && document.getElementById("log").querySelector(`[data-ts="${CSS.escape(linked)}"]`);
  linked = null;
  if (!node) return false;
  node.scrollIntoView({ block: "center" });
  node.focus({ preventScroll: true });
  return true;
}
