// What a UI writes with these types; compiled by the tests. A line after `@ts-expect-error` has to be refused.
import type { Answer, LiveEvents, Schemas, ServerToClientEvents } from "./index";

const hear: ServerToClientEvents["call.update"] = ({ data, seq }) => {
  const id: string = data.call_id;
  const last: number = seq;
  if (data.change === "ended") console.log(id, last, data.duration, data.state);
  // @ts-expect-error  there is no such change
  if (data.change === "vanished") console.log(id);
};

export function title(update: LiveEvents["slot.update"]["data"]): string {
  // @ts-expect-error  not every update of a slot says it
  const busy: string = update.call_id;
  return `${update.slot} ${update.status ?? ""} ${busy}`;
}

export function started(answer: Answer<"/api/call/start", "post">): [string, Schemas["CallState"]] {
  // @ts-expect-error  a call has no colour
  console.log(answer.colour);
  return [answer.call_id, answer.state];
}

export const ended: (event: Schemas["CallEnded"]) => number = (event) => event.duration;
export default hear;

// The client: routes, pages and rooms are typed.
import { Client, done, pages } from "./client";

export async function use(client: Client): Promise<void> {
  const started = await done(
    client.http.POST("/api/call/start", {
      params: { header: { "Idempotency-Key": "k" } },
      body: { number: "+380991234567", slot: "AUTO" },
    }),
  );
  const state: Schemas["CallState"] = started.state;
  // @ts-expect-error  there is no such route
  await done(client.http.GET("/api/calls"));
  for await (const lead of pages((cursor) => client.http.GET("/api/crm/leads", { params: { query: { cursor } } }))) {
    const id: string = lead.campaign_id;
    // @ts-expect-error  a lead has no colour
    console.log(id, state, lead.colour);
  }
  for await (const cdr of pages(() => client.http.GET("/api/pbx/cdr"))) console.log(cdr.call_id); // also a table
  const live = client.live();
  const stop = await live.hear("calls", ({ data }) => console.log(data.call_id), { slot: 44, since: 1 });
  stop();
  await live.hear("slots", () => {}, { onShown: (slots, seq) => console.log(slots[0]?.status, seq) });
  // @ts-expect-error  a slot that is shown has no colour
  await live.hear("slots", () => {}, { onShown: (slots) => console.log(slots[0].colour) });
  // @ts-expect-error  webhooks are not shown
  await live.hear("webhooks", () => {}, { onShown: () => {} });
  // @ts-expect-error  calls are not narrowed by webhook
  await live.hear("calls", () => {}, { webhook: "wh_1" });
  // @ts-expect-error  a webhook is no call
  await live.hear("webhooks", ({ data }) => console.log(data.call_id));
}
