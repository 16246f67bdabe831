// A testee of level 2. feed.go is the place of your adapter; shim.go speaks to the suite.
package main

import (
	"context"
	"os"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
)

var (
	started bool
	wanted  = map[string]func(){} // by stream: ends what holds it; nil: nobody does
	open    sync.Map              // connections by stream
)

func start([]string) {
	started = true
	for stream, end := range wanted {
		if end == nil {
			ctx, cancel := context.WithCancel(context.Background())
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				hold(ctx, stream)
			}()
			wanted[stream] = func() { cancel(); <-gone }
		}
	}
}

func subscribe(streams []string) {
	for _, stream := range streams {
		wanted[stream] = wanted[stream]
	}
	if started {
		start(nil)
	}
}

func unsubscribe(streams []string) {
	for _, stream := range streams {
		if end := wanted[stream]; end != nil {
			end()
		}
		delete(wanted, stream)
	}
}

func reconnect([]string) {
	open.Range(func(_, ws any) bool { ws.(*websocket.Conn).Close(); return true })
}

func stop([]string) {
	started = false
	for stream, end := range wanted {
		if end != nil {
			end()
			wanted[stream] = nil
		}
	}
	SetState("closed", Object{})
}

func main() {
	subscribe(strings.FieldsFunc(os.Getenv("MOCKEX_STREAMS"), func(r rune) bool { return r == ',' }))
	Notify("hello", Object{"protocol": 1, "name": "shim-go", "version": "1.0.0", "supports": []string{"state", "event", "gap"}})
	Serve(map[string]Call{
		"start": start, "subscribe": subscribe, "unsubscribe": unsubscribe,
		"reconnect": reconnect, "close": stop, "quit": stop,
	}, func() (names []string) {
		for stream := range wanted {
			names = append(names, stream)
		}
		return names
	})
}
