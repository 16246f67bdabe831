//! A testee of level 1: `session` is the place of your adapter, `say` speaks to the suite.
use std::collections::{hash_map::RandomState, BTreeMap};
use std::hash::BuildHasher;
use std::io::{self, ErrorKind::TimedOut, ErrorKind::WouldBlock};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use std::{env, error, thread};

use serde_json::{json, Value};
use tungstenite::{Error, Message};

mod trades;
use trades::Newest;

fn seconds(s: f64) -> Duration {
    let scale = env::var("MOCKEX_TIME_SCALE").map_or(1.0, |text| text.parse().unwrap());
    Duration::from_secs_f64(s * scale)
}

fn say(method: &str, params: Value) {
    println!("{}", json!({"jsonrpc": "2.0", "method": method, "params": params}));
}

fn route(stream: &str) -> &'static str {
    let public = ["@depth", "ookTicker", "@rpiDepth", "@trade"];
    match env::var("MOCKEX_PROFILE").as_deref() {
        Ok("usdm") if public.iter().any(|kind| stream.contains(kind)) => "/public",
        Ok("usdm") => "/market",
        _ => "",
    }
}

/// The only place that dials `route`.
fn hold(route: &str, streams: &str) {
    let (mut tries, mut newest) = (0, Newest::new());
    loop {
        let began = Instant::now();
        session(route, streams, &mut newest).unwrap_or_else(|lost| eprintln!("{lost}"));
        tries = if began.elapsed() > seconds(10.0) { 0 } else { tries + 1 };
        let jitter = RandomState::new().hash_one(tries) as f64 / u64::MAX as f64;
        thread::sleep(seconds(jitter * f64::min(10.0, 0.5 * 2f64.powi(tries))));
    }
}

fn session(route: &str, streams: &str, newest: &mut Newest) -> Result<(), Box<dyn error::Error>> {
    let base = env::var("MOCKEX_WS_URL")?;
    let tcp = TcpStream::connect(base.trim_start_matches("ws://"))?;
    tcp.set_read_timeout(Some(seconds(10.0)))?;
    let (mut ws, _) = tungstenite::client(format!("{base}{route}/stream?streams={streams}"), tcp)?;
    let mut asked = false; // whether it is still there
    loop {
        match ws.read() {
            Ok(Message::Text(text)) => trades::present(newest, &serde_json::from_str(&text)?),
            Err(Error::Io(why)) if !asked && [WouldBlock, TimedOut].contains(&why.kind()) => {
                ws.send(Message::Ping(Default::default()))?;
                asked = true;
                continue;
            }
            other => drop(other?),
        }
        asked = false;
    }
}

fn main() {
    let me = json!({"protocol": 1, "name": "shim-rust", "version": "1.0.0", "supports": ["event", "gap"]});
    say("hello", me);
    let mut routes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for stream in env::var("MOCKEX_STREAMS").unwrap().split_terminator(',') {
        routes.entry(route(stream)).or_default().push(stream.to_owned());
    }
    for (route, streams) in routes {
        thread::spawn(move || hold(route, &streams.join("/")));
    }
    io::copy(&mut io::stdin(), &mut io::sink()).unwrap(); // its end means quit
}
