/** German: the list of channels, and all that is opened from a channel or the side bar. */

export default {
  // All channels
  "panels.search_channels": "Kanäle suchen",
  "panels.new_message": "Neue Nachricht",
  "panels.unlisted_channel": "Nicht gelisteter Kanal",
  "panels.new_channel": "Neuer Kanal",
  "panels.list_later": "Die Liste kommt, sobald es eine Verbindung gibt.",
  "panels.none_of_oldest": "Keiner der ältesten Kanäle heißt so.",
  "panels.none_like_that": "Kein Kanal heißt so.",
  "panels.new_count": { one: "{count} neu", other: "{count} neu" },

  // Making one
  "panels.new_unlisted_channel": "Neuer nicht gelisteter Kanal",
  "panels.public_lead": "Alle auf diesem Server sehen ihn in der Liste und können ihn betreten.",
  "panels.unlisted_lead": "Er steht in keiner Liste. Wer seinen Link hat, kann ihn betreten.",
  "panels.unlisted_name": "Unter uns",
  "panels.name": "Name",
  "panels.topic": "Thema",
  "panels.topic_aside": "wenn es eins gibt",
  "panels.no_name": "Bitte gib einen Namen ein.",
  "panels.create": "Anlegen",

  // Direct messages and groups
  "panels.new_message_lead": "An eine Person, oder an eine Gruppe von bis zu sieben: Niemand sonst liest mit.",
  "panels.usernames": "Benutzernamen",
  "panels.usernames_aside": "mit Leerzeichen dazwischen",
  "panels.people": "Personen",
  "panels.nobody_named": "Bitte nenne jemanden.",
  "panels.nobody_of_that_name": "Niemand hat diesen Benutzernamen.",
  "panels.open": "Öffnen",

  // Belonging to a channel
  "panels.followed": "Du folgst diesem Kanal: Er bleibt in deiner Liste, auf jedem Gerät.",
  "panels.leave_private": "Dieser Kanal ist privat. Um zurückzukommen, brauchst du eine Einladung. Trotzdem verlassen?",
  "panels.leave_group":
    "Zu einer Gruppe kommt später niemand mehr dazu, du kannst also nicht zurück. Trotzdem verlassen?",

  // What can be done with a message
  "panels.message_actions": "Aktionen für die Nachricht",
  "panels.react": "Reagieren",
  "panels.react_with": "Mit {emoji} reagieren",
  "panels.reply_in_thread": "Im Thread antworten",
  "panels.delete_for_all": "Für alle löschen",
  "panels.keep": "Behalten",

  // The card of a person
  "panels.block": "Blockieren",
  "panels.unblock": "Nicht mehr blockieren",
  "panels.here_since": "Dabei seit {date}",
  "panels.account_gone": "Dieses Konto gibt es nicht mehr.",

  // A thread, and the list of threads
  "panels.thread": "Thread",
  "panels.the_thread": "den Thread",
  "panels.close_thread": "Den Thread schließen",
  "panels.earlier_replies": "Frühere Antworten",
  "panels.reply": "Antwort",
  "panels.also_in_channel": "Auch im Kanal",
  "panels.no_threads": "Du folgst noch keinem Thread. Antworte in einem, dann steht er hier.",

  // Search
  "panels.search_messages": "Nachrichten suchen",
  "panels.search_example": 'Wörter, "eine Wendung", -ohne, Anfang*',
  "panels.only_with_files": "Nur mit Dateien",
  "panels.searching": "Sucht …",
  "panels.nothing_found": "Nichts gefunden.",
  "panels.open_channel": "Kanal öffnen",
  "panels.message_gone": "Diese Nachricht gibt es nicht mehr.",
  "panels.no_channel": "Unter dieser Adresse gibt es keinen Kanal.",

  // Earlier texts, pins
  "panels.edit_message": "Nachricht bearbeiten",
  "panels.earlier_texts": "Frühere Fassungen",
  "panels.earlier_texts_lead": "Was in dieser Nachricht stand, bevor sie bearbeitet wurde.",
  "panels.no_earlier_texts": "Von dem, was vorher dastand, ist nichts aufgehoben.",
  "panels.pinned_messages": "Angeheftete Nachrichten",
  "panels.pinned": "Die Nachricht ist angeheftet: Alle finden sie unter „Angeheftet“.",
  "panels.unpinned": "Die Nachricht ist nicht mehr angeheftet.",
  "panels.no_pins": "In diesem Kanal ist nichts angeheftet.",
  "panels.unpin_this": "Lösen: {text}",
  "panels.pinned_by": "{when}, angeheftet von {name}",

  // Files
  "panels.files": "Dateien",
  "panels.remove_file": "{name} entfernen",
  "panels.bytes": { one: "{count} Byte", other: "{count} Bytes" },
  "panels.kib": "{size} KiB",
  "panels.mib": "{size} MiB",
  "panels.gib": "{size} GiB",

  // Formatting, as it is typed
  "panels.formatting_lead": "Was man tippt, und wie es aussieht",
  "panels.bold": "fett",
  "panels.italic": "kursiv",
  "panels.strike": "durchgestrichen",
  "panels.code": "Code",
  "panels.words": "Wörter",
  "panels.quote": "Zitat",
  "panels.item": "Punkt",
};
