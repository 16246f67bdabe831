package main

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"sync"
)

type Object = map[string]any

// Call does what a request asks for; `streams` are those that it names.
type Call func(streams []string)

var (
	possible = regexp.MustCompile(`^(\w+@|!)\w+(@\w+)*$`) // names of streams
	talking  sync.Mutex
	lastSaid string
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
func Serve(calls map[string]Call) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var asked struct {
			ID     int
			Method string
			Params struct{ Streams []string }
		}
		err := json.Unmarshal(lines.Bytes(), &asked)
		call, known := calls[asked.Method]
		switch {
		case !known:
			refuse(asked.ID, -32601, "unknown method "+asked.Method)
		case err != nil:
			refuse(asked.ID, -32602, err.Error())
		case impossible(asked.Params.Streams):
			refuse(asked.ID, -32602, "no stream can be called that")
		default:
			call(asked.Params.Streams)
			say(Object{"id": asked.ID, "result": Object{}})
		}
		if asked.Method == "quit" {
			return
		}
	}
}

func impossible(streams []string) bool {
	for _, name := range streams {
		if !possible.MatchString(name) {
			return true
		}
	}
	return false
}

func refuse(id, code int, message string) {
	say(Object{"id": id, "error": Object{"code": code, "message": message}})
}
