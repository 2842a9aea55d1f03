/**
 * Session: one live line to the server, `reaktor.v1` over WebSocket. No DOM, no storage.
 *
 * Turns operations into promises, hands events on, answers pings, notices a dead line, and comes back by itself
 * as the close codes say. Who uses it keeps the cursors: getResume() is asked at every hello.
 * Source: docs/protocol.md.
 */

import { needsLogin, RequestError, termsOf } from "./errors.js";
import { planReturn } from "./reconnect.js";

const SUBPROTOCOL = "reaktor.v1";
const HELLO_TIMEOUT_S = 10;
const REQUEST_TIMEOUT_S = 10;
// The server pings after 25 s of silence and waits 20 s for the pong; after that the line is dead for it, too.
const SILENCE_LIMIT_S = 50;
// A session that ends sooner counts as another failed attempt, else a server that closes at once is hammered.
const STABLE_AFTER_S = 10;
const NORMAL = 1000;
const BROKEN = 1006;
const BANNED = 4502;

/**
 * idle → connecting → live → waiting → connecting …; ended (a close code of 4500 and above, or stop()) is final
 * until start() is called again. Before a code that says that the login is over is believed, a new token is asked
 * for, once: a token can be refused though its login is good.
 * @typedef {{name: "idle"|"connecting"|"live"|"waiting"|"ended", retryAt?: number, code?: number, reason?: string,
 *   refusal?: RequestError}} SessionState  refusal: a ban, where its terms are known
 */

export class Session {
  /** @type {SessionState} */
  state = { name: "idle" };
  #socket = null;
  #requests = new Map();
  #nextId = 1;
  #attempt = 0;
  #bye = null;
  #refreshFirst = false;
  #token = null;
  /** @type {{code: number, reason: string, refusal?: RequestError}|null} what to end with if there is no other token */
  #doubt = null;
  #lastHeard = 0;
  #life = 0;
  #timers = { retry: 0, silence: 0, stable: 0, hello: 0 };

  /**
   * @param {object} parts
   * @param {string} parts.url
   * @param {(refusing?: string|null) => Promise<string>} parts.getToken  an access token other than `refusing`;
   *   rejects with a RequestError, `not_authenticated` or `banned` when only a new login helps
   * @param {() => Object<string, number>} parts.getResume  cursors of the channels to enter again
   * @param {(hello: any) => void} parts.onHello
   * @param {(event: any) => void} parts.onEvent
   * @param {(state: SessionState) => void} parts.onState
   * @param {any} [parts.WebSocketClass]
   * @param {() => number} [parts.random]
   * @param {{now: () => number, set: Function, clear: Function}} [parts.clock]  milliseconds
   */
  constructor({ url, getToken, getResume, onHello, onEvent, onState, WebSocketClass, random, clock }) {
    this.url = url;
    this.getToken = getToken;
    this.getResume = getResume;
    this.onHello = onHello;
    this.onEvent = onEvent;
    this.onState = onState;
    this.WebSocketClass = WebSocketClass ?? globalThis.WebSocket;
    this.random = random ?? Math.random;
    this.clock = clock ?? {
      now: () => Date.now(),
      set: (callback, ms) => setTimeout(callback, ms),
      clear: (timer) => clearTimeout(timer),
    };
  }

  get isLive() {
    return this.state.name === "live";
  }

  /** Connect, and stay connected until stop() or a final close code. Harmless when already running. */
  start() {
    if (this.state.name !== "idle" && this.state.name !== "ended") return;
    this.#proven();
    this.#connect();
  }

  /** Say goodbye and stay away. Requests under way are rejected as `disconnected`. */
  stop() {
    this.#abandon(NORMAL);
    this.#become({ name: "idle" });
  }

  /** Don't wait for the countdown. */
  retryNow() {
    if (this.state.name !== "waiting") return;
    this.#attempt = 0;
    this.#connect();
  }

  /**
   * Ask for one operation. Resolves with the reply's data; rejects with a RequestError.
   * Whether it was done is unknown after `timeout` and `disconnected`: repeat it with the same nonce, or read anew.
   * @param {string} op
   * @param {{channel?: string, data?: object, timeoutS?: number}} [more]
   * @returns {Promise<any>}
   */
  request(op, { channel, data, timeoutS = REQUEST_TIMEOUT_S } = {}) {
    if (!this.isLive) return Promise.reject(new RequestError("offline"));
    return this.#ask(
      { op, ...(channel === undefined ? {} : { channel }), ...(data === undefined ? {} : { data }) },
      timeoutS,
    );
  }

  /**
   * Is anybody there? For moments when the line may have died unnoticed (sleep, another network).
   * Sends a cheap question; without an answer in time the line is given up and built anew.
   * @param {string} op
   * @param {{channel?: string, data?: object}} [more]
   * @returns {Promise<any|null>} the reply's data; null when the line was given up
   */
  async probe(op, more = {}) {
    try {
      return await this.request(op, { ...more, timeoutS: 4 });
    } catch (error) {
      if (error.code === "timeout") this.#lost(BROKEN);
      else if (error.code === "offline") this.retryNow();
      return null;
    }
  }

  async #connect() {
    this.#clearTimers();
    const life = ++this.#life;
    this.#become({ name: "connecting" });
    try {
      this.#token = await this.getToken(this.#refreshFirst ? this.#token : null);
    } catch (error) {
      if (life !== this.#life) return;
      const { code, reason, refusal } = this.#doubt ?? { code: 4500, reason: "not authenticated" };
      if (error.code === "banned") this.#end(BANNED, "banned", error);
      else if (error.code === "not_authenticated") this.#end(code, reason, refusal);
      else this.#wait(BROKEN, error.retryAfterS);
      return;
    }
    if (life !== this.#life) return;
    this.#refreshFirst = false;
    this.#open(life);
  }

  #open(life) {
    const socket = new this.WebSocketClass(this.url, [SUBPROTOCOL]);
    this.#socket = socket;
    this.#bye = null;
    // A socket that was given up may still speak: only the present one is listened to.
    const present = (handler) => (event) => {
      if (this.#socket === socket && life === this.#life) handler(event);
    };
    socket.onopen = present(() => this.#greet());
    socket.onmessage = present((event) => this.#hear(event.data));
    socket.onclose = present((event) => this.#lost(event.code, event.reason));
    this.#timers.hello = this.clock.set(() => this.#lost(BROKEN), HELLO_TIMEOUT_S * 1000);
  }

  #greet() {
    const resume = this.getResume();
    const data = { token: this.#token, ...(Object.keys(resume).length > 0 ? { resume } : {}) };
    this.#ask({ op: "hello", data }, HELLO_TIMEOUT_S).then(
      (hello) => {
        this.clock.clear(this.#timers.hello);
        this.#timers.stable = this.clock.set(() => this.#proven(), STABLE_AFTER_S * 1000);
        this.#watchSilence();
        this.#become({ name: "live" });
        this.onHello(hello);
      },
      (error) => {
        // A refusal is normally followed by a bye and a close, which decide; this is for a server that stays silent.
        if (error.isPatience) this.#bye ??= { code: 4006, retry_after: error.retryAfterS };
      },
    );
  }

  #ask(frame, timeoutS) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const asked = this.clock.now();
      const timer = this.clock.set(() => {
        this.#requests.delete(id);
        reject(new RequestError("timeout"));
        // Not a word since the question: the line is dead, not the operation slow.
        if (this.isLive && this.#lastHeard <= asked) this.#lost(BROKEN);
      }, timeoutS * 1000);
      this.#requests.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ id, ...frame }));
    });
  }

  #hear(text) {
    this.#lastHeard = this.clock.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame === null || typeof frame !== "object") return;
    if ("re" in frame) this.#answer(frame);
    else if (frame.event === "ping") this.#socket.send('{"op":"pong"}');
    else if (frame.event === "bye") this.#bye = frame.data ?? {};
    else if (frame.event === "auth.expiring") this.#renew();
    else if (typeof frame.event === "string") this.onEvent(frame);
  }

  #answer(frame) {
    const request = this.#requests.get(frame.re);
    if (!request) return;
    this.#requests.delete(frame.re);
    this.clock.clear(request.timer);
    if (frame.ok) request.resolve(frame.data ?? {});
    else request.reject(RequestError.from(frame.error));
  }

  async #renew() {
    const life = this.#life;
    try {
      const token = await this.getToken(this.#token);
      if (life !== this.#life || !this.isLive) return;
      await this.request("auth.refresh", { data: { token } });
      this.#token = token;
    } catch {
      // The server closes with 4005 at the end, and we come back with a new token or learn that there is none.
    }
  }

  #watchSilence() {
    const limit = SILENCE_LIMIT_S * 1000;
    const look = () => {
      const silent = this.clock.now() - this.#lastHeard;
      if (silent >= limit) this.#lost(BROKEN);
      else this.#timers.silence = this.clock.set(look, limit - silent);
    };
    this.#timers.silence = this.clock.set(look, limit);
  }

  #lost(closeCode, reason = "") {
    const code = this.#bye?.code ?? closeCode;
    const retryAfterS = this.#bye?.retry_after;
    const words = this.#bye?.reason ?? reason;
    const terms = this.#bye ? termsOf(this.#bye) : undefined;
    const refusal = terms && new RequestError("banned", { message: words, terms });
    this.#abandon(NORMAL);
    if (code < 4500) this.#wait(code, retryAfterS);
    else if (needsLogin(code) && this.#doubt === null) this.#askAgain(code, words, refusal);
    else this.#end(code, words, refusal);
  }

  #askAgain(code, reason, refusal) {
    this.#doubt = { code, reason, refusal };
    this.#refreshFirst = true;
    this.#connect();
  }

  #proven() {
    this.#attempt = 0;
    this.#doubt = null;
  }

  #wait(code, retryAfterS) {
    const plan = planReturn({ code, attempt: this.#attempt++, retryAfterS, random: this.random });
    if (plan.refreshFirst) this.#refreshFirst = true;
    const delayMs = plan.delayS * 1000;
    this.#timers.retry = this.clock.set(() => this.#connect(), delayMs);
    this.#become({ name: "waiting", retryAt: this.clock.now() + delayMs, code });
  }

  #end(code, reason, refusal) {
    this.#abandon(NORMAL);
    this.#become({ name: "ended", code, reason, ...(refusal ? { refusal } : {}) });
  }

  /** Let go of the present socket and of everything that waits for it. */
  #abandon(closeCode) {
    this.#clearTimers();
    this.#life += 1;
    const socket = this.#socket;
    this.#socket = null;
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    if (socket && socket.readyState < 2) socket.close(closeCode);
    for (const { reject, timer } of requests) {
      this.clock.clear(timer);
      reject(new RequestError("disconnected"));
    }
  }

  #clearTimers() {
    for (const timer of Object.values(this.#timers)) this.clock.clear(timer);
  }

  #become(state) {
    this.state = state;
    this.onState(state);
  }
}
