/**
 * The shapes that travel between the server and this client, for readers and editors. No code.
 * Source: docs/protocol.md, "Operations", "Events" and "A message". This file must stay free of other modules: everybody names it.
 */

/**
 * @typedef {object} User
 * @property {string} id
 * @property {string} username
 * @property {boolean} is_staff
 * @property {boolean} is_bot       a program speaks with it, not a person
 * @property {string} created_at
 * @property {string} display_name     empty: the user name is all there is
 * @property {string|null} avatar_url  a path on the server, in 96 pixels
 * @property {string} status_text
 */

/**
 * Somebody, as everybody sees them.
 * @typedef {object} Person
 * @property {string} id
 * @property {string} username
 * @property {string} display_name     empty: the user name is all there is
 * @property {string|null} avatar_url  a path on the server, in 96 pixels
 * @property {string} status_text
 * @property {string} created_at
 * @property {boolean} is_bot
 */

/**
 * Whose server this is.
 * @typedef {object} Server
 * @property {string} name
 * @property {string|null} logo_url
 * @property {string} rules
 * @property {string} welcome
 * @property {"open"|"invite"|"approval"|"closed"} registration
 */

/**
 * A chat channel as one user sees it.
 * @typedef {object} ChannelInfo
 * @property {string} key
 * @property {string} name
 * @property {string} topic
 * @property {"public"|"unlisted"|"private"|"direct"|"group"} kind
 * @property {number} seq          position of the newest durable event
 * @property {number} number       number of the newest message
 * @property {number} flow         the newest place in the channel's flow
 * @property {number} online       how many people are in it now
 * @property {string|null} role    the durable role; null: no member for good
 * @property {"all"|"mentions"|"nothing"|null} level  how much the user is told of it; null: no member
 * @property {boolean} is_hidden  the user hid it, and nothing was said there since
 * @property {number} read_number  everything up to this message is read
 * @property {number} read_flow    its place in the flow
 * @property {number} own          one's own messages above it
 * @property {number} read_rev     counts the changes of these three: the greatest is the newest
 * @property {number} unread       flow - read_flow - own
 * @property {number} mentions
 * @property {boolean} threads     whether messages may be answered in threads
 * @property {number} slow_mode_s  seconds between two messages of one member; 0: off
 * @property {boolean} everybody_pins  whoever may write may pin, not moderators alone
 * @property {string|null} frozen_at  since when only moderators write
 * @property {string|null} archived_at
 * @property {string} created_at
 */

/** @typedef {"online"|"away"} Status */

/** @typedef {{username: string, status: Status}} Member */

/**
 * @typedef {object} Message
 * @property {string} id
 * @property {string} channel
 * @property {number} number       dense over messages, from 1
 * @property {number} flow         its place among those that the channel's flow shows
 * @property {number} seq          the position it took when it was stored
 * @property {number} changed_seq  the position of its last change; greater is newer
 * @property {string} author
 * @property {string|null} text    null once deleted, and where it is hidden
 * @property {string|null} reply_to
 * @property {string|null} nonce
 * @property {Object<string, string[]>} reactions
 * @property {string[]} mentions    names; `channel` or `here` where it calls many
 * @property {string} created_at
 * @property {string|null} edited_at
 * @property {string|null} deleted_at
 * @property {true} [hidden]       in a group, by somebody whom the user blocks: its place is all that is told
 * @property {{kind: "bot"|"hook", name: string|null}} [via]  of what no person wrote; a webhook's is shown under that name
 * @property {FileInfo[]} [files]  what came with it
 * @property {string} [thread]     the root of the thread that it is in
 * @property {boolean} [also_in_channel]  of such a one: the channel shows it, too
 * @property {ThreadInfo} [thread_info]  of a root, and of what is in its thread
 */

/**
 * A file of a message; one with a width is an image with a thumbnail.
 * @typedef {{id: string, name: string, type: string, size: number, width?: number, height?: number}} FileInfo
 */

/**
 * What a message has beside its text when it is sent: files that were sent before, the thread that it goes to.
 * @typedef {{files?: FileInfo[], thread?: string, also_in_channel?: boolean}} Beside
 */

/**
 * What a thread is: of two the one with the greater seq is newer.
 * @typedef {object} ThreadInfo
 * @property {number} number       the root's
 * @property {number} seq
 * @property {number} replies
 * @property {string|null} last_reply_at
 * @property {string[]} participants  the first five
 */

/**
 * A thread, and what the user is to it.
 * @typedef {object} Thread
 * @property {string} channel
 * @property {Message} root
 * @property {boolean} is_followed
 * @property {number} read_number  its replies up to this one are read
 * @property {number} unread
 */

/** @typedef {{messages?: Message[], seq: number, reset?: boolean}} Changes */

/**
 * Something was said in a channel that the user follows and this session is not in.
 * @typedef {object} Activity
 * @property {{number: number, seq: number, flow: number}} head
 * @property {{id: string, number: number, author: string, text: string|null, created_at: string, files?: number, hidden?: true}|null} last
 *   the newest message, where the level is `all`
 */

/**
 * @typedef {object} Hello
 * @property {string} session
 * @property {User} user
 * @property {string} expires_at
 * @property {string} epoch        names the database's history; a new one voids every cursor
 * @property {Object<string, number>} limits
 * @property {ChannelInfo[]} channels  those that the user belongs to, and those of `resume`
 * @property {number} channels_left  how many more the user belongs to
 * @property {Object<string, Changes>} resume
 */

/**
 * @typedef {object} JoinReply
 * @property {ChannelInfo} channel
 * @property {Member[]} members
 * @property {number} member_count
 * @property {string|null} members_next  the cursor of channel.members for the others; null: these are all
 * @property {Message[]} messages
 * @property {number} seq
 * @property {boolean} reset
 */

/**
 * What the server tells by itself. Durable events have a seq and a Message as data.
 * @typedef {object} EventFrame
 * @property {string} event
 * @property {string} [channel]
 * @property {number} [seq]
 * @property {any} data
 */

/**
 * A message of one's own that the server has not acknowledged yet.
 * @typedef {object} Unsent
 * @property {string} nonce
 * @property {string} text
 * @property {string} created_at
 * @property {"sending"|"waiting"|"failed"} state
 * @property {FileInfo[]} [files]  what goes with it
 * @property {string} [thread]     the root of the thread that it goes to
 * @property {boolean} [also_in_channel]
 * @property {any} [problem]       why it failed: a RequestError as data
 */

export {};
