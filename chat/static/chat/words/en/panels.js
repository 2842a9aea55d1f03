/** English: the list of channels, and all that is opened from a channel or the side bar. */

export default {
  // All channels
  "panels.search_channels": "Search channels",
  "panels.new_message": "New message",
  "panels.unlisted_channel": "Unlisted channel",
  "panels.new_channel": "New channel",
  "panels.list_later": "The list comes as soon as there is a connection.",
  "panels.none_of_oldest": "None of the oldest channels has a name like that.",
  "panels.none_like_that": "No channel has a name like that.",
  "panels.new_count": { one: "{count} new", other: "{count} new" },

  // Making one
  "panels.new_unlisted_channel": "New unlisted channel",
  "panels.public_lead": "Everybody on this server sees it in the list and may come in.",
  "panels.unlisted_lead": "It stands in no list. Whoever has its link may come in.",
  "panels.unlisted_name": "Private talk",
  "panels.name": "Name",
  "panels.topic": "Topic",
  "panels.topic_aside": "if there is one",
  "panels.no_name": "Please give it a name.",
  "panels.create": "Create",

  // Direct messages and groups
  "panels.new_message_lead": "To one person, or to a group of up to seven: nobody else will read it.",
  "panels.usernames": "Usernames",
  "panels.usernames_aside": "with blanks between them",
  "panels.people": "People",
  "panels.nobody_named": "Please name somebody.",
  "panels.nobody_of_that_name": "There is nobody with that username.",
  "panels.open": "Open",

  // Belonging to a channel
  "panels.followed": "You follow this channel: it stays in your list, on every device.",
  "panels.leave_private": "This channel is private. To come back, you need an invite. Leave it?",
  "panels.leave_group": "Nobody is added to a group later, so you can't come back to this one. Leave it?",

  // What can be done with a message
  "panels.message_actions": "Message actions",
  "panels.react": "React",
  "panels.react_with": "React with {emoji}",
  "panels.reply_in_thread": "Reply in thread",
  "panels.delete_for_all": "Delete for everybody",
  "panels.keep": "Keep",

  // The card of a person
  "panels.block": "Block",
  "panels.unblock": "Unblock",
  "panels.here_since": "Here since {date}",
  "panels.account_gone": "This account is gone.",

  // A thread, and the list of threads
  "panels.thread": "Thread",
  "panels.the_thread": "the thread",
  "panels.close_thread": "Close the thread",
  "panels.earlier_replies": "Earlier replies",
  "panels.reply": "Reply",
  "panels.also_in_channel": "Also in the channel",
  "panels.no_threads": "You follow no thread yet. Answer a message in a thread, and it stands here.",

  // Search
  "panels.search_messages": "Search messages",
  "panels.search_example": 'Words, "a phrase", -without, begin*',
  "panels.only_with_files": "Only with files",
  "panels.searching": "Searching…",
  "panels.nothing_found": "Nothing was found.",
  "panels.open_channel": "Open the channel",
  "panels.message_gone": "This message is not there any more.",
  "panels.no_channel": "There is no channel under this address.",

  // Earlier texts, pins
  "panels.edit_message": "Edit message",
  "panels.earlier_texts": "Earlier texts",
  "panels.earlier_texts_lead": "What this message said before it was edited.",
  "panels.no_earlier_texts": "Nothing is kept of what it said before.",
  "panels.pinned_messages": "Pinned messages",
  "panels.pinned": "The message is pinned: everybody finds it under Pins.",
  "panels.unpinned": "The message is no longer pinned.",
  "panels.no_pins": "Nothing is pinned in this channel.",
  "panels.unpin_this": "Unpin: {text}",
  "panels.pinned_by": "{when}, pinned by {name}",

  // Files
  "panels.files": "Files",
  "panels.remove_file": "Remove {name}",
  "panels.bytes": { one: "{count} byte", other: "{count} bytes" },
  "panels.kib": "{size} KiB",
  "panels.mib": "{size} MiB",
  "panels.gib": "{size} GiB",

  // Formatting, as it is typed
  "panels.formatting_lead": "What is typed, and how it looks",
  "panels.bold": "bold",
  "panels.italic": "italic",
  "panels.strike": "strike",
  "panels.code": "code",
  "panels.words": "words",
  "panels.quote": "quote",
  "panels.item": "item",
};
