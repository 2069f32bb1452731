// What is on the screen: who is looking where, and the last picture that the server gave. Shared by all that draws.

export const HOME = "home";

export const screen = {
  user: null, // an id, or a name before the first picture
  place: null, // a channel id, or HOME
  picture: null,
};

export function userOf(id) {
  return screen.picture.users.find((user) => user.id === id);
}

export function channelOf(id) {
  return screen.picture.channels.find((channel) => channel.id === id);
}

export const names = {
  user: (id) => userOf(id)?.real_name,
  channel: (id) => channelOf(id)?.name,
  group: (id) => screen.picture.groups.find((group) => group.id === id)?.handle,
};

// What `renderBlocks` needs to know, besides what is particular to one message or view.
export function contextFor(extra) {
  return { users: screen.picture.users, channels: screen.picture.channels, names, ...extra };
}

// Finds the warning that stands beside an element of *view*.
export function failedIn(view) {
  return (block_id, action_id) => screen.picture.failures.find((one) =>
    one.view_id === view.id && one.block_id === block_id && one.action_id === action_id);
}

// Marks what `sameControl` has to find again; an app that names no blocks gets new names for them with every update.
export function markControl(node, block_id, action_id) {
  node.dataset.block = block_id;
  node.dataset.action = action_id;
}

// The control in a redrawn node that stands for *control*: the one with the same action, never merely the same place.
export function sameControl(within, control) {
  const marked = control.closest("[data-action]");
  if (!marked) return null;
  const action = `[data-action="${CSS.escape(marked.dataset.action)}"]`;
  const block = `[data-block="${CSS.escape(marked.dataset.block)}"]`;
  const same = within.querySelector(action + block) ?? within.querySelector(action);
  if (!same || marked === control) return same;
  const value = control.value ? `[value="${CSS.escape(control.value)}"]` : "";
  return same.querySelector(control.localName + value);
}
