/** English: what the first page says at once, and where the other parts are. */

export const parts = {
  door: () => import("./en/door.js"),
  errors: () => import("./en/errors.js"),
  panels: () => import("./en/panels.js"),
  settings: () => import("./en/settings.js"),
};

export default {
  // Said in many places
  cancel: "Cancel",
  close: "Close",
  copy: "Copy",
  delete: "Delete",
  edit: "Edit",
  save: "Save",
  loading: "Loading…",
  show_more: "Show more",
  try_again: "Try again",
  day_and_time: "{day} at {time}",
  failed: "That did not work.",

  // Things that have pages
  channel: "Channel",
  channels: "Channels",
  all_channels: "All channels",
  your_channels: "Your channels",
  search: "Search",
  settings: "Settings",
  threads: "Threads",

  // The frame
  skip: "Skip to the page",
  away: "Away",
  log_out: "Log out",
  mentions: { one: "{count} mention", other: "{count} mentions" },
  unread: { one: "{count} unread", other: "{count} unread" },
  said: "{name}: {text}",
  a_channel: "a channel",
  mentioned_in: "You are mentioned in {place}",
  connect_again: "Connect again",
  try_now: "Try now",
  connecting: "Connecting…",
  no_connection: "No connection. What you write is kept and sent later.",
  next_try: "Next try in {seconds} s.",

  // A channel
  copy_link: "Copy link",
  copy_this_link: "Copy this link:",
  link_copied: "The link is copied. Whoever has it may come in.",
  follow: "Follow",
  unfollow: "Unfollow",
  pins: "Pins",
  webhooks: "Webhooks",
  hide: "Hide",
  leave: "Leave",
  no_channel: "There is no channel under this address. Perhaps the link is incomplete.",
  typing: { one: "{names} is typing…", other: "{names} are typing…" },
  many_typing: "Several people are typing…",

  // Who is online in it
  people_in_channel: "People in this channel",
  online_now: "Online ({count})",
  online: "online",
  online_count: { one: "{count} online", other: "{count} online" },
  is_away: "away",
  you: "you",
  and_more: "and {count} more",
  message_to: "Direct message to {name}",
  message: "Message",

  // Its messages
  messages: "Messages",
  earlier_messages: "Earlier messages…",
  begins: "This is where {name} begins.",
  new_messages: { one: "{count} new message", other: "{count} new messages" },
  newest: "Newest",
  new: "New",
  deleted: "This message was deleted.",
  hidden: "A message from somebody you blocked",
  in_thread: "In a thread",
  replies: { one: "{count} reply", other: "{count} replies" },
  edited: "edited",
  not_sent: "not sent",
  sending: "sending…",
  tell_them: "Tell them",
  discard: "Discard",
  bot: "bot",
  not_a_person: "Not a person: {name}",
  reacted: "{emoji}, {count}: {names}",
  others: { one: "{count} other", other: "{count} others" },
  copied: "Copied",
  selected: "Selected",
  code: "Code",
  code_in: "Code, {language}",
  copy_code: "Copy the code",

  // What can be done with a message
  pin: "Pin",
  unpin: "Unpin",

  // Where messages are written
  write_to: "Write to {name}",
  send: "Send",
  formatting: "Formatting",
  attach: "Attach files",
  archived: "This channel is archived. It can be read, but nothing new can be posted.",
  too_many: { one: "{count} too many", other: "{count} too many" },
  left: { one: "{count} left", other: "{count} left" },
};
