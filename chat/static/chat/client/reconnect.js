/**
 * When to come back after a session ended. Pure.
 * 4000-4499 come back, 4500-4999 don't; 4005 asks for a new token first.
 * Source: docs/protocol.md, "Close codes".
 */

const FIRST_CEILING_S = 0.5;
// Half a minute at most: a server that is back should see everybody again soon, but not in the same second.
const LAST_CEILING_S = 30;

/**
 * @param {{code: number, attempt: number, retryAfterS?: number, random: () => number}} close
 *   code: the close code (1006: the line broke); attempt: how many in a row have failed, from 0
 * @returns {{comesBack: boolean, delayS: number, refreshFirst: boolean}}
 */
export function planReturn({ code, attempt, retryAfterS = 0, random }) {
  if (code >= 4500 && code <= 4999) return { comesBack: false, delayS: 0, refreshFirst: false };
  const ceiling = Math.min(LAST_CEILING_S, FIRST_CEILING_S * 2 ** Math.min(attempt, 10));
  // Full jitter on top of what the server asked for: if many are told the same time, they still spread out.
  return {
    comesBack: true,
    delayS: Math.max(0, retryAfterS) + random() * ceiling,
    refreshFirst: code === 4005,
  };
}
