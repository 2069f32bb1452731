// The side of the page: buttons of whoever runs the workspace, and trouble on demand.

import { post, reason } from "/static/api.js";
import { busy, el, fill } from "/static/dom.js";
import { screen } from "/static/screen.js";

const TROUBLE = [
  ["Rate-limit the next 3 messages", "faults", { method: "chat.postMessage", kind: "ratelimited", times: 3, retry_after: "2" }],
  ["Lose the answer to the next message", "faults", { method: "chat.postMessage", kind: "reset", applied: true }],
  ["Fail the next 3 calls (503)", "faults", { kind: "status", status: 503, times: 3 }],
  ["Lose the next click or command", "envelopes", { swallow: 1 }],
  ["Deliver the next click twice", "envelopes", { duplicate: 1 }],
  ["Ask the app to reconnect", "sockets", { how: "refresh_requested" }],
  ["Cut its connections", "sockets", { how: "abort" }],
  ["Stop all trouble", "faults/clear", {}],
];

export function drawSide() {
  const side = document.getElementById("side");
  const key = JSON.stringify(screen.picture.panels);
  if (side.dataset.key === key) return;
  side.dataset.key = key;
  fill(side, ...screen.picture.panels.map(panelNode), troubleNode());
}

function panelNode(panel) {
  const said = el("p", { class: "said", role: "status" });
  return el("section", { class: "panel" },
    el("h2", {}, panel.title), panel.description ? el("p", {}, panel.description) : null,
    ...panel.buttons.map((button) => el("div", { class: "panel-button" },
      pressing(button.label, said, async () => {
        const answer = await post("panel", { panel: panel.id, button: button.id });
        return answer.said ?? reason(answer);
      }),
      button.description ? el("p", { class: "hint" }, button.description) : null)),
    said);
}

function troubleNode() {
  const said = el("p", { class: "said", role: "status" });
  return el("details", { class: "panel" },
    el("summary", {}, "Make Slack misbehave"),
    el("p", {}, "What Slack and networks do on bad days. The app has to cope."),
    ...TROUBLE.map(([label, name, body]) => pressing(label, said, async () => {
      const answer = await post(name, body);
      return answer.ok ? `Done: ${label.toLowerCase()}.` : reason(answer);
    })),
    said);
}

function pressing(label, said, press) {
  const node = el("button", { type: "button", onclick: () => busy(node, async () => fill(said, await press())) }, label);
  return node;
}
