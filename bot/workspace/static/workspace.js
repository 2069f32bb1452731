// The page: shows what one person sees, and does what he does. The server knows everything and this page next to nothing:
// it asks for the whole picture after every change and redraws what differs.

import { clickInView, post } from "/static/api.js";
import { renderBlocks } from "/static/blocks.js";
import "/static/composer.js";
import { askToConfirm, drawModal } from "/static/dialogs.js";
import { el, fill } from "/static/dom.js";
import { beginAt, drawMessages } from "/static/messages.js";
import { channelOf, contextFor, failedIn, HOME, sameControl, screen, userOf } from "/static/screen.js";
import { drawSide } from "/static/side.js";

const FIRST_USER = "ann";
const at = (id) => document.getElementById(id);
const seen = new Map(); // channel id -> the last ts looked at

const LONGEST_PRESS = 1_000; // milliseconds; a list that opens keeps the pointer's release to itself

let released = Promise.resolve();
let asking = false;
let askAgain = false;

async function refresh() {
  askAgain = true;
  if (asking) return;
  asking = true;
  try {
    while (askAgain) {
      askAgain = false;
      const picture = await ask();
      if (picture) draw(picture);
    }
  } finally {
    asking = false;
  }
}

// A press begins and ends on the same control: nothing is redrawn in between, or it would be lost.
document.addEventListener("pointerdown", () => {
  released = new Promise((resolve) => {
    document.addEventListener("pointerup", () => setTimeout(resolve), { once: true });
    setTimeout(resolve, LONGEST_PRESS);
  });
}, { capture: true });

// The picture for who is looking where; null if it cannot be had, or is of no use because he looks elsewhere by now.
async function ask() {
  const { user, place } = screen;
  const query = new URLSearchParams({ user, ...(place && place !== HOME ? { channel: place } : {}) });
  let picture;
  try {
    picture = await (await fetch(`/control/state?${query}`)).json();
  } catch {
    offline();
    return null;
  }
  await released;
  if (screen.user !== user || screen.place !== place) return null;
  if (picture.ok) return picture;
  screen.user = FIRST_USER;
  askAgain = true;
  return null;
}

function offline() {
  fill(at("connection"), "The workspace does not answer. It was stopped, or is starting again.");
  at("connection").className = "connection bad";
}

function draw(picture) {
  screen.picture = picture;
  screen.user = picture.me;
  if (screen.place !== HOME) screen.place = picture.channel;
  rememberPlace();
  drawHead();
  drawPlaces();
  drawSide(); // before the messages: it takes room from them, and they scroll to their end
  drawMain();
  drawModal();
}

function rememberPlace() {
  const hash = `#${new URLSearchParams({ as: userName(screen.user), in: screen.place ?? "" })}`;
  if (location.hash !== hash) history.replaceState(null, "", `/${hash}`);
}

function userName(id) {
  return userOf(id)?.name ?? id;
}

function standing(user) {
  if (user.deleted) return "deactivated";
  if (user.is_restricted || user.is_ultra_restricted) return "guest";
  return user.is_stranger ? "from another workspace" : "";
}

function drawHead() {
  fill(at("team"), screen.picture.team.name);
  const options = screen.picture.users.filter((user) => !user.is_bot).map((user) => {
    const note = standing(user);
    const option = el("option", { value: user.id }, note ? `${user.real_name} (${note})` : user.real_name);
    option.selected = user.id === screen.picture.me;
    return option;
  });
  if (document.activeElement !== at("user")) fill(at("user"), ...options);
  const line = at("connection");
  const { sockets, app } = screen.picture;
  const good = sockets === null || sockets > 0;
  const how = sockets === null ? "over HTTP" : sockets === 1 ? "1 connection" : `${sockets} connections`;
  const text = good ? `${app.name} is connected (${how})` : `${app.name} is not connected: buttons and commands reach nobody`;
  if (line.textContent !== text) fill(line, text);
  line.className = good ? "connection good" : "connection bad";
}

function drawPlaces() {
  const place = (id, label, extra = {}) => el("li", {}, el("button", {
    type: "button", class: extra.unread ? "unread" : "", "aria-current": screen.place === id ? "page" : null,
    onclick: () => go(id),
  }, label, extra.unread ? el("span", { class: "dot", role: "img", "aria-label": "new messages" }) : null));
  const unread = (channel) => channel.latest && channel.id !== screen.place && Number(channel.latest) > Number(seen.get(channel.id) ?? 0);
  const channels = screen.picture.channels.filter((one) => !one.is_im && one.is_member && !one.is_archived);
  const direct = screen.picture.channels.filter((one) => one.is_im);
  const key = JSON.stringify([screen.place, screen.picture.me, screen.picture.app.name, screen.picture.channels.map((one) => [one.id, one.label, one.is_archived, unread(one)])]);
  if (at("places").dataset.key === key) return;
  at("places").dataset.key = key;
  const focused = at("places").contains(document.activeElement);
  fill(at("places"),
    el("h2", {}, "Channels"),
    el("ul", {}, ...channels.map((one) => place(one.id, `# ${one.label}`, { unread: unread(one) }))),
    direct.length ? el("h2", {}, "Direct messages") : null,
    direct.length ? el("ul", {}, ...direct.map((one) => place(one.id, one.label, { unread: unread(one) }))) : null,
    screen.picture.app.home_tab ? el("h2", {}, "Apps") : null,
    screen.picture.app.home_tab ? el("ul", {}, place(HOME, `${screen.picture.app.name} home`)) : null);
  if (focused) at("places").querySelector("[aria-current]")?.focus();
}

function drawMain() {
  const atHome = screen.place === HOME;
  at("home").hidden = !atHome;
  at("log").hidden = atHome;
  at("composer").hidden = atHome || !screen.picture.channel;
  if (atHome) drawHome();
  else drawChannel();
}

function drawChannel() {
  const channel = channelOf(screen.picture.channel);
  const label = channel ? (channel.is_im ? channel.label : `# ${channel.label}`) : "No channel";
  if (at("place-name").textContent !== label) fill(at("place-name"), label);
  const topic = channel?.topic?.value ?? "";
  fill(at("place-topic"), channel && !channel.has_app ? `${topic ? `${topic} · ` : ""}${screen.picture.app.name} is not in this channel` : topic);
  document.title = `${label} – ${screen.picture.team.name}`;
  at("composer-text").placeholder = channel ? `Message ${label}` : "";
  drawMessages();
  if (channel?.latest) seen.set(channel.id, channel.latest);
}

function drawHome() {
  fill(at("place-name"), `${screen.picture.app.name} home`);
  fill(at("place-topic"), "");
  document.title = `${screen.picture.app.name} home – ${screen.picture.team.name}`;
  const key = JSON.stringify([screen.picture.home, screen.picture.me, screen.picture.failures]);
  if (at("home").dataset.key === key) return;
  at("home").dataset.key = key;
  if (!screen.picture.home) {
    fill(at("home"), el("p", { class: "empty" }, `${screen.picture.app.name} has not shown anything here yet.`));
    return;
  }
  const focused = at("home").contains(document.activeElement) ? document.activeElement : null;
  const view = screen.picture.home;
  const body = renderBlocks(view.blocks, contextFor({
    confirm: askToConfirm, prefix: "home", values: view.state.values,
    act: (block, element, chosen) => clickInView(view, block, element, chosen, body.read),
    failed: failedIn(view),
  }));
  fill(at("home"), body.node);
  if (focused) (sameControl(at("home"), focused) ?? at("place-name")).focus();
}

function go(place) {
  screen.place = place;
  if (place === HOME) post("home", { user: screen.user });
  refresh();
}

at("user").addEventListener("change", () => {
  screen.user = at("user").value;
  at("user").blur();
  if (screen.place === HOME) post("home", { user: screen.user });
  refresh();
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A message's address is /archives/CHANNEL/pTS; #as=…&in=… is where one was before a reload.
function begin() {
  const archive = location.pathname.match(/^\/archives\/([^/]+)\/p(\d+)(\d{6})$/);
  const before = new URLSearchParams(location.hash.slice(1));
  screen.user = before.get("as") || FIRST_USER;
  screen.place = archive ? archive[1] : before.get("in") || null;
  if (archive) beginAt(`${archive[2]}.${archive[3]}`);
  const changes = new EventSource("/control/events");
  changes.addEventListener("message", refresh);
  changes.addEventListener("error", offline);
}

begin();
