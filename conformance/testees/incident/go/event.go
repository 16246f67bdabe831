package main

import (
	"encoding/json"
	"strings"
)

// Keys differ in case only ("u" and "U"), which encoding/json folds for struct fields, not for
// the keys of a map.
type object = map[string]json.RawMessage

// readEvent tells which stream a message belongs to and its id. Not ok: it is no event, or a raw
// event that cannot be told apart (several streams of its symbol, or no symbol in it).
func readEvent(message []byte, streams []string) (stream string, id int64, ok bool) {
	var event object
	if json.Unmarshal(message, &event) != nil {
		return "", 0, false
	}
	if wrapped, isCombined := event["data"]; isCombined {
		if json.Unmarshal(event["stream"], &stream) != nil {
			return "", 0, false
		}
		event = nil
		if json.Unmarshal(wrapped, &event) != nil {
			return "", 0, false
		}
	} else if stream = rawStream(event, streams); stream == "" {
		return "", 0, false
	}
	return stream, id, json.Unmarshal(event[idKey(event)], &id) == nil
}

func rawStream(event object, streams []string) string {
	if len(streams) == 1 {
		return streams[0]
	}
	var symbol string
	if json.Unmarshal(event["s"], &symbol) != nil {
		return ""
	}
	found := ""
	for _, name := range streams {
		if strings.HasPrefix(name, strings.ToLower(symbol)+"@") {
			if found != "" {
				return ""
			}
			found = name
		}
	}
	return found
}

func idKey(event object) string {
	var kind string
	_ = json.Unmarshal(event["e"], &kind) // spot's partial depth and bookTicker have none
	switch {
	case kind == "trade":
		return "t"
	case kind == "aggTrade":
		return "a"
	case event["lastUpdateId"] != nil:
		return "lastUpdateId"
	}
	return "u"
}
