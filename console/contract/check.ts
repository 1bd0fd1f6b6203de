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
