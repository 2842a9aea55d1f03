/** Web push in this browser: whether it is on, switching it on and off, and saying so again after each log-in. */

import { t } from "../words.js";

const REMEMBERED = "push";

/** Whether this browser can be told at all. */
export function canPush() {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

/** The subscription of this browser, if its notices are for this account. @param {import("../client/chat.js").Chat} chat */
export async function subscriptionOf(chat) {
  if (!canPush() || localStorage.getItem(REMEMBERED) !== chat.store.me?.id) return null;
  const registration = await navigator.serviceWorker.getRegistration("/");
  return (await registration?.pushManager.getSubscription()) ?? null;
}

/**
 * Ask whoever is here, then have this browser told. To be called from a click. Throws what the server says.
 * @returns {Promise<string>} why it can't be; "" when it is on
 */
export async function switchOn(chat) {
  if ((await Notification.requestPermission()) !== "granted") {
    return t("settings.push_forbidden");
  }
  const { key } = await chat.rest("GET", "me/push");
  if (key === null) return t("settings.no_push");
  await register();
  const registration = await navigator.serviceWorker.ready;
  try {
    await say(chat, await subscribe(registration.pushManager, key));
  } catch (error) {
    if (error instanceof DOMException) return t("settings.push_unreachable");
    throw error;
  }
  localStorage.setItem(REMEMBERED, chat.store.me.id);
  return "";
}

/** Have this browser told no more. */
export async function switchOff(chat) {
  const subscription = await subscriptionOf(chat);
  localStorage.removeItem(REMEMBERED);
  if (subscription === null) return;
  await chat.rest("DELETE", "me/push", { endpoint: subscription.endpoint });
  await subscription.unsubscribe();
}

/** A subscription belongs to its log-in, so each new one says it again; also after the server got another key. */
export async function renew(chat) {
  if (!canPush() || Notification.permission !== "granted") return;
  if (localStorage.getItem(REMEMBERED) !== chat.store.me?.id) return;
  const { key } = await chat.rest("GET", "me/push");
  if (key === null) return;
  const registration = await register();
  await say(chat, await subscribe(registration.pushManager, key));
}

function register() {
  return navigator.serviceWorker.register(`/sw.js?untitled=${encodeURIComponent(t("settings.new_message"))}`);
}

async function subscribe(manager, key) {
  const wanted = { userVisibleOnly: true, applicationServerKey: bytes(key) };
  const known = await manager.getSubscription();
  if (known !== null && !same(known.options.applicationServerKey, wanted.applicationServerKey)) {
    await known.unsubscribe();
  }
  return manager.subscribe(wanted);
}

async function say(chat, subscription) {
  const { endpoint, keys } = subscription.toJSON();
  await chat.rest("PUT", "me/push", { endpoint, keys });
}

function bytes(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function same(buffer, wanted) {
  const known = new Uint8Array(buffer ?? new ArrayBuffer(0));
  return known.length === wanted.length && known.every((value, at) => value === wanted[at]);
}
