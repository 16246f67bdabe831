// A testee of level 1: `session` is the place of your adapter, `say` speaks to the suite.
import WebSocket from "ws";

const env = process.env;
const scale = Number(env.MOCKEX_TIME_SCALE || 1);
const say = (method, params) => console.log(JSON.stringify({ jsonrpc: "2.0", method, params }));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const newest = {}; // ids by stream
let state;
function change(now, more = {}) {
  if (now !== state) say("state", { state: (state = now), ...more });
}

/** The streams of each route; spot has one, which has no name. */
function routes() {
  const found = new Map();
  for (const stream of env.MOCKEX_STREAMS.split(",").filter(Boolean)) {
    const isPublic = /@depth|bookTicker|@rpiDepth|@trade/i.test(stream);
    const route = env.MOCKEX_PROFILE !== "usdm" ? "" : isPublic ? "/public" : "/market";
    found.set(route, [...(found.get(route) ?? []), stream]);
  }
  return found;
}

/** One connection, from the dial to its end, whatever ends it. */
function session(route, streams) {
  return new Promise((ended) => {
    const url = `${env.MOCKEX_WS_URL}${route}/stream?streams=${streams.join("/")}`;
    const times = { handshakeTimeout: 10_000 * scale, closeTimeout: 500 * scale };
    const ws = new WebSocket(url, { ...times, maxPayload: 2 ** 24 });
    let watch;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => {
        ws.ping();
        watch = setTimeout(() => ws.terminate(), 10_000 * scale);
      }, 15_000 * scale);
    };
    for (const sign of ["open", "ping", "pong", "message"]) ws.on(sign, alive);
    ws.on("message", present);
    ws.on("error", (error) => console.error(error.message));
    ws.on("close", () => ended(clearTimeout(watch)));
  });
}

function present(text) {
  let event;
  try {
    event = JSON.parse(text);
  } catch {
    return console.error(`no JSON: ${text}`);
  }
  const id = ["u", "lastUpdateId", "a", "t", "E"].find((key) => Number.isInteger(event.data?.[key]));
  if (id === undefined || !env.MOCKEX_STREAMS.split(",").includes(event.stream)) return;
  change("live");
  const before = event.data[id], after = newest[event.stream] ?? before;
  newest[event.stream] = before;
  const isHole = event.stream.endsWith("rade") && before > after + 1; // ids of trades have none
  if (isHole) say("gap", { stream: event.stream, after, before });
  say("event", { stream: event.stream, id: before });
}

/** The only place that dials `route`. */
async function hold(route, streams) {
  for (let tries = 0; ; tries++) {
    change("connecting");
    const began = performance.now();
    await session(route, streams);
    if (performance.now() - began > 10_000 * scale) tries = 0;
    const wait = Math.random() * Math.min(10_000, 500 * 2 ** tries) * scale;
    change("waiting", { wait_ms: Math.round(wait) });
    await sleep(wait);
  }
}

const me = { name: "shim-javascript", version: "1.0.0" };
say("hello", { protocol: 1, ...me, supports: ["state", "event", "gap"] });
process.stdin.on("end", () => process.exit(0)).resume();
for (const [route, streams] of routes()) hold(route, streams);
