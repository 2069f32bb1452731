// The message box: messages and slash commands.

import { post } from "/static/api.js";
import { el, fill } from "/static/dom.js";
import { screen } from "/static/screen.js";

const at = (id) => document.getElementById(id);

const REASONS = {
  not_in_channel: "You are not in this channel.",
  invalid_command: "That is not a valid command here.",
  is_archived: "This channel is archived.",
  unreachable: "The workspace does not answer.",
};

at("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const box = at("composer-text");
  const text = box.value.trim();
  if (!text) return;
  fill(at("composer-problem"));
  const where = { user: screen.user, channel: screen.picture.channel };
  box.value = "";
  hint();
  let answer;
  if (text.startsWith("/")) {
    const [command, ...rest] = text.split(" ");
    answer = await post("command", { ...where, command, text: rest.join(" ").trim() });
    if (answer.ok && !answer.acked) answer = { ok: false, text: `${command} failed with the error “${answer.error}”.` };
  } else {
    answer = await post("message", { ...where, text: escaped(text) });
  }
  if (!answer.ok) {
    fill(at("composer-problem"), answer.text ?? REASONS[answer.error] ?? `That did not work: ${answer.error}.`);
    if (!box.value) box.value = text;
  }
});

// What a person types is escaped by Slack's client before it is sent.
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function hint() {
  const text = at("composer-text").value;
  const fitting = text.startsWith("/") ? screen.picture.app.commands.filter((one) => one.name.startsWith(text.split(" ")[0])) : [];
  fill(at("composer-hint"), ...fitting.map((one) => el("span", {}, el("strong", {}, one.name), ` ${one.usage_hint} `, el("em", {}, one.description))));
}

at("composer-text").addEventListener("input", hint);
