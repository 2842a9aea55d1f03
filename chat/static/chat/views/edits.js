/** What a message said before it was edited, for its author and for who moderates its channel. */

import { momentOf } from "../times.js";
import { t } from "../words.js";
import { ListDialog, thing } from "./listdialog.js";

/** @param {{chat: import("../client/chat.js").Chat, message: import("../client/types.js").Message}} parts */
export async function openEdits({ chat, message }) {
  const dialog = new ListDialog({
    id: "edits",
    heading: t("panels.earlier_texts"),
    lead: t("panels.earlier_texts_lead"),
  });
  try {
    const data = { id: message.id };
    const { results } = await chat.session.request("message.edits", { channel: message.channel, data });
    const rows = results.map(({ text, written_at: at }) => thing("", momentOf(new Date(at)), text));
    dialog.show(rows, t("panels.no_earlier_texts"));
  } catch (error) {
    dialog.fail(error);
  }
}
