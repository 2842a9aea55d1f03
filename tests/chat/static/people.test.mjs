/** What is known of people: read once, many at once; replaced by what the server tells; never more than it may hold. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { People } from "../../../chat/static/chat/client/people.js";

const person = (username, display_name = "") => ({ username, display_name, avatar_url: null, status_text: "" });

/** People whose asker notes what it was asked, and a way to wait until somebody is known. */
function world({ answer = (names) => names.map((name) => person(name)) } = {}) {
  const asked = [];
  const clock = { now: 0 };
  const people = new People({
    ask: async (names) => {
      asked.push(names);
      return answer(names);
    },
    now: () => clock.now,
  });
  const told = () =>
    new Promise((resolve) => {
      const stop = people.subscribe(() => {
        stop();
        resolve();
      });
    });
  return { people, asked, clock, told };
}

test("who is asked about for the first time is read with the others, once", async () => {
  const { people, asked, told } = world();
  const known = told();
  for (const name of ["ada", "Bob", "ada"]) assert.equal(people.find(name), null);
  await known;
  assert.deepEqual(asked, [["ada", "bob"]]);
  assert.equal(people.find("ADA").username, "ada");
  assert.equal(asked.length, 1);
});

test("more than fit into one question are asked about in several", async () => {
  const { people, asked } = world();
  for (let number = 0; number < 120; number += 1) people.find(`p${number}`);
  await new Promise((resolve) => {
    const stop = people.subscribe(() => asked.flat().length === 120 && (stop(), resolve()));
  });
  assert.deepEqual(
    asked.map((names) => names.length),
    [50, 50, 20],
  );
});

test("what the server tells replaces what is known", async () => {
  const { people, asked } = world();
  let count = 0;
  people.subscribe(() => (count += 1));
  people.take(person("ada", "Ada Lovelace"));
  assert.equal(people.find("ada").display_name, "Ada Lovelace");
  assert.equal(count, 1);
  assert.equal(asked.length, 0);
});

test("who was read long ago, or before a gap, is read again and shown as known meanwhile", async () => {
  const { people, asked, clock, told } = world();
  people.take(person("ada", "Old"));
  clock.now = 601_000;
  let known = told();
  assert.equal(people.find("ada").display_name, "Old");
  await known;
  assert.equal(people.find("ada").display_name, "");
  people.doubt();
  known = told();
  people.find("ada");
  await known;
  assert.equal(asked.length, 2);
  people.clear();
});

test("nobody of that name is known to be nobody", async () => {
  const { people, asked, told } = world({ answer: () => [] });
  const known = told();
  people.find("ghost");
  await known;
  assert.equal(people.find("ghost"), null);
  assert.equal(asked.length, 1);
});

test("a question that fails is asked again, but not at once", async () => {
  const { people, asked } = world({
    answer: () => {
      throw new Error("no line");
    },
  });
  people.find("ada");
  while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 0));
  people.find("ada");
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(asked.length, 1);
  people.clear();
});

test("it holds so many, those seen last", () => {
  const { people } = world();
  for (let number = 0; number < 2_000; number += 1) people.take(person(`p${number}`));
  people.find("p0");
  people.take(person("one more"));
  assert.equal(people.find("p0").username, "p0");
  assert.equal(people.find("p1"), null);
  people.clear();
});
