// Talks to the workspace's control API, and says what was refused.

import { fill } from "/static/dom.js";
import { screen } from "/static/screen.js";

const REASONS = {
  element_not_found: "That is no longer there: the message changed before you clicked. Look at it again.",
  message_not_found: "That message is no longer there.",
  not_found: "That is no longer open.",
  not_in_channel: "You are not in this channel.",
  invalid_command: "That is not a valid command here.",
  is_archived: "This channel is archived.",
  unreachable: "The workspace does not answer. Nothing was sent.",
};

// Returns what the workspace answered; what it refused also stands on the page until something succeeds.
export async function post(name, body) {
  const answer = await send(name, body);
  fill(document.getElementById("notice"), answer.ok ? null : reason(answer));
  return answer;
}

export function reason(answer) {
  return REASONS[answer.error] ?? `That did not work: ${answer.error}.`;
}

async function send(name, body) {
  try {
    const response = await fetch(`/control/${name}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    return await response.json();
  } catch {
    return { ok: false, error: "unreachable" };
  }
}

export function clickInMessage(message, block, element, chosen, read) {
  return post("click", {
    user: screen.user, channel: screen.picture.channel, ts: message.ts, block_id: block.block_id, action_id: element.action_id,
    ...(chosen ? { chosen } : {}), ...(read ? { values: read() } : {}),
  });
}

export function clickInView(view, block, element, chosen, read) {
  return post("click", {
    user: screen.user, view_id: view.id, block_id: block.block_id, action_id: element.action_id,
    ...(chosen ? { chosen } : {}), values: read(),
  });
}
