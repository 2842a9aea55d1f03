/**
 * The service worker of the web client: shows what is pushed while nobody looks at the chat, and leads there on a click.
 * It keeps nothing and answers for no request. What a push holds: docs/protocol.md, "Notices".
 */

// The page registers it with what stands over a message whose author is not told, in the reader's language.
const UNTITLED = new URL(self.location).searchParams.get("untitled") ?? "Reaktor";

addEventListener("install", () => self.skipWaiting());
addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
addEventListener("push", (event) => event.waitUntil(onPush(event.data)));
addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data ?? {}));
});

/** @param {PushMessageData|null} data */
async function onPush(data) {
  const notice = read(data);
  if (notice === null || (await windows()).some((page) => page.focused && page.visibilityState === "visible")) return;
  await self.registration.showNotification(notice.title || UNTITLED, {
    body: notice.text,
    // The same message pushed again takes the place of the first.
    tag: notice.tag,
    data: { channel: notice.channel, thread: notice.thread },
    icon: "/static/chat/icon.svg",
  });
}

/** The notice in a push; null for anything else. */
function read(data) {
  try {
    const { tag, channel, thread, title, text } = data.json();
    const isWhole = [tag, channel, title, text].every((value) => typeof value === "string");
    const leads = [channel, thread ?? channel].every((part) => /^[A-Za-z0-9_-]{1,64}$/.test(part));
    return isWhole && leads ? { tag, channel, thread, title, text } : null;
  } catch {
    return null;
  }
}

function windows() {
  return self.clients.matchAll({ type: "window", includeUncontrolled: true });
}

/**
 * The chat, at that channel or thread: in a window that shows it already, else in a new one.
 * @param {{channel?: string, thread?: string}} place
 */
async function open({ channel, thread }) {
  const address = channel ? `/#/c/${channel}${thread ? `/t/${thread}` : ""}` : "/";
  const [page] = (await windows()).filter((each) => new URL(each.url).pathname === "/");
  if (page !== undefined) {
    // A browser may refuse either: to bring a window to the front, and to lead a page on that is not this worker's.
    await page.focus().catch(() => undefined);
    if (await page.navigate(address).then(() => true, () => false)) return;
  }
  await self.clients.openWindow(address);
}
