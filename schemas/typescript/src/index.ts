export * from "./schemas.js";
export type { EventOf, FitsenseEvent, KnownEvent, OtherEvent } from "./events.js";
export { parseEvent } from "./events.js";
export { ClosedError, ConnectionError, ProblemError } from "./errors.js";
export { type AnalysisRequest, Client, type ClientOptions, type ReadOptions, type Video } from "./client.js";
export { type Format, Frames, type FramesOptions, pack, type Picture } from "./frames.js";
export type { Socket, SocketConstructor } from "./frames.js";
export type { Retries } from "./following.js";
