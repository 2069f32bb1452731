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

// The control in a redrawn node that stands for *control*: the one with the same action, never merely the same place.
export function sameControl(within, control) {
  return control.dataset.action ? within.querySelector(`[data-action="${CSS.escape(control.dataset.action)}"]`) : null;
}
