// Inputs, selects and pickers as native controls, and what was entered in the form that the workspace takes.

import { el } from "/static/dom.js";
import { emoji } from "/static/mrkdwn.js";

const NATIVE = {
  email_text_input: "email", url_text_input: "url", number_input: "text", datepicker: "date", timepicker: "time",
  datetimepicker: "datetime-local",
};
const CHOSEN = {
  static_select: "selected_option", radio_buttons: "selected_option", overflow: "selected_option",
  users_select: "selected_user", channels_select: "selected_channel", conversations_select: "selected_conversation",
  multi_static_select: "selected_options", checkboxes: "selected_options", multi_users_select: "selected_users",
  multi_channels_select: "selected_channels", multi_conversations_select: "selected_conversations",
  datepicker: "selected_date", timepicker: "selected_time", datetimepicker: "selected_date_time",
};
const ENTERED = { ...CHOSEN, plain_text_input: "value", email_text_input: "value", url_text_input: "value", number_input: "value" };

// Returns {node, read()}; read gives the element's value in Slack's form. change() is called when something was chosen.
// given is Slack's form of what to start with, even if that is nothing; ids: {id, describedBy, label, required, invalid}
// tie label and problem to the control.
export function control(element, { given = {}, context, ids = {}, change = () => {} }) {
  const key = ENTERED[element.type];
  const initial = key in given ? given[key] : preset(element);
  const attributes = {
    id: ids.id, "aria-describedby": ids.describedBy, "aria-label": ids.label,
    placeholder: element.placeholder?.text, autofocus: element.focus_on_load,
    "aria-required": ids.required ? "true" : null, "aria-invalid": ids.invalid ? "true" : null,
  };
  switch (element.type) {
    case "plain_text_input":
      return textControl(element, attributes, initial);
    case "radio_buttons":
    case "checkboxes":
      return boxes(element, ids, initial, change);
    default:
      return NATIVE[element.type]
        ? native(element, attributes, initial, change)
        : menu(element, attributes, initial, context, change);
  }
}

function preset(element) {
  const name = Object.keys(element).find((key) => key.startsWith("initial_"));
  return name ? element[name] : null;
}

function textControl(element, attributes, initial) {
  const limits = { minlength: element.min_length, maxlength: element.max_length ?? 3000 };
  const node = element.multiline
    ? el("textarea", { ...attributes, ...limits, rows: 4 })
    : el("input", { ...attributes, ...limits, type: "text" });
  node.value = initial ?? "";
  return { node, read: () => ({ type: element.type, value: node.value || null }) };
}

function native(element, attributes, initial, change) {
  const keyboard = element.type === "number_input" ? (element.is_decimal_allowed ? "decimal" : "numeric") : null;
  const node = el("input", { ...attributes, type: NATIVE[element.type], inputmode: keyboard, onchange: () => change() });
  const seconds = element.type === "datetimepicker";
  node.value = seconds && initial ? localMinutes(initial) : (initial ?? "");
  const value = () => (!node.value ? null : seconds ? Math.floor(new Date(node.value).getTime() / 1000) : node.value);
  return { node, read: () => ({ type: element.type, [ENTERED[element.type]]: value() }) };
}

function localMinutes(seconds) {
  const at = new Date(seconds * 1000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function boxes(element, ids, initial, change) {
  const several = element.type === "checkboxes";
  const chosen = several ? (initial ?? []) : initial ? [initial] : [];
  const name = ids.id ?? `choice-${element.action_id}`;
  const inputs = element.options.map((option, index) => {
    const input = el("input", {
      type: several ? "checkbox" : "radio", name, id: `${name}-${index}`, value: option.value, onchange: () => change(),
    });
    input.checked = chosen.some((one) => one.value === option.value);
    return input;
  });
  const rows = element.options.map((option, index) =>
    el("label", { for: inputs[index].id }, inputs[index], " ", emoji(option.text.text),
      option.description ? [" ", el("small", {}, option.description.text)] : null));
  const picked = () => element.options.filter((_, index) => inputs[index].checked);
  return {
    node: el("div", {
      class: "boxes", role: several ? "group" : "radiogroup", "aria-label": ids.label, "aria-describedby": ids.describedBy,
      "aria-required": !several && ids.required ? "true" : null,
    }, ...rows),
    read: () => ({ type: element.type, [CHOSEN[element.type]]: several ? picked() : (picked()[0] ?? null) }),
  };
}

function menu(element, attributes, initial, context, change) {
  const several = element.type.startsWith("multi_");
  const offered = offers(element, context);
  const node = el("select", { ...attributes, multiple: several, onchange: () => change() });
  if (!several) node.append(el("option", { value: "" }, element.placeholder?.text ?? "Choose…"));
  const key = (one) => (typeof one === "string" ? one : one?.value);
  const chosen = new Set((several ? (initial ?? []) : [initial]).map(key));
  for (const [group, options] of offered) {
    const parent = group ? node.appendChild(el("optgroup", { label: group })) : node;
    for (const { id, label } of options) {
      const option = parent.appendChild(el("option", { value: id }, label));
      option.selected = chosen.has(id);
    }
  }
  const values = () => {
    const picked = [...node.selectedOptions].map((option) => option.value).filter(Boolean);
    return element.type.endsWith("static_select") ? picked.map((id) => allOptions(element).find((one) => one.value === id)) : picked;
  };
  return {
    node,
    read: () => ({ type: element.type, [CHOSEN[element.type] ?? "selected_option"]: several ? values() : (values()[0] ?? null) }),
  };
}

export function allOptions(element) {
  return element.options ?? (element.option_groups ?? []).flatMap((group) => group.options);
}

function offers(element, context) {
  if (element.type.includes("users_")) {
    return [[null, context.users.filter((user) => !user.deleted && !user.is_bot).map((user) => ({ id: user.id, label: user.real_name }))]];
  }
  if (element.type.includes("channels_") || element.type.includes("conversations_")) {
    return [[null, context.channels.map((channel) => ({ id: channel.id, label: `#${channel.name}` }))]];
  }
  const shown = (options) => options.map((option) => ({ id: option.value, label: emoji(option.text.text) }));
  if (element.option_groups) return element.option_groups.map((group) => [group.label.text, shown(group.options)]);
  return [[null, shown(element.options ?? [])]];
}
