// The message box: messages and slash commands.

import { post } from "/static/api.js";
import { el, fill } from "/static/dom.js";
import { screen } from "/static/screen.js";

const box = document.getElementById("composer-text");

document.getElementById("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = box.value.trim();
  if (!text) return;
  box.value = "";
  hint();
  const sent = await (text.startsWith("/") ? command(text) : say(text));
  if (!sent && !box.value) box.value = text;
});

async function say(text) {
  return (await post("message", { user: screen.user, channel: screen.picture.channel, text: escaped(text) })).ok;
}

async function command(text) {
  const [name, ...rest] = text.split(" ");
  const answer = await post("command", {
    user: screen.user, channel: screen.picture.channel, command: name, text: rest.join(" ").trim(),
  });
  if (answer.ok && !answer.acked) fill(document.getElementById("notice"), `${name} failed with the error “${answer.error}”.`);
  return answer.ok && answer.acked;
}

// What a person types is escaped by Slack's client before it is sent.
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function hint() {
  const [name] = box.value.split(" ");
  const fitting = name.startsWith("/") ? screen.picture.app.commands.filter((one) => one.name.startsWith(name)) : [];
  fill(document.getElementById("composer-hint"), ...fitting.map((one) => el("span", {},
    el("strong", {}, one.name), ` ${one.usage_hint} `, el("em", {}, one.description))));
}

box.addEventListener("input", hint);
