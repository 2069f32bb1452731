// Renders Slack's mrkdwn as DOM nodes, by Slack's rules: entities in angle brackets, *bold* _italic_ ~strike~ `code`,
// ```blocks```, lines that begin with > as quotes, and :emoji:.

import { el, link } from "/static/dom.js";

const EMOJI = {
  white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌", warning: "⚠️", rotating_light: "🚨", octagonal_sign: "🛑",
  no_entry: "⛔", no_entry_sign: "🚫", information_source: "ℹ️", question: "❓", grey_question: "❔", exclamation: "❗",
  hourglass: "⌛", hourglass_flowing_sand: "⏳", stopwatch: "⏱️", alarm_clock: "⏰", clock3: "🕒", calendar: "📆",
  red_circle: "🔴", large_orange_circle: "🟠", large_yellow_circle: "🟡", large_green_circle: "🟢",
  large_blue_circle: "🔵", white_circle: "⚪", black_circle: "⚫", lock: "🔒", unlock: "🔓", key: "🔑", shield: "🛡️",
  eyes: "👀", eye: "👁️", wave: "👋", "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", raised_hand: "✋",
  robot_face: "🤖", wrench: "🔧", hammer: "🔨", gear: "⚙️", hammer_and_wrench: "🛠️", fire: "🔥", boom: "💥", zap: "⚡",
  mag: "🔍", memo: "📝", clipboard: "📋", page_facing_up: "📄", bar_chart: "📊", chart_with_upwards_trend: "📈",
  chart_with_downwards_trend: "📉", link: "🔗", bell: "🔔", no_bell: "🔕", repeat: "🔁", arrows_counterclockwise: "🔄",
  arrow_right: "➡️", arrow_up: "⬆️", arrow_down: "⬇️", heavy_minus_sign: "➖", heavy_plus_sign: "➕", tada: "🎉",
  sparkles: "✨", seedling: "🌱", pause_button: "⏸️", arrow_forward: "▶️", stop_button: "⏹️", double_vertical_bar: "⏸️",
  satellite_antenna: "📡", package: "📦", floppy_disk: "💾", desktop_computer: "🖥️", globe_with_meridians: "🌐",
  bust_in_silhouette: "👤", busts_in_silhouette: "👥", bulb: "💡", speech_balloon: "💬", skull: "💀", wastebasket: "🗑️",
};

export function emoji(text) {
  return text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => EMOJI[name] ?? whole);
}

export function emojiNamed(name) {
  return EMOJI[name] ?? `:${name}:`;
}

function unescaped(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

// names: {user(id), channel(id), group(id)} give what to show for an id.
export function mrkdwn(text, names) {
  const fragment = document.createDocumentFragment();
  const parts = text.split(/```([\s\S]*?)```/);
  parts.forEach((part, index) => {
    if (index % 2) fragment.append(el("pre", {}, withoutMarkup(part.replace(/^\n|\n$/g, ""), names)));
    else if (part) fragment.append(...quotesAndLines(part, names));
  });
  return fragment;
}

function quotesAndLines(text, names) {
  const nodes = [];
  let quoted = [];
  const endQuote = () => {
    if (quoted.length) nodes.push(el("blockquote", {}, ...lines(quoted, names)));
    quoted = [];
  };
  let plain = [];
  const endPlain = () => {
    if (plain.length) nodes.push(...lines(plain, names));
    plain = [];
  };
  for (const line of text.split("\n")) {
    const quote = line.match(/^(?:&gt;|>) ?(.*)$/);
    if (quote) {
      endPlain();
      quoted.push(quote[1]);
    } else {
      endQuote();
      plain.push(line);
    }
  }
  endQuote();
  endPlain();
  return nodes;
}

function lines(all, names) {
  return all.flatMap((line, index) => (index ? [el("br"), ...inline(line, names)] : inline(line, names)));
}

const EDGE = "\\s()\\[\\]{}\"'.,;:!?/|—–\\-";
const TOKEN = new RegExp(
  "`([^`]+)`" +
    "|<([^<>]+)>" +
    `|(?<=^|[${EDGE}*_~])([*_~])(?=\\S)(.*?\\S)\\3(?=$|[${EDGE}*_~])`,
);
const TAGS = { "*": "strong", _: "em", "~": "s" };

function inline(text, names) {
  const nodes = [];
  let rest = text;
  for (let found = rest.match(TOKEN); found; found = rest.match(TOKEN)) {
    if (found.index) nodes.push(leaf(rest.slice(0, found.index)));
    const [whole, code, entity, mark, marked] = found;
    if (code !== undefined) nodes.push(el("code", {}, withoutMarkup(code, names)));
    else if (entity !== undefined) nodes.push(entityNode(entity, names));
    else nodes.push(el(TAGS[mark], {}, ...inline(marked, names)));
    rest = rest.slice(found.index + whole.length);
  }
  if (rest) nodes.push(leaf(rest));
  return nodes;
}

function leaf(text) {
  return document.createTextNode(emoji(unescaped(text)));
}

// Inside code only entities mean something: they show as the text they stand for.
function withoutMarkup(text, names) {
  return unescaped(text.replace(/<([^<>]+)>/g, (_, entity) => entityNode(entity, names).textContent));
}

function entityNode(entity, names) {
  const bar = entity.indexOf("|");
  const target = bar < 0 ? entity : entity.slice(0, bar);
  const label = bar < 0 ? null : unescaped(entity.slice(bar + 1));
  if (target.startsWith("@")) return mention(`@${names.user(target.slice(1)) ?? label ?? target.slice(1)}`);
  if (target.startsWith("#")) return mention(`#${names.channel(target.slice(1)) ?? label ?? target.slice(1)}`);
  if (target.startsWith("!subteam^")) return mention(`@${names.group(target.slice(9)) ?? label ?? target.slice(9)}`);
  if (target.startsWith("!date^")) return dateNode(target, label);
  if (/^!(here|channel|everyone)$/.test(target)) return mention(`@${target.slice(1)}`, "broadcast");
  const address = unescaped(target);
  return /^(https?:|mailto:)/i.test(address) ? link(address, label ?? address) : document.createTextNode(`<${unescaped(entity)}>`);
}

export function mention(text, kind = "") {
  return el("span", { class: `mention ${kind}`.trim() }, text);
}

function dateNode(target, fallback) {
  const [, seconds, format = "{date} {time}", address] = target.split("^");
  return dateText(Number(seconds), format, fallback ?? target, address);
}

const DATE_PARTS = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date: { dateStyle: "long" },
  date_short: { dateStyle: "medium" },
  date_long: { dateStyle: "full" },
  date_pretty: { dateStyle: "long" },
  date_short_pretty: { dateStyle: "medium" },
  date_long_pretty: { dateStyle: "full" },
  time: { timeStyle: "short" },
  time_secs: { timeStyle: "medium" },
  day_divider_pretty: { dateStyle: "long" },
};

export function dateText(seconds, format, fallback, address) {
  const at = new Date(seconds * 1000);
  if (Number.isNaN(at.getTime())) return document.createTextNode(fallback);
  const text = format.replace(/\{(\w+)\}/g, (whole, part) => {
    if (part === "ago") return ago(seconds);
    return DATE_PARTS[part] ? at.toLocaleString([], DATE_PARTS[part]) : whole;
  });
  const node = el("time", { datetime: at.toISOString(), title: fallback }, text);
  if (!address) return node;
  const anchor = link(address, text);
  return anchor.nodeType === Node.ELEMENT_NODE ? anchor : node;
}

function ago(seconds) {
  const passed = seconds - Date.now() / 1000;
  const [unit, size] = Math.abs(passed) < 90 ? ["second", 1] : Math.abs(passed) < 5400 ? ["minute", 60] : ["hour", 3600];
  return new Intl.RelativeTimeFormat([], { numeric: "auto" }).format(Math.round(passed / size), unit);
}
