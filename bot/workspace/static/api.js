// Talks to the workspace's control API.

import { screen } from "/static/screen.js";

export async function post(name, body) {
  try {
    const response = await fetch(`/control/${name}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    return await response.json();
  } catch {
    return { ok: false, error: "unreachable" };
  }
}

export function clickInView(view, block, element, chosen, read) {
  return post("click", {
    user: screen.user, view_id: view.id, block_id: block.block_id, action_id: element.action_id,
    ...(chosen ? { chosen } : {}), values: read(),
  });
}
