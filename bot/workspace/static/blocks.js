// Renders Block Kit as DOM nodes.
//
// context: {users, channels, names, values, errors, prefix, act(block, element, chosen), confirm(definition), failed(block_id, action_id)}

import { busy, el, link } from "/static/dom.js";
import { control } from "/static/forms.js";
import { menu } from "/static/menu.js";
import { dateText, emoji, emojiNamed, mention, mrkdwn } from "/static/mrkdwn.js";
import { markControl } from "/static/screen.js";

// Returns {node, read()}; read gives block_id -> action_id -> what was entered in the blocks' inputs.
export function renderBlocks(blocks, context) {
  const readers = [];
  const reading = { ...context, remember: (block_id, action_id, read) => readers.push([block_id, action_id, read]) };
  const node = el("div", { class: "blocks" }, ...blocks.map((block) => renderBlock(block, reading)));
  const read = () => {
    const values = {};
    for (const [block_id, action_id, value] of readers) (values[block_id] ??= {})[action_id] = value();
    return values;
  };
  return { node, read };
}

const RENDERERS = {
  header: (block) => el("h3", { class: "block-header" }, emoji(block.text.text)),
  divider: () => el("hr"),
  section, context: contextBlock, actions, context_actions: actions, image, input, rich_text: richText, table,
  data_table: table, card, video,
  markdown: (block) => el("div", { class: "section markdown" }, block.text),
  alert: (block, context) => el("div", { class: `alert ${block.level ?? ""}` }, textNode(block.text, context)),
  carousel: (block, context) => el("div", { class: "carousel" }, ...block.elements.map((one) => renderBlock(one, context))),
  container: (block, context) => el("section", { class: "container" },
    block.title ? el("h4", {}, emoji(block.title.text)) : null,
    ...block.child_blocks.map((one) => renderBlock(one, context))),
};

function renderBlock(block, context) {
  const render = RENDERERS[block.type];
  return render ? render(block, context) : el("p", { class: "unsupported" }, `This page does not draw “${block.type}” blocks.`);
}

export function textNode(text, context) {
  if (text.type === "mrkdwn") return mrkdwn(text.text, context.names);
  return document.createTextNode(text.emoji === false ? text.text : emoji(text.text));
}

function section(block, context) {
  const fields = block.fields?.length
    ? el("div", { class: "fields" }, ...block.fields.map((field) => el("div", { class: "field" }, textNode(field, context))))
    : null;
  return el("div", { class: "section" },
    el("div", { class: "section-text" }, block.text ? el("div", { class: "text" }, textNode(block.text, context)) : null, fields),
    block.accessory ? el("div", { class: "accessory" }, element(block, block.accessory, context)) : null);
}

function contextBlock(block, context) {
  return el("div", { class: "context" }, ...block.elements.map((one) =>
    one.type === "image" ? pictureNode(one) : el("span", {}, textNode(one, context))));
}

function actions(block, context) {
  return el("div", { class: "actions" }, ...block.elements.map((one) => element(block, one, context)));
}

function card(block, context) {
  return el("section", { class: "card" },
    ...["title", "subtitle", "body", "subtext"].filter((key) => block[key]).map((key) => el("div", { class: key }, textNode(block[key], context))),
    block.actions ? actions({ ...block, elements: block.actions }, context) : null);
}

// Pictures come from elsewhere; this page opens no address but its own, so it shows what they are.
function pictureNode(picture) {
  return el("span", { class: "picture", role: "img", "aria-label": picture.alt_text }, `[Image: ${picture.alt_text}]`);
}

function image(block) {
  return el("figure", {}, pictureNode(block), block.title ? el("figcaption", {}, emoji(block.title.text)) : null);
}

function video(block) {
  return el("p", { class: "picture" }, "Video: ", block.title_url ? link(block.title_url, block.title.text) : block.title.text);
}

let counter = 0;

function input(block, context) {
  const { element: inner, block_id } = block;
  const id = `${context.prefix ?? "input"}-${++counter}`;
  const problem = context.errors?.[block_id];
  const describedBy = [block.hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean).join(" ") || null;
  const grouped = inner.type === "radio_buttons" || inner.type === "checkboxes";
  const label = emoji(block.label.text);
  const made = control(inner, {
    context, given: context.values?.[block_id]?.[inner.action_id],
    ids: { id, describedBy, label: grouped ? label : null, required: !block.optional, invalid: Boolean(problem) },
    change: () => block.dispatch_action && context.act(block, inner, made.read()),
  });
  markControl(made.node, block_id, inner.action_id);
  context.remember(block_id, inner.action_id, made.read);
  const name = [label, block.optional ? el("small", {}, " (optional)") : null];
  return el("div", { class: problem ? "input wrong" : "input" },
    grouped ? el("div", { class: "label" }, ...name) : el("label", { class: "label", for: id }, ...name),
    made.node,
    block.hint ? el("p", { class: "hint", id: `${id}-hint` }, emoji(block.hint.text)) : null,
    problem ? el("p", { class: "problem", id: `${id}-problem` }, problem) : null);
}

function element(block, one, context) {
  if (one.type === "image") return pictureNode(one);
  if (one.type === "button" || one.type === "workflow_button" || one.type === "icon_button") return button(block, one, context);
  if (one.type === "feedback_buttons") {
    return el("span", {}, ...[one.positive_button, one.negative_button].map((half) => button(block, { ...one, ...half, type: "button" }, context)));
  }
  if (one.type === "overflow") return overflow(block, one, context);
  const made = control(one, {
    context, given: context.values?.[block.block_id]?.[one.action_id],
    ids: { id: `${context.prefix ?? "choice"}-${++counter}`, label: one.placeholder?.text ?? one.action_id },
    change: async () => {
      if (await agreed(one, context)) context.act(block, one, made.read());
    },
  });
  context.remember(block.block_id, one.action_id, made.read);
  return withFailure(made.node, block, one, context);
}

function button(block, one, context) {
  const node = el("button", {
    type: "button", class: one.style ?? "", "aria-label": one.accessibility_label, title: one.accessibility_label,
    onclick: () => busy(node, async () => {
      if (!(await agreed(one, context))) return;
      if (one.url) window.open(link(one.url, "").href, "_blank", "noopener,noreferrer");
      await context.act(block, one, null);
    }),
  }, emoji(one.text.text));
  return withFailure(node, block, one, context);
}

function overflow(block, one, context) {
  const choices = one.options.map((option) => ({
    label: emoji(option.text.text),
    about: option.description?.text,
    choose: async () => {
      if (await agreed(one, context)) context.act(block, one, { selected_option: option });
    },
  }));
  return withFailure(menu("More choices", choices), block, one, context);
}

async function agreed(one, context) {
  return !one.confirm || context.confirm(one.confirm);
}

function withFailure(node, block, one, context) {
  markControl(node, block.block_id, one.action_id);
  const failure = context.failed?.(block.block_id, one.action_id);
  return failure ? el("span", { class: "failed" }, node, el("span", { class: "problem", role: "alert" }, `⚠ ${failure.text}`)) : node;
}

function richText(block, context) {
  return el("div", { class: "rich" }, ...block.elements.map((part) => richPart(part, context)));
}

function richPart(part, context) {
  switch (part.type) {
    case "rich_text_list": {
      const items = part.elements.map((item) => el("li", {}, ...inlineNodes(item.elements, context)));
      const style = `indent-${part.indent ?? 0}`;
      return part.style === "ordered" ? el("ol", { class: style, start: (part.offset ?? 0) + 1 }, ...items) : el("ul", { class: style }, ...items);
    }
    case "rich_text_preformatted":
      return el("pre", {}, ...inlineNodes(part.elements, context));
    case "rich_text_quote":
      return el("blockquote", {}, ...inlineNodes(part.elements, context));
    default:
      return el("div", {}, ...inlineNodes(part.elements, context));
  }
}

const STYLES = { bold: "strong", italic: "em", strike: "s", underline: "u", code: "code" };

function inlineNodes(elements, context) {
  return elements.map((one) => {
    let node = inlineNode(one, context);
    for (const [style, tag] of Object.entries(STYLES)) if (one.style?.[style]) node = el(tag, {}, node);
    return node;
  });
}

function inlineNode(one, { names }) {
  switch (one.type) {
    case "text":
      return el("span", { class: "plain" }, one.text);
    case "link":
      return link(one.url, one.text ?? one.url);
    case "emoji":
      return document.createTextNode(emojiNamed(one.name));
    case "user":
      return mention(`@${names.user(one.user_id) ?? one.user_id}`);
    case "channel":
      return mention(`#${names.channel(one.channel_id) ?? one.channel_id}`);
    case "usergroup":
      return mention(`@${names.group(one.usergroup_id) ?? one.usergroup_id}`);
    case "broadcast":
      return mention(`@${one.range}`, "broadcast");
    case "date":
      return dateText(one.timestamp, one.format, one.fallback ?? one.format, one.url);
    default:
      return document.createTextNode(one.value ?? one.team_id ?? "");
  }
}

function table(block, context) {
  const [head, ...rows] = block.rows;
  const cells = (row, tag) => row.map((cell) => el(tag, {}, cell.type === "rich_text" ? richText(cell, context) : cell.text));
  return el("div", { class: "table" }, el("table", {},
    block.caption ? el("caption", {}, block.caption) : null,
    el("thead", {}, el("tr", {}, ...cells(head, "th"))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells(row, "td"))))));
}
