//! Events, as they are told. The ids of a stream of trades have no holes: a jump is one.
use std::collections::HashMap;

use serde_json::{json, Value};

use crate::say;

pub type Newest = HashMap<String, u64>; // ids by stream

pub fn present(newest: &mut Newest, event: &Value) {
    let keys = ["u", "lastUpdateId", "a", "t"];
    let id = keys.iter().find_map(|key| event["data"][key].as_u64());
    let (Some(stream), Some(id)) = (event["stream"].as_str(), id) else { return };
    match newest.insert(stream.to_owned(), id) {
        Some(last) if stream.ends_with("rade") && id > last + 1 => {
            say("gap", json!({"stream": stream, "after": last, "before": id}));
        }
        _ => {}
    }
    say("event", json!({"stream": stream, "id": id}));
}
