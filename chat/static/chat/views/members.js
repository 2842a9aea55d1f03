/** Who is in the channel now: online first, then away. */

import { h, keyed, setText } from "../dom.js";
import { t } from "../words.js";
import { avatarOf, nameOf } from "./person.js";

export class Members {
  /**
   * @param {{people: import("../client/people.js").People, onMore: () => void, onMessage: (username: string) => void}} parts
   *   `onMore`: more of them are asked for
   */
  constructor({ people, onMore, onMessage }) {
    this.people = people;
    this.onMessage = onMessage;
    this.heading = h("h2", { class: "members-heading" });
    this.list = h("ul", { class: "member-list" });
    this.rest = h("p", { class: "members-rest" });
    this.more = h(
      "button",
      { class: "button is-quiet members-more", type: "button", hidden: true, on: { click: onMore } },
      t("show_more"),
    );
    this.element = h(
      "aside",
      { class: "members", id: "members", "aria-label": t("people_in_channel") },
      this.heading,
      this.list,
      this.rest,
      this.more,
    );
  }

  /** @param {import("../client/channel.js").ChannelState} channel  @param {string} me */
  update(channel, me) {
    const members = [...channel.members].map(([username, status]) => ({
      username,
      status,
      isMe: username === me,
    }));
    const rank = ({ status, username }) => (status === "online" ? "0" : "1") + username.toLowerCase();
    members.sort((one, other) => (rank(one) < rank(other) ? -1 : 1));
    setText(this.heading, t("online_now", { count: channel.memberCount }));
    keyed(this.list, members, {
      key: (member) => member.username,
      create: () => h("li", { class: "member" }),
      update: (item, member) => this.#draw(item, member),
      same: (one, other) => one.status === other.status && one.isMe === other.isMe,
    });
    const unnamed = channel.memberCount - members.length;
    setText(this.rest, unnamed > 0 ? t("and_more", { count: unnamed }) : "");
    this.more.hidden = channel.membersNext === null;
  }

  #draw(item, { username, status, isMe }) {
    item.className = `member is-${status}`;
    item.replaceChildren(
      avatarOf(this.people, username, `is-small is-${status}`),
      nameOf(this.people, username, "member-name"),
      ...(isMe ? [h("span", { class: "member-note" }, t("you"))] : [this.#messageButton(username)]),
      ...(status === "away"
        ? [h("span", { class: "member-note" }, t("is_away"))]
        : [h("span", { class: "only-heard" }, t("online"))]),
    );
  }

  #messageButton(username) {
    const label = t("message_to", { name: username });
    const open = () => this.onMessage(username);
    return h(
      "button",
      { class: "button is-small is-quiet", type: "button", "aria-label": label, on: { click: open } },
      t("message"),
    );
  }
}
