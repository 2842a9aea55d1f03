/** German: what the first page says at once, and where the other parts are. */

export const parts = {
  door: () => import("./de/door.js"),
  errors: () => import("./de/errors.js"),
  panels: () => import("./de/panels.js"),
  settings: () => import("./de/settings.js"),
};

export default {
  // Said in many places
  cancel: "Abbrechen",
  close: "Schließen",
  copy: "Kopieren",
  delete: "Löschen",
  edit: "Bearbeiten",
  save: "Speichern",
  loading: "Lädt …",
  show_more: "Mehr anzeigen",
  try_again: "Noch einmal",
  day_and_time: "{day}, {time}",
  failed: "Das hat nicht geklappt.",

  // Things that have pages
  channel: "Kanal",
  channels: "Kanäle",
  all_channels: "Alle Kanäle",
  your_channels: "Deine Kanäle",
  search: "Suche",
  settings: "Einstellungen",
  threads: "Threads",

  // The frame
  skip: "Zum Inhalt springen",
  away: "Abwesend",
  log_out: "Abmelden",
  mentions: { one: "{count} Erwähnung", other: "{count} Erwähnungen" },
  unread: { one: "{count} ungelesen", other: "{count} ungelesen" },
  said: "{name}: {text}",
  a_channel: "einem Kanal",
  mentioned_in: "Du wirst in {place} erwähnt",
  connect_again: "Neu verbinden",
  try_now: "Jetzt versuchen",
  connecting: "Verbinde …",
  no_connection: "Keine Verbindung. Was du schreibst, wird aufgehoben und später gesendet.",
  next_try: "Nächster Versuch in {seconds} s.",

  // A channel
  copy_link: "Link kopieren",
  copy_this_link: "Kopiere diesen Link:",
  link_copied: "Der Link ist kopiert. Wer ihn hat, kann den Kanal betreten.",
  follow: "Folgen",
  unfollow: "Nicht mehr folgen",
  pins: "Angeheftet",
  webhooks: "Webhooks",
  hide: "Ausblenden",
  leave: "Verlassen",
  no_channel: "Unter dieser Adresse gibt es keinen Kanal. Vielleicht ist der Link unvollständig.",
  typing: { one: "{names} schreibt …", other: "{names} schreiben …" },
  many_typing: "Mehrere schreiben …",

  // Who is online in it
  people_in_channel: "Personen in diesem Kanal",
  online_now: "Online ({count})",
  online: "online",
  online_count: { one: "{count} online", other: "{count} online" },
  is_away: "abwesend",
  you: "du",
  and_more: "und {count} weitere",
  message_to: "Direktnachricht an {name}",
  message: "Nachricht",

  // Its messages
  messages: "Nachrichten",
  earlier_messages: "Frühere Nachrichten …",
  begins: "Hier beginnt {name}.",
  new_messages: { one: "{count} neue Nachricht", other: "{count} neue Nachrichten" },
  newest: "Zum Neuesten",
  new: "Neu",
  deleted: "Diese Nachricht wurde gelöscht.",
  hidden: "Eine Nachricht von jemandem, den du blockiert hast",
  in_thread: "In einem Thread",
  replies: { one: "{count} Antwort", other: "{count} Antworten" },
  edited: "bearbeitet",
  not_sent: "nicht gesendet",
  sending: "wird gesendet …",
  tell_them: "Ja, senden",
  discard: "Verwerfen",
  bot: "Bot",
  not_a_person: "Keine Person: {name}",
  reacted: "{emoji}, {count}: {names}",
  others: { one: "{count} weitere Person", other: "{count} weitere" },
  copied: "Kopiert",
  selected: "Markiert",
  code: "Code",
  code_in: "Code, {language}",
  copy_code: "Den Code kopieren",

  // What can be done with a message
  pin: "Anheften",
  unpin: "Lösen",

  // Where messages are written
  write_to: "Schreib an {name}",
  send: "Senden",
  formatting: "Formatierung",
  attach: "Dateien anhängen",
  archived: "Dieser Kanal ist archiviert. Er kann gelesen werden, aber niemand kann mehr etwas schreiben.",
  too_many: { one: "{count} zu viel", other: "{count} zu viel" },
  left: { one: "noch {count}", other: "noch {count}" },
};
