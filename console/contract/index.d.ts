/** The contract for TypeScript clients. `generated.d.ts` is written by `make types`. */
import type { components, paths } from "./generated.js";

export type { components, paths };

export type Schemas = components["schemas"];

/** What a Socket.IO event carries, by its name: `LiveEvents["call.update"]`. */
export type LiveEvents = Schemas["LiveEvents"];

/** For `Socket<ServerToClientEvents>` of socket.io-client. */
export type ServerToClientEvents = { [Name in keyof LiveEvents]: (event: LiveEvents[Name]) => void };

/** The body that a route answers when it has done what was asked: `Answer<"/api/call/start", "post">`. */
export type Answer<Path extends keyof paths, Method extends keyof paths[Path]> = paths[Path][Method] extends {
  responses: infer Responses;
}
  ? Responses[keyof Responses & (200 | 201 | 202)] extends { content: { "application/json": infer Body } }
    ? Body
    : never
  : never;
