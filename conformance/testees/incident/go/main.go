// Command incident is the market-data part of the bot of the incident: `-variant bug` as it was,
// the others with one of the fixes that were proposed. It is a testee of level 2.
//
// ws_real.go is the inner loop, adapter.go the flag and all differences between the variants,
// runner.go the outer loop. The rest only talks to the suite.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

var variants = []string{"bug", "fix1-socket", "fix1-client", "fix1-context", "fix2", "fix3"}

// Program ties the adapter and the runner together and tells the suite what they do.
type Program struct {
	streams []string
	pipe    *Pipe
	adapter *Adapter
	runner  *Runner

	mu    sync.Mutex
	state string
}

func main() {
	variant := flag.String("variant", "bug", strings.Join(variants, ", "))
	flag.Parse()
	if !known(*variant) {
		fmt.Fprintf(os.Stderr, "unknown variant %q: one of %s\n", *variant, strings.Join(variants, ", "))
		os.Exit(2)
	}
	streams := strings.FieldsFunc(os.Getenv("MOCKEX_STREAMS"), func(r rune) bool { return r == ',' })
	target, err := targetFor(
		os.Getenv("MOCKEX_WS_URL"), os.Getenv("MOCKEX_PROFILE"), os.Getenv("MOCKEX_MODE"), streams)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(127) // cannot run here
	}
	program := &Program{streams: streams, pipe: NewPipe(os.Stdout), state: "closed"}
	program.adapter = NewAdapter(*variant, target, program)
	program.pipe.Notify("hello", map[string]any{
		"protocol": 1, "name": "incident-go-" + *variant, "version": "2025.12.3",
		"supports": []string{"state", "event", "gauge"},
	})
	go program.gauge()
	program.pipe.Serve(os.Stdin, program.handle)
}

func known(variant string) bool {
	for _, name := range variants {
		if name == variant {
			return true
		}
	}
	return false
}

// targetFor gives the URL of the one connection that carries all the streams.
func targetFor(base, profile, mode string, streams []string) (string, error) {
	if base == "" {
		return "", fmt.Errorf("MOCKEX_WS_URL is not set")
	}
	route := ""
	if profile == "usdm" { // the routes of USDM futures: books on one, everything else on the other
		for _, name := range streams {
			kind := "/market"
			if strings.Contains(name, "@depth") || strings.HasSuffix(name, "@bookTicker") {
				kind = "/public"
			}
			if route != "" && route != kind {
				return "", fmt.Errorf("streams of /public and of /market: this program has one connection")
			}
			route = kind
		}
	}
	if mode == "raw" {
		return base + route + "/ws/" + strings.Join(streams, "/"), nil
	}
	return base + route + "/stream?streams=" + strings.Join(streams, "/"), nil
}

func (p *Program) handle(method string, params json.RawMessage) (any, error) {
	switch method {
	case "start":
		if len(p.streams) == 0 {
			return nil, &failure{codeRefused, "the streams are fixed at start, and MOCKEX_STREAMS names none"}
		}
		if p.runner == nil {
			p.runner = NewRunner(p.adapter)
			go p.runner.Run()
		}
		p.adapter.StartIfReady()
	case "reconnect":
		if p.runner == nil {
			return nil, &failure{codeRefused, "not started"}
		}
		p.adapter.ReconnectStreams()
	case "close":
		p.adapter.Close()
		p.SayState("closed")
	case "status":
		p.mu.Lock()
		defer p.mu.Unlock()
		return map[string]any{"state": p.state, "wanted": p.streams}, nil
	case "subscribe", "unsubscribe":
		var wanted struct{ Streams []string }
		if json.Unmarshal(params, &wanted) != nil || len(wanted.Streams) == 0 {
			return nil, &failure{codeBadParams, "streams must be a list of stream names"}
		}
		return nil, &failure{codeRefused, "the streams are fixed at start (MOCKEX_STREAMS)"}
	default:
		return nil, &failure{codeUnknownMethod, "unknown method " + method}
	}
	return struct{}{}, nil
}

// Present hands a message to the consumer, which here is the suite.
func (p *Program) Present(message []byte) {
	p.runner.MessageArrived()
	if stream, id, ok := readEvent(message, p.streams); ok {
		p.pipe.Notify("event", map[string]any{"stream": stream, "id": id})
	}
}

// SayState reports the last state that any of the loops was in, when it changes.
func (p *Program) SayState(state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if state == p.state {
		return
	}
	p.state = state
	params := map[string]any{"state": state}
	if state == "waiting" {
		params["wait_ms"] = innerDelay.Milliseconds()
	}
	p.pipe.Notify("state", params)
}

func (p *Program) gauge() {
	for range time.Tick(time.Second) {
		p.pipe.Notify("gauge", map[string]any{"tasks": runtime.NumGoroutine()})
	}
}
