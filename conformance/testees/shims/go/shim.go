package main

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"sync"
)

type Object = map[string]any

// Call does what a request asks for; `streams` are those that it names.
type Call func(streams []string)

var (
	possible = regexp.MustCompile(`^(\w+@|!)\w+(@\w+)*$`) // names of streams
	talking  sync.Mutex
	lastSaid = "closed"
)

// SetState says `connecting`, `live`, `waiting` (with `wait_ms`) or `closed`, when that changes.
func SetState(state string, params Object) {
	talking.Lock()
	defer talking.Unlock()
	if state != lastSaid {
		lastSaid, params["state"] = state, state
		Notify("state", params)
	}
}

// Notify says anything else. Any goroutine may.
func Notify(method string, params Object) { say(Object{"method": method, "params": params}) }

func say(message Object) {
	message["jsonrpc"] = "2.0"
	line, _ := json.Marshal(message)
	os.Stdout.Write(append(line, '\n')) // one call: lines of several goroutines stay whole
}

// Serve answers requests, one after the other, until `quit` or the end of the input.
func Serve(calls map[string]Call, wanted func() []string) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var asked struct {
			ID     int
			Method string
			Params struct{ Streams []string }
		}
		err := json.Unmarshal(lines.Bytes(), &asked)
		call, known := calls[asked.Method]
		switch streams := asked.Params.Streams; {
		case asked.Method == "status":
			say(Object{"id": asked.ID, "result": Object{"state": lastState(), "wanted": wanted()}})
		case !known:
			refuse(asked.ID, -32601, "unknown method "+asked.Method)
		case err != nil:
			refuse(asked.ID, -32602, err.Error())
		case slices.ContainsFunc(streams, func(s string) bool { return !possible.MatchString(s) }):
			refuse(asked.ID, -32602, "no stream can be called that")
		default:
			call(streams)
			say(Object{"id": asked.ID, "result": Object{}})
		}
		if asked.Method == "quit" {
			return
		}
	}
}

func lastState() string {
	talking.Lock()
	defer talking.Unlock()
	return lastSaid
}

func refuse(id, code int, message string) {
	say(Object{"id": id, "error": Object{"code": code, "message": message}})
}
