/**
 * A client of OTTB for browsers and Node.js: openapi-fetch with the routes' types, tokens that are replaced in time,
 * and live events that go on over lost connections. docs/clients.md shows it.
 */
import createClient, { type Client as Fetcher, defaultPathSerializer } from "openapi-fetch";
import { io, type Socket } from "socket.io-client";
import type { Answer, LiveEvents, Schemas, ServerToClientEvents, paths } from "./index.js";

const SECONDS = 30;
const ATTEMPTS = 4; // of what has an Idempotency-Key
const PAUSE = 200; // milliseconds before the second; before each next one twice as long
const PASSING = new Set(["UNAVAILABLE", "RATE_LIMITED", "TIMEOUT"]);
const RENEWED = 0.8; // of its life, after which a token is replaced
// What a proxy before the site means.
const GUESSED: Record<number, string> = {
  401: "AUTH_FAIL", 429: "RATE_LIMITED", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "TIMEOUT",
};
const KEY = "Idempotency-Key";

/** What was refused, in the API's words. `status` 0: nobody answered, or not in time. `retryAfter`: seconds. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status = 0,
    readonly details: Record<string, unknown> = {},
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

type Answered = { data?: unknown; error?: unknown; response: Response };

/** The answer of a request: `await done(client.http.GET(...))`. Throws ApiError. */
export async function done<A extends Answered>(asked: Promise<A>): Promise<Exclude<A["data"], undefined>> {
  return answerOf(await asked);
}

function answerOf<A extends Answered>({ data, error, response }: A): Exclude<A["data"], undefined> {
  if (error !== undefined || !response.ok) throw refusal(error, response);
  return data as Exclude<A["data"], undefined>;
}

/** All of a list, page after page: `for await (const lead of pages((cursor) => client.http.GET(...)))`. */
export async function* pages<Row>(
  ask: (cursor: string | undefined) => Promise<{ data?: Row[]; error?: unknown; response: Response }>,
): AsyncGenerator<Row, void> {
  let cursor: string | undefined;
  do {
    const answer = await ask(cursor);
    yield* answerOf(answer);
    cursor = answer.response.headers.get("X-Next-Cursor") ?? undefined;
  } while (cursor !== undefined);
}

function refusal(said: unknown, response: Response): ApiError {
  const after = Number(response.headers.get("Retry-After") ?? "");
  return refused(said, response.status, `${response.status} ${response.statusText}`, after > 0 ? after : undefined);
}

function refused(said: unknown, status: number, otherwise: string, after?: number): ApiError {
  const { code, message, details } = (said ?? {}) as Partial<Schemas["Refused"]>;
  if (code !== undefined && message !== undefined) return new ApiError(code, message, status, details ?? {}, after);
  return new ApiError(GUESSED[status] ?? "INTERNAL", otherwise, status, {}, after);
}

interface Login {
  token?: string;
  refreshToken?: string | null;
  renewAt: number; // milliseconds, as Date.now() says them
}

/** A site. `token`: a service token; else `login`. `seconds`: until an answer begins. */
export class Client {
  /** The routes: `client.http.GET("/api/slots/{slot}", { params: { path: { slot: 44 } } })`. */
  readonly http: Fetcher<paths, "application/json">;
  private readonly current: Login;
  private renewal?: Promise<void>;

  constructor(
    readonly url: string,
    { token, seconds = SECONDS }: { token?: string; seconds?: number } = {},
  ) {
    this.current = { token, renewAt: Infinity };
    const fetch = (request: Request): Promise<Response> => this.send(request, 1000 * seconds);
    this.http = createClient<paths, "application/json">({ baseUrl: url, fetch, pathSerializer: inPath });
  }

  /** Log in. The tokens are kept, and replaced in time. Throws ApiError. */
  async login(username: string, password: string): Promise<Answer<"/api/auth/login", "post">> {
    const answer = await done(this.http.POST("/api/auth/login", { body: { username, password } }));
    this.keep(answer);
    return answer;
  }

  /** End the session. Throws ApiError. */
  async logout(): Promise<void> {
    await done(this.http.POST("/api/auth/logout", { body: { everywhere: false, end_tokens: false } }));
    Object.assign(this.current, { token: undefined, refreshToken: undefined, renewAt: Infinity });
  }

  /** Have newer tokens; the same for all who ask at once. Done by itself when they are needed. Throws ApiError. */
  refresh(): Promise<void> {
    this.renewal ??= this.renew().finally(() => (this.renewal = undefined));
    return this.renewal;
  }

  /** A token that is good for a while, for what stays connected with it. Throws ApiError. */
  async freshToken(): Promise<string | undefined> {
    if (Date.now() >= this.current.renewAt) await this.refresh();
    return this.current.token;
  }

  get canRefresh(): boolean {
    return Boolean(this.current.refreshToken);
  }

  /** Milliseconds until `freshToken` gives another one. */
  get renewIn(): number {
    return Math.max(this.current.renewAt - Date.now(), 0);
  }

  /** Hear what happens, as whoever is logged in. */
  live(): Live {
    return new Live(this);
  }

  private keep(answer: { token: string; expires: number; refresh_token?: string | null }): void {
    const renewAt = answer.refresh_token ? Date.now() + RENEWED * 1000 * answer.expires : Infinity;
    Object.assign(this.current, { token: answer.token, refreshToken: answer.refresh_token, renewAt });
  }

  private async renew(): Promise<void> {
    const refresh_token = this.current.refreshToken;
    this.keep(await done(this.http.POST("/api/auth/refresh", { body: { refresh_token } })));
  }

  private async send(request: Request, deadline: number): Promise<Response> {
    const path = new URL(request.url).pathname;
    const known = !["/api/auth/login", "/api/auth/refresh"].includes(path);
    const token = known ? this.current.token : undefined;
    const response = await this.again(withToken(request, token), deadline);
    if (response.status !== 401 || token === undefined || !this.canRefresh) return response;
    if (this.current.token === token) await this.refresh();
    return this.again(withToken(request, this.current.token), deadline);
  }

  /** Ask, and again where nobody knows whether it was done and a key keeps it from being done twice. */
  private async again(request: Request, deadline: number): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      const last = attempt === ATTEMPTS || !request.headers.has(KEY);
      try {
        const response = await within(deadline, request);
        const running = response.status === 409 && response.headers.has("Retry-After");
        if (last || !(running || [502, 503, 504].includes(response.status))) return response;
      } catch (error) {
        if (last || request.signal.aborted) throw unreached(this.url, error);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE * 2 ** (attempt - 1)));
    }
  }
}

/** A path with its values. However they are quoted, some would lead elsewhere. */
function inPath(path: string, values: Record<string, unknown>): string {
  for (const [field, value] of Object.entries(values)) {
    const said = `\`${field}\`: "${String(value)}" is the name of nothing.`;
    if (["", ".", ".."].includes(String(value))) throw new ApiError("INVALID_PARAMS", said, 400, { field });
  }
  return defaultPathSerializer(path, values);
}

function unreached(url: string, error: unknown): ApiError {
  const late = error instanceof Error && error.name === "AbortError";
  return new ApiError(late ? "TIMEOUT" : "UNAVAILABLE", `${url}: ${late ? "no answer in time" : String(error)}`);
}

function withToken(request: Request, token: string | undefined): Request {
  const copy = request.clone(); // its body is read once
  if (token !== undefined) copy.headers.set("Authorization", `Bearer ${token}`);
  return copy;
}

async function within(milliseconds: number, request: Request): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), milliseconds);
  try {
    return await fetch(request.clone(), { signal: AbortSignal.any([request.signal, late.signal]) });
  } finally {
    clearTimeout(timer);
  }
}

export type Room = keyof Schemas["LiveRooms"];

/** The event of a room: `calls` has `call.update`. */
export type EventOf<R extends Room> = (R extends `${infer One}s` ? `${One}.update` : `${R}.update`) & keyof LiveEvents;

/** `since`: behind this `seq`. `onGap`: more was missed than is told again, the list has to be read anew. */
export type Options<R extends Room> = Schemas["LiveRooms"][R] & { since?: number; onGap?: () => void } & Showing<R>;

/** `onShown`: called with how all things of the room are, and their `seq`, before anything that happened behind it; again
 * where more was missed than is told again, in place of `onGap`. With `since` only then. */
type Showing<R extends Room> = R extends keyof Schemas["LiveThings"]
  ? { onShown?: (things: Schemas["LiveThings"][R][], seq: number) => void }
  : unknown;

type Told =
  | { error: false; seq: number; snapshot_needed?: boolean; snapshot?: unknown[]; expires?: number | null }
  | Schemas["Refused"];
type Heard = {
  narrowed: object;
  begun: boolean;
  last?: number;
  onGap?: () => void;
  onShown?: (things: never[], seq: number) => void;
};

/** A connection to what happens. It comes back by itself, and rooms go on from the last event. */
export class Live {
  readonly socket: Socket<ServerToClientEvents>;
  /** Told once, when nothing comes any more: whoever is logged in may not. */
  onEnd: (error: ApiError) => void = () => {};
  private readonly rooms = new Map<Room, Heard>();
  private timer?: ReturnType<typeof setTimeout>;
  private renewed = false; // since it was last connected

  constructor(private readonly client: Client) {
    this.socket = io(client.url, {
      transports: ["websocket"],
      auth: (give) => void client.freshToken().then((token) => give({ token }), () => give({})),
    });
    this.socket.on("connect", () => void this.goOn());
    this.socket.on("connect_error", (error: Error & { data?: unknown }) => {
      void this.comeBack(error.data, error.message);
    });
    this.socket.on("disconnect", (reason) => {
      if (reason === "io server disconnect") this.socket.connect(); // with a newer token, if there is one
    });
  }

  /** Hear of a room; what is named in the options alone. Resolves once it is heard. Throws ApiError. */
  async hear<R extends Room>(
    room: R,
    handler: (event: LiveEvents[EventOf<R>]) => void,
    options: Options<R> = {} as Options<R>,
  ): Promise<() => void> {
    if (this.rooms.has(room)) throw new Error(`${room} is heard already`);
    const { since, onGap, onShown, ...narrowed } = options as Options<"calls">; // those of every room
    const heard: Heard = { narrowed, begun: false, last: since, onGap, onShown };
    const take = (event: LiveEvents[keyof LiveEvents]): void => {
      heard.last = Math.max(event.seq, heard.last ?? 0);
      handler(event as LiveEvents[EventOf<R>]);
    };
    const events = this.socket as Socket;
    const name = `${room.replace(/s$/, "")}.update`;
    events.on(name, take);
    const stop = (): void => {
      events.off(name, take);
      this.rooms.delete(room);
      if (this.socket.connected) events.emit(`unsubscribe:${room}`);
    };
    this.rooms.set(room, heard); // at once: who asks for it twice is told
    try {
      await this.subscribe(room, heard);
      heard.begun = true; // from here on it is asked for at each connection
    } catch (error) {
      stop();
      throw error;
    }
    return stop;
  }

  close(): void {
    clearTimeout(this.timer);
    this.socket.close();
  }

  private async subscribe(room: Room, heard: Heard): Promise<void> {
    const since = heard.last === undefined ? {} : { since: heard.last };
    const snapshot = heard.onShown === undefined ? {} : { snapshot: true };
    const told = await this.ask(`subscribe:${room}`, { ...heard.narrowed, ...since, ...snapshot });
    heard.last = Math.max(told.seq, heard.last ?? 0);
    if (told.snapshot !== undefined) heard.onShown?.(told.snapshot as never[], told.seq);
    if (told.snapshot_needed) heard.onGap?.();
  }

  private async ask(event: string, given: object): Promise<Extract<Told, { error: false }>> {
    let told: Told;
    try {
      told = await (this.socket as Socket).timeout(1000 * SECONDS).emitWithAck(event, given);
    } catch (error) {
      throw unreached(this.client.url, error);
    }
    if (told.error) throw refused(told, told.code === "AUTH_FAIL" ? 401 : 400, "");
    return told;
  }

  /** Connected: hear again what was heard, and have a newer token before this one is over. */
  private async goOn(): Promise<void> {
    this.renewed = false;
    this.renewLater();
    const begun = [...this.rooms].filter(([, heard]) => heard.begun);
    await Promise.all(begun.map(([room, heard]) => this.goOnIn(room, heard)));
  }

  /** What passes is waited for, each room by itself. Refused for good it is heard no more, and the others are. */
  private async goOnIn(room: Room, heard: Heard): Promise<void> {
    const session = this.socket.id;
    while (this.rooms.get(room) === heard && this.socket.id === session) {
      try {
        return await this.subscribe(room, heard);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status === 0) return; // it is lost again, and comes back
        if (!PASSING.has(error.code)) {
          this.rooms.delete(room);
          return this.onEnd(error);
        }
        await new Promise((later) => setTimeout(later, 1000 * Number(error.details.retry_after ?? 1)));
      }
    }
  }

  private renewLater(): void {
    clearTimeout(this.timer);
    if (this.client.renewIn === Infinity) return;
    this.timer = setTimeout(() => void this.renew(), Math.max(this.client.renewIn, 1000));
  }

  private async renew(): Promise<void> {
    try {
      await this.ask("auth:refresh", { token: await this.client.freshToken() });
    } catch {
      // what is in the way of that shows when the connection ends
    }
    this.renewLater();
  }

  private async comeBack(said: unknown, message: string): Promise<void> {
    if (this.socket.active) return; // not refused: it tries again by itself
    const error = refused(said, 401, message);
    if (error.code !== "AUTH_FAIL") {
      setTimeout(() => this.socket.connect(), 1000 * Number(error.details.retry_after ?? 1));
      return;
    }
    try {
      if (this.renewed || !this.client.canRefresh) throw error;
      this.renewed = true;
      await this.client.refresh();
      this.socket.connect();
    } catch {
      this.onEnd(error);
    }
  }
}
